// Package tokenfile keeps a refresh token that the service gave in place of the configured one.
//
// A refresh token ends after a year; late in its life the service hands out the next (WIRE: from day 328 on), which must
// outlive a restart, or the daemon stops for good on the day the configured one ends. Who writes another token into the
// configuration means that one: the kept one counts only as long as the token that it replaced is configured.
package tokenfile

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
)

// File is where the token is kept, for one configured token. Its methods are not for concurrent use.
type File struct {
	Dir        string // state_dir
	Configured string // the refresh token of the configuration; "" if there is none
}

// kept is the content of the file. The configured token itself is not repeated in it.
type kept struct {
	ReplacesSHA256 string `json:"replaces_sha256"` // hex, of the configured token
	RefreshToken   string `json:"refresh_token"`
}

const (
	name    = "refresh-token.json"
	maxSize = 64 << 10 // bytes
)

func (f File) path() string { return filepath.Join(f.Dir, name) }

func (f File) digest() string {
	sum := sha256.Sum256([]byte(f.Configured))
	return hex.EncodeToString(sum[:])
}

// Load gives the token to use: the kept one, if it replaces the configured one, else the configured one. That is what it
// gives with an error, too, which says why a kept one cannot be read: the configured one may still be good. No error
// shows a token.
func (f File) Load() (token string, err error) {
	if f.Configured == "" {
		return "", nil
	}
	file, err := os.OpenFile(f.path(), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return f.Configured, nil
	}
	if err != nil {
		return f.Configured, f.unreadable(err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSize))
	if err != nil {
		return f.Configured, f.unreadable(err)
	}
	var k kept
	if json.Unmarshal(text, &k) != nil || k.ReplacesSHA256 == "" || k.RefreshToken == "" {
		return f.Configured, f.unreadable(errors.New("it is damaged"))
	}
	if k.ReplacesSHA256 != f.digest() {
		return f.Configured, nil
	}
	return k.RefreshToken, nil
}

func (f File) unreadable(err error) error {
	return fmt.Errorf("cannot use the newer refresh token kept in %q: %w: the configured one is used; "+
		"once that has ended, get a new one and configure it", f.path(), err)
}

// Save keeps token in place of the configured one. When it returns nil, the token is on disk, for the eyes of the owner
// of Dir alone; a crash leaves the old content or the new.
func (f File) Save(token string) error {
	text, err := json.Marshal(kept{f.digest(), token})
	if err == nil {
		err = f.replace(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("cannot keep the new refresh token in %q: %w: make the folder writable and see that its disk has room; "+
			"the new one is used until the next restart", f.path(), err)
	}
	return nil
}

// replace writes a second file and renames it over the first.
func (f File) replace(text []byte) error {
	dir, err := os.Open(f.Dir)
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
		err = os.Rename(next, f.path())
	}
	if err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return dir.Sync()
}

// inherit gives out the owner of dir: `check --online`, run by root, must not leave what the daemon cannot read.
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
