package watcher

import (
	"io/fs"
	"time"
)

// Kind is why a file is not handed over, as far as people are told of such files together.
type Kind string

// The kinds. docs/states.md says of each what its end is.
const (
	KindWriting  Kind = "written"
	KindChanged  Kind = "changed"
	KindOpen     Kind = "open"
	KindLocked   Kind = "locked"
	KindFetched  Kind = "fetched"
	KindEmpty    Kind = "empty"
	KindHoles    Kind = "holes"
	KindTorn     Kind = "torn"
	KindUnknown  Kind = "unknown"
	KindLinks    Kind = "links"
	KindSymlink  Kind = "symlink"
	KindSpecial  Kind = "special"
	KindDenied   Kind = "denied"
	KindUnseen   Kind = "unseen"
	KindNameless Kind = "nameless"
	KindFolder   Kind = "folder"
	KindFiled    Kind = "filed"
	KindNote     Kind = "note"
	KindOldNote  Kind = "removed note"
	KindOther    Kind = "other"
)

// alarm is when a kind is worth a warning.
type alarm int

const (
	warnLate  alarm = iota // after warn_after
	warnSoon               // after soonAfter, or warn_after if that is less
	warnNever              // what lies there waits for nobody
)

// soonAfter is how long what a person must mend anyway is given: a program may set the mode of a file after it has closed it.
const soonAfter = 10 * time.Second

// state is what there is to say of one kind.
type state struct {
	kind   Kind
	reason string // of one file, if there is nothing more exact, and of several
	warns  alarm
	silent bool   // no word before the warning: it is the ordinary way, or the warning comes soon
	busy   bool   // one of those that a file goes back and forth between while a program works on it
	todo   string // what a person can do
}

func states() []state {
	return []state{
		{KindWriting, "it is still being written", warnLate, true, true,
			"it goes once it is quiet for settle; if the program never ends, stop it, or have it write elsewhere and move the file in"},
		{KindChanged, "it has just changed", warnLate, true, true,
			"it goes once it is quiet for settle"},
		{KindOpen, "it is open for writing", warnLate, false, true,
			"it goes once the program closes it: see lsof, or fuser -v FILE, for which one it is"},
		{KindLocked, "a program's lock file lies beside it", warnLate, false, false,
			"it goes once it is closed there; if nobody has it open any more, delete the lock file"},
		{KindFetched, "another program is still fetching it, or was stopped half way", warnLate, false, false,
			"it goes once that is done; if it will not go on, delete both files and fetch it again"},
		{KindEmpty, "it is empty", warnLate, false, false,
			"it goes once something is in it; delete it if nothing will be"},
		{KindHoles, "it has holes: its size was set, but not all of it was written", warnLate, false, false,
			"it goes to failed/ after truncated_after; copy it in again"},
		{KindTorn, "its end is missing", warnLate, false, false,
			"it goes to failed/ after truncated_after; copy it in again"},
		{KindUnknown, "files of this type are not sent; it may be a temporary name, so it is waited for", warnLate, false, false,
			"it goes to failed/ after truncated_after; rename it, or add its name to ignore"},
		{KindLinks, "it has several names (hard links)", warnLate, false, false,
			"copy it in instead, or set allow_hardlinks = true"},
		{KindSymlink, "symbolic link: only regular files are sent", warnLate, false, false,
			"copy in what it leads to, and delete it"},
		{KindSpecial, "no regular file: only regular files are sent", warnLate, false, false,
			"delete it"},
		{KindDenied, "cannot look at it: this user may not read it", warnSoon, true, false,
			"chmod g+r it, with the daemon in the file's group; have whoever writes it use umask 027; " +
				"or give the daemon the capability CAP_DAC_READ_SEARCH (AmbientCapabilities= in the unit)"},
		{KindUnseen, "it cannot be looked at", warnSoon, true, false,
			"see the error: a share that has gone away, or a disk that fails?"},
		{KindNameless, "its name is nothing but an extension, so it is a hidden file, and ignored", warnLate, false, false,
			"give it a name before the dot: was the name left empty in the program that wrote it?"},
		{KindFolder, "it is a folder, and recursive = false", warnNever, false, false,
			"set recursive = true to have what lies in it sent"},
		{KindFiled, "it is a folder of files that were filed away, as a file in it says (.kaizala-drop-filed)", warnNever, false, false,
			"drag the files themselves out of it to have them sent again; delete that file to have all of it sent"},
		{KindNote, "a note of kaizala-drop's own: it is not sent", warnNever, false, false,
			"it can be deleted"},
		{KindOldNote, "a note of kaizala-drop's own that was put back with its file: removed", warnNever, false, false,
			"nothing"},
		{KindOther, "it is held back", warnLate, false, false,
			"see the reason"},
	}
}

// stateOf gives what there is to say of a kind.
func stateOf(kind Kind) state {
	all := states()
	for _, s := range all {
		if s.kind == kind {
			return s
		}
	}
	return all[len(all)-1]
}

// kindOfLook tells the kind of a file that a look has found and that is held back for reason.
func kindOfLook(l Look, reason string) Kind {
	switch {
	case l.Mode&fs.ModeSymlink != 0:
		return KindSymlink
	case !l.Mode.IsRegular():
		return KindSpecial
	case reason == l.Hold.Reason && l.Hold.Kind != "":
		return l.Hold.Kind
	case reason == l.Hold.Reason && l.Hold.Torn:
		return KindTorn
	case reason == l.Hold.Reason:
		return KindOther
	case l.Size == 0:
		return KindEmpty
	}
	return KindLinks
}
