package media

import (
	"encoding/binary"

	"kaizala-drop/internal/peek"
)

const (
	compoundEntryLen  = 128
	maxDirectory      = 64 // in sectors
	directoryRoot     = 5
	directoryStream   = 2
	directoryNoStream = 0xFFFFFFFF
)

// tablePart gives part i of the FAT, or nil if not all of the part is there. It is valid until another part is read.
func (c *compound) tablePart(i int64) ([]byte, error) {
	if i == c.part {
		return c.table, nil
	}
	n, err := c.fatSector(i)
	if err != nil {
		return nil, err
	}
	b, err := c.sector(n)
	if err != nil || b == nil {
		return nil, err
	}
	c.part, c.table = i, append(c.table[:0], b...)
	return c.table, nil
}

// fatSector gives the sector of part i of the FAT. The header lists parts up to 108, and a chain of DIFAT sectors lists
// the others (2.5).
func (c *compound) fatSector(i int64) (uint32, error) {
	const inHeader = 109
	if i < inHeader {
		return c.field(int(76 + 4*i)), nil
	}
	i -= inHeader
	which, at := i/(c.perSector()-1), i%(c.perSector()-1)
	for n := int64(len(c.difats)); n <= which; n++ {
		next := c.field(68)
		if n > 0 {
			b, err := c.difatSector(int(n - 1))
			if err != nil || b == nil {
				return c.difats[n-1], err // the next one is not there either
			}
			next = binary.LittleEndian.Uint32(b[len(b)-4:])
		}
		c.difats = append(c.difats, next)
	}
	b, err := c.difatSector(int(which))
	if err != nil || b == nil {
		return c.difats[which], err
	}
	return binary.LittleEndian.Uint32(b[4*at:]), nil
}

func (c *compound) difatSector(n int) ([]byte, error) {
	if c.inOne == n+1 {
		return c.difat, nil
	}
	b, err := c.sector(c.difats[n])
	if err != nil || b == nil {
		return nil, err
	}
	c.inOne, c.difat = n+1, append(c.difat[:0], b...)
	return c.difat, nil
}

// next gives the sector that follows in a chain. A chain ends where the FAT ends.
func (c *compound) next(sector uint32) (uint32, error) {
	if c.links++; c.links > maxLinks {
		return 0, peek.ErrBudget
	}
	if c.regular(sector) < 0 {
		return chainEnd, nil
	}
	b, err := c.tablePart(int64(sector) / c.perSector())
	if err != nil || b == nil {
		return chainEnd, err
	}
	return binary.LittleEndian.Uint32(b[4*(int64(sector)%c.perSector()):]), nil
}

// follow gives the sector that lies steps further in the chain that begins with first. It stops where the chain ends.
func (c *compound) follow(first uint32, steps int64) (uint32, error) {
	for at := first; ; steps-- {
		if steps <= 0 || c.regular(at) < 0 {
			return at, nil
		}
		next, err := c.next(at)
		if err != nil {
			return 0, err
		}
		at = next
	}
}

// compoundEntry is one entry of the directory: a stream, a storage, or the root, which holds the mini stream (2.6).
type compoundEntry struct {
	name      string // the low byte of each of its characters
	kind      byte
	off       int64 // where the entry lies in the file
	first     uint32
	size      int64
	relatives [3]uint32 // left, right, child
}

// hasSectors reports whether e has sectors of its own, rather than of the mini stream.
func (c *compound) hasSectors(e compoundEntry) bool {
	return e.size > 0 && (e.kind == directoryRoot || e.kind == directoryStream && e.size >= miniCutoff)
}

// directory reads the directory, at most 64 sectors of it. It ends early if a sector is not there.
func (c *compound) directory() ([]compoundEntry, error) {
	if c.dir != nil {
		return c.dir, nil
	}
	c.dir = []compoundEntry{}
	at := c.field(48)
	for range maxDirectory {
		b, err := c.sector(at)
		if err != nil {
			return nil, err
		}
		if b == nil {
			break
		}
		off := c.start(int64(at))
		for ; len(b) > 0; b, off = b[compoundEntryLen:], off+compoundEntryLen {
			c.dir = append(c.dir, compoundEntryOf(b, off))
		}
		if at, err = c.next(at); err != nil {
			return nil, err
		}
		if c.regular(at) < 0 {
			break
		}
	}
	return c.dir, nil
}

func compoundEntryOf(b []byte, off int64) compoundEntry {
	le := binary.LittleEndian
	e := compoundEntry{kind: b[66], off: off, first: le.Uint32(b[116:]), size: int64(le.Uint32(b[120:]))}
	for i := range e.relatives {
		e.relatives[i] = le.Uint32(b[68+4*i:])
	}
	var name []byte
	for i := 0; i < 64 && b[i] != 0; i += 2 {
		name = append(name, b[i])
	}
	e.name = string(name)
	return e
}
