package watcher

import (
	"io/fs"
	"time"

	"kaizala-drop/internal/file"
)

// observation is what one look at a path found.
type observation struct {
	file.Info
	examined bool     // it was looked into as well: Hold is valid
	obstacle obstacle // a reason to hold it back that was found in this way
	holes    holes
}

// holes is what was never written of a file, although its size says so. That alone proves nothing: rsync -S and Syncthing leave
// out zeros, and move the file into place when it is whole.
type holes int

// The kinds of Holes.
const (
	noHoles holes = iota
	holesInside
	holesAtEnd // too
)

// origin is how a file came to its name, as far as the events tell.
type origin int

const (
	originUnknown origin = iota
	originMoved          // it was whole when it came
	originWritten        // under its name
)

// obstacle is a reason to hold a file back that only a closer look finds. The zero obstacle is none.
type obstacle struct {
	reason  string        // "" = none
	recheck time.Duration // the longest time to the next look; 0 = maxHold
	torn    bool          // the file looks cut off: if it stays so, no waiting will help
	kind    kind          // what people are told of such files together
}

// verdict is what a look led to.
type verdict struct {
	settled bool   // hand it over now
	torn    bool   // with Settled: it stayed cut off, for Reason
	reason  string // why it is held back; "" while it is only not yet quiet
	kind    kind   // of the reason
	news    bool   // the reason is another than after the last look: worth saying once
	// pause, if not 0, is how long nothing had been written before the change that the look found, and too long for the
	// quiet time up to now: files are given a longer one from now on (Settler.Quiet). Worth saying.
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
