package door

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/overlap"
	"kaizala-drop/internal/text"
)

// sighting is what was seen of a folder.
type sighting struct {
	id       file.Identity // identity of the directory that the path leads to
	claim    overlap.Claim
	writable bool // as far as access(2) knows
	at       time.Time
}

// fullLook is how long a brief check is enough for a folder that is up. Links and mounts below a folder that stays the
// same seldom change.
const fullLook = time.Minute

// asBefore reports whether a brief check shows the same folder as s.
func (s *sighting) asBefore(path string) bool {
	if time.Since(s.at) >= fullLook {
		return false
	}
	info, err := file.Stat(path)
	return err == nil && info.Mode.IsDir() && info.SameFile(s.id) && (!s.writable || unix.Access(path, unix.W_OK|unix.X_OK) == nil)
}

// trouble is the reason why a folder cannot be served, from one step of a try.
type trouble struct {
	what string // what was tried
	err  error
	help string // what to do about it; "" if err says that already
	away bool   // the folder is not there: if it was up, the other stages wait for it
}

func (t *trouble) Error() string {
	if t.help == "" {
		return t.err.Error()
	}
	return fmt.Sprintf("%s: %v", t.what, plain(t.err))
}
func (t *trouble) Unwrap() error { return t.err }

// kind is the same for two errors that differ only in words that change at each try, such as a made-up name.
func kind(err error) string {
	t, ok := errors.AsType[*trouble](err)
	if number, isErrno := errors.AsType[unix.Errno](err); ok && isErrno {
		return fmt.Sprintf("%s: %d", t.what, number)
	}
	return err.Error()
}

// plain leaves out the operation and the path of a system error, because the message has them already.
func plain(err error) error {
	if e, ok := err.(*fs.PathError); ok { //nolint:errorlint // a wrapped error has more to say
		return e.Err
	}
	return err
}

// Look finds out whether f can be served, as far as that shows without changing anything and without taking a hold. It
// gives the claim of f, and the process that serves f already, if there is one. at is told each step before it is
// taken, because Look hangs as long as a file system does. Help says what helps against the error.
func Look(f config.Folder, own Own, at func(step string)) (overlap.Claim, *Holder, error) {
	seen, err := look(f, own, at)
	if err != nil {
		return overlap.Claim{}, nil, err
	}
	at("asking who serves it")
	if who, ok := whoHolds(seen.id); ok {
		return seen.claim, &who, nil
	}
	return seen.claim, nil, nil
}

// Own is what is the daemon's alone.
type Own struct {
	StateDir string
	Files    []string // that it reads: the configuration, and those of secrets
}

// In says what stands against a folder because of it.
func (o Own) In(c overlap.Claim) (all []overlap.Finding) {
	if found, ok := c.State(o.StateDir, overlap.Find(o.StateDir)); ok {
		all = append(all, found)
	}
	for _, file := range o.Files {
		if found, ok := c.Holds(file, overlap.Find(file)); ok {
			all = append(all, found)
		}
	}
	return all
}

// look looks at a folder and at its done and failed. at is told each step before it is taken, because any step may
// hang.
func look(f config.Folder, own Own, at func(string)) (s sighting, err error) {
	at("looking at the folder")
	info, err := file.Stat(f.Path)
	if err != nil {
		return s, away(err)
	}
	if !info.Mode.IsDir() {
		return s, away(errNoFolder)
	}
	s.id, s.at = info.Identity, time.Now()
	at("listing the folder")
	if err := readable(f.Path); err != nil {
		return s, away(err)
	}
	s.writable = unix.Access(f.Path, unix.W_OK|unix.X_OK) == nil
	at("looking at done and failed")
	s.claim = overlap.ClaimOf(f.Path, f.Done, f.Failed, f.Recursive, overlap.Find)
	found := s.claim.Own()
	at("looking at state_dir and the configuration")
	found = append(found, own.In(s.claim)...)
	if len(found) > 0 {
		return s, errors.New(found[0].Text(""))
	}
	return s, nil
}

// readable reports why path cannot be listed or entered. It reads a single entry.
func readable(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if _, err := dir.Readdirnames(1); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return unix.Access(path, unix.X_OK)
}

// verdict is the outcome of a try.
type verdict struct {
	err    error // why the folder cannot be served; nil: it can
	seen   sighting
	others []*door // the doors that went down for it
}

// try tries to bring d up with the configuration f. up is what was seen when d came up with that configuration, or nil
// if d is not up with it.
func (r *registry) try(d *door, f config.Folder, probe func(folder, dir string) error, up *sighting) (v verdict) {
	if up != nil && up.asBefore(f.Path) {
		return verdict{seen: *up}
	}
	if v.seen, v.err = look(f, Own{r.stateDir, r.files}, d.at); v.err != nil {
		return v
	}
	if v.err = r.mayEnter(d, v.seen.claim); v.err != nil {
		return v
	}
	d.at("asking who serves it")
	if v.err = r.hold(d, v.seen.id); v.err != nil {
		return v
	}
	if up == nil || !up.id.SameFile(v.seen.id) || up.writable && !v.seen.writable {
		if v.err = tryFiling(f, probe, d.at); v.err != nil {
			return v
		}
	}
	v.others, v.err = r.enter(d, v.seen.claim)
	return v
}

// tryFiling tries whether files can be filed.
func tryFiling(f config.Folder, probe func(folder, dir string) error, at func(string)) error {
	for _, dir := range []string{f.Done, f.Failed} {
		at("trying whether files can be filed in " + text.Printable(dir))
		if err := probe(f.Path, dir); err != nil {
			return &trouble{what: "filing in " + dir, err: err}
		}
	}
	return nil
}

// away is the trouble with a folder that is not there.
func away(err error) error {
	return &trouble{what: "it cannot be listed", err: err, help: cmp.Or(Remedy(err), "look at its file system"), away: true}
}

var errNoFolder = errors.New("it is not a folder")

// Remedy says what can be done about an error of the file system of a folder. It is "" if nothing is known beyond what
// the error says.
func Remedy(err error) string {
	switch {
	case errors.Is(err, errNoFolder):
		return "move away what lies there, or correct path"
	case errors.Is(err, fs.ErrNotExist):
		return "make the folder, mount what it lies on, or correct path"
	case errors.Is(err, fs.ErrPermission):
		return "grant the daemon's user the right to read, write and search it, and to search all above it"
	case errors.Is(err, unix.EROFS):
		return "its file system is mounted read-only: remount it"
	case errors.Is(err, unix.ENOTDIR):
		return "a part of its path is not a folder: move that away, or correct the path"
	case errors.Is(err, unix.ELOOP):
		return "a symbolic link in its path leads back to itself: mend it, or correct the path"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "its disk is full: make room there"
	case errors.Is(err, unix.ESTALE), errors.Is(err, unix.ENOTCONN), errors.Is(err, unix.EIO), errors.Is(err, unix.EHOSTDOWN):
		return "its share or its disk is ill: look at the mount and at the kernel's log"
	}
	return ""
}
