package kaizala

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/durable"
	"kaizala-drop/internal/wire"
)

// tokenFile keeps a refresh token that Kaizala gave in place of the configured one. It is not safe for concurrent use.
//
// A refresh token ends after a year. Late in its life (documented: from day 328) Kaizala gives the next one, which must
// outlive a restart, or the daemon stops for good on the day on which the configured one ends. Somebody who configures another
// token wants that one: the kept token counts only while the token that it replaced is configured.
type tokenFile struct {
	dir         string // state_dir; "": there is no file
	destination string // the destination's name
	configured  string // the refresh token of the configuration, or ""
}

// keptToken is the content of the file. It does not repeat the configured token.
type keptToken struct {
	ReplacesSHA256 string `json:"replaces_sha256"` // hex, of the configured token
	RefreshToken   string `json:"refresh_token"`
}

const maxTokenFile = 64 << 10 // bytes

func (f tokenFile) path() string {
	name := "refresh-token.json"
	if f.destination != "" && f.destination != "kaizala" {
		name = "refresh-token-" + f.destination + ".json"
	}
	return filepath.Join(f.dir, name)
}

func (f tokenFile) digest() string {
	sum := sha256.Sum256([]byte(f.configured))
	return hex.EncodeToString(sum[:])
}

// load returns the token to use: the kept one if it replaces the configured one, else the configured one. If a kept token
// cannot be read, load returns the configured one, which may still be good, and an error. No error shows a token.
func (f tokenFile) load() (token string, err error) {
	if f.configured == "" || f.dir == "" {
		return f.configured, nil
	}
	file, err := os.OpenFile(f.path(), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return f.configured, nil
	}
	if err != nil {
		return f.configured, f.unreadable(err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxTokenFile))
	if err != nil {
		return f.configured, f.unreadable(err)
	}
	var k keptToken
	if json.Unmarshal(text, &k) != nil || k.ReplacesSHA256 == "" || k.RefreshToken == "" || !wire.IsHeaderValue(k.RefreshToken) {
		return f.configured, f.unreadable(errors.New("it is damaged"))
	}
	if k.ReplacesSHA256 != f.digest() {
		return f.configured, nil
	}
	return k.RefreshToken, nil
}

func (f tokenFile) unreadable(err error) error {
	return fmt.Errorf("cannot use the newer refresh token kept in %q: %w: the configured one is used; "+
		"once that has ended, get a new one and configure it", f.path(), err)
}

// save keeps token in place of the configured one. When it returns nil, the token is on disk, readable for the owner of dir
// only. A crash leaves the old content or the new.
func (f tokenFile) save(token string) error {
	text, err := json.Marshal(keptToken{f.digest(), token})
	if err == nil {
		err = f.replace(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("cannot keep the new refresh token in %q: %w: make the folder writable and see that its disk has room; "+
			"the new one is used until the next restart", f.path(), err)
	}
	return nil
}

// replace writes a second file, and renames it over the first.
func (f tokenFile) replace(text []byte) error {
	dir, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	next := f.path() + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	err = errors.Join(err, inherit(out, dir), out.Sync(), out.Close())
	if err == nil {
		err = durable.Rename(next, f.path())
	}
	if err != nil {
		_ = os.Remove(next) // the next save replaces a file that stays
	}
	return err
}

// inherit gives out the owner of dir, because the daemon must be able to read a file that root writes with `check --online`.
func inherit(out, dir *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return err
	}
	if int(st.Uid) == os.Geteuid() {
		return nil
	}
	return unix.Fchown(int(out.Fd()), int(st.Uid), int(st.Gid))
}
