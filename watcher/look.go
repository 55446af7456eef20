package watcher

import (
	"io/fs"
	"time"

	"kaizala-drop/internal/file"
)

// Look is what one look at a path found.
type Look struct {
	file.Info
	Examined bool // it was looked into as well: Hold is valid
	Hold     Hold // a reason to hold it back that was found in this way
	Holes    Holes
}

// Holes is what was never written of a file, although its size says so. That alone proves nothing: rsync -S and Syncthing leave
// out zeros, and move the file into place when it is whole.
type Holes int

// The kinds of Holes.
const (
	NoHoles Holes = iota
	HolesInside
	HolesAtEnd // too
)

// origin is how a file came to its name, as far as the events tell.
type origin int

const (
	originUnknown origin = iota
	originMoved          // it was whole when it came
	originWritten        // under its name
)

// Hold is a reason to hold a file back that only a closer look finds. The zero Hold is none.
type Hold struct {
	Reason  string        // "" = none
	Recheck time.Duration // the longest time to the next look; 0 = maxHold
	Torn    bool          // the file looks cut off: if it stays so, no waiting will help
	Kind    Kind          // what people are told of such files together
}

// Verdict is what a look led to.
type Verdict struct {
	Settled bool   // hand it over now
	Torn    bool   // with Settled: it stayed cut off, for Reason
	Reason  string // why it is held back; "" while it is only not yet quiet
	Kind    Kind   // of the reason
	News    bool   // the reason is another than after the last look: worth saying once
	// Pause, if not 0, is how long nothing had been written before the change that the look found, and too long for the
	// quiet time up to now: files are given a longer one from now on (Settler.Quiet). Worth saying.
	Pause time.Duration
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
