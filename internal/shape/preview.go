package shape

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"time"

	"golang.org/x/sync/semaphore"

	"kaizala-drop/internal/peek"
)

const (
	// smallest is the side from which on an upright picture has a preview, if it is longer.
	smallest = 800
	// previewWidth and previewHeight are what a preview fits into.
	previewWidth, previewHeight = 800, 600

	previewQuality = 80

	// maxTime is what a preview may take: a picture of 12 megapixels takes less than a second on a machine of 2020, and few
	// seconds on a small one.
	maxTime = time.Minute
	// maxWait is how long one waits for memory.
	maxWait = 20 * time.Second

	// besides is what making it smaller takes at most, in bytes.
	besides = 16 << 20
	// maxTogether is what all previews that are made at a time take at most, in bytes: one as large as it may be, or several usual ones.
	maxTogether = maxMemory + 2*besides
)

// Preview is a small picture that stands for a large one, upright.
type Preview struct {
	Bytes         []byte
	MIME          string // image/jpeg; image/png if the picture lets something shine through
	Width, Height int    // pixels, at most 800 and 600
}

// Previewer makes previews, as many at a time as fit into 128 MiB of memory. It is safe for concurrent use.
type Previewer struct{ memory *semaphore.Weighted }

// NewPreviewer makes one. A process has one, so that the bound on memory is that of the process.
func NewPreviewer() *Previewer { return &Previewer{semaphore.NewWeighted(maxTogether)} }

// Make makes the preview of a JPEG or PNG that has more than 800 pixels in either dimension, or is turned by its EXIF orientation:
// where a client has a homeserver make one, that may come without the turn (Dendrite 0.13.8 does so). p is nil if there is to be
// none: the picture is small and upright, or of another format. err says why a picture goes without the preview that it should
// have; it is never a reason not to send the picture. It wraps ctx's error if that is why.
//
// The preview shows the picture upright, as the EXIF orientation has it, and fits into 800 by 600. It is made of pixels
// alone: EXIF (places, cameras, times), comments and colour profiles stay behind.
//
// The picture is decoded as a whole. What that takes is told from the header, and more than 96 MiB is refused before it is
// begun; 16 MiB at most come in addition. Where others take so much that there is no memory for it within 20 seconds, the picture
// goes without: a file whose disk hangs keeps its memory, and must not hold up the others. Make ends with ctx, and after a minute at
// the latest, while it waits, reads, decodes and makes smaller. The file is read once, from beginning to end, in pieces of 32 KiB.
func (m *Previewer) Make(ctx context.Context, r io.ReaderAt, size int64) (p *Preview, err error) {
	defer func() {
		if fault := recover(); fault != nil { // a mistake in a decoder must not stop a daemon
			p, err = nil, fmt.Errorf("make a preview: the decoder failed: %v", fault)
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, fmt.Errorf("it took more than %v", maxTime))
	defer cancel()
	p, err = m.make(ctx, r, size)
	if err != nil {
		return nil, fmt.Errorf("make a preview: %w", err)
	}
	return p, nil
}

func (m *Previewer) make(ctx context.Context, r io.ReaderAt, size int64) (*Preview, error) {
	r = patient{ctx, r}
	f := file{peek.New(r, size, maxReads, maxBytes)}
	var s still
	decode := jpeg.Decode
	switch head := string(f.upTo(0, len(pngSignature))); {
	case len(head) > 3 && head[:3] == "\xff\xd8\xff":
		s = f.jpeg()
	case head == pngSignature:
		s, decode = f.png(), png.Decode
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	upright := s.shape().sane()
	switch longer := max(upright.Width, upright.Height); {
	case longer == 0, longer <= smallest && s.turn <= 1:
		return nil, nil
	}
	if s.memory <= 0 {
		return nil, errors.New("this kind of JPEG has no decoder here")
	}
	if s.memory > maxMemory {
		return nil, fmt.Errorf("to decode %d x %d pixels takes %d MiB of memory, %d are allowed", s.width, s.height, s.memory>>20, maxMemory>>20)
	}
	if err := m.reserve(ctx, s.memory+besides); err != nil {
		return nil, err
	}
	defer m.memory.Release(s.memory + besides)
	src, err := decode(sips{ctx, bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 32<<10)})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	if b := src.Bounds(); b.Dx() != s.width || b.Dy() != s.height {
		return nil, fmt.Errorf("the decoder found %d x %d pixels, the header says %d x %d", b.Dx(), b.Dy(), s.width, s.height)
	}
	small, err := reduce(ctx, src, s.turn, fit(upright))
	if err != nil {
		return nil, err
	}
	return encode(small)
}

// reserve takes memory, which is to be released.
func (m *Previewer) reserve(ctx context.Context, bytes int64) error {
	waiting, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	err := m.memory.Acquire(waiting, bytes)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("other pictures took all memory for %v", maxWait)
	}
	return nil
}

// patient is a file that can be read as long as ctx lasts.
type patient struct {
	ctx context.Context
	r   io.ReaderAt
}

func (p patient) ReadAt(b []byte, off int64) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.ReadAt(b, off)
}

// sips reads as long as ctx lasts, little at a time: a few bytes can give a decoder of progressive pictures much to do.
type sips struct {
	ctx context.Context
	r   io.Reader
}

func (s sips) Read(b []byte) (int, error) {
	const most = 512
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(b[:min(len(b), most)])
}

// fit gives the size of the preview.
func fit(s Shape) image.Point {
	scale := min(1, previewWidth/float64(s.Width), previewHeight/float64(s.Height))
	side := func(n int) int { return max(1, int(float64(n)*scale+0.5)) }
	return image.Pt(side(s.Width), side(s.Height))
}

func encode(m *image.RGBA) (*Preview, error) {
	var b bytes.Buffer
	p := &Preview{MIME: "image/jpeg", Width: m.Rect.Dx(), Height: m.Rect.Dy()}
	var err error
	if m.Opaque() {
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: previewQuality})
	} else {
		p.MIME, err = "image/png", png.Encode(&b, m)
	}
	p.Bytes = b.Bytes()
	return p, err
}
