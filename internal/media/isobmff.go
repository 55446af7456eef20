package media

import (
	"bytes"
	"fmt"
	"slices"
)

// isoEnd requires boxes that fill the file, with an index and media data among them: ISO/IEC 14496-12, 4.2, 6.2.3 and
// 8.1 (and 3GPP TS 26.244, which builds on it). The index is moov, before or after the media. In a HEIF picture it is
// meta, and in a sequence of pictures either. A meta box may hold the picture itself, and then no media data are
// needed.
//
// The boxes of the top level are walked by their lengths of 32 or 64 bits; length 0 reaches to the end of the file. A
// fragmented film (moov, then moof and mdat again and again) must not end with a moof. After 16 boxes of a fragmented
// film the walk goes on at the last fragment, if that is found in the last 64 KiB; after 512 boxes, if it is found in
// the last 768 KiB. Otherwise it goes on from box to box.
//
// What lies behind a whole film and is no box, or is a cut-off box that is none of the format's own, is a trailer of
// some program and is not judged. It is different where another fragment may follow, because no mfra ends the film.
// There, whatever can be the beginning of a box's header counts as one. Zeros count as a trailer only if there are at
// least four, and if the data before them do not end with four zeros. Media data or an index that ends the file with
// zeros was given its size and not filled (hollow).
//
// A cut passes between boxes once index and media are there: between two fragments, before a free or udta box at the
// end, and in the first 7 bytes of such a box. It passes in a trailer, and in media data whose length is 0 behind an
// index. A fragmented film that was given its size and not filled passes in the same places, and with up to 3 bytes of
// a fragment missing. A HEIF picture with an idat passes without its media data if its iloc is damaged or has more than
// 64 KiB. A film that is cut after some 4,000 boxes, or 2,000 fragments, passes if more than 768 KiB of a fragment are
// there.
func isoEnd(s *source, head []byte) (string, error) {
	f := film{source: s, name: "video", index: "moov"}
	if len(head) >= 12 && isHEIF(string(head[8:12])) {
		f = film{source: s, name: "HEIF picture", index: "meta"}
	}
	return f.missing()
}

func isHEIF(brand string) bool {
	switch brand {
	case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "avif", "avis":
		return true
	}
	return false
}

func isISOMedia(head []byte) bool {
	first := []string{"ftyp", "styp", "moov", "mdat", "moof", "free", "skip", "wide", "pnot"}
	return len(head) >= 8 && slices.Contains(first, string(head[4:8]))
}

// topBoxes lists the types of the top level, with which no trailer begins.
func topBoxes() []string {
	return []string{"moov", "mdat", "moof", "mfra", "meta", "meco", "free", "skip", "wide", "udta", "uuid", "ftyp", "styp",
		"sidx", "ssix", "prft", "emsg", "pdin", "idat", "imda"}
}

// begunBox reports whether b can be the beginning of the 8 bytes of a header. Only media data have 16 MiB or more, so
// the first byte is zero.
func begunBox(b []byte) bool {
	return len(b) < 8 && b[0] == 0 && slices.ContainsFunc(topBoxes(), func(kind string) bool {
		return bytes.HasPrefix([]byte(kind), b[min(4, len(b)):])
	})
}

// film is what a walk over the boxes has seen.
type film struct {
	*source
	name, index    string
	indexed, media bool   // it has an index; it has media data
	fragments      bool   // it has fragments (moof) without their index (mfra), so more may follow
	open           bool   // the media data of the last fragment are not there
	last           string // the type of the last box
	meta           box    // of a HEIF picture
	moov           box    // of a film, or of a sequence of pictures
	moof           box    // of the last fragment
	content        box    // the last box that is no padding (free, skip, wide)
}

type box struct {
	kind        string
	off, header int64 // where it begins, and the length of its header
	size        int64 // with its header; math.MaxInt64 stands for more than a file can have
}

func (f *film) missing() (string, error) {
	b, ok, err := f.walk()
	if err != nil {
		return "", err
	}
	if !f.media && f.meta.size > 0 {
		if f.media, err = f.itemsAre(b.off); err != nil {
			return "", err
		}
	}
	said := f.lacks()
	if b.off < f.size {
		said, err = f.brokenOff(b, ok)
	}
	if err != nil || said != "" {
		return said, err
	}
	return f.hollow()
}

// walk goes from box to box as long as they are whole: to the end of the file, to a box that is longer than the file,
// or to what cannot be a box. b is where it stopped.
func (f *film) walk() (b box, ok bool, err error) {
	for n := 0; b.off < f.size; n++ {
		most := int64(0)
		switch n {
		case 16:
			most = chunk
		case 512:
			most = lookBack
		}
		if most > 0 && f.indexed && f.fragments {
			if b.off, err = f.lastFragment(b.off, most); err != nil {
				return b, ok, err
			}
		}
		b, ok, err = f.box(b.off)
		if err != nil || !ok || b.size > f.size-b.off {
			break
		}
		f.add(b)
		b.off += b.size
	}
	return b, ok, err
}

// brokenOff judges b, which is longer than the file, or what lies there instead of a box.
func (f *film) brokenOff(b box, ok bool) (string, error) {
	left := f.size - b.off
	whole, err := f.trailer(b, ok)
	if err == nil && !whole && ok {
		whole, err = f.nothingIn(b)
	}
	switch {
	case err != nil || whole:
		return "", err
	case !ok && f.indexed && f.media:
		return "the " + f.name + " breaks off: its last " + plural(left, "byte") + " begin no box", nil
	case !ok:
		return f.lacks(), nil
	}
	return fmt.Sprintf("the %s's last box (%s) says %s, %s", f.name, b.kind, plural(b.size, "byte"), areThere(left)), nil
}

// trailer reports whether b, or what lies there instead of a box, is behind a whole film.
func (f *film) trailer(b box, ok bool) (bool, error) {
	const zeros = 4
	switch {
	case f.lacks() != "":
		return false, nil
	case ok:
		return !slices.Contains(topBoxes(), b.kind), nil
	case !f.fragments:
		return true, nil
	}
	end, err := f.dataEnd()
	switch {
	case err != nil:
		return false, err
	case end > b.off:
		written, err := f.at(b.off, int(min(8, end-b.off)))
		return err == nil && !begunBox(written), err
	case f.size-b.off < zeros:
		return false, nil
	case f.last == "free" || f.last == "skip":
		return true, nil
	}
	before, err := f.at(b.off-zeros, zeros)
	return !allZero(before), err
}

func (f *film) add(b box) {
	if f.last = b.kind; !isPadding(b.kind) {
		f.content = b
	}
	switch b.kind {
	case "moov":
		f.indexed, f.moov = true, b
	case f.index:
		f.indexed, f.meta = true, b
	case "mdat", "imda":
		f.media, f.open = true, false
	case "moof":
		f.fragments, f.open, f.moof = true, true, b
	case "mfra":
		f.fragments, f.open = false, false
	}
}

// lacks says what is missing in a film that ends with the last box.
func (f *film) lacks() string {
	switch {
	case !f.indexed:
		return "the " + f.name + " has no index (" + f.index + "): it was not finished"
	case !f.media:
		return "the " + f.name + " has an index but no media data (mdat)"
	case f.open:
		return "the " + f.name + "'s last fragment has no media data (mdat)"
	}
	return ""
}

// box reads the header of the box at off. ok is false if there can be no box.
func (f *film) box(off int64) (b box, ok bool, err error) {
	h, ok, err := f.Box(off)
	return box{kind: h.Kind, off: h.Off, header: h.Header, size: h.Size}, ok, err
}

// lastFragment gives where the last moof begins within the last most bytes of the file, or off. A moof is known by the
// mfhd box at its beginning (8.8.5).
func (f *film) lastFragment(off, most int64) (int64, error) {
	const before = 12 // bytes of the moof, up to the type mfhd
	from, to := max(off+before, f.size-most), f.size
	for from < to {
		mfhd, err := f.findLast("mfhd", from, to, most)
		if err != nil || mfhd < 0 {
			return off, err
		}
		b, err := f.at(mfhd-before, 8)
		if err != nil || string(b[4:]) == "moof" {
			return mfhd - before, err
		}
		to = mfhd // media data that look like mfhd by chance
	}
	return off, nil
}
