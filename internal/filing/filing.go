// Package filing moves a posted file to done/, and a rejected file to failed/, and never overwrites anything there.
//
// It keeps these promises on every file system, whichever call fails with whatever error:
//
//   - Nothing is overwritten. A file whose name is taken gets a number: scan.pdf, scan (2).pdf, scan (3).pdf. The kernel
//     guarantees this, not a look beforehand: by renameat2(2) with RENAME_NOREPLACE; where a file system lacks that, by link(2)
//     and unlink(2); where it lacks links or invents its inode numbers (FUSE, SMB), by a rename over a name that was reserved
//     with symlink(2) or O_EXCL.
//   - When anything fails, the file lies where it was. It has one name in the end, and never one in the folder and another in
//     done/, through which a later write in the folder would reach the filed file. Before link(2), the package checks whether
//     the old name can be removed; if removing it fails all the same, it removes the new name. Only a disk on which both
//     removals fail leaves two names, and the next try removes one of them.
//   - Between two devices the file is copied, and its original is removed only when the copy is on disk under its final name.
//     If the original cannot be removed, the copy is.
//   - Every name finds a place. A name that the target refuses is changed as little as it accepts: it is cut at a rune boundary
//     before its extension, or loses the characters that Windows refuses ("10:15" becomes "10-15") or those outside of ASCII, or
//     is replaced except for its extension. The limits come from statfs(2) and from ENAMETOOLONG. The note tells both names.
//     Subfolders below done/ are treated alike.
//   - Files that exist only during a move (a copy, a file set aside) have hidden names of at most 36 bytes of ASCII, which no
//     watcher takes for files to post.
//   - A link count decides nothing, and a file whose inode number changes with its name is still the same file.
//   - Whatever people do to the file during a move, one file is left: the copy of an original that they renamed is removed
//     (Move.Sought, Filer.Forget), and so is an original that they touched or wrote the same bytes to.
//   - After a crash the same move with Move.Again finishes what was begun. What the crash left (a copy, a second name, a file
//     set aside, a reserved name, a note without its file) is known by its name, its inode or its content.
//
// Three things are not prevented. A failing disk can leave an empty file in done/, if it makes a file, reports an error and
// cannot remove the file. So can a crash between reserving a name with O_EXCL and writing there for which file. On a disk
// without room for one longer name, an original is removed by its name, which hits another file that takes the name in the
// moment before.
package filing

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"kaizala-drop/internal/file"
)

// These errors say what happened to a file before it was moved. Nothing was moved or overwritten.
var (
	// ErrGone means that the file is no longer in its folder, and that the folder is there.
	ErrGone = errors.New("the file is no longer in its folder")
	// ErrFolderGone means that the folder is missing, or on another device than the file was, as when a share is not
	// mounted. The file may come back with the share.
	ErrFolderGone = errors.New("the watched folder is not there; is the share mounted?")
	// ErrReplaced means that another file lies under the name, or that somebody has written to the file. The file stays
	// where it is, to settle anew.
	ErrReplaced = errors.New("another file lies under this name now, or it was changed; left alone")
)

// Copied comes with ErrGone or ErrReplaced of a Move with Sought. It means that an earlier try has copied the file.
type Copied struct{ SHA256 []byte } // of the copy; nil if it cannot be read

func (Copied) Error() string { return "a copy of it was made before" }

// Move says which file goes where.
type Move struct {
	Folder string // absolute path of the watched folder; new folders get its owner and mode
	Name   string // relative to Folder; its subfolders are kept below Dir
	// Want is the identity of the file that must lie there. Its inode, size and mtime must be equal. The device need not be,
	// because NFS, SMB and btrfs get a new number with every mount; it tells a folder whose share is mounted from one whose
	// share is not. If the ctime differs, the file is read and its sum decides: a chmod must not keep a posted file from being
	// filed, but after cp -p, or in a new file with the inode of a removed one, other bytes show in the ctime only.
	Want file.Identity
	// SHA256 is the sum of the wanted content. If it is nil, or the file is unreadable, inode, size and mtime decide alone.
	SHA256 []byte
	// Dir is the absolute path of done/ or failed/, or of a symbolic link to such a folder. If Dir is missing, it is made, and
	// so are the folders between it and Folder. Outside of Folder, the parent of Dir must exist.
	Dir string
	// As is the name that the file gets, relative to Dir; "": Name. Its subfolders are made below Dir.
	As string
	// Back says that Dir is a watched folder, to which the file goes back. Dir must exist and is not marked as a folder of filed
	// files, and folders that are made below it get its owner and mode.
	Back bool
	// Again says that an earlier try may have been broken off. It costs a few system calls.
	Again bool
	// Sought says that the caller will look for the file under other names if it is not in its place. Then a copy of an
	// earlier try does not count as the file, and the error wraps Copied beside ErrGone or ErrReplaced. Without Sought, such a
	// copy is the file.
	Sought bool
}

func (m Move) source() string { return filepath.Join(m.Folder, m.Name) }

// wanted is the name that the file is to have below Dir.
func (m Move) wanted() string { return cmp.Or(m.As, m.Name) }

// Note is the content of NAME.reason.txt, for the person who finds the file in failed/. Zero fields are left out. The texts
// may come from the network: the note shows them without control characters, in one line each.
type Note struct {
	When          time.Time // shown in local time
	Reason        string    // plain words
	Same          bool      // the file would fail in the same way again, so the note does not advise to try
	Status        string
	Message       string
	Code          string
	Attempts      int
	Advice        string // what to do, apart from putting the file into the folder again
	AsItIs        bool   // only the check of its ending is against it: the note names the command that sends it all the same
	Unknown       bool   // it may have been posted: the note names the commands for either case
	Group, SentAs string

	as      string // the file's path below failed/, if failed/ does not accept its own name
	options string
	path    string // where the file lies, for the command that sends it again; "": none is named
}

// Filer files files away. It is safe for concurrent use. Moves at the same time share their folder syncs, so one Filer should
// serve all folders. A Filer need not be closed.
type Filer struct {
	Options string // of the commands that notes name (text.Options); to be set before the first move

	calls  calls
	syncs  *syncs
	making singleflight.Group // by path of the folder

	mu            sync.Mutex
	notesUnderWay map[string]bool   // by path of the file: a transfer writes its note, then brings the file
	reserved      map[string]string // by reserved path: the tag of the file that it is for
}

// New makes a Filer. It touches no file.
func New() *Filer { return newFiler(realCalls()) }

func newFiler(c calls) *Filer {
	return &Filer{calls: c, syncs: newSyncs(c.fsync), notesUnderWay: map[string]bool{}, reserved: map[string]string{}}
}

// Move moves a file to m.Dir and returns its path there. The path ends in another name than m.Name if that name is taken, or
// if the file system refuses it. When Move returns without an error, the move and the content of the file are on disk.
//
// errors.Is finds ErrGone, ErrFolderGone, ErrReplaced, or the system's error (syscall.ENOSPC, fs.ErrPermission, ...). With an
// error and an empty dest, the file still lies where it was, or an earlier move of it is not finished yet. With an error and a
// dest, the file was moved there, but a sync or the removal of the original failed, so a power cut may undo the move. After any
// error, the same move with Again finishes what is left to do.
func (f *Filer) Move(m Move) (dest string, err error) { return f.run(m, nil) }

// Fail is Move with a note beside the file, at dest plus ".reason.txt".
//
// The note is written before the file is moved, so that no file is ever seen in failed/ without its reason. The file's name is
// cut where that is needed to make the note's name fit.
func (f *Filer) Fail(m Move, n Note) (dest string, err error) {
	return f.run(m, &n)
}

func (f *Filer) run(m Move, note *Note) (dest string, err error) {
	if m.Again {
		if dest, err := f.resume(m, note); dest != "" || err != nil {
			return dest, err
		}
	}
	t, err := f.begin(m)
	if err != nil {
		return "", m.explain(err)
	}
	defer t.end()
	t.noted = note
	if !m.Back {
		t.mark(filepath.Clean(t.move.Dir))
	}
	dest, err = t.place()
	if err == nil {
		dest, err = t.makeDurable(dest)
	}
	t.landed = dest != ""
	if err != nil && !t.landed {
		err = m.explain(err)
	}
	return dest, err
}

// calls are the system calls that tests replace, to let them fail or to act just before them.
type calls struct {
	rename  func(from, to string) error // renames; EEXIST if to exists
	link    func(from, to string) error // link(2); EEXIST if to exists
	replace func(from, to string) error // rename(2); used only over files of this package's own
	copy    func(to, from *os.File) (int64, error)
	fsync   func(*os.File) error // of a folder
}
