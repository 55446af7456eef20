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

// tokenFile is where a refresh token is kept that is used in place of the configured one: one that Kaizala gave late in the
// life of the one before (documented is day 328 of 365), or one of a login. Several processes use the file at a time: the
// daemon, "login", "logout" and "check --online". Who writes holds the lock of the directory (flock(2)) meanwhile.
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

const maxTokenFile = 64 << 10 // bytes

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

func (f tokenFile) path() string { return filepath.Join(f.dir, f.name()) }

func (f tokenFile) digest() string {
	sum := sha256.Sum256([]byte(f.configured))
	return hex.EncodeToString(sum[:])
}

// counts reports whether k is used by a process that starts now. Who writes another token into the configuration than the
// one that k replaced means that one; who removes it from there means nothing by it.
func (f tokenFile) counts(k keptToken) bool {
	return k != keptToken{} && (f.configured == "" || k.ReplacesSHA256 == f.digest())
}

// read gives what is kept, and the zero value where nothing is. Its errors show no token; errDamaged is one that another
// writing cures.
func (f tokenFile) read() (keptToken, error) {
	if f.dir == "" {
		return keptToken{}, nil
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return keptToken{}, err
	}
	defer root.Close()
	return f.readIn(root)
}

func (f tokenFile) readIn(root *os.Root) (k keptToken, err error) {
	before, err := root.Lstat(f.name())
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return k, err
	}
	if !before.Mode().IsRegular() {
		return k, errors.New("it is not a regular file: move it away")
	}
	file, err := root.OpenFile(f.name(), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) { // it was removed meanwhile
		return k, nil
	}
	if err != nil {
		return k, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxTokenFile))
	if err != nil {
		return k, err
	}
	if json.Unmarshal(text, &k) != nil || k.ReplacesSHA256 == "" || k.RefreshToken == "" || !wire.IsHeaderValue(k.RefreshToken) {
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
	return f.locked(func(root *os.Root, dir *os.File) error {
		switch now, err := f.readIn(root); {
		case err != nil && !errors.Is(err, errDamaged):
			return err
		case err == nil && now != old:
			return errSuperseded
		}
		return f.write(root, dir, next)
	})
}

// put keeps next in the place of whatever is there, likewise.
func (f tokenFile) put(next keptToken) error {
	return f.locked(func(root *os.Root, dir *os.File) error { return f.write(root, dir, next) })
}

// try does all that put does but the last step, to find out beforehand whether that will work.
func (f tokenFile) try() error {
	return f.locked(func(root *os.Root, dir *os.File) error {
		return errors.Join(f.writeNew(root, dir, make([]byte, 4096)), removeIn(root, f.newName()))
	})
}

// remove removes what is kept, also what a crash left of a writing, and reports whether there was something.
func (f tokenFile) remove() (was bool, err error) {
	err = f.locked(func(root *os.Root, dir *os.File) error {
		_, err := root.Lstat(f.name())
		was = err == nil
		return errors.Join(removeIn(root, f.name()), removeIn(root, f.newName()), syncFolder(dir))
	})
	return was, err
}

// locked calls change while no other process changes what is kept in dir.
func (f tokenFile) locked(change func(root *os.Root, dir *os.File) error) error {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close() // and so give the lock back
	if err := lock(dir); err != nil {
		return fmt.Errorf("cannot lock the folder: %w", err)
	}
	return change(root, dir)
}

// lock waits for the lock of dir. A file system that locks no directories (NFS takes the lock for one of writing, for which
// none can be open) leaves but the moment between reading and renaming unguarded.
func lock(dir *os.File) error {
	for {
		switch err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EBADF), errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS):
			return nil
		default:
			return err
		}
	}
}

func (f tokenFile) newName() string { return f.name() + ".new" }

// write writes a second file and renames it over the first.
func (f tokenFile) write(root *os.Root, dir *os.File, k keptToken) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if len(text) >= maxTokenFile {
		return fmt.Errorf("a token of %d bytes is none", len(k.RefreshToken))
	}
	if err = f.writeNew(root, dir, append(text, '\n')); err == nil {
		err = root.Rename(f.newName(), f.name())
	}
	if err != nil {
		return errors.Join(err, removeIn(root, f.newName()))
	}
	return syncFolder(dir)
}

func syncFolder(dir *os.File) error {
	if err := dir.Sync(); !durable.CannotSyncFolders(err) {
		return err
	}
	return nil
}

func (f tokenFile) writeNew(root *os.Root, dir *os.File, text []byte) error {
	if err := removeIn(root, f.newName()); err != nil {
		return err
	}
	out, err := root.OpenFile(f.newName(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return errors.Join(err, out.Chmod(0o600), inherit(out, dir), out.Sync(), out.Close())
}

func removeIn(root *os.Root, name string) error {
	if err := root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// inherit gives out the owner and the group of dir: what root writes, with "login" or "check --online", is for the daemon to read.
func inherit(out, dir *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return err
	}
	if me := os.Geteuid(); me != 0 && int(st.Uid) == me {
		return nil
	}
	return unix.Fchown(int(out.Fd()), int(st.Uid), int(st.Gid))
}
