package peek_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

	"kaizala-drop/internal/peek"
)

// TestBudget shows that a source ends with ErrBudget after so many reads, or so many bytes, and stays at its end.
func TestBudget(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 100)
	for _, c := range []struct {
		reads int
		bytes int64
		n     int
		good  int
	}{{3, 1000, 10, 3}, {100, 35, 10, 3}, {0, 1000, 10, 0}, {5, 1000, 300, 3}} {
		s := peek.New(bytes.NewReader(data), int64(len(data)), c.reads, c.bytes)
		for i := range 8 {
			b, err := s.At(int64(i), c.n)
			if good := i < c.good; good != (err == nil) || !good && !errors.Is(err, peek.ErrBudget) || good && len(b) != c.n {
				t.Errorf("%+v, read %d: %d bytes, %v", c, i, len(b), err)
			}
		}
	}
}

// TestAt shows that nothing is read outside of the file, and what a file is that became shorter.
func TestAt(t *testing.T) {
	s := peek.New(bytes.NewReader([]byte("0123456789")), 10, 100, 1000)
	for _, c := range []struct {
		off  int64
		n    int
		want string
	}{{0, 4, "0123"}, {8, 4, "89"}, {10, 4, ""}, {-1, 4, ""}, {3, 0, ""}, {3, -1, ""}, {math.MaxInt64, 4, ""}} {
		if b, err := s.At(c.off, c.n); string(b) != c.want || err != nil {
			t.Errorf("%+v: %q, %v", c, b, err)
		}
	}
	shrunk := peek.New(bytes.NewReader([]byte("0123456789")), 20, 100, 1000)
	if b, err := shrunk.At(5, 10); b != nil || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", b, err)
	}
}

// TestFindLast shows that the last place is found wherever it lies, across the borders of what is read at once, too.
func TestFindLast(t *testing.T) {
	for _, at := range []int{0, 1, 77_000, 100_000, 131_070, 131_073, 195_000, 199_996} {
		data := make([]byte, 200_000)
		copy(data, "mark")
		copy(data[at:], "mark")
		s := peek.New(bytes.NewReader(data), int64(len(data)), 100, 1<<20)
		if got, err := s.FindLast("mark", 0, int64(len(data)), 1<<20); got != int64(at) || err != nil {
			t.Errorf("%d, %v; want %d", got, err, at)
		}
		if got, err := s.FindLast("mark", int64(at)+1, int64(len(data)), 1<<20); got != -1 || err != nil {
			t.Errorf("behind %d: %d, %v", at, got, err)
		}
	}
}

// TestBoxes shows which boxes there are in a run of them: those of 32 and of 64 bits, and the last one, which reaches to the end;
// and that the run ends at what is none.
func TestBoxes(t *testing.T) {
	box := func(size byte, kind string, content ...byte) []byte {
		return slices.Concat([]byte{0, 0, 0, size}, []byte(kind), content)
	}
	wide := box(1, "wide", 0, 0, 0, 0, 0, 0, 0, 17, 5)
	for name, c := range map[string]struct {
		data []byte
		want []string
	}{
		"three":      {slices.Concat(box(8, "ftyp"), wide, box(0, "mdat", 1, 2, 3)), []string{"ftyp", "wide", "mdat"}},
		"too long":   {slices.Concat(box(8, "ftyp"), box(13, "mdat", 1, 2, 3)), []string{"ftyp"}},
		"too short":  {slices.Concat(box(8, "ftyp"), box(7, "mdat", 1, 2, 3)), []string{"ftyp"}},
		"no name":    {slices.Concat(box(8, "ftyp"), box(8, "m\x00at")), []string{"ftyp"}},
		"no room":    {slices.Concat(box(8, "ftyp"), []byte{0, 0, 0}), []string{"ftyp"}},
		"half wide":  {slices.Concat(box(8, "ftyp"), box(1, "wide", 0, 0)), []string{"ftyp"}},
		"over large": {box(1, "wide", 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF), nil},
	} {
		s := peek.New(bytes.NewReader(c.data), int64(len(c.data)), 100, 1000)
		var kinds []string
		for b := range s.Boxes(0, s.Size()) {
			kinds = append(kinds, b.Kind)
			if b.End() > s.Size() || b.Begin() != b.Off+b.Header {
				t.Errorf("%s: %+v", name, b)
			}
		}
		if !slices.Equal(kinds, c.want) {
			t.Errorf("%s: %v, want %v", name, kinds, c.want)
		}
	}
}
