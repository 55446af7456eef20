package media

import "encoding/binary"

const (
	compoundSignature = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
	compoundHeaderLen = 512
	compoundEntryLen  = 128
	miniCutoff        = 4096
	lastRegular       = 0xFFFFFFFA
	chainEnd          = 0xFFFFFFFE
	sectorFree        = 0xFFFFFFFF
)

// compoundEnd wants every sector that the allocation table (FAT) has in use: [MS-CFB] 2.2 to 2.6, with sectors of 512
// (version 3) and 4,096 bytes (version 4). Word, Excel and PowerPoint up to 2003 write it, and Office for encrypted
// .docx, .xlsx and .pptx.
//
// The last entry of the FAT that is not free says where the file must reach; sectors after it may be missing or there,
// and so may padding. It is looked for in the last 128 KiB of the FAT, which stand for 16 MiB of free sectors and more.
// The last sector in use may be short where a stream ends in it, down to the stream's last byte, as some writers leave
// it. The directory must begin with its root entry, and no 64 KiB of zeros may end what is in use: nothing an Office
// program writes ends so, and a file that was given its size and filled half does.
//
// A cut passes in the padding of the last sector in use, in free sectors after it and in what was appended; a file that
// was given its size and not filled passes if less than 64 KiB of it were missing.
func compoundEnd(s *source, head []byte) (string, error) {
	if s.size < compoundHeaderLen || len(head) < compoundHeaderLen {
		return "the old Office file breaks off in its header", nil
	}
	le := binary.LittleEndian
	c := compound{source: s, head: head, shift: le.Uint16(head[30:]), fats: int64(le.Uint32(head[44:]))}
	if c.shift != 9 && c.shift != 12 || c.fats == 0 {
		return "the old Office file has no complete header", nil
	}
	if need := c.start(c.fats); need > s.size {
		return compoundShort(need, s.size), nil
	}
	need, err := c.needs()
	switch {
	case err != nil:
		return "", err
	case need > s.size:
		return compoundShort(need, s.size), nil
	}
	return c.contentMissing(need)
}

func compoundShort(need, size int64) string {
	return "the old Office file says at least " + plural(need, "byte") + ", " + areThere(size)
}

type compound struct {
	*source
	head  []byte
	shift uint16 // a sector has 1<<shift bytes
	fats  int64  // FAT sectors
}

func (c *compound) sectorLen() int64         { return 1 << c.shift }
func (c *compound) start(sector int64) int64 { return (sector + 1) << c.shift }
func (c *compound) perSector() int64         { return c.sectorLen() / 4 }

// sector reads one sector, nil if it is not all there.
func (c *compound) sector(n uint32) ([]byte, error) {
	b, err := c.at(c.start(int64(n)), int(c.sectorLen()))
	if int64(len(b)) < c.sectorLen() {
		return nil, err
	}
	return b, err
}

// needs is the size that the file must have at least, 0 if nothing near the FAT's end is in use. A FAT sector that is not
// there makes it one that is not enough.
func (c *compound) needs() (int64, error) {
	const near = 128 << 10
	for i := c.fats - 1; i >= max(0, c.fats-near/c.sectorLen()); i-- {
		n, err := c.fatSector(i)
		if err != nil {
			return 0, err
		}
		b, err := c.sector(n)
		if err != nil {
			return 0, err
		}
		switch end := c.sectorLen() - 8; {
		case b == nil:
			return c.beyond(n), nil
		case allZero(b[end:]):
			return c.size + 1, nil // two sectors that both lead to sector 0: not written yet
		}
		for j := c.perSector() - 1; j >= 0; j-- {
			if next := binary.LittleEndian.Uint32(b[4*j:]); next != sectorFree {
				return c.needsUpTo(i*c.perSector()+j, next)
			}
		}
	}
	return 0, nil
}

// beyond is the size that a file which lacks sector n must have at least.
func (c *compound) beyond(n uint32) int64 {
	if n > lastRegular {
		return c.size + 1 // no number of a sector: damaged, or not written yet
	}
	return c.start(int64(n) + 1)
}

// needsUpTo is where the last sector in use, whose entry in the FAT is next, must reach.
func (c *compound) needsUpTo(last int64, next uint32) (int64, error) {
	whole := c.start(last + 1)
	if whole <= c.size || c.start(last) >= c.size || next != chainEnd {
		return whole, nil
	}
	used, err := c.usedOf(last)
	return c.start(last) + used, err
}

// fatSector is the sector of the FAT's part i: in the header up to 108, then in a chain of DIFAT sectors.
func (c *compound) fatSector(i int64) (uint32, error) {
	le := binary.LittleEndian
	const inHeader = 109
	if i < inHeader {
		return le.Uint32(c.head[76+4*i:]), nil
	}
	i -= inHeader
	link, perSector := le.Uint32(c.head[68:]), c.perSector()-1
	for ; ; i -= perSector {
		b, err := c.sector(link)
		if err != nil {
			return 0, err
		}
		if b == nil {
			return link, nil // not there either
		}
		if i < perSector {
			return le.Uint32(b[4*i:]), nil
		}
		link = le.Uint32(b[4*perSector:])
	}
}

// usedOf says how many bytes of sector last belong to the stream that ends in it; all, if none is known to. Streams are
// taken to lie in one piece, as writers lay them, and the directory to have at most 64 sectors.
func (c *compound) usedOf(last int64) (int64, error) {
	le := binary.LittleEndian
	dir := le.Uint32(c.head[48:])
	for range 64 {
		b, err := c.sector(dir)
		if err != nil || b == nil {
			return c.sectorLen(), err
		}
		for ; len(b) > 0; b = b[compoundEntryLen:] {
			kind, first, size := b[66], int64(le.Uint32(b[116:])), int64(le.Uint32(b[120:]))
			root := kind == 5
			if size == 0 || !root && (kind != 2 || size < miniCutoff) {
				continue
			}
			before := (size - 1) >> c.shift // sectors of the stream but the last
			if first+before == last {
				return size - before<<c.shift, nil
			}
		}
		if dir, err = c.next(dir); err != nil {
			return 0, err
		}
	}
	return c.sectorLen(), nil
}

// next follows a chain through the FAT.
func (c *compound) next(sector uint32) (uint32, error) {
	i := int64(sector) / c.perSector()
	if i >= c.fats {
		return chainEnd, nil
	}
	n, err := c.fatSector(i)
	if err != nil {
		return 0, err
	}
	b, err := c.sector(n)
	if err != nil || b == nil {
		return chainEnd, err
	}
	return binary.LittleEndian.Uint32(b[4*(int64(sector)%c.perSector()):]), nil
}

// contentMissing tells a file that is long enough but was not filled, of which need bytes are in use.
func (c *compound) contentMissing(need int64) (string, error) {
	b, err := c.at(c.start(int64(binary.LittleEndian.Uint32(c.head[48:]))), compoundEntryLen)
	if err != nil {
		return "", err
	}
	if len(b) < compoundEntryLen || b[66] != 5 {
		return "the old Office file has no directory where its header says", nil
	}
	zeros, err := c.unfilled(need)
	if err != nil || zeros == 0 {
		return "", err
	}
	return zeroTail("the old Office file", zeros), nil
}

func zeroTail(what string, n int64) string {
	return what + " ends with " + plural(n, "zero byte") + ": it was given its size, but not yet its content"
}
