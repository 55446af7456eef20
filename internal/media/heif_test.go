package media_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// item is the place of a part of a HEIF picture: in the file, or in idat.
type item struct {
	method, ref, off, n int
}

// iloc is a box that locates items, with numbers of 32 bits. Version 0 knows no methods.
func iloc(version byte, items ...item) []byte {
	be := binary.BigEndian
	short := func(b []byte, n int) []byte {
		if version == 2 {
			return be.AppendUint32(b, uint32(n))
		}
		return be.AppendUint16(b, uint16(n))
	}
	b := short([]byte{version, 0, 0, 0, 0x44, 0x40}, len(items))
	for i, it := range items {
		b = short(b, i+1)
		if version > 0 {
			b = be.AppendUint16(b, uint16(it.method))
		}
		b = be.AppendUint16(b, uint16(it.ref))
		b = be.AppendUint32(b, 8) // the base, which is added to each offset
		b = be.AppendUint16(b, 1)
		b = be.AppendUint32(be.AppendUint32(b, uint32(it.off-8)), uint32(it.n))
	}
	return box("iloc", b)
}

// TestPictureInMeta shows that a HEIF picture without media data is whole if all its items are there, and torn if the
// media data were cut off.
func TestPictureInMeta(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 1))
	ftyp := box("ftyp", []byte("heic\x00\x00\x00\x00mif1heic"))
	hdlr, idat := box("hdlr", make([]byte, 25)), box("idat", ending(rng, 5000))
	meta := func(children ...[]byte) []byte {
		return box("meta", append([][]byte{make([]byte, 4), hdlr}, children...)...)
	}
	with := func(parts ...[]byte) []byte { return join(append([][]byte{ftyp}, parts...)...) }
	inIdat := []item{{1, 0, 0, 4000}, {1, 0, 4000, 1001}, {2, 0, 0, 9}}
	phone := func(version byte) []byte { // the description of the grid in idat, its tiles in mdat
		m := meta(iloc(version, item{int(min(version, 1)), 0, 64, 8}, item{0, 0, 6000, 4000}, item{0, 0, 10_000, 9000}), idat)
		return with(m, box("mdat", ending(rng, 19_000-len(ftyp)-len(m)-8)))
	}
	verdicts := []verdict{
		{"idat alone.jpg", with(meta(idat)), false},
		{"idat alone, QuickTime's meta.jpg", with(box("meta", hdlr, idat)), false},
		{"all in idat.jpg", with(meta(iloc(1, inIdat...), idat)), false},
		{"all in idat, 32 bits.png", with(meta(idat, iloc(2, inIdat...))), false},
		{"all in idat, by the file's offsets.jpg", with(meta(idat, iloc(0, item{0, 0, 100, 4000}))), false},
		{"in another file.jpg", with(meta(iloc(1, item{0, 1, 0, 50_000}), idat)), false},
		{"in a free box.jpg", with(meta(iloc(1, item{0, 0, 6000, 500})), box("free", noise(rng, 9000))), false},
		{"a broken iloc.jpg", with(meta(box("iloc", iloc(1, inIdat...)[8:40]), idat)), false},
		{"a trailer.jpg", with(meta(iloc(1, inIdat...), idat), noise(rng, 16)), false},
		{"zeros.jpg", with(meta(iloc(1, inIdat...), idat), make([]byte, 100_000)), false},

		{"no data.jpg", with(meta()), true},
		{"no items.jpg", with(meta(iloc(1))), true},
		{"no data, but an iloc.jpg", with(meta(iloc(1, item{0, 0, 6000, 4000}))), true},
		{"the whole file is an item.jpg", with(meta(iloc(1, item{0, 0, 8, 0}), idat)), true},
		{"a free box, but further than that.jpg", with(meta(iloc(1, item{0, 0, 6000, 9000}), idat), box("free", noise(rng, 9000))), true},
	}
	for _, whole := range [][]byte{phone(0), phone(1), phone(2), with(meta(iloc(1, inIdat...), idat))} {
		verdicts = append(verdicts, verdict{"a phone's.jpg", whole, false})
		for n := 13; n < len(whole); n += 1 + n/6000*50 {
			verdicts = append(verdicts, verdict{"a phone's, cut.jpg", whole[:n], true})
		}
	}
	judge(t, verdicts)
}
