// Package filing turns a delivered or refused file into one that lies in done/ or failed/, never over another.
//
// What holds on every file system, whatever step fails, with whatever error:
//
//   - Nothing is overwritten. A name that is taken gets a number: scan.pdf, scan (2).pdf, scan (3).pdf. That does not hang on
//     looking first but on the kernel: renameat2(2) with RENAME_NOREPLACE, link(2) and unlink(2) where a file system has no
//     such rename, a name reserved with O_EXCL and renamed over where it has no links, or makes its inode numbers up (FUSE, SMB).
//   - When anything fails, the file lies where it lay. It has one name in the end, and never one in the folder and one in done/
//     as the same file, which a later write in the folder could reach. Before link(2) it is asked whether the old name can be
//     removed; if that fails all the same, the new one is removed. Only a disk that fails both removals leaves the two names, to
//     the next try.
//   - Between two devices a file is copied, and the original goes only once the copy is on disk under its final name. If the
//     original cannot go, the copy does.
//   - Every name finds a place. It is kept where the target takes it. Where the target says that it does not, and does take
//     another name, it is changed as far as that needs: cut at a rune's end but with its extension, freed of what Windows refuses
//     ("10:15" becomes "10-15"), of what is not ASCII, or but for the extension replaced. Limits are asked with statfs(2) and
//     learned from ENAMETOOLONG. The note tells both names, and so do, to those who know the file's own, the path returned.
//     Subfolders below done/ alike.
//   - What is made on the way (a copy, a file set aside) has a hidden name of at most 36 bytes of ASCII, which no watcher takes
//     for a file.
//   - A link count decides nothing, and an inode number that changes with the name is no other file.
//   - What people do meanwhile, to the file under its name or by another one, leaves one file: a copy whose original they renamed
//     is removed (Sought, Forget), and so is an original that they touched, or put its own bytes over.
//   - After a crash the same move with Again finishes what was begun: what is left half way (a copy, a second name, a file set
//     aside, a reserved name, a note without its file) is told by its name, its inode or what it holds.
//
// What a failing disk can leave is an empty file in done/, where it made one and said that it did not, and then could not
// remove it. So can a crash between reserving a name and saying there for what, on a file system with neither such a rename nor links.
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

// What may have happened to a file before it was moved. Nothing was moved or overwritten.
var (
	// ErrGone means that the file is no longer in its folder, while the folder is there.
	ErrGone = errors.New("the file is no longer in its folder")
	// ErrFolderGone means that the folder is missing, or is on another device than the file was: a share that is not
	// mounted. It says nothing about the file, which may come back with the share.
	ErrFolderGone = errors.New("the watched folder is not there; is the share mounted?")
	// ErrReplaced means that another file lies under the name, or that the file was written to: it is left to settle anew.
	ErrReplaced = errors.New("another file lies under this name now, or it was changed; left alone")
)

// Copied comes with ErrGone or ErrReplaced, and only to who seeks the file: an earlier try has made a copy of it.
type Copied struct{ SHA256 []byte } // of the copy, nil if it cannot be read

func (Copied) Error() string { return "a copy of it was made before" }

// Move says which file goes where.
type Move struct {
	Folder string // absolute path of the watched folder; folders that are made get its owner and mode
	Name   string // relative to Folder; its subfolders are kept below Dir
	// Want is the file that must lie there. Its inode, size and mtime are compared. Not the device: NFS, SMB and btrfs get
	// a new number with every mount; it only tells a folder with its share mounted from one without. And a ctime that
	// differs decides nothing yet: a chmod must not keep a posted file from being filed, but a cp -p leaves only the ctime
	// to tell other bytes by, as does a new file that got the inode of a removed one. Then it is read.
	Want file.Identity
	// SHA256 is of what Want held. Without it, or where the file may not be read, inode, size and mtime are enough.
	SHA256 []byte
	// Dir is the absolute path of done/ or failed/, or of a symbolic link to such a folder. It is made when it is
	// missing, and so are folders between it and Folder; outside of Folder its parent must exist.
	Dir string
	// As is the name that it gets, relative to Dir; "": Name. Its subfolders are made below Dir.
	As string
	// Back says that Dir is a watched folder, to which the file goes back. It must be there, is not marked as one of files that
	// were filed, and folders that are made get its owner and mode.
	Back bool
	// Again says that an earlier try may have been broken off. It costs a few looks.
	Again bool
	// Sought says that a file which is not at its place may lie under another name. Then a copy that an earlier try left of
	// it is not all there is, and the error is ErrGone and Copied. Without it, such a copy is the file.
	Sought bool
}

func (m Move) source() string { return filepath.Join(m.Folder, m.Name) }

// wanted is the name that the file is to have below Dir.
func (m Move) wanted() string { return cmp.Or(m.As, m.Name) }

// Note is what NAME.reason.txt tells the person who finds a file in failed/. What is zero is left out. All of it is
// made fit to be shown: it may come from the network as it is.
type Note struct {
	When          time.Time // shown in local time
	Reason        string    // plain words
	Same          bool      // put into the folder again as it is, the file would end the same way: the note does not advise it
	Status        string
	Message       string
	Code          string
	Attempts      int
	Advice        string // what to do about it, beside putting the file into the folder again
	AsItIs        bool   // only the check of its ending is against it: the note names the command that sends it all the same
	Unknown       bool   // it may have been posted: the note names the commands for either case
	Group, SentAs string

	as   string // where it lies below failed/, if that does not take its name
	path string // where it lies, for the command that sends it again; "": none is named
}

// Filer files files away. It is safe for concurrent use; moves at the same time share their directory syncs, so there
// should be one Filer for all folders. It holds nothing that has to be closed.
type Filer struct {
	calls  calls
	syncs  *syncs
	making singleflight.Group // by path of the folder

	mu     sync.Mutex
	noting map[string]bool   // paths of files whose notes are written before them
	places map[string]string // by path of a name that is reserved: the tag of the file that it is for
}

// New makes a Filer.
func New() *Filer { return newFiler(realCalls()) }

func newFiler(c calls) *Filer {
	return &Filer{calls: c, syncs: newSyncs(c.fsync), noting: map[string]bool{}, places: map[string]string{}}
}

// Move moves a file to m.Dir and tells its path there, which ends in another name than m.Name where that is taken, or is
// refused by the file system. When it returns, the move is on disk, and so is what
// the file holds.
//
// Errors that errors.Is finds: ErrGone, ErrFolderGone, ErrReplaced, or what the system said (syscall.ENOSPC,
// fs.ErrPermission, ...). With an error and an empty dest the file still lies where it was, or an earlier move of it is
// not finished yet. With an error and a dest it was moved there, but a sync or the removal of what was copied gave an
// error: a power cut may undo the move. After any error, the same move with Again makes what is still to be made.
func (f *Filer) Move(m Move) (dest string, err error) { return f.run(m, nil) }

// Fail is Move with a note beside the file, which lies at dest plus ".reason.txt".
//
// The note is written first: no file is ever seen in failed/ without its reason. A name that is less than 11 bytes shorter
// than the longest is cut, so that the name of the note has room.
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
		dest, err = t.settle(dest)
	}
	t.landed = dest != ""
	if err != nil && !t.landed {
		err = m.explain(err)
	}
	return dest, err
}

// calls are the system calls that tests make fail, or outrun.
type calls struct {
	rename  func(from, to string) error // must not replace: EEXIST
	link    func(from, to string) error // likewise
	replace func(from, to string) error // rename(2), only ever over what is our own
	copy    func(to, from *os.File) (int64, error)
	fsync   func(*os.File) error // of a folder
}
