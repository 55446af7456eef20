// Package file turns a name inside a watched folder into something that can be trusted: an identity that tells two
// files of one name apart, and a descriptor that is that file and no other.
//
// Names are bytes, as the kernel has them: a name is relative to its folder, separated by slashes, and need not be
// valid UTF-8.
package file

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Identity tells one state of one file from every other. An inode number alone does not, because ext4 gives a freed one
// to the next file. Two equal identities mean the same file, with nothing written in between.
type Identity struct {
	Dev, Ino     uint64
	Size         int64 // bytes
	Mtime, Ctime int64 // nanoseconds since the epoch
}

// SameFile reports whether both identities are of one file, whatever was written to it in between.
func (id Identity) SameFile(other Identity) bool { return id.Dev == other.Dev && id.Ino == other.Ino }

// Info is what the kernel says of a path (stat(2)).
type Info struct {
	Identity
	Mode  fs.FileMode // type and permission bits
	Links uint64      // number of hard links
}

// Lstat looks at path without following a symbolic link there. Its errors are *fs.PathError.
func Lstat(path string) (Info, error) {
	var st unix.Stat_t
	if err := retryEINTR(func() error { return unix.Lstat(path, &st) }); err != nil {
		return Info{}, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	return infoOf(&st), nil
}

// Stat looks at what path leads to through symbolic links: a watched folder may be given as one. Its errors are
// *fs.PathError.
func Stat(path string) (Info, error) {
	var st unix.Stat_t
	if err := retryEINTR(func() error { return unix.Stat(path, &st) }); err != nil {
		return Info{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return infoOf(&st), nil
}

// Settled is a file that is not expected to change any more: what the watcher hands over, and what a delivery is made
// of.
type Settled struct {
	Folder string // absolute path of the watched folder
	Name   string // relative to Folder
	ID     Identity
	At     time.Time // when it was found settled
	Torn   string    // why the file counts as cut off and must not be posted; "" for a complete one
}

// Path is the absolute path of the file.
func (s Settled) Path() string { return filepath.Join(s.Folder, s.Name) }

// Batch is what belongs in one post: one file, or the images of an album in the order in which they are shown. All lie
// in one watched folder.
type Batch []Settled

// Release gives a file that was handed over back to the watcher, to settle anew if it is still there.
type Release struct {
	Folder, Name string
}

func infoOf(st *unix.Stat_t) Info {
	return Info{
		Identity: Identity{
			Dev:   uint64(st.Dev), //nolint:unconvert // int32 on Darwin
			Ino:   st.Ino,
			Size:  st.Size,
			Mtime: st.Mtim.Nano(),
			Ctime: st.Ctim.Nano(),
		},
		Mode:  modeOf(uint32(st.Mode)),
		Links: uint64(st.Nlink),
	}
}

func modeOf(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	switch m & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	default:
		mode |= fs.ModeIrregular
	}
	for _, bit := range []struct {
		unix uint32
		mode fs.FileMode
	}{{unix.S_ISUID, fs.ModeSetuid}, {unix.S_ISGID, fs.ModeSetgid}, {unix.S_ISVTX, fs.ModeSticky}} {
		if m&bit.unix != 0 {
			mode |= bit.mode
		}
	}
	return mode
}

func retryEINTR(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
