package watcher

import (
	"io/fs"
	"time"
)

// kind is the class of a reason for which a file is not handed over.
type kind string

// The kinds. docs/states.md says how each comes to its end.
const (
	kindWriting  kind = "written"
	kindChanged  kind = "changed"
	kindOpen     kind = "open"
	kindLocked   kind = "locked"
	kindFetched  kind = "fetched"
	kindEmpty    kind = "empty"
	kindHoles    kind = "holes"
	kindTorn     kind = "torn"
	kindUnknown  kind = "unknown"
	kindStrange  kind = "strange"
	kindLinks    kind = "links"
	kindSymlink  kind = "symlink"
	kindSpecial  kind = "special"
	kindDenied   kind = "denied"
	kindUnseen   kind = "unseen"
	kindNameless kind = "nameless"
	kindFolder   kind = "folder"
	kindFiled    kind = "filed"
	kindNote     kind = "note"
	kindOldNote  kind = "removed note"
	kindOther    kind = "other"
)

// alarm is when a kind is worth a warning.
type alarm int

const (
	warnLate  alarm = iota // after warn_after
	warnSoon               // after soonAfter, or after warn_after if that is less
	warnNever              // the name waits for nobody
)

// soonAfter is how long a file may wait that a person must mend anyway. A program may set the mode of a file after it
// has closed it.
const soonAfter = 10 * time.Second

// state is what there is to say of one kind.
type state struct {
	kind   kind
	reason string // of one file if nothing more exact is known, and of several
	warns  alarm
	silent bool   // nothing is said before the warning, because the state is ordinary or the warning comes soon
	busy   bool   // a file goes back and forth between the busy kinds while a program works on it
	todo   string // what a person can do
}

// kindCount is how many kinds there are.
const kindCount = 21

// states is the table of all kinds, in the order in which they are logged. An array needs no memory of its own, for it is asked for
// each file that is held back.
func states() [kindCount]state {
	return [kindCount]state{
		{kindWriting, "it is still being written", warnLate, true, true,
			"it goes once it is quiet for settle; if the program never ends, stop it, or have it write elsewhere and move the file in"},
		{kindChanged, "it has just changed", warnLate, true, true,
			"it goes once it is quiet for settle"},
		{kindOpen, "it is open for writing", warnLate, false, true,
			"it goes once the program closes it: see lsof, or fuser -v FILE, for which one it is"},
		{kindLocked, "a program's lock file lies beside it", warnLate, false, false,
			"it goes once it is closed there; if nobody has it open any more, delete the lock file"},
		{kindFetched, "another program is still fetching it, or was stopped half way", warnLate, false, false,
			"it goes once that is done; if it will not go on, delete both files and fetch it again"},
		{kindEmpty, "it is empty", warnLate, false, false,
			"it goes once something is in it; delete it if nothing will be"},
		{kindHoles, "it has holes: its size was set, but not all of it was written", warnLate, false, false,
			"it goes to failed/ after truncated_after; copy it in again"},
		{kindTorn, "its end is missing", warnLate, false, false,
			"it goes to failed/ after truncated_after; copy it in again"},
		{kindUnknown, "files of this type are not sent; it may be a temporary name, so it is waited for", warnLate, false, false,
			"it goes to failed/ after truncated_after; rename it, or add its name to ignore"},
		{kindStrange, "its extension is in no list of types; it may be a temporary name, so it is waited for", warnLate, false, false,
			"it is sent after truncated_after; add its name to ignore if it is not to be"},
		{kindLinks, "it has several names (hard links)", warnLate, false, false,
			"copy it in instead, or set allow_hardlinks = true"},
		{kindSymlink, "symbolic link: only regular files are sent", warnLate, false, false,
			"copy in what it leads to, and delete it"},
		{kindSpecial, "no regular file: only regular files are sent", warnLate, false, false,
			"delete it"},
		{kindDenied, "cannot look at it: this user may not read it", warnSoon, true, false,
			"chmod g+r it, with the daemon in the file's group; have whoever writes it use umask 027; " +
				"or give the daemon the capability CAP_DAC_READ_SEARCH (AmbientCapabilities= in the unit)"},
		{kindUnseen, "it cannot be looked at", warnSoon, true, false,
			"see the error: a share that has gone away, or a disk that fails?"},
		{kindNameless, "its name is nothing but an extension, so it is a hidden file, and ignored", warnLate, false, false,
			"give it a name before the dot: was the name left empty in the program that wrote it?"},
		{kindFolder, "it is a folder, and recursive = false", warnNever, false, false,
			"set recursive = true to have what lies in it sent"},
		{kindFiled, "it is a folder of files that were filed away, as a file in it says (.kaizala-drop-filed)", warnNever, false, false,
			"drag the files themselves out of it to have them sent again; delete that file to have all of it sent"},
		{kindNote, "a note of kaizala-drop's own: it is not sent", warnNever, false, false,
			"it can be deleted"},
		{kindOldNote, "a note of kaizala-drop's own that was put back with its file: removed", warnNever, false, false,
			"nothing"},
		{kindOther, "it is held back", warnLate, false, false,
			"see the reason"},
	}
}

// kinds lists all kinds, in the order of the table.
func kinds() (all []kind) {
	for _, s := range states() {
		all = append(all, s.kind)
	}
	return all
}

// stateOf gives what there is to say of a kind. Of one that is not in the table it is what is said of kindOther.
func stateOf(kind kind) state {
	all := states()
	for i := range all {
		if all[i].kind == kind {
			return all[i]
		}
	}
	return all[kindCount-1]
}

// kindOfLook gives the kind of a file that a look has found, and that is held back for reason.
func kindOfLook(l observation, reason string) kind {
	switch {
	case l.Mode&fs.ModeSymlink != 0:
		return kindSymlink
	case !l.Mode.IsRegular():
		return kindSpecial
	case reason == l.obstacle.reason && l.obstacle.kind != "":
		return l.obstacle.kind
	case reason == l.obstacle.reason && l.obstacle.torn:
		return kindTorn
	case reason == l.obstacle.reason:
		return kindOther
	case l.Size == 0:
		return kindEmpty
	}
	return kindLinks
}
