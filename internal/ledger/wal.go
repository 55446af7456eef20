package ledger

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The -wal holds the latest commits, as https://www.sqlite.org/fileformat2.html#walformat describes: a header, then
// frames, each a page of the file as it is to become. The last frame of a commit says so. A frame is valid if it has the
// salts of the header and its checksum, which goes on from the frame before, is right. SQLite takes what is valid and
// leaves the rest without a word, from the first frame on that is not: one flipped bit takes back all commits after it.
//
// What is lawful behind the valid frames, and what is not:
//
//   - Frames with other salts are from before the -wal was begun anew, and are in the file itself by now.
//   - A commit that was broken off, by a power cut or a full disk, is there in part: any part, for the disk writes in the
//     order it likes. The next commit is written over it and may be shorter, so parts of several can lie behind each other.
//     None was answered for: that is done after the sync, and the next commit begins after it.
//   - So a commit that another one goes on from, salts and checksum, was answered for. If it is not valid, or what lies
//     before it, the -wal was damaged.
//
// The last commit has none that goes on from it: if it is damaged, or the -wal was cut off, that looks like a commit that
// was broken off, and cannot be told from it. (The same holds for the commit mark of the last commit but one, if nothing else is
// damaged.)
const (
	walHeader   = 32 // bytes
	frameHeader = 24
)

// checkWAL looks for damage in a -wal, before SQLite opens it. It holds one frame in memory at a time.
func checkWAL(file io.Reader) error {
	in := bufio.NewReaderSize(file, 1<<17)
	head := make([]byte, walHeader)
	if _, err := io.ReadFull(in, head); err != nil {
		return ignoreEOF(err)
	}
	w, ok := readWALHeader(head)
	if !ok { // it is written in one piece and synced before there is a frame, so it cannot be torn
		if _, err := in.Peek(1); err != nil {
			return ignoreEOF(err)
		}
		return errors.New("the header of its -wal, which holds the latest steps, is " + damaged)
	}
	return w.walk(in)
}

// ignoreEOF makes nothing of the end of the file, also in the middle of a frame.
func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// walCheck is what the frames of a -wal are held against.
type walCheck struct {
	order  binary.ByteOrder // of the words that are summed up; all else is big-endian
	page   int              // bytes
	salts  uint64
	header walSum
}

// walSum is the checksum of all up to some place.
type walSum struct{ a, b uint32 }

// add goes on with data, whose length is a multiple of 8.
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

// walFrame is what a frame says, and what it should.
type walFrame struct {
	number  int
	page    uint32
	commit  bool   // it is the last one of its commit
	ours    bool   // it has the salts of the header
	stored  walSum // as it says
	counted walSum // from what it holds, and what the frame before says
	follows bool   // it was written after the frame before, and that one was commit or not as it now says
}

// walk reads the frames. Behind the first that is not valid it looks for a commit that another one goes on from.
func (w *walCheck) walk(in io.Reader) error {
	data := make([]byte, frameHeader+w.page)
	before := walFrame{stored: w.header, counted: w.header}
	invalid := 0 // number of the first one that is
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
	if before.stored != before.counted { // it may be the checksum that was damaged
		f.follows = f.follows || f.stored == sum(before.counted)
	}
	return f
}

// inOneSector reports whether the header of a frame is on the disk as it was written or not at all.
func (w *walCheck) inOneSector(number int) bool {
	const sector = 512 // bytes
	at := walHeader + int64(number-1)*int64(frameHeader+w.page)
	return at/sector == (at+frameHeader-1)/sector
}
