package kaizala

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kaizala-drop/internal/vault"
	"kaizala-drop/internal/wire"
)

// tokenFile is where a refresh token is kept that is used in place of the configured one: one that Kaizala gave late in the
// life of the one before (documented is day 328 of 365), or one of a login.
type tokenFile struct {
	dir         string // state_dir; "": there is no file
	destination string // the name of the destination
	configured  string // the refresh token of the configuration; "" if there is none
}

// keptToken is the content of the file; its zero value is that of a file that is not there. The configured token itself is not
// repeated in it.
type keptToken struct {
	ReplacesSHA256 string `json:"replaces_sha256"` // hex, of the configured token, or of "" if there was none
	RefreshToken   string `json:"refresh_token"`
	LoggedIn       string `json:"logged_in,omitempty"` // time of the login that it goes back to (RFC 3339); "": there was none
}

var (
	errDamaged = errors.New("it is damaged")
	// errSuperseded says that another process has changed the file since this one read it.
	errSuperseded = errors.New("another refresh token was stored, or the stored one removed, meanwhile")
)

func (f tokenFile) name() string {
	if f.destination != "" && f.destination != "kaizala" {
		return "refresh-token-" + f.destination + ".json"
	}
	return "refresh-token.json"
}

func (f tokenFile) path() string { return f.file().Path() }

func (f tokenFile) digest() string {
	sum := sha256.Sum256([]byte(f.configured))
	return hex.EncodeToString(sum[:])
}

// counts reports whether k is used by a process that starts now. Who writes another token into the configuration than the
// one that k replaced means that one; who removes it from there means nothing by it.
func (f tokenFile) counts(k keptToken) bool {
	return k != keptToken{} && (f.configured == "" || k.ReplacesSHA256 == f.digest())
}

func (f tokenFile) file() vault.File { return vault.File{Dir: f.dir, Name: f.name()} }

// read gives what is kept, and the zero value where nothing is. Its errors show no token; errDamaged is one that another
// writing cures.
func (f tokenFile) read() (keptToken, error) { return keptIn(f.file().Read()) }

func keptIn(content []byte, err error) (k keptToken, _ error) {
	if err != nil || content == nil {
		return k, err
	}
	if json.Unmarshal(content, &k) != nil || k.ReplacesSHA256 == "" || k.RefreshToken == "" || !wire.IsHeaderValue(k.RefreshToken) {
		return keptToken{}, errDamaged
	}
	return k, nil
}

// unreadable says what is used while what is kept cannot be read.
func (f tokenFile) unreadable(err error) error {
	if f.configured == "" {
		return fmt.Errorf("cannot use the refresh token kept in %q: %w, and none is configured", f.path(), err)
	}
	return fmt.Errorf("cannot use the newer refresh token kept in %q: %w: the configured one is used; "+
		"once that has ended, get a new one and configure it, or log in (kaizala-drop login)", f.path(), err)
}

// unsavable says what becomes of a token that cannot be kept.
func (f tokenFile) unsavable(err error) error {
	return fmt.Errorf("cannot keep the new refresh token in %q: %w: make the folder writable and see that its disk has room; "+
		"the new one is used until the next restart", f.path(), err)
}

// swap puts next in the place of old. If something else is kept by now, that stays, and the error is errSuperseded; what is
// damaged is in nobody's way. When it returns nil, next is on disk, for the eyes of the owner of dir alone; a crash leaves the
// old content or the new.
func (f tokenFile) swap(old, next keptToken) error {
	return f.file().Change(func(content []byte, err error) ([]byte, error) {
		switch now, err := keptIn(content, err); {
		case err != nil && !errors.Is(err, errDamaged):
			return nil, err
		case err == nil && now != old:
			return nil, errSuperseded
		}
		return next.text()
	})
}

// put keeps next in the place of whatever is there, likewise.
func (f tokenFile) put(next keptToken) error {
	content, err := next.text()
	if err != nil {
		return err
	}
	return f.file().Put(content)
}

func (k keptToken) text() ([]byte, error) {
	content, err := json.Marshal(k)
	if err == nil && len(content)+1 >= vault.MaxSize {
		err = fmt.Errorf("a token of %d bytes is none", len(k.RefreshToken))
	}
	return append(content, '\n'), err
}

// LoggedInSince is when the login was that is stored for a destination; zero: that is not known.
func LoggedInSince(stateDir, name string) (since time.Time) {
	k, err := tokenFile{dir: stateDir, destination: name}.read()
	if err == nil {
		since, _ = time.Parse(time.RFC3339, k.LoggedIn)
	}
	return since
}

// HasLogin reports whether a refresh token is stored for a destination, as far as that can be seen.
func HasLogin(stateDir, name string) bool {
	k, err := tokenFile{dir: stateDir, destination: name}.read()
	return err == nil && k.RefreshToken != ""
}
