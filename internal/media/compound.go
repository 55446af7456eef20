package media

import "encoding/binary"

const (
	compoundSignature = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
	compoundHeaderLen = 512
	miniCutoff        = 4096
	lastRegular       = 0xFFFFFFFA
	chainEnd          = 0xFFFFFFFE
	sectorFree        = 0xFFFFFFFF

	nearTableEnd = 128 << 10 // how much of the FAT is searched from its end for an entry that is not free
	nearLast     = 16 << 10  // how much more is searched for links to sectors beyond the file
	maxLinks     = 1 << 18   // how many links of chains are followed for one file
)

// compoundEnd requires every sector that is in use: [MS-CFB] 2.2 to 2.6, with sectors of 512 bytes (version 3) or 4,096
// bytes (version 4). Word, Excel and PowerPoint up to 2003 write this format, and so does Office for encrypted .docx,
// .xlsx and .pptx.
//
// The last entry of the allocation table (FAT) that is not free says how far the file must reach, if its sector is
// there. Sectors and padding after it may be there or missing. The entry is searched for in the last 128 KiB of the
// FAT, which stand for 16 MiB of free sectors and more.
//
// If the sector of that entry is not there, the entry alone proves nothing: some programs (SheetJS, excelize) fill the
// last sector of the FAT with the special value for the end of a chain. A sector beyond the file is missing if its
// entry leads to another sector (2.3), if the entry of another sector leads to it, or if something begins there by the
// header (2.2) or the directory (2.6). Links to it are searched for in 16 KiB of the FAT.
//
// The last sector in use may end with the last byte of the stream that ends in it, because some writers leave it so,
// though none of those that fill up the FAT. The chains of all streams are followed to find that. Zeros at the end of
// what is in use are judged by compoundHollow.
//
// A cut passes in the padding of the last sector in use, in free sectors after it, and in what was appended.
func compoundEnd(s *source, head []byte) (string, error) {
	if s.size < compoundHeaderLen || len(head) < compoundHeaderLen {
		return "the old Office file breaks off in its header", nil
	}
	le := binary.LittleEndian
	c := compound{
		source: s, head: head, shift: le.Uint16(head[30:]), fats: int64(le.Uint32(head[44:])), last: -1, used: -1, part: -1,
	}
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
	return compoundHollow(&c, need)
}

func compoundShort(need, size int64) string {
	return "the old Office file says at least " + plural(need, "byte") + ", " + areThere(size)
}

type compound struct {
	*source
	head  []byte
	shift uint16 // a sector has 1<<shift bytes
	fats  int64  // FAT sectors
	last  int64  // the last sector whose entry in the FAT is not free, -1 for none
	used  int64  // the last sector that is in use beyond doubt, as far as was searched
	links int    // the links followed so far

	part   int64 // the part of the FAT that table holds, -1 for none
	table  []byte
	difats []uint32 // the DIFAT sectors known so far
	difat  []byte   // the content of DIFAT sector inOne-1
	inOne  int
	dir    []compoundEntry
}

func (c *compound) sectorLen() int64         { return 1 << c.shift }
func (c *compound) start(sector int64) int64 { return (sector + 1) << c.shift }
func (c *compound) perSector() int64         { return c.sectorLen() / 4 }
func (c *compound) isThere(n int64) bool     { return c.start(n+1) <= c.size }
func (c *compound) uses(n uint32)            { c.used = max(c.used, c.regular(n)) }
func (c *compound) field(off int) uint32     { return binary.LittleEndian.Uint32(c.head[off:]) }

// regular gives n if it is the number of a sector that has an entry in the FAT, else -1.
func (c *compound) regular(n uint32) int64 {
	if n > lastRegular || int64(n) >= c.fats*c.perSector() {
		return -1
	}
	return int64(n)
}

// sector reads one sector. It gives nil if not all of the sector is there.
func (c *compound) sector(n uint32) ([]byte, error) {
	b, err := c.at(c.start(int64(n)), int(c.sectorLen()))
	if int64(len(b)) < c.sectorLen() {
		return nil, err
	}
	return b, err
}

// needs gives the size that the file must have at least, or 0 if nothing near the end of the FAT is in use.
func (c *compound) needs() (int64, error) {
	if need, err := c.searchTable(); err != nil || need > c.size || c.last < 0 {
		return need, err
	}
	if c.isThere(c.last) {
		return c.start(c.last + 1), nil
	}
	if err := c.named(); err != nil {
		return 0, err
	}
	if c.isThere(c.used) || c.start(c.used) >= c.size || c.last > c.used {
		return c.start(c.used + 1), nil
	}
	n, err := c.usedOf(c.used)
	return c.start(c.used) + n, err
}

// searchTable finds last and used, from the end of the FAT backwards. If a sector of the FAT is not there, need is more
// than the file has.
func (c *compound) searchTable() (need int64, err error) {
	lowest := max(0, c.fats-nearTableEnd/c.sectorLen())
	for i := c.fats - 1; i >= lowest && c.start(c.used) < c.size; i-- {
		b, err := c.tablePart(i)
		if err != nil {
			return 0, err
		}
		switch end := c.sectorLen() - 8; {
		case b == nil:
			n, err := c.fatSector(i)
			return c.beyond(n), err
		case c.last < 0 && allZero(b[end:]):
			return c.size + 1, nil // two entries that both lead to sector 0 were not written yet
		}
		before := c.last
		c.searchPart(i*c.perSector(), b)
		switch {
		case c.last >= 0 && c.isThere(c.last):
			return 0, nil
		case before < 0 && c.last >= 0:
			lowest = max(0, i-nearLast/c.sectorLen())
		}
	}
	return 0, nil
}

// searchPart goes through a part of the FAT. Its first entry is that of the sector first.
func (c *compound) searchPart(first int64, part []byte) {
	for j := c.perSector() - 1; j >= 0; j-- {
		next := binary.LittleEndian.Uint32(part[4*j:])
		if next == sectorFree {
			continue
		}
		if c.last < 0 {
			c.last = first + j
		}
		if c.regular(next) >= 0 {
			c.used = max(c.used, first+j)
			c.uses(next)
		}
	}
}

// beyond gives the size that a file which lacks sector n must have at least.
func (c *compound) beyond(n uint32) int64 {
	if n > lastRegular {
		return c.size + 1 // n is no number of a sector: it is damaged, or not written yet
	}
	return c.start(int64(n) + 1)
}

// named raises used to the last sector that the header and the directory name.
func (c *compound) named() error {
	c.uses(c.field(48))
	if c.field(64) > 0 {
		c.uses(c.field(60))
	}
	if c.field(72) > 0 {
		c.uses(c.field(68))
	}
	n, err := c.fatSector(c.fats - 1)
	if err != nil {
		return err
	}
	c.uses(n)
	if !c.isThere(c.used) && c.start(c.used) >= c.size {
		return nil
	}
	dir, err := c.directory()
	for _, e := range dir {
		if c.hasSectors(e) {
			c.uses(e.first)
		}
	}
	return err
}

// usedOf gives how many bytes of the sector last belong to the stream that ends in it, or all if no such stream is
// known.
func (c *compound) usedOf(last int64) (int64, error) {
	dir, err := c.directory()
	if err != nil {
		return 0, err
	}
	for _, e := range dir {
		if !c.hasSectors(e) {
			continue
		}
		before := (e.size - 1) >> c.shift // sectors of the stream but the last
		n, err := c.follow(e.first, before)
		switch {
		case err != nil:
			return 0, err
		case int64(n) == last:
			return e.size - before<<c.shift, nil
		}
	}
	return c.sectorLen(), nil
}
