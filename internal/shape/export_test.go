package shape

import (
	"context"
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

// OfUnguarded lets a panic through.
var OfUnguarded = of

// PreviewUnguarded lets a panic through, and takes all the time that it needs.
func PreviewUnguarded(ctx context.Context, r io.ReaderAt, size int64) (*Preview, error) {
	return NewPreviewer().make(ctx, r, size)
}

// MemoryOf is what decoding a picture takes, as its header tells.
func MemoryOf(r io.ReaderAt, size int64) int64 {
	f := file{peek.New(r, size, maxReads, maxBytes)}
	return max(f.jpeg().memory, f.png().memory)
}
