package shape

import (
	"encoding/binary"
	"iter"
	"math"
	"time"
)

// element is a part of a Matroska or WebM file: RFC 8794, 5 and 6.
type element struct {
	id       uint32
	off, end int64 // its content
}

// Elements of Matroska: RFC 9559, 5.1.
const (
	mkvSegment       = 0x18538067
	mkvInfo          = 0x1549A966
	mkvScale         = 0x2AD7B1
	mkvDuration      = 0x4489
	mkvCluster       = 0x1F43B675
	mkvTimestamp     = 0xE7
	mkvSimpleBlock   = 0xA3
	mkvBlockGroup    = 0xA0
	mkvBlock         = 0xA1
	mkvTracks        = 0x1654AE6B
	mkvTrack         = 0xAE
	mkvVideo         = 0xE0
	mkvPixelWidth    = 0xB0
	mkvPixelHeight   = 0xBA
	mkvDisplayWidth  = 0x54B0
	mkvDisplayHeight = 0x54BA
	mkvDisplayUnit   = 0x54B2
	mkvCropTop       = 0x54BB
	mkvCropBottom    = 0x54AA
	mkvCropLeft      = 0x54CC
	mkvCropRight     = 0x54DD
	mkvProjection    = 0x7670
	mkvRoll          = 0x7675
)

// elements gives the elements in [off, end). One of unknown length, as a program writes that cannot go back, reaches to end.
func (f file) elements(off, end int64) iter.Seq[element] {
	return func(yield func(element) bool) {
		for off < end {
			b := f.upTo(off, 12)
			id, n := vint(b, 4, false)
			size, m := vint(b[min(n, len(b)):], 8, true)
			if n == 0 || m == 0 {
				return
			}
			e := element{id: uint32(id), off: off + int64(n+m)}
			if e.end = end; size >= 0 && size < end-e.off {
				e.end = e.off + size
			}
			if !yield(e) {
				return
			}
			off = e.end
		}
	}
}

// vint reads a number of variable length, of at most most bytes. Without its length marker it is a length, and -1 if all its
// bits are 1, which says unknown.
func vint(b []byte, most int, length bool) (v int64, n int) {
	if len(b) == 0 || b[0] == 0 {
		return 0, 0
	}
	mask := byte(0x80)
	for n = 1; b[0]&mask == 0; n++ {
		mask >>= 1
	}
	if n > most || n > len(b) {
		return 0, 0
	}
	for i, c := range b[:n] {
		if i == 0 && length {
			c &^= mask
		}
		v = v<<8 | int64(c)
	}
	if length && v == 1<<(7*n)-1 {
		return -1, n
	}
	return v, n
}

func (f file) matroska() (s Shape) {
	for e := range f.elements(0, f.Size()) {
		if e.id == mkvSegment {
			return f.segment(e)
		}
	}
	return s
}

// segment reads what stands before the first cluster; what stands behind is looked for only if something is missing.
func (f file) segment(segment element) (s Shape) {
	var info, tracks, cluster element
	for e := range f.elements(segment.off, segment.end) {
		switch e.id {
		case mkvInfo:
			info = e
		case mkvTracks:
			tracks = e
		case mkvCluster:
			if cluster.off == 0 {
				cluster = e
			}
		}
		if info.off > 0 && tracks.off > 0 && (cluster.off > 0 || e.id != mkvCluster && f.mkvDuration(info, 0) > 0) {
			break
		}
	}
	s.Width, s.Height = f.mkvSize(tracks)
	if s.Duration = f.mkvDuration(info, 0); s.Duration == 0 && cluster.off > 0 {
		s.Duration = f.mkvDuration(info, f.mkvLast(cluster))
	}
	return s
}

// mkvDuration is in units of which each has as many nanoseconds as TimestampScale says. There are as many as info tells, unless
// the caller knows better.
func (f file) mkvDuration(info element, units float64) time.Duration {
	scale, known := int64(1_000_000), units > 0
	for e := range f.elements(info.off, info.end) {
		switch e.id {
		case mkvScale:
			scale = f.mkvNumber(e)
		case mkvDuration:
			if !known {
				units = f.mkvFloat(e)
			}
		}
	}
	d := units * float64(scale)
	if math.IsNaN(d) || d < 0 || d > float64(maxDuration) {
		return 0
	}
	return time.Duration(d)
}

// mkvLast gives the units from the first cluster to the last block of the last one, which is searched in the last 2 MiB: what is
// recorded while it is sent, as browsers do it, has its duration nowhere.
func (f file) mkvLast(first element) float64 {
	const id, most = "\x1F\x43\xB6\x75", 2 << 20
	begin, ok := f.mkvCluster(first)
	for to := f.Size(); ok; {
		at, err := f.FindLast(id, first.off, to, most)
		if err != nil || at < 0 {
			_, last := f.mkvBlocks(first)
			return max(0, float64(last-begin))
		}
		for e := range f.elements(at, f.Size()) {
			if from, last := f.mkvBlocks(e); last > from && from >= begin {
				return float64(last - begin)
			}
			break
		}
		to = at + 3
	}
	return 0
}

func (f file) mkvCluster(cluster element) (at int64, ok bool) {
	for e := range f.elements(cluster.off, cluster.end) {
		return f.mkvNumber(e), e.id == mkvTimestamp
	}
	return 0, false
}

// mkvBlocks gives the time at which a cluster begins, and that of its last block.
func (f file) mkvBlocks(cluster element) (from, last int64) {
	from, ok := f.mkvCluster(cluster)
	last = from
	for e := range f.elements(cluster.off, cluster.end) {
		if e.id == mkvCluster {
			break // the one before it has no length
		}
		if e.id == mkvBlockGroup {
			for b := range f.elements(e.off, e.end) {
				if e = b; e.id == mkvBlock {
					break
				}
			}
		}
		if e.id != mkvBlock && e.id != mkvSimpleBlock {
			continue
		}
		b := f.upTo(e.off, 10)
		if _, n := vint(b, 8, true); ok && n > 0 && len(b) >= n+2 {
			last = max(last, from+int64(int16(binary.BigEndian.Uint16(b[n:]))))
		}
	}
	return from, last
}

func (f file) mkvNumber(e element) int64 {
	if e.end-e.off > 7 {
		return 0
	}
	return number(f.at(e.off, int(e.end-e.off)))
}

func (f file) mkvFloat(e element) float64 {
	b := f.at(e.off, int(min(8, e.end-e.off)))
	switch len(b) {
	case 4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	case 8:
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return 0
}

// mkvSize gives the size of the largest track.
func (f file) mkvSize(tracks element) (width, height int) {
	n := 0
	for e := range f.elements(tracks.off, tracks.end) {
		if n++; e.id != mkvTrack || n > maxTracks {
			continue
		}
		for e := range f.elements(e.off, e.end) {
			if e.id != mkvVideo {
				continue
			}
			if w, h := f.mkvVideo(e); w <= maxSide && h <= maxSide && w*h > int64(width)*int64(height) {
				width, height = int(w), int(h)
			}
		}
	}
	return width, height
}

// mkvVideo gives the size of the display in pixels, or what is left of the picture if nothing is said of a display.
func (f file) mkvVideo(video element) (w, h int64) {
	v := map[uint32]int64{}
	quarter := false
	for e := range f.elements(video.off, video.end) {
		switch e.id {
		case mkvProjection:
			for e := range f.elements(e.off, e.end) {
				if e.id == mkvRoll {
					roll := math.Abs(math.Mod(f.mkvFloat(e), 180))
					quarter = roll > 45 && roll < 135
				}
			}
		case mkvPixelWidth, mkvPixelHeight, mkvDisplayWidth, mkvDisplayHeight, mkvDisplayUnit, mkvCropTop, mkvCropBottom, mkvCropLeft,
			mkvCropRight:
			v[e.id] = f.mkvNumber(e)
		}
	}
	w, h = v[mkvPixelWidth]-v[mkvCropLeft]-v[mkvCropRight], v[mkvPixelHeight]-v[mkvCropTop]-v[mkvCropBottom]
	if wide, high := min(v[mkvDisplayWidth], 1<<31), v[mkvDisplayHeight]; wide > 0 && high > 0 {
		switch v[mkvDisplayUnit] {
		case 0: // pixels
			w, h = wide, high
		case 1, 2, 3: // centimetres, inches, a ratio
			w = (min(h, maxSide)*wide + high/2) / high
		}
	}
	if quarter {
		w, h = h, w
	}
	return max(w, 0), max(h, 0)
}
