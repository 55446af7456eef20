package filing

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// RemoveEmptied removes the subfolders of folder that the files names, given relative to folder, were moved out of, and those
// around them, from the inside out, and makes that durable: a power cut must not bring back an empty folder that nobody looks at
// any more. Junk that systems leave for themselves goes with its folder. Everything else, even a hidden file, keeps its folder, because
// the kernel removes none but an empty one. The watched folder itself, a mount point, and a folder that a process works in stay.
// What cannot be removed stays, without an error. The error is that of syncing folder. It may be called concurrently.
func (f *Filer) RemoveEmptied(folder string, names []string) error {
	if !removeEmptied(folder, names) {
		return nil
	}
	return f.Sync(folder)
}

// removeEmptied reports whether any of the subfolders is gone, by now or by an earlier run.
func removeEmptied(folder string, names []string) (removed bool) {
	var root *os.Root
	tried := map[string]bool{}
	for _, name := range names {
		for dir := filepath.Dir(name); dir != "." && !tried[dir]; dir = filepath.Dir(dir) {
			tried[dir] = true
			if root == nil {
				var err error
				if root, err = os.OpenRoot(folder); err != nil {
					return removed
				}
				defer root.Close()
			}
			if !removeEmpty(root, dir) {
				break
			}
			removed = true
		}
	}
	return removed
}

// removeEmpty removes the folder dir if it is empty but for junk, and reports whether there is none now. It must lie inside
// root whatever links there are. unlinkat(2), unlike remove(3), never takes a file that is there in its place.
func removeEmpty(root *os.Root, dir string) bool {
	parent, err := root.OpenFile(filepath.Dir(dir), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0) // never a FIFO, which would block
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) // an earlier run was broken off after it
	}
	defer parent.Close()
	base := filepath.Base(dir)
	if isWorkedIn(int(parent.Fd()), base) {
		return false
	}
	err = unix.Unlinkat(int(parent.Fd()), base, unix.AT_REMOVEDIR)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		if !clearJunk(int(parent.Fd()), base, junkDepth) {
			return false
		}
		err = unix.Unlinkat(int(parent.Fd()), base, unix.AT_REMOVEDIR)
	}
	return err == nil || errors.Is(err, fs.ErrNotExist)
}

// isWorkedIn reports whether a process has the folder base as its working directory, as a session of an FTP server has the one
// that it puts the next file into. Only processes that this one may look at can be seen (proc(5), /proc/pid/cwd).
func isWorkedIn(parent int, base string) bool {
	var dir unix.Stat_t
	if err := unix.Fstatat(parent, base, &dir, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false
	}
	works, _ := filepath.Glob("/proc/[1-9]*/cwd")
	return slices.ContainsFunc(works, func(path string) bool {
		var st unix.Stat_t
		return unix.Stat(path, &st) == nil && st.Dev == dir.Dev && st.Ino == dir.Ino
	})
}

// junkDepth is how deep junk may lie in junk: a NAS keeps a folder of thumbnails for each file in @eaDir.
const junkDepth = 3

// junk are the names, in lower case, of what systems leave in a folder for themselves, and make again when they miss it.
func junk() []string {
	return []string{
		".ds_store", ".localized", ".apdisk", // macOS
		"thumbs.db", "ehthumbs.db", "desktop.ini", // Windows
		"@eadir", "@synoeastream", "@synoresource", // Synology
		".@__thumb", "@__thumb", // QNAP
		".directory",       // KDE
		"zbthumbnail.info", // cameras and phones
	}
}

// isJunk reports whether name is one of those, or what macOS keeps beside each file of a share.
func isJunk(name string) bool {
	lower := strings.ToLower(name)
	return strings.HasPrefix(lower, "._") || slices.Contains(junk(), lower)
}

// clearJunk removes what lies in the folder base if all of it is junk, and reports whether it did. Nothing is removed
// beside something else. What lies in a folder that is junk is junk; a link is removed, never followed.
func clearJunk(parent int, base string, depth int) bool {
	fd, err := unix.Openat(parent, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	dir := os.NewFile(uintptr(fd), base)
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil || depth == junkDepth && slices.ContainsFunc(names, func(name string) bool { return !isJunk(name) }) {
		return false
	}
	for _, name := range names {
		if !removeJunk(fd, name, depth) {
			return false
		}
	}
	return true
}

// removeJunk removes one name, with what lies in it.
func removeJunk(parent int, name string, depth int) bool {
	err := unix.Unlinkat(parent, name, 0)
	if (err == unix.EISDIR || err == unix.EPERM) && depth > 0 && clearJunk(parent, name, depth-1) { // POSIX says EPERM of a folder
		err = unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)
	}
	return err == nil || err == unix.ENOENT
}
