package shape

import (
	"io"

	"kaizala-drop/internal/peek"
)

const (
	MaxReads    = maxReads
	MaxBytes    = maxBytes
	MaxSide     = maxSide
	MaxDuration = maxDuration
	MaxMemory   = maxMemory
)

// OfUnguarded and PreviewUnguarded let a panic through, and the latter takes all the time that it needs.
var (
	OfUnguarded      = of
	PreviewUnguarded = makePreview
)

// MemoryOf is what decoding a picture takes, as its header tells.
func MemoryOf(r io.ReaderAt, size int64) int64 {
	f := file{peek.New(r, size, maxReads, maxBytes)}
	return max(f.jpeg().memory, f.png().memory)
}
