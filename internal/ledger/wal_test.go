package ledger

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// images are the files of a ledger as a crash leaves them: the ledger's file and its -wal.
type images struct{ db, wal []byte }

func imagesOf(t *testing.T, l *Ledger) images {
	t.Helper()
	db, err := os.ReadFile(l.path())
	try(t, err)
	wal, err := os.ReadFile(l.path() + "-wal")
	try(t, err)
	return images{db, wal}
}

// lay writes the images into a folder of their own.
func (i images) lay(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	try(t, os.WriteFile(filepath.Join(dir, fileName), i.db, 0o600))
	try(t, os.WriteFile(filepath.Join(dir, fileName+"-wal"), i.wal, 0o600))
	return dir
}

const pageSize, frameSize = 4096, frameHeader + 4096

// commits are the numbers of frames up to the end of each commit.
func (i images) commits() []int {
	var ends []int
	for n, f := range slices.Collect(slices.Chunk(i.wal[walHeader:], frameSize)) {
		if len(f) == frameSize && [8]byte(f[8:]) == [8]byte(i.wal[16:]) && binary.BigEndian.Uint32(f[4:]) != 0 {
			ends = append(ends, n+1)
		}
	}
	return ends
}

// crashed makes a ledger with that many deliveries, each in a commit of its own, and returns it as a crash would leave it.
// Before the last ones the -wal is moved into the file anew times, so that it begins anew.
func crashed(t *testing.T, deliveries, anew int) images {
	t.Helper()
	l := run(t, t.TempDir())
	for range anew {
		for i := range 3 * deliveries {
			id := claim(t, l, sample(i, 3))
			try(t, l.Withdraw(t.Context(), id))
		}
		query(t, l.path(), "PRAGMA wal_checkpoint(RESTART)")
	}
	for i := range deliveries {
		claim(t, l, sample(i, 2))
	}
	i := imagesOf(t, l)
	if ends := i.commits(); (walHeader+ends[len(ends)-1]*frameSize < len(i.wal)) != (anew > 0) {
		t.Fatal("the -wal was not begun anew as it should")
	}
	return i
}

// open returns how many deliveries there are after Open, or the error of Open.
func (i images) open(t *testing.T) (deliveries int, err error) {
	t.Helper()
	l, err := Open(i.lay(t))
	if err != nil {
		return 0, err
	}
	n := count(t, l, "SELECT count(*) FROM delivery")
	return n, l.Close()
}

// older is the -wal as it might have been before it began anew.
func (i images) older() []byte {
	wal := bytes.Clone(i.wal)
	for f := range slices.Chunk(wal[walHeader:], frameSize) {
		f[15]++
	}
	return wal
}

func (i images) flipped(at int, bits byte) images {
	i.wal = bytes.Clone(i.wal)
	i.wal[at] ^= bits
	return i
}

// TestWALDamage shows that a flipped bit is found in every part of every frame, except in the last commit.
func TestWALDamage(t *testing.T) {
	i := crashed(t, 8, 1)
	ends := i.commits()
	last := ends[len(ends)-2] // frames before the last commit
	try(t, checkWAL(bytes.NewReader(i.wal)))
	for at := range walHeader {
		if err := checkWAL(bytes.NewReader(i.flipped(at, 1).wal)); err == nil {
			t.Errorf("not found in byte %d of the header", at)
		}
	}
	for n := range ends[len(ends)-1] {
		start := walHeader + n*frameSize
		places := []int{24, frameSize - 1, 24 + rand.IntN(pageSize), 24 + rand.IntN(pageSize)}
		for at := range frameHeader {
			places = append(places, at)
		}
		for _, at := range places {
			changed := i.flipped(start+at, 1<<rand.IntN(8))
			ended := [4]byte(i.wal[start+4:]) != [4]byte{} && [4]byte(changed.wal[start+4:]) == [4]byte{}
			if err := checkWAL(bytes.NewReader(changed.wal)); err == nil && n < last && !(ended && n == last-1) {
				t.Errorf("not found in byte %d of frame %d; the last commit begins after %d", at, n+1, last)
			}
		}
	}
	zeroed := images{i.db, bytes.Clone(i.wal)}
	clear(zeroed.wal[:walHeader+frameSize])
	if err := checkWAL(bytes.NewReader(zeroed.wal)); err == nil {
		t.Error("not found: zeros at the beginning")
	}
}

// TestWALDamageAtOpen shows that Open fails where SQLite would silently ignore commits.
func TestWALDamageAtOpen(t *testing.T) {
	i := crashed(t, 13, 0)
	ends := i.commits()
	if w, ok := readWALHeader(i.wal[:walHeader]); !ok || !w.inOneSector(ends[len(ends)-2]) {
		t.Fatal("the last commit but one ends with a header in two sectors, whose damage is not found: make more or fewer")
	}
	refused := 0
	for range 40 {
		at := rand.IntN(len(i.wal))
		changed := i.flipped(at, 1<<rand.IntN(8))
		n, err := changed.open(t)
		switch {
		case err == nil && n < 12:
			t.Errorf("bit flipped in byte %d of %d: %d deliveries", at, len(i.wal), n)
		case err != nil && !strings.Contains(err.Error(), damaged):
			t.Error(err)
		case err != nil:
			refused++
		}
	}
	if refused == 0 {
		t.Error("nothing was ever refused")
	}
	_, err := i.flipped(walHeader+frameSize+100, 1).open(t)
	if err == nil || !strings.Contains(err.Error(), "frame 2 of its -wal") {
		t.Errorf("%v", err)
	}
	t.Log(err)
}

// TestWALTornTail shows that any part of the last commit may be missing, as after a power cut, and that all commits before it
// are kept.
func TestWALTornTail(t *testing.T) {
	for _, anew := range []int{0, 1, 2} {
		i := crashed(t, 8, anew)
		ends := i.commits()
		from, to := walHeader+ends[len(ends)-2]*frameSize, walHeader+ends[len(ends)-1]*frameSize
		for round := range 60 {
			torn := images{i.db, bytes.Clone(i.wal)}
			block := []int{512, 4096}[round%2]
			for at := from / block * block; at < to; at += block {
				if rand.IntN(2) == 0 {
					lost := torn.wal[max(at, from):min(at+block, to)]
					switch round % 3 {
					case 0:
						clear(lost)
					case 1:
						copy(lost, i.older()[max(at, from)-frameSize:])
					default:
						copy(lost, bytes.Repeat([]byte{0x5a}, block))
					}
				}
			}
			if round%5 == 0 {
				torn.wal = torn.wal[:from+rand.IntN(to-from)]
			}
			if err := checkWAL(bytes.NewReader(torn.wal)); err != nil {
				t.Errorf("begun anew %d times: %v", anew, err)
			}
			if round < 6 {
				if n, err := torn.open(t); err != nil || n < 7 {
					t.Errorf("begun anew %d times: %d deliveries, %v", anew, n, err)
				}
			}
		}
	}
}

// TestWALLeftovers shows that commits of the same -wal which were broken off and overwritten in part are no damage.
func TestWALLeftovers(t *testing.T) {
	i := crashed(t, 5, 0)
	grown := func(files int) images {
		l := run(t, i.lay(t))
		claim(t, l, sample(100, files))
		return imagesOf(t, l)
	}
	over := func(new, old images) images {
		return images{i.db, append(bytes.Clone(new.wal), old.wal[len(new.wal):]...)}
	}
	long, middle, short := grown(900), grown(200), grown(1)
	if len(short.wal) >= len(middle.wal) || len(middle.wal) >= len(long.wal) || !bytes.HasPrefix(short.wal, i.wal) {
		t.Fatalf("-wal of %d, %d, %d bytes, from %d", len(short.wal), len(middle.wal), len(long.wal), len(i.wal))
	}
	all := over(short, over(middle, long))
	if len(all.commits()) != len(i.commits())+3 {
		t.Fatal("the leftovers have no commits of their own")
	}
	hole := over(i, over(middle, long))
	clear(hole.wal[len(i.wal) : len(i.wal)+frameSize]) // this frame never reached the disk
	for name, c := range map[string]struct {
		images
		want int
	}{
		"of one": {over(short, long), 6}, "of several": {all, 6}, "of several, behind a hole": {hole, 5},
	} {
		if n, err := c.open(t); n != c.want || err != nil {
			t.Errorf("%s: %d deliveries, want %d, %v", name, n, c.want, err)
		}
	}
}

// TestWALBigEndian shows that a -wal with checksums in big-endian order is checked as well.
func TestWALBigEndian(t *testing.T) {
	i := crashed(t, 6, 1)
	w, ok := readWALHeader(i.wal)
	if !ok {
		t.Fatal("header")
	}
	w.order = binary.BigEndian
	put := func(at []byte, s walSum) {
		binary.BigEndian.PutUint32(at, s.a)
		binary.BigEndian.PutUint32(at[4:], s.b)
	}
	i.wal[3] |= 1
	s := w.add(walSum{}, i.wal[:24])
	put(i.wal[24:], s)
	for f := range slices.Chunk(i.wal[walHeader:], frameSize) {
		s = w.add(w.add(s, f[:8]), f[frameHeader:])
		put(f[16:], s)
	}
	if n, err := i.open(t); n != 6 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := checkWAL(bytes.NewReader(i.flipped(walHeader+50, 4).wal)); err == nil {
		t.Error("not found")
	}
}

// TestWALCut shows that the rest of a -wal that was cut off is accepted and whole, because it looks like one whose last commit
// was broken off.
func TestWALCut(t *testing.T) {
	i := crashed(t, 12, 0)
	for _, size := range []int{1, walHeader - 1, walHeader, walHeader + 10, len(i.wal) / 2, len(i.wal) - 1} {
		cut := images{i.db, i.wal[:size]}
		try(t, checkWAL(bytes.NewReader(cut.wal)))
	}
	if n, err := (images{i.db, i.wal[:len(i.wal)/2]}).open(t); n == 0 || n >= 12 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
