package media

import (
	"encoding/binary"
	"slices"
)

// compoundZeros is how many zeros at the end of what is in use are too many.
const compoundZeros = 8 << 10

// compoundHollow says that a file was given its size and not filled: a Windows client that dies leaves zeros from some
// place on. need is how many bytes of the file are in use.
//
// The directory must begin with its root entry. Few zeros at the end of what is in use are padding or content, because
// nothing that an Office program writes ends with 8 KiB of them (the most in 786 files were 3,174 bytes). They must not
// cover what cannot be zeros:
//
//   - the end of a sector of the FAT or the DIFAT, or the mini FAT's entry of the last mini sector, which would all lead to sector 0 (2.3 to 2.5)
//   - an entry of the directory to which another entry leads (2.6.4)
//   - the whole of a stream
//   - the end of a workbook, which is a record EOF ([MS-XLS] 2.4.103), or of what is encrypted ([MS-OFFCRYPTO] 2.3.4)
//
// A file that was not filled passes if less than 8 KiB and the end of one stream are missing.
func compoundHollow(c *compound, need int64) (string, error) {
	b, err := c.at(c.start(int64(c.field(48))), compoundEntryLen)
	if err != nil {
		return "", err
	}
	if len(b) < compoundEntryLen || b[66] != directoryRoot {
		return "the old Office file has no directory where its header says", nil
	}
	zeros, err := c.zerosBefore(need)
	if err != nil {
		return "", err
	}
	hollow := zeros >= compoundZeros
	if !hollow && zeros >= fewZeros {
		if hollow, err = c.hollow(need - zeros); err != nil {
			return "", err
		}
	}
	if !hollow {
		return "", nil
	}
	return zeroTail("the old Office file", zeros), nil
}

// hollow reports whether the zeros that begin at off cover what cannot be zeros.
func (c *compound) hollow(off int64) (bool, error) {
	for _, covers := range []func(int64) (bool, error){c.tableIn, c.miniTableIn, c.directoryIn, c.streamIn} {
		if in, err := covers(off); err != nil || in {
			return in, err
		}
	}
	return false, nil
}

// endsIn reports whether the last two entries of n, a sector of a table, lie within the zeros that begin at off.
func (c *compound) endsIn(n uint32, off int64) bool {
	return c.regular(n) >= 0 && c.start(int64(n)+1)-8 >= off
}

func (c *compound) tableIn(off int64) (bool, error) {
	for i := range min(c.fats, maxTableParts) {
		n, err := c.fatSector(i)
		if err != nil || c.endsIn(n, off) {
			return err == nil, err
		}
	}
	return slices.ContainsFunc(c.difats, func(n uint32) bool { return c.endsIn(n, off) }), nil
}

const maxTableParts = 2048

// miniTableIn reports whether the mini FAT's entry of the last sector of the mini stream lies within the zeros that
// begin at off.
func (c *compound) miniTableIn(off int64) (bool, error) {
	dir, err := c.directory()
	if err != nil || len(dir) == 0 || dir[0].size == 0 || c.field(64) == 0 {
		return false, err
	}
	last := (dir[0].size - 1) / miniSector
	n, err := c.follow(c.field(60), last/c.perSector())
	if err != nil || c.regular(n) < 0 {
		return false, err
	}
	return c.start(int64(n))+4*(last%c.perSector()) >= off, nil
}

// directoryIn reports whether an entry of the directory is zeros although another entry leads to it, or breaks off
// within its fields. A stream without bytes does not begin at sector 0.
func (c *compound) directoryIn(off int64) (bool, error) {
	dir, err := c.directory()
	if err != nil {
		return false, err
	}
	for _, e := range dir {
		if e.kind == 0 {
			continue
		}
		for _, r := range e.relatives {
			if int64(r) < int64(len(dir)) && dir[r].kind == 0 && dir[r].off+compoundEntryLen > off {
				return true, nil
			}
		}
		broken := e.off < off && e.off+116 >= off && e.first == 0 && e.size == 0
		if broken && e.kind == directoryStream {
			return true, nil
		}
	}
	return false, nil
}

// streamIn reports whether a stream is all zeros, or ends with zeros although its format does not.
func (c *compound) streamIn(off int64) (bool, error) {
	dir, err := c.directory()
	if err != nil {
		return false, err
	}
	for _, e := range dir {
		var in bool
		switch {
		case c.hasSectors(e) && c.regular(e.first) >= 0:
			in, err = c.largeIn(e, off)
		case e.kind == directoryStream && e.size > 0:
			in, err = c.smallIn(e, dir[0], off)
		}
		if err != nil || in {
			return in, err
		}
	}
	return false, nil
}

// largeIn is streamIn for one stream with sectors of its own. last is the last sector, in the order of the stream, that
// begins before off.
func (c *compound) largeIn(e compoundEntry, off int64) (bool, error) {
	if c.start(int64(e.first)) >= off {
		return true, nil
	}
	at, left := e.first, e.size
	last, behind := at, int64(0)
	for ; left > 0 && c.regular(at) >= 0; left -= c.sectorLen() {
		if begin := c.start(int64(at)); begin < off {
			last, behind = at, max(0, left-(off-begin))
		}
		next, err := c.next(at)
		if err != nil {
			return false, err
		}
		at = next
	}
	if behind == 0 {
		return false, nil
	}
	return c.endBroken(e.name, min(off, c.start(int64(last)+1)), behind)
}

// smallIn is streamIn for one stream in the mini stream, which is the root's, if both lie in one piece.
func (c *compound) smallIn(e, root compoundEntry, off int64) (bool, error) {
	from := int64(e.first) * miniSector
	begin := c.start(int64(root.first)) + from
	if from+e.size > root.size || c.regular(root.first) < 0 || begin+e.size <= off {
		return false, nil
	}
	before := (root.size - 1) >> c.shift
	last, err := c.follow(root.first, before)
	if err != nil || int64(last) != int64(root.first)+before {
		return false, err
	}
	if begin >= off {
		return e.size >= fewZeros, nil
	}
	inOne, err := c.miniContiguous(e)
	if err != nil || !inOne {
		return false, err
	}
	return c.endBroken(e.name, off, begin+e.size-off)
}

// endBroken reports whether a stream does not end as it must, if its last bytes that are not zeros end at before, and
// zeros follow them. The last record of a workbook is 0A 00 00 00, perhaps padded. What is encrypted, and the
// description of the encryption, does not end with 16 zeros.
func (c *compound) endBroken(name string, before, zeros int64) (bool, error) {
	switch name {
	case "EncryptedPackage", "EncryptionInfo":
		return zeros >= 16, nil
	case "Workbook", "Book":
		b, err := c.at(before-fewZeros, fewZeros)
		end := lastNonZero(b)
		return err == nil && end >= 0 && b[end] != 0x0A && zeros >= 4, err
	}
	return false, nil
}

const miniSector = 64

// miniContiguous reports whether the sectors of e follow one another in the mini FAT, as far as the first sector of the
// mini FAT tells.
func (c *compound) miniContiguous(e compoundEntry) (bool, error) {
	n := (e.size - 1) / miniSector
	if n == 0 {
		return true, nil
	}
	b, err := c.sector(c.field(60))
	if err != nil || 4*(int64(e.first)+n) > int64(len(b)) {
		return false, err
	}
	for i := int64(e.first); i < int64(e.first)+n; i++ {
		if int64(binary.LittleEndian.Uint32(b[4*i:])) != i+1 {
			return false, nil
		}
	}
	return true, nil
}

func zeroTail(what string, n int64) string {
	return what + " ends with " + plural(n, "zero byte") + ": it was given its size, but not yet its content"
}
