package ledger

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The -wal holds the latest commits (https://www.sqlite.org/fileformat2.html#walformat): a header, then frames, each of which is
// the new content of one page. The last frame of a commit is marked as such. A frame is valid if it has the salts of the header
// and the right checksum, which continues that of the frame before. SQLite reads the valid frames and silently ignores the rest
// from the first invalid frame on, so that one flipped bit takes back all later commits. That is why the -wal is checked here;
// SQLite has no call for it, and no library does it.
//
// These rules tell what may lie after the valid frames from damage:
//
//   - Frames with other salts are older than the header. Their content is in the ledger's file by now.
//   - A power cut or a full disk leaves any part of a commit, because a disk writes in any order. The next commit overwrites it
//     and may be shorter, so parts of several commits can follow each other. No caller was told that these were committed: a
//     caller is told after the sync, and only then the next commit begins.
//   - So a commit that another commit continues, by salts and checksum, was reported as committed. If it is invalid, or anything
//     before it is, the -wal was damaged.
//
// No commit continues the last one: damage in it, or a -wal that was cut off, looks like a commit that was broken off. The same
// holds for the commit mark of the last commit but one, if nothing else is damaged.
const (
	walHeader   = 32 // bytes
	frameHeader = 24 // bytes
)

// checkWAL looks for damage in a -wal before SQLite opens it. It holds one frame in memory at a time.
func checkWAL(file io.Reader) error {
	in := bufio.NewReaderSize(file, 1<<17)
	head := make([]byte, walHeader)
	if _, err := io.ReadFull(in, head); err != nil {
		return ignoreEOF(err)
	}
	w, ok := readWALHeader(head)
	if !ok { // SQLite writes the header at once and syncs it before the first frame, so a crash cannot tear it
		if _, err := in.Peek(1); err != nil {
			return ignoreEOF(err)
		}
		return errors.New("the header of its -wal, which holds the latest steps, is " + damaged)
	}
	return w.walk(in)
}

// ignoreEOF returns nil for the end of the file, even in the middle of a frame.
func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// walCheck is what the header of a -wal says, and how its checksums are counted.
type walCheck struct {
	order  binary.ByteOrder // of the words that are summed up; all other numbers are big-endian
	page   int              // bytes
	salts  uint64
	header walSum
}

// walSum is the checksum of a -wal up to some place.
type walSum struct{ a, b uint32 }

// add continues the checksum s with data, whose length is a multiple of 8.
func (w *walCheck) add(s walSum, data []byte) walSum {
	if w.order == binary.LittleEndian {
		for ; len(data) >= 8; data = data[8:] {
			s.a += binary.LittleEndian.Uint32(data) + s.b
			s.b += binary.LittleEndian.Uint32(data[4:]) + s.a
		}
		return s
	}
	for ; len(data) >= 8; data = data[8:] {
		s.a += binary.BigEndian.Uint32(data) + s.b
		s.b += binary.BigEndian.Uint32(data[4:]) + s.a
	}
	return s
}

func sumAt(data []byte) walSum {
	return walSum{binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])}
}

func readWALHeader(head []byte) (*walCheck, bool) {
	w := &walCheck{
		order:  binary.LittleEndian,
		page:   int(binary.BigEndian.Uint32(head[8:])),
		salts:  binary.BigEndian.Uint64(head[16:]),
		header: sumAt(head[24:]),
	}
	magic := binary.BigEndian.Uint32(head)
	if magic&1 == 1 {
		w.order = binary.BigEndian
	}
	return w, magic&^1 == 0x377f0682 && binary.BigEndian.Uint32(head[4:]) == 3007000 &&
		w.page >= 512 && w.page <= 65536 && w.page&(w.page-1) == 0 &&
		w.add(walSum{}, head[:24]) == w.header
}

// walFrame is what a frame says, and what it should say.
type walFrame struct {
	number  int
	page    uint32
	commit  bool   // it is the last frame of its commit
	ours    bool   // it has the salts of the header
	stored  walSum // the checksum in it
	counted walSum // the checksum of its content, which continues the one in the frame before
	follows bool   // it was written after the frame before it, whose commit mark was then as it is now
}

// walk reads the frames. After the first invalid frame it looks for a commit that another commit continues.
func (w *walCheck) walk(in io.Reader) error {
	data := make([]byte, frameHeader+w.page)
	before := walFrame{stored: w.header, counted: w.header}
	invalid := 0 // number of the first invalid frame; 0: none
	for {
		if _, err := io.ReadFull(in, data); err != nil {
			return ignoreEOF(err)
		}
		f := w.frame(before, data)
		if invalid == 0 && (!f.ours || f.counted != f.stored || f.page == 0) {
			invalid = f.number
		} else if invalid > 0 && before.commit && f.ours && f.follows {
			return fmt.Errorf("frame %d of its -wal, which holds the latest steps, is %s", invalid, damaged)
		}
		before = f
	}
}

func (w *walCheck) frame(before walFrame, data []byte) walFrame {
	sum := func(from walSum) walSum { return w.add(w.add(from, data[:8]), data[frameHeader:]) }
	f := walFrame{
		number:  before.number + 1,
		page:    binary.BigEndian.Uint32(data),
		commit:  binary.BigEndian.Uint32(data[4:]) != 0,
		ours:    binary.BigEndian.Uint64(data[8:]) == w.salts,
		stored:  sumAt(data[16:]),
		counted: sum(before.stored),
	}
	if before.stored == before.counted || w.inOneSector(before.number) {
		f.follows = f.stored == f.counted
	}
	if before.stored != before.counted { // perhaps only the checksum of that frame was damaged
		f.follows = f.follows || f.stored == sum(before.counted)
	}
	return f
}

// inOneSector reports whether the header of a frame lies in one sector of the disk, which is written as a whole or not at all.
func (w *walCheck) inOneSector(number int) bool {
	const sector = 512 // bytes
	at := walHeader + int64(number-1)*int64(frameHeader+w.page)
	return at/sector == (at+frameHeader-1)/sector
}
