package shape_test

import (
	"bytes"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"kaizala-drop/internal/samples"
	"kaizala-drop/internal/shape"
)

// gapped is a file of a head, a gap of one repeated byte of any length (terabytes cost nothing here), and a tail.
type gapped struct {
	head, tail []byte
	gap        int64
	filler     byte
}

func (g gapped) size() int64 { return int64(len(g.head)) + g.gap + int64(len(g.tail)) }

func (g gapped) ReadAt(b []byte, off int64) (int, error) {
	n := int(min(int64(len(b)), g.size()-off))
	if n <= 0 {
		return 0, io.EOF
	}
	b = b[:n]
	for i := range b {
		b[i] = g.filler
	}
	copy(b, g.head[min(off, int64(len(g.head))):])
	if at := off - int64(len(g.head)) - g.gap; at >= 0 {
		copy(b, g.tail[at:])
	} else if -at < int64(n) {
		copy(b[-at:], g.tail)
	}
	return n, nil
}

// seeds are files of real programs: those of the demo, and those in testdata/seeds, which testdata/writers made.
func seeds(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, s := range samples.All() {
		all[s.Name] = s.Bytes
	}
	files, err := filepath.Glob("testdata/seeds/*")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = data
	}
	return all
}

// FuzzOf shows that no content makes Of panic, read more than it says, take more than 2 MiB of memory, tell what cannot be, or
// tell something else the second time.
func FuzzOf(f *testing.F) {
	exts := []string{"", ".mp3", ".aac", ".tif"}
	for name, data := range seeds(f) {
		hint := byte(0)
		for i, ext := range exts {
			if ext == strings.ToLower(filepath.Ext(name)) {
				hint = byte(i)
			}
		}
		n := min(len(data), 20_000)
		f.Add(data[:n], int64(0), byte(0), []byte{}, hint)
		f.Add(data[:n/2], int64(1)<<n%41, byte(n), data[len(data)-n/2:], hint)
	}
	f.Fuzz(func(t *testing.T, head []byte, gap int64, filler byte, tail []byte, hint byte) {
		g := gapped{head: head, tail: tail, filler: filler}
		g.gap = max(0, min(gap, math.MaxInt64-int64(len(head)+len(tail))))
		ext := exts[int(hint)%len(exts)]
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		first, c := shapeOf(t, ext, g, g.size())
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 2<<20 {
			t.Errorf("%d bytes of memory", took)
		}
		second, again := shapeOf(t, ext, g, g.size())
		if first != second || c.reads != again.reads {
			t.Errorf("%+v, then %+v", first, second)
		}
		shapeOf(t, ext, bytes.NewReader(head[:len(head)/2]), g.size()) // a file that shrinks
	})
}

// FuzzPreview shows that no picture makes a preview panic, or take more memory than is allowed, and that a preview is a picture
// that fits.
func FuzzPreview(f *testing.F) {
	m := quarters(810, 40)
	f.Add(asJPEG(f, m))
	f.Add(asPNG(f, m))
	for name, data := range seeds(f) {
		if strings.HasSuffix(name, "png") || strings.HasSuffix(name, "jpg") {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p, err := shape.PreviewUnguarded(t.Context(), bytes.NewReader(data), int64(len(data)))
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > shape.MaxMemory+16<<20 {
			t.Errorf("%d bytes of memory", took)
		}
		if p != nil && err == nil {
			preview(t, data)
		}
	})
}
