package shape

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"time"

	"kaizala-drop/internal/peek"
)

// lastFragments searches the last MiB of a long film, from from on, for fragments (moof). Each begins with an mfhd box of 16
// bytes (8.8.5).
func (f file) lastFragments(from int64) (last []peek.Box) {
	const before, most = 12, 1 << 20
	for to := f.Size(); len(last) < 4; {
		at, err := f.FindLast("mfhd", max(from, f.Size()-most), to, most)
		if err != nil || at < 0 {
			break
		}
		if b, ok, err := f.Box(at - before); err == nil && ok && b.Kind == "moof" && b.End() <= f.Size() {
			last = append(last, b)
		}
		to = at
	}
	slices.Reverse(last)
	return last
}

// fragmentsEnd takes the time from the beginning of the first fragment, or of what is in the film before it, to the end of the
// last ones. Without the time at which a fragment begins (tfdt, 8.8.12) nothing is known.
func (f file) fragmentsEnd(m *movie, last []peek.Box) {
	if len(last) == 0 {
		return
	}
	begin := map[int64]int64{}
	for _, run := range f.runs(*m, m.first) {
		if _, seen := begin[run.id]; !seen && m.duration == 0 {
			begin[run.id] = run.from
		}
	}
	var lasts time.Duration
	for _, moof := range last {
		for _, run := range f.runs(*m, moof) {
			from, seen := begin[run.id]
			switch {
			case run.from < 0, seen && from < 0:
				m.duration = 0
				return
			case !seen: // a track that begins later, with the clock of the others
				from = 0
			}
			lasts = max(lasts, span(run.to-from, run.rate))
		}
	}
	m.duration = max(m.duration, lasts)
}

// run is the time of a track in one fragment, in units of the track's clock; from is -1 if it is not known.
type run struct{ id, from, to, rate int64 }

// longest is more units of any clock than a film has, so that they can be added.
const longest = 1 << 60

func (f file) runs(m movie, moof peek.Box) (runs []run) {
	for b := range f.Boxes(moof.Begin(), moof.End()) {
		if b.Kind != "traf" || len(runs) == maxTracks {
			continue
		}
		r, each := run{from: -1}, int64(0)
		var lasts int64
		for c := range f.Boxes(b.Begin(), b.End()) {
			switch c.Kind {
			case "tfhd":
				r.id, each, r.rate = f.fragmentHeader(m, c)
			case "tfdt":
				r.from = f.decodeTime(c)
			case "trun":
				lasts = min(lasts+f.trackRun(c, each), longest)
			}
		}
		r.to = r.from + lasts
		if r.rate > 0 {
			runs = append(runs, r)
		}
	}
	return runs
}

// fragmentHeader reads a tfhd box, 8.8.7.
func (f file) fragmentHeader(m movie, b peek.Box) (id, each, rate int64) {
	const base, description, duration = 0x01, 0x02, 0x08
	c := f.upTo(b.Begin(), int(min(b.Size-b.Header, 24)))
	if len(c) < 8 {
		return 0, 0, 0
	}
	flags := binary.BigEndian.Uint32(c)
	id = number(c[4:8])
	for _, t := range m.tracks {
		if t.id == id {
			each, rate = t.each, t.rate
		}
	}
	if c = c[8:]; flags&base > 0 {
		c = c[min(len(c), 8):]
	}
	if flags&description > 0 {
		c = c[min(len(c), 4):]
	}
	if flags&duration > 0 && len(c) >= 4 {
		each = number(c[:4])
	}
	return id, each, rate
}

func (f file) decodeTime(b peek.Box) int64 {
	c := f.upTo(b.Begin(), 12)
	switch {
	case len(c) >= 8 && c[0] == 0:
		return number(c[4:8])
	case len(c) == 12 && c[4] == 0: // no film needs the first byte of eight
		return number(c[5:])
	}
	return -1
}

// trackRun gives how long the samples of a trun box last, 8.8.8.
func (f file) trackRun(b peek.Box, each int64) (lasts int64) {
	const offset, firstFlags, duration, perSample = 0x01, 0x04, 0x100, 0xF00
	c := f.at(b.Begin(), 8)
	if c == nil {
		return 0
	}
	flags, n := binary.BigEndian.Uint32(c), number(c[4:8])
	if flags&duration == 0 {
		return n * min(each, 1<<28)
	}
	entry := int64(4 * bits.OnesCount32(flags&perSample))
	at := b.Begin() + 8 + int64(4*bits.OnesCount32(flags&(offset|firstFlags)))
	for end := min(b.End(), at+n*entry); at < end; {
		part := f.upTo(at, int(min(piece/entry*entry, end-at)))
		if int64(len(part)) < entry {
			return 0
		}
		for at += int64(len(part)); int64(len(part)) >= entry; part = part[entry:] {
			lasts += number(part[:4])
		}
	}
	return lasts
}
