package media

import (
	"encoding/binary"
	"slices"
)

const (
	maxIndexBoxes = 1024 // boxes in moov that are read
	maxChunkTable = 1024 // chunk offsets of one track that are read
	maxInChunk    = 4096 // samples
	sampleSeen    = 32   // as many bytes at the beginning of a sample are never all zeros
)

// filmIndex is what moov says of where the samples are: ISO/IEC 14496-12, 8.1 to 8.7.
type filmIndex struct {
	*film
	boxes   int
	broken  bool // something in it that must be a box is none
	unknown bool // it has more than is read, or leaves the index to fragments
	tracks  []track
}

type track struct {
	format string   // the format of its samples: avc1, mp4a
	chunks boxTable // the offsets of its chunks
	runs   boxTable // how many samples its chunks have
	sizes  boxTable // the sizes of its samples
	fixed  int64    // the size of every sample, or 0 if they differ
}

// boxTable is a table of n entries in a box.
type boxTable struct{ off, n, entry int64 }

// readIndex reads the moov box b.
func (f *film) readIndex(b box) (*filmIndex, error) {
	x := &filmIndex{film: f}
	err := x.walk(b)
	return x, err
}

// walk goes through the boxes in b, and the boxes in those. Zeros behind the last box in moov are padding.
func (x *filmIndex) walk(b box) error {
	off, end := b.off+b.header, b.off+b.size
	for end-off >= 8 && !x.broken {
		if x.boxes++; x.boxes > maxIndexBoxes {
			x.unknown = true
			break
		}
		child, ok, err := x.box(off)
		if err != nil {
			return err
		}
		if !ok || child.size > end-off {
			x.broken = b.kind != "moov" || len(x.tracks) == 0 || child.kind != "\x00\x00\x00\x00"
			break
		}
		if err := x.enter(child); err != nil {
			return err
		}
		off += child.size
	}
	return nil
}

func (x *filmIndex) enter(b box) (err error) {
	if b.kind == "trak" {
		x.tracks = append(x.tracks, track{})
	}
	if slices.Contains([]string{"trak", "mdia", "minf", "stbl"}, b.kind) {
		return x.walk(b)
	}
	if b.kind == "mvex" {
		x.unknown = true
	}
	if len(x.tracks) == 0 {
		return nil
	}
	t := &x.tracks[len(x.tracks)-1]
	switch b.kind {
	case "stsd":
		var entry []byte
		if entry, err = x.at(b.off+b.header+8, 8); len(entry) == 8 {
			t.format = string(entry[4:])
		}
	case "stco":
		t.chunks, err = x.table(b, 4, 4)
	case "co64":
		t.chunks, err = x.table(b, 4, 8)
	case "stsc":
		t.runs, err = x.table(b, 4, 12)
	case "stsz":
		var fixed []byte
		if fixed, err = x.at(b.off+b.header+4, 4); len(fixed) == 4 {
			t.fixed = int64(binary.BigEndian.Uint32(fixed))
		}
		if err == nil {
			t.sizes, err = x.table(b, 8, 4)
		}
	}
	return err
}

// table gives the table in b whose number of entries stands at bytes behind b's header.
func (x *filmIndex) table(b box, at, entry int64) (boxTable, error) {
	n, err := x.at(b.off+b.header+at, 4)
	if err != nil || len(n) < 4 {
		return boxTable{}, err
	}
	return boxTable{b.off + b.header + at + 4, int64(binary.BigEndian.Uint32(n)), entry}, nil
}

// lastOf reads the last n entries of t, or all if there are fewer.
func (x *filmIndex) lastOf(t boxTable, n int64) ([]byte, error) {
	n = min(n, t.n)
	b, err := x.at(t.off+(t.n-n)*t.entry, int(n*t.entry))
	if int64(len(b)) < n*t.entry {
		return nil, err
	}
	return slices.Clone(b), err
}

// extent is where bytes lie in the file.
type extent struct{ from, to int64 }

// lastChunk gives the samples of t's last chunk. ok is false if they cannot be told: the last chunk is not the one
// furthest back in the file, or the sizes of sound are in other units, as in QuickTime.
func (x *filmIndex) lastChunk(t track) (samples []extent, ok bool, err error) {
	offsets, err := x.lastOf(t.chunks, maxChunkTable)
	if err != nil || len(offsets) == 0 {
		return nil, false, err
	}
	var off, furthest int64
	for ; len(offsets) > 0; offsets = offsets[t.chunks.entry:] {
		off = chunkOffset(offsets[:t.chunks.entry])
		furthest = max(furthest, off)
	}
	run, err := x.lastOf(t.runs, 1)
	if err != nil || len(run) == 0 || off < furthest {
		return nil, false, err
	}
	first, n := int64(binary.BigEndian.Uint32(run)), int64(binary.BigEndian.Uint32(run[4:]))
	if first == 0 || first > t.chunks.n || n == 0 || n > t.sizes.n || t.fixed > 0 && t.fixed < 3 {
		return nil, false, nil
	}
	if t.fixed > 0 {
		return []extent{{off, off + n*t.fixed}}, true, nil
	}
	return x.samplesFrom(off, t, n)
}

func chunkOffset(b []byte) int64 {
	if len(b) == 4 {
		return int64(binary.BigEndian.Uint32(b))
	}
	return int64(binary.BigEndian.Uint64(b) >> 1) // halved to be no negative number; even that is more than a file has
}

// samplesFrom gives the last n samples of t, which begin at off.
func (x *filmIndex) samplesFrom(off int64, t track, n int64) (samples []extent, ok bool, err error) {
	if n > maxInChunk {
		return nil, false, nil
	}
	sizes, err := x.lastOf(t.sizes, n)
	if err != nil || len(sizes) == 0 {
		return nil, false, err
	}
	for ; len(sizes) > 0; sizes = sizes[4:] {
		to := off + int64(binary.BigEndian.Uint32(sizes))
		samples = append(samples, extent{off, to})
		off = to
	}
	return samples, true, nil
}

// samplesEnd gives where the last sample of all tracks ends.
func (x *filmIndex) samplesEnd() (end int64, known bool, err error) {
	if x.broken || x.unknown {
		return 0, false, nil
	}
	for _, t := range x.tracks {
		if t.chunks.n == 0 {
			continue
		}
		samples, ok, err := x.lastChunk(t)
		if err != nil || !ok {
			return 0, false, err
		}
		end, known = max(end, samples[len(samples)-1].to), true
	}
	return end, known, nil
}

// hollowIndex reports whether the zeros that begin at off cover a part of moov that cannot be zeros: the header of a
// box, the number of chunks of a track with samples, or the offset of a chunk.
func (x *filmIndex) hollowIndex(off int64) (bool, error) {
	for _, t := range x.tracks {
		at, err := x.lastOf(t.chunks, 1)
		if err != nil || x.broken {
			return x.broken, err
		}
		last := t.chunks.off + (t.chunks.n-1)*t.chunks.entry
		if t.chunks.n > 0 && last >= off && allZero(at) || t.chunks.n == 0 && t.sizes.n > 0 {
			return true, nil
		}
	}
	return x.broken, nil
}

// hollowSamples reports whether a sample lies within the zeros that begin at off.
func (x *filmIndex) hollowSamples(off int64) (bool, error) {
	for _, t := range x.tracks {
		if x.broken || x.unknown || !isCodec(t.format) || t.fixed > 0 {
			continue
		}
		samples, _, err := x.lastChunk(t)
		if err != nil {
			return false, err
		}
		for _, s := range samples {
			if s.from >= off && s.to-s.from >= sampleSeen && s.to <= x.size {
				return true, nil
			}
		}
	}
	return false, nil
}

// silentFrom reports whether the bytes from off on belong to the last chunk of sound that is not encoded.
func (x *filmIndex) silentFrom(off int64) (bool, error) {
	plain := []string{"sowt", "twos", "raw ", "lpcm", "ipcm", "fpcm", "in24", "in32", "fl32", "fl64", "NONE", "ulaw", "alaw"}
	for _, t := range x.tracks {
		if !slices.Contains(plain, t.format) {
			continue
		}
		at, err := x.lastOf(t.chunks, 1)
		if err != nil || len(at) > 0 && chunkOffset(at) <= off {
			return err == nil, err
		}
	}
	return false, nil
}

// isCodec reports whether the first sampleSeen bytes of a sample of that format are never all zeros. They may be in
// sound that is not encoded, and in data of an unknown format.
func isCodec(format string) bool {
	switch format {
	case "avc1", "avc3", "hvc1", "hev1", "av01", "vp08", "vp09", "mp4v", "s263", "jpeg", "mjpa",
		"mp4a", "samr", "sawb", "Opus", "ac-3", "ec-3", "alac", "fLaC", ".mp3":
		return true
	}
	return false
}
