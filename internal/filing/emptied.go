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

// RemoveEmptied removes subfolders of folder that are empty, from the inside out: those that the files names, given relative
// to folder, were moved out of, and the subfolders around them. It makes this durable, because nobody would look at an empty
// folder again that a power cut brings back.
//
// Files that systems leave in folders for themselves (.DS_Store, Thumbs.db) are removed with their folder. Anything else keeps
// its folder, even a hidden file, because the kernel removes only empty folders. folder itself, mount points, and folders in
// which a process works stay.
//
// A folder that cannot be removed stays, which is no error. The error is that of syncing folder. It is safe for concurrent
// use.
func (f *Filer) RemoveEmptied(folder string, names []string) error {
	if !removeEmptied(folder, names) {
		return nil
	}
	return f.Sync(folder)
}

// removeEmptied reports whether any of the subfolders is gone, by this call or an earlier one.
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

// removeEmpty removes the folder dir if it holds nothing but junk, and reports whether it is gone. dir must lie inside root,
// whatever symbolic links there are. unlinkat(2) with AT_REMOVEDIR never removes a file that has taken the folder's place, as
// remove(3) would.
func removeEmpty(root *os.Root, dir string) bool {
	parent, err := root.OpenFile(filepath.Dir(dir), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0) // O_DIRECTORY refuses a FIFO, which would block
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) // an earlier call may have been broken off after it removed the folder
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

// isWorkedIn reports whether a process has the folder base as its working directory. The session of an FTP server, for one,
// has the folder into which it puts the next file. Only processes that this one may look at are seen (proc(5), /proc/pid/cwd).
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

// junkDepth is how deep folders of junk may lie in each other: a NAS keeps a folder of thumbnails for each file in @eaDir.
const junkDepth = 3

// junk are the names, in lower case, of the files and folders that systems leave for themselves and make again when they are
// missing.
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

// isJunk reports whether name is one of these, or that of a file that macOS keeps beside each file of a share.
func isJunk(name string) bool {
	lower := strings.ToLower(name)
	return strings.HasPrefix(lower, "._") || slices.Contains(junk(), lower)
}

// clearJunk removes the content of the folder base if all of it is junk, and reports whether it did. It removes nothing if
// anything else lies there. All content of a folder that is junk is junk. A symbolic link is removed and never followed.
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

// removeJunk removes a file or folder with its content.
func removeJunk(parent int, name string, depth int) bool {
	err := unix.Unlinkat(parent, name, 0)
	if (err == unix.EISDIR || err == unix.EPERM) && depth > 0 && clearJunk(parent, name, depth-1) { // POSIX has EPERM for a folder, Linux EISDIR
		err = unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)
	}
	return err == nil || err == unix.ENOENT
}
