package filing

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

// Probe finds out, by doing it, whether files can be filed from folder (an absolute path) into dir, which is made as Move
// would make it: an empty file of its own, under a hidden name, is moved there in the way that Move moves, and removed.
//
// The error says what happened and what to do; errors.Is finds what the system said (unix.EROFS, fs.ErrPermission,
// unix.ENOSPC, unix.ENOTDIR, ...), and ErrFolderGone. Nothing is left behind, unless the error says so, and no folder either: a
// mount point whose file system is away looks like an empty folder, and FUSE 2 mounts nothing in one that is not empty.
// It is safe for concurrent use, and takes as long as the file systems take.
func (f *Filer) Probe(folder, dir string) error {
	m := Move{Folder: folder, Name: probeName(folder, dir), Dir: dir}
	err := m.check()
	if err == nil {
		err = m.isThere()
	}
	if err == nil {
		_, err, _ = f.making.Do(m.source(), func() (any, error) { return nil, f.probeAgain(m) })
	}
	if err != nil {
		return fmt.Errorf("files of %s cannot be filed in %s: %w%s", quote(folder), quote(dir), err, advice(err))
	}
	return nil
}

const length = 12 // bytes of a name that make it the only one

// isThere tells whether the watched folder is one.
func (m Move) isThere() error {
	info, err := os.Stat(m.Folder)
	switch {
	case absent(err):
		return fmt.Errorf("%w (%w)", ErrFolderGone, cause(err))
	case err != nil:
		return step("look at the watched folder", err)
	case !info.IsDir():
		return inTheWay(m.Folder)
	}
	return nil
}

// probeName is always the same for one folder and dir, and the hidden names of its file begin with it: what a crash left of
// an earlier probe is found by the next one.
func probeName(folder, dir string) string {
	return probeTag + tagOf(folder+"\x00"+dir, file.Identity{}) + hiddenEnd
}

const probeTag = hiddenTag + "probe-"

// probeMost is more than anything has that a probe makes, in bytes: an empty file, the text of a reserved name, a name.
const probeMost = 1024

// sweepOld removes what a crash left of an earlier probe.
func (m Move) sweepOld() {
	for _, dir := range []string{m.Folder, m.Dir} {
		left, _ := filepath.Glob(escape(dir) + "/" + strings.TrimSuffix(m.Name, hiddenEnd) + "*")
		for _, path := range left {
			if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && info.Size() <= probeMost {
				_ = sweep(path) // what stays is in the way of this one, which says so
			}
		}
	}
}

// escape has filepath.Match take path as it is.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// probeTries is how often a probe is begun anew because its target went away.
const probeTries = 10

// probeAgain probes, and begins anew when the target goes away meanwhile: a probe of another folder with the same target, or of the
// same folder under another name, made it and removes it again.
func (f *Filer) probeAgain(m Move) (err error) {
	for range probeTries {
		if err = f.probe(m); !absent(err) || m.isThere() != nil {
			return err
		}
	}
	return err
}

func (f *Filer) probe(m Move) error {
	m.sweepOld()
	defer unmakeFolders(m.missing())
	trial, err := os.OpenFile(m.source(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return step("make a file in the watched folder", err)
	}
	_ = trial.Close()
	info, err := file.Lstat(m.source())
	if err != nil {
		return and(step("look at a file in the watched folder", err), sweep(m.source()))
	}
	m.Want = info.Identity
	dest, err := f.probeMove(m)
	if err == nil {
		return sweep(dest)
	}
	if dest != "" {
		err = and(err, sweep(dest))
	}
	return and(err, sweep(m.source()))
}

// missing are the folders that a move would make, the innermost first, but for the file's own subfolders.
func (m Move) missing() (paths []string) {
	for path := filepath.Clean(m.Dir); m.mayMake(path); path = filepath.Dir(path) {
		if _, err := os.Lstat(path); !absent(err) {
			break
		}
		paths = append(paths, path)
	}
	return paths
}

// unmakeFolders removes folders, the innermost first, up to one in which something lies by now.
func unmakeFolders(paths []string) {
	for _, path := range paths {
		if os.Remove(path) != nil {
			return
		}
	}
}

// probeMove tells where the file was brought, also where a later step failed.
func (f *Filer) probeMove(m Move) (string, error) {
	t, err := f.begin(m)
	if err != nil {
		return "", err
	}
	defer t.end()
	dest, err := t.place()
	if err != nil {
		return "", err
	}
	t.landed, err = true, t.settleProbe(dest)
	_ = unix.Unlinkat(int(t.to.Fd()), filepath.Base(dest), 0) // also where somebody has renamed done/ by now; sweep says why not
	return dest, err
}

// settleProbe is settle, for a file that nobody misses.
func (t *trip) settleProbe(dest string) error {
	landed, err := t.settle(dest)
	if err != nil && landed == "" {
		err = and(err, t.discard(&t.twin))
	}
	return and(err, t.dropSpare())
}

// sweep removes a file of the probe.
func sweep(path string) error {
	if err := os.Remove(path); err != nil && !absent(err) {
		return fmt.Errorf("%s was left there, and can be removed: %w", quote(filepath.Clean(path)), cause(err))
	}
	return nil
}

// inTheWay is the error about something that lies where a folder should be.
func inTheWay(path string) error {
	return fmt.Errorf("%s is not a folder but a file in its way (%w): move it away, or choose another name for the folder",
		quote(path), error(unix.ENOTDIR))
}

// advice is what helps against err, as far as one can tell; it begins with a semicolon.
func advice(err error) string {
	switch {
	case errors.Is(err, ErrFolderGone), errors.Is(err, ErrGone), errors.Is(err, ErrReplaced):
		return ""
	case oneOf(err, unix.ENOSPC, unix.EDQUOT):
		return "; make room there"
	case errors.Is(err, unix.EROFS):
		return "; it is mounted read-only, but both folders must be writable for the account this runs under: mount it writable " +
			"(in a systemd unit, name it in ReadWritePaths=)"
	case oneOf(err, unix.EACCES, unix.EPERM):
		return "; both folders must be writable for the account this runs under"
	}
	return ""
}
