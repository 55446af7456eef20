package media_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// verdict is what must be said of a file: that something is missing at its end, or nothing.
type verdict struct {
	name string
	data []byte
	torn bool
}

func judge(t *testing.T, verdicts []verdict) {
	t.Helper()
	for _, v := range verdicts {
		missing := missingEnd(t, typeOf(t, v.name).Ext, strictBytes(v.data))
		if (missing != "") != v.torn {
			t.Errorf("%s, %d bytes, torn: %t: %q", v.name, len(v.data), v.torn, missing)
		}
	}
}

// filledUpTo gives data its full size and zeros from n on, as a Windows client leaves it that dies.
func filledUpTo(data []byte, n int) []byte {
	torn := make([]byte, len(data))
	copy(torn, data[:n])
	return torn
}

// TestBehindTheSectors has free sectors and padding behind the last sector of an old Office file that is in use.
func TestBehindTheSectors(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 1))
	parts := func() []part { return []part{{"dir", nil}, {"stream", ending(rng, 300_000)}} }
	first := layOut(parts(), layout{shift: 9, fatFirst: true}).data
	last := layOut(parts(), layout{shift: 12}).data
	short := layOut(parts(), layout{shift: 9, fatFirst: true, short: true}).data
	small := layOut([]part{{"dir", nil}, {"stream", ending(rng, 30_000)}}, layout{shift: 9}).data
	free := layOut(parts(), layout{shift: 9, fatFirst: true, free: 4000, spare: 40}).data
	padded := func(data []byte, n int) []byte { return append(bytes.Clone(data), make([]byte, n)...) }
	judge(t, []verdict{
		{"64 KiB of padding.doc", padded(first, 64<<10), false},
		{"5 MB of padding.doc", padded(first, 5_000_000), false},
		{"padded to a whole MiB.xls", padded(last, 1<<20-len(last)), false},
		{"a short last sector, padded.ppt", padded(short, 1<<20), false},
		{"2 MB of free sectors.doc", free, false},
		{"free sectors and padding.doc", padded(free, 100_000), false},

		{"cut.doc", first[:len(first)-50], true},
		{"cut before free sectors.doc", free[:300_000], true},
		{"half of it zeros.doc", filledUpTo(first, 150_000), true},
		{"half of it zeros, padded.doc", padded(filledUpTo(first, 150_000), 100_000), true},
		{"half of it zeros, free sectors.doc", filledUpTo(free, 200_000), true},
		{"the table is zeros.doc", filledUpTo(last, len(last)-4096), true},
		{"the table is zeros, padded.xls", padded(filledUpTo(last, len(last)-4096), 5_000_000), true},
		{"a small table is zeros, padded.xls", padded(filledUpTo(small, 20_000), 100_000), true},
		{"half a table, padded.xls", padded(filledUpTo(small, len(small)-300), 100_000), true},
	})
}
