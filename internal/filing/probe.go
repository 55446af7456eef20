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

// Probe tries whether files can be filed from folder into dir, both absolute paths. It makes an empty file of its own under a
// hidden name, moves it to dir in the way that Move does, and removes it. If dir is missing, Probe makes it, as Move would.
//
// Probe leaves no file behind unless its error says so, and no folder that it made. A mount point whose file system is not
// mounted looks like an empty folder, and FUSE 2 refuses to mount over a folder that is not empty.
//
// The error says what happened and what to do. errors.Is finds in it the system's error (unix.EROFS, fs.ErrPermission,
// unix.ENOSPC, unix.ENOTDIR, ...), or ErrFolderGone. It is safe for concurrent use, and takes as long as the file systems take.
func (f *Filer) Probe(folder, dir string) error {
	m := Move{Folder: folder, Name: probeName(folder, dir), Dir: dir}
	err := m.check()
	if err == nil {
		err = m.checkFolder()
	}
	if err == nil {
		_, err, _ = f.making.Do(m.source(), func() (any, error) { return nil, f.probeAgain(m) })
	}
	if err != nil {
		return fmt.Errorf("files of %s cannot be filed in %s: %w%s", quote(folder), quote(dir), err, advice(err))
	}
	return nil
}

// checkFolder fails if the watched folder is missing or is no folder.
func (m Move) checkFolder() error {
	info, err := os.Stat(m.Folder)
	switch {
	case absent(err):
		return fmt.Errorf("%w (%w)", ErrFolderGone, cause(err))
	case err != nil:
		return failedTo("look at the watched folder", err)
	case !info.IsDir():
		return inTheWay(m.Folder)
	}
	return nil
}

// probeName is always the same for one folder and dir, and the hidden names of its file begin with it, so that the next probe
// finds what a crash left of an earlier one.
func probeName(folder, dir string) string {
	return probeTag + tagOf(folder+"\x00"+dir, file.Identity{}) + hiddenEnd
}

const probeTag = hiddenTag + "probe-"

// maxProbeSize is in bytes, and larger than each file that a probe makes: an empty file, a reservation, a copy's pointer.
const maxProbeSize = 1024

// sweepOld removes what a crash left of an earlier probe.
func (m Move) sweepOld() {
	for _, dir := range []string{m.Folder, m.Dir} {
		left, _ := filepath.Glob(escape(dir) + "/" + strings.TrimSuffix(m.Name, hiddenEnd) + "*")
		for _, path := range left {
			if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && info.Size() <= maxProbeSize {
				_ = sweep(path) // a file that stays makes this probe fail, which then names it
			}
		}
	}
}

// escape is the pattern that matches just path in filepath.Match.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// probeTries is how often a probe is made anew because its target went away.
const probeTries = 10

// probeAgain probes, and probes anew if the target goes away meanwhile. Another probe may have made the target and removed it
// again: that of another folder with the same target, or of the same folder under another name.
func (f *Filer) probeAgain(m Move) (err error) {
	for range probeTries {
		if err = f.probe(m); !absent(err) || m.checkFolder() != nil {
			return err
		}
	}
	return err
}

func (f *Filer) probe(m Move) error {
	m.sweepOld()
	defer removeMadeFolders(m.missing())
	trial, err := os.OpenFile(m.source(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return failedTo("make a file in the watched folder", err)
	}
	_ = trial.Close()
	info, err := file.Lstat(m.source())
	if err != nil {
		return andThen(failedTo("look at a file in the watched folder", err), sweep(m.source()))
	}
	m.Want = info.Identity
	dest, err := f.probeMove(m)
	if err == nil {
		return sweep(dest)
	}
	if dest != "" {
		err = andThen(err, sweep(dest))
	}
	return andThen(err, sweep(m.source()))
}

// missing are the folders that a move would make, the innermost first, without the file's own subfolders.
func (m Move) missing() (paths []string) {
	for path := filepath.Clean(m.Dir); m.mayMake(path); path = filepath.Dir(path) {
		if _, err := os.Lstat(path); !absent(err) {
			break
		}
		paths = append(paths, path)
	}
	return paths
}

// removeMadeFolders removes folders, the innermost first, up to the first one that is not empty.
func removeMadeFolders(paths []string) {
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !absent(err) {
			return
		}
	}
}

// probeMove moves the probe's file. It returns where the file went even if a later step failed.
func (f *Filer) probeMove(m Move) (dest string, err error) {
	t, err := f.begin(m)
	if err != nil {
		return "", err
	}
	defer t.end()
	if dest, err = t.place(); err != nil {
		return "", err
	}
	t.landed, err = true, t.makeProbeDurable(dest)
	// Relative to the open folder, this works even if somebody has renamed done/ meanwhile. If it fails, sweep says why.
	_ = unix.Unlinkat(int(t.to.Fd()), filepath.Base(dest), 0)
	return dest, err
}

// makeProbeDurable is makeDurable for the probe's file, whose copy is removed if it cannot be made durable.
func (t *transfer) makeProbeDurable(dest string) error {
	landed, err := t.makeDurable(dest)
	if err != nil && landed == "" {
		err = andThen(err, t.discard(&t.copy))
	}
	return andThen(err, t.dropSecondName())
}

// sweep removes a file that the probe made.
func sweep(path string) error {
	if err := os.Remove(path); err != nil && !absent(err) {
		return fmt.Errorf("%s was left there, remove it by hand: %w", quote(filepath.Clean(path)), cause(err))
	}
	return nil
}

// inTheWay is the error about a file that lies where a folder should be.
func inTheWay(path string) error {
	return fmt.Errorf("%s is not a folder but a file in its way (%w): move it away, or choose another name for the folder",
		quote(path), error(unix.ENOTDIR))
}

// advice says what helps against err, after a semicolon. It is "" if that is not known.
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
