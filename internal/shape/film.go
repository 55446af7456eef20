package shape

import (
	"encoding/binary"
	"math"
	"time"

	"kaizala-drop/internal/peek"
)

const (
	maxTop    = 1500 // boxes of the top level that are walked
	maxTracks = 64
)

// isoMedia reads the boxes of ISO/IEC 14496-12 (MP4, 3GP, HEIF) and of QuickTime.
func (f file) isoMedia() (s Shape) {
	var m movie
	var last []peek.Box // the last fragments
	var n int
	var end int64
	for b := range f.Boxes(0, f.Size()) {
		if end = b.End(); n == maxTop {
			break
		}
		switch n++; b.Kind {
		case "meta":
			if s, ok := f.picture(b); ok {
				return s
			}
		case "moov":
			if m = f.movie(b); !m.fragments {
				return m.shape()
			}
		case "moof":
			if m.first.Size == 0 {
				m.first = b
			}
			last = append(last[max(0, len(last)-3):], b)
		}
	}
	if n == maxTop {
		last = f.lastFragments(end)
	}
	f.fragmentsEnd(&m, last)
	return m.shape()
}

// movie is what moov says.
type movie struct {
	matrix    [4]int64
	duration  time.Duration
	fragments bool // more may follow in fragments
	tracks    []track
	first     peek.Box // the first fragment
}

type track struct {
	id            int64
	video         bool
	width, height float64 // of the display, before the turn
	matrix        [4]int64
	rate          int64 // units of its clock in a second
	duration      time.Duration
	each          int64 // units that a sample lasts in a fragment that does not say otherwise
}

func (f file) movie(moov peek.Box) (m movie) {
	m.matrix = upright()
	var each = map[int64]int64{}
	for b := range f.Boxes(moov.Begin(), moov.End()) {
		switch b.Kind {
		case "mvhd":
			_, m.duration = f.clock(b)
			m.matrix = f.matrix(b, 36)
		case "trak":
			if len(m.tracks) < maxTracks {
				m.tracks = append(m.tracks, f.track(b))
			}
		case "mvex":
			m.fragments = true
			for c := range f.Boxes(b.Begin(), b.End()) {
				if d := f.at(c.Begin(), 16); c.Kind == "trex" && d != nil && len(each) < maxTracks {
					each[number(d[4:8])] = number(d[12:16])
				}
			}
		}
	}
	for i, t := range m.tracks {
		m.tracks[i].each = each[t.id]
	}
	return m
}

// clock reads what mvhd and mdhd begin alike with (8.2.2, 8.4.2): the units in a second, and the duration. All ones say that
// it is not known.
func (f file) clock(b peek.Box) (rate int64, d time.Duration) {
	c := f.at(b.Begin(), 32)
	if c == nil {
		return 0, 0
	}
	var n uint64
	if c[0] == 0 {
		rate, n = number(c[12:16]), uint64(binary.BigEndian.Uint32(c[16:]))
		if n == math.MaxUint32 {
			n = 0
		}
	} else {
		rate, n = number(c[20:24]), binary.BigEndian.Uint64(c[24:])
	}
	return rate, span(int64(min(n, math.MaxInt64)), rate)
}

// matrix reads the four numbers of a matrix that turn and stretch (8.2.2), which stand at bytes behind the header of a box
// of version 0. They are whole where 1 is 65,536.
func (f file) matrix(b peek.Box, at int64) [4]int64 {
	if v := f.at(b.Begin(), 1); v == nil || v[0] > 0 {
		at += 12
	}
	c := f.at(b.Begin()+at, 20)
	if c == nil {
		return upright()
	}
	of := func(b []byte) int64 { return int64(int32(binary.BigEndian.Uint32(b))) }
	m := [4]int64{of(c), of(c[4:]), of(c[12:]), of(c[16:])}
	if m == [4]int64{} { // nothing would be seen
		return upright()
	}
	return m
}

func upright() [4]int64 { return [4]int64{1 << 16, 0, 0, 1 << 16} }

func (f file) track(trak peek.Box) (t track) {
	for b := range f.Boxes(trak.Begin(), trak.End()) {
		switch b.Kind {
		case "tkhd":
			t.matrix = f.matrix(b, 40)
			at := int64(76)
			v := f.at(b.Begin(), 24)
			if v == nil {
				continue
			}
			t.id = number(v[12:16])
			if v[0] > 0 {
				t.id, at = number(v[20:24]), at+12
			}
			if c := f.at(b.Begin()+at, 8); c != nil {
				t.width, t.height = float64(number(c[:4]))/(1<<16), float64(number(c[4:]))/(1<<16)
			}
		case "mdia":
			f.media(&t, b)
		}
	}
	return t
}

func (f file) media(t *track, mdia peek.Box) {
	for b := range f.Boxes(mdia.Begin(), mdia.End()) {
		switch b.Kind {
		case "mdhd":
			t.rate, t.duration = f.clock(b)
		case "hdlr":
			kind := f.at(b.Begin()+8, 4)
			t.video = string(kind) == "vide"
		case "minf":
			if t.video && (t.width == 0 || t.height == 0) {
				f.sampleSize(t, b)
			}
		}
	}
}

// sampleSize takes width and height from the first description of samples (8.5.2, 12.1.3), where the track has none.
func (f file) sampleSize(t *track, minf peek.Box) {
	for b := range f.Boxes(minf.Begin(), minf.End()) {
		if b.Kind != "stbl" {
			continue
		}
		for c := range f.Boxes(b.Begin(), b.End()) {
			if c.Kind != "stsd" {
				continue
			}
			if d := f.at(c.Begin()+8+8+24, 4); d != nil {
				t.width, t.height = float64(number(d[:2])), float64(number(d[2:]))
			}
		}
	}
}

// lasts gives what the film says, or what its tracks say if it says nothing. A film that is much longer than its tracks is
// doubtful, because edit lists (8.6.6) make it shorter, or add a pause.
func (m movie) lasts() time.Duration {
	const pause = 10 * time.Second
	var longest time.Duration
	for _, t := range m.tracks {
		longest = max(longest, t.duration)
	}
	switch {
	case m.fragments:
		return m.duration
	case m.duration == 0:
		return longest
	case longest > 0 && m.duration > 2*longest+pause:
		return 0
	}
	return m.duration
}

// shape takes the largest video track: others are previews of chapters.
func (m movie) shape() (s Shape) {
	s.Duration = m.lasts()
	for _, t := range m.tracks {
		if !t.video {
			continue
		}
		w, h := extent(t.width, t.height, t.matrix)
		w, h = extent(w, h, m.matrix)
		if w*h > float64(s.Width)*float64(s.Height) && w <= maxSide && h <= maxSide {
			s.Width, s.Height = int(math.Round(w)), int(math.Round(h))
		}
	}
	return s
}

// extent is the box around w by h when it was turned and stretched.
func extent(w, h float64, m [4]int64) (wide, high float64) {
	abs := func(n int64) float64 { return math.Abs(float64(n)) / (1 << 16) }
	return w*abs(m[0]) + h*abs(m[2]), w*abs(m[1]) + h*abs(m[3])
}
