package media_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"kaizala-drop/internal/media"
)

// fuzz gives the fuzzer a file of one format in three parts: a head, a gap of one repeated byte of any length
// (terabytes cost nothing here), and a tail. missingEnd asserts the bounds of reads and bytes, whatever the parts are.
func fuzz(f *testing.F, ext, magic string) {
	generate := generators()[ext]
	switch {
	case strings.HasSuffix(magic, "heic"):
		generate = mp4File
	case generate == nil:
		generate = wavFile
	}
	for i := range 12 {
		data := generate(rand.New(rand.NewPCG(6, uint64(i)))).data
		data = data[:min(len(data), 6000)]
		middle := len(data) / 2
		f.Add(data, int64(0), byte(0), []byte{})
		f.Add(data[:middle], int64(1)<<(5*i), byte(i*3), data[middle:])
	}
	for _, h := range hostiles(f) {
		if typeOf(f, h.name).Ext == ext {
			n := len(h.data)
			f.Add(h.data[:min(n, 3000)], int64(1<<20), h.data[n/2], h.data[max(0, n-3000):])
		}
	}
	f.Fuzz(func(t *testing.T, head []byte, gap int64, filler byte, tail []byte) {
		if !bytes.HasPrefix(head, []byte(magic)) {
			head = append([]byte(magic), head...)
		}
		gap = max(0, min(gap, math.MaxInt64-int64(len(head)+len(tail))))
		r := &strict{size: int64(len(head)) + gap + int64(len(tail))}
		r.read = func(b []byte, off int64) {
			for i := range b {
				b[i] = filler
			}
			copy(b, head[min(off, int64(len(head))):])
			if at := off - int64(len(head)) - gap; at >= 0 {
				copy(b, tail[at:])
			} else if -at < int64(len(b)) {
				copy(b[-at:], tail)
			}
		}
		first := missingEnd(t, ext, r)
		again := &strict{size: r.size, read: r.read}
		if second := missingEnd(t, ext, again); second != first || again.reads != r.reads {
			t.Errorf("said %q, then %q", first, second)
		}
		if gap > 0 || len(tail) > 0 {
			return
		}
		// A file that shrinks during the check is an error, or was judged before; it is never a panic.
		_, err := media.MissingEnd(typeOf(t, "a"+ext), bytes.NewReader(head[:len(head)/2]), r.size)
		if err == nil && r.reads == 1 && int64(len(head)) <= 2048 && len(head) > 1 {
			t.Error("a file shorter than its size was read without an error")
		}
	})
}

// These targets show that no content makes the check of a format panic, or exceed the bounds of reads and bytes.
func FuzzJPEG(f *testing.F)     { fuzz(f, ".jpg", "\xff\xd8\xff") }
func FuzzPNG(f *testing.F)      { fuzz(f, ".png", "\x89PNG\r\n\x1a\n") }
func FuzzPDF(f *testing.F)      { fuzz(f, ".pdf", "%PDF-") }
func FuzzZIP(f *testing.F)      { fuzz(f, ".docx", "PK\x03\x04") }
func FuzzCompound(f *testing.F) { fuzz(f, ".doc", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") }
func FuzzISOMedia(f *testing.F) { fuzz(f, ".mp4", "\x00\x00\x00\x0cftypisom") }
func FuzzHEIF(f *testing.F)     { fuzz(f, ".png", "\x00\x00\x00\x0cftypheic") }
func FuzzWAV(f *testing.F)      { fuzz(f, ".wav", "RIFF") }
func FuzzUnknown(f *testing.F)  { fuzz(f, ".mp3", "") }

// FuzzCut shows that a cut passes where the comment of the format says so, and nowhere else, in files that it makes
// itself.
func FuzzCut(f *testing.F) {
	exts := []string{".jpg", ".png", ".pdf", ".docx", ".doc", ".mp4", ".wav"}
	for i := range uint8(len(exts)) {
		f.Add(i, uint64(i), uint32(1000))
	}
	f.Fuzz(func(t *testing.T, which uint8, seed uint64, at uint32) {
		ext := exts[int(which)%len(exts)]
		sp := generators()[ext](rand.New(rand.NewPCG(7, seed)))
		cut := 1 + int(at)%len(sp.data)
		if missing := missingEnd(t, ext, strictBytes(sp.data[:cut])); (missing == "") != sp.mayPass(cut) {
			t.Errorf("%s (%s), seed %d, cut at %d of %d: %q; a cut passes in %v",
				ext, sp.style, seed, cut, len(sp.data), missing, sp.passes)
		}
	})
}
