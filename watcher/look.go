package watcher

import (
	"io/fs"
	"time"

	"kaizala-drop/internal/file"
)

// observation is what one look at a path found.
type observation struct {
	file.Info
	examined bool     // the file was looked into as well: obstacle and holes are valid
	obstacle obstacle // a reason to hold the file back that was found inside
	holes    holes
}

// holes says which parts of a file were never written, although its size counts them. Holes alone prove nothing: rsync
// -S and Syncthing leave out zeros, and move the file into place when it is whole.
type holes int

// The values of holes.
const (
	noHoles holes = iota
	holesInside
	holesAtEnd // at the end, and perhaps inside as well
)

// origin is how a file came to its name, as far as the events tell.
type origin int

const (
	originUnknown origin = iota
	originMoved          // the file was moved to its name, whole
	originWritten        // the file was written under its name
)

// obstacle is a reason to hold a file back that only a closer look finds. The zero obstacle is none.
type obstacle struct {
	reason  string        // "" = none
	recheck time.Duration // the longest time to the next look; 0 = maxHold
	torn    bool          // the file looks cut off: if it stays so, no waiting will help
	kind    kind          // the kind of reason
}

// verdict is what an observation led to.
type verdict struct {
	settled bool   // hand the file over now
	torn    bool   // with settled: the file stayed cut off, for reason
	reason  string // why the file is held back; "" while it only is not quiet yet
	kind    kind   // of reason
	news    bool   // reason differs from that of the last observation
	// pause is for how long nothing had been written before the change that the look found, if that was so long that
	// files are given a longer quiet time from now on (settler.quiet); else 0.
	pause time.Duration
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "FIFO"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeDevice != 0:
		return "device"
	case m.IsDir():
		return "folder"
	}
	return "special file"
}
