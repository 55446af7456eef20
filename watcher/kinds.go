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
	reason string // of one file if nothing more exact is known, and of several
	warns  alarm
	silent bool   // nothing is said before the warning, because the state is ordinary or the warning comes soon
	busy   bool   // a file goes back and forth between the busy kinds while a program works on it
	todo   string // what a person can do
}

// kinds lists all kinds, in the order in which they are logged.
func kinds() []kind {
	return []kind{
		kindWriting, kindChanged, kindOpen, kindLocked, kindFetched, kindEmpty, kindHoles, kindTorn, kindUnknown, kindLinks,
		kindSymlink, kindSpecial, kindDenied, kindUnseen, kindNameless, kindFolder, kindFiled, kindNote, kindOldNote, kindOther,
	}
}

// stateOf gives what there is to say of a kind.
func stateOf(kind kind) state {
	switch kind {
	case kindWriting, kindChanged, kindOpen, kindLocked, kindFetched:
		return stateInUse(kind)
	case kindEmpty, kindHoles, kindTorn, kindUnknown:
		return stateUnfit(kind)
	case kindDenied, kindUnseen:
		return stateUnreadable(kind)
	case kindLinks, kindSymlink, kindSpecial, kindNameless, kindFolder, kindFiled, kindNote, kindOldNote:
		return stateLeftAlone(kind)
	}
	return state{reason: "it is held back", todo: "see the reason"}
}

// stateInUse is stateOf for files that a program works on.
func stateInUse(kind kind) state {
	switch kind {
	case kindWriting:
		return state{
			reason: "it is still being written", silent: true, busy: true,
			todo: "it goes once it is quiet for settle; if the program never ends, stop it, or have it write elsewhere and move the file in",
		}
	case kindChanged:
		return state{reason: "it has just changed", silent: true, busy: true, todo: "it goes once it is quiet for settle"}
	case kindOpen:
		return state{
			reason: "it is open for writing", busy: true,
			todo: "it goes once the program closes it: see lsof, or fuser -v FILE, for which one it is",
		}
	case kindLocked:
		return state{
			reason: "a program's lock file lies beside it",
			todo:   "it goes once it is closed there; if nobody has it open any more, delete the lock file",
		}
	}
	return state{
		reason: "another program is still fetching it, or was stopped half way",
		todo:   "it goes once that is done; if it will not go on, delete both files and fetch it again",
	}
}

// stateUnfit is stateOf for files that cannot be posted as they are.
func stateUnfit(kind kind) state {
	switch kind {
	case kindEmpty:
		return state{reason: "it is empty", todo: "it goes once something is in it; delete it if nothing will be"}
	case kindHoles:
		return state{
			reason: "it has holes: its size was set, but not all of it was written",
			todo:   "it goes to failed/ after truncated_after; copy it in again",
		}
	case kindTorn:
		return state{reason: "its end is missing", todo: "it goes to failed/ after truncated_after; copy it in again"}
	}
	return state{
		reason: "files of this type are not sent; it may be a temporary name, so it is waited for",
		todo:   "it goes to failed/ after truncated_after; rename it, or add its name to ignore",
	}
}

// stateUnreadable is stateOf for files that the daemon cannot look at.
func stateUnreadable(kind kind) state {
	if kind == kindDenied {
		return state{
			reason: "cannot look at it: this user may not read it", warns: warnSoon, silent: true,
			todo: "chmod g+r it, with the daemon in the file's group; have whoever writes it use umask 027; " +
				"or give the daemon the capability CAP_DAC_READ_SEARCH (AmbientCapabilities= in the unit)",
		}
	}
	return state{
		reason: "it cannot be looked at", warns: warnSoon, silent: true,
		todo: "see the error: a share that has gone away, or a disk that fails?",
	}
}

// stateLeftAlone is stateOf for names that are left alone because of what lies there.
func stateLeftAlone(kind kind) state {
	switch kind {
	case kindLinks:
		return state{reason: "it has several names (hard links)", todo: "copy it in instead, or set allow_hardlinks = true"}
	case kindSymlink:
		return state{reason: "symbolic link: only regular files are sent", todo: "copy in what it leads to, and delete it"}
	case kindSpecial:
		return state{reason: "no regular file: only regular files are sent", todo: "delete it"}
	case kindNameless:
		return state{
			reason: "its name is nothing but an extension, so it is a hidden file, and ignored",
			todo:   "give it a name before the dot: was the name left empty in the program that wrote it?",
		}
	case kindFolder:
		return state{
			reason: "it is a folder, and recursive = false", warns: warnNever,
			todo: "set recursive = true to have what lies in it sent",
		}
	case kindFiled:
		return state{
			reason: "it is a folder of files that were filed away, as a file in it says (.kaizala-drop-filed)", warns: warnNever,
			todo: "drag the files themselves out of it to have them sent again; delete that file to have all of it sent",
		}
	case kindNote:
		return state{reason: "a note of kaizala-drop's own: it is not sent", warns: warnNever, todo: "it can be deleted"}
	}
	return state{
		reason: "a note of kaizala-drop's own that was put back with its file: removed", warns: warnNever, todo: "nothing",
	}
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
