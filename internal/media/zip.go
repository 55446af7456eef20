package media

import (
	"bytes"
	"encoding/binary"
	"math"

	"kaizala-drop/internal/peek"
)

const (
	zipEndSignature = "PK\x05\x06"
	zipEndLen       = 22
	zip64LocatorLen = 20
	zip64EndLen     = 56
	zipEntryLen     = 46 // the length of an entry of the directory without its name
)

// zipEnd requires an end-of-central-directory record, and the directory where the record says: PKWARE APPNOTE 6.3,
// 4.3.6, 4.3.12 and 4.3.14 to 4.3.16. Readers of OOXML, and of every other ZIP file, begin there.
//
// The record is searched for from the end backwards, as far as zeros, the longest comment and a few bytes more allow. A
// record counts only if its comment fits into the file, and if a directory of the size that it gives begins where it
// says and lies before it. The record of a ZIP file that another one carries gives offsets that are not this file's.
// Zip64 is followed.
//
// A cut passes only after the record and its comment, in what was appended.
func zipEnd(s *source, _ []byte) (string, error) {
	last, err := s.dataEnd()
	if err != nil {
		return "", err
	}
	end := min(s.size, last+zipEndLen) // the last fields of the record may be zeros
	for _, n := range []int64{sample, zipEndLen + math.MaxUint16 + sample} {
		start := max(0, end-n)
		b, err := s.at(start, int(end-start))
		if err != nil {
			return "", err
		}
		found, err := zipEndIn(s, bytes.Clone(b), start)
		if err != nil || found {
			return "", err
		}
	}
	return "the Office document (a ZIP file) has no directory at its end", nil
}

// zipEndIn tries the records in b, which begins at off, from the last one on. It tries eight, which are more than there
// are by chance.
func zipEndIn(s *source, b []byte, off int64) (bool, error) {
	i := len(b)
	for range 8 {
		i = peek.LastIndex(b[:i], []byte(zipEndSignature))
		if i < 0 {
			break
		}
		if len(b)-i < zipEndLen {
			continue
		}
		ok, err := zipRecordFits(s, b[i:i+zipEndLen], off+int64(i))
		if err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

// zipRecordFits reports whether the record at off has its comment after it and its directory before it.
func zipRecordFits(s *source, record []byte, off int64) (bool, error) {
	le := binary.LittleEndian
	if off+zipEndLen+int64(le.Uint16(record[20:])) > s.size {
		return false, nil
	}
	d := zipDirectory{
		entries: uint64(le.Uint16(record[10:])),
		length:  uint64(le.Uint32(record[12:])),
		off:     uint64(le.Uint32(record[16:])),
	}
	if d.entries == math.MaxUint16 || d.length == math.MaxUint32 || d.off == math.MaxUint32 {
		wide, ok, err := zip64Directory(s, off)
		if err != nil {
			return false, err
		}
		if ok {
			d = wide
		}
	}
	before := uint64(off)
	if d.length > before || d.off > before-d.length || d.entries > d.length/zipEntryLen {
		return false, nil
	}
	if d.entries == 0 {
		return d.off == before, nil
	}
	b, err := s.at(int64(d.off), 4)
	return string(b) == "PK\x01\x02", err
}

type zipDirectory struct{ entries, length, off uint64 }

// zip64Directory reads the record to which the locator before the end record at off leads. ok is false if there is
// none: then the fields of 32 bits are true.
func zip64Directory(s *source, off int64) (d zipDirectory, ok bool, err error) {
	le := binary.LittleEndian
	locator, err := s.at(off-zip64LocatorLen, zip64LocatorLen)
	if err != nil || !bytes.HasPrefix(locator, []byte("PK\x06\x07")) {
		return d, false, err
	}
	at := le.Uint64(locator[8:])
	if at > uint64(off) {
		return d, false, nil
	}
	record, err := s.at(int64(at), zip64EndLen)
	if err != nil || len(record) < zip64EndLen || !bytes.HasPrefix(record, []byte("PK\x06\x06")) {
		return d, false, err
	}
	return zipDirectory{le.Uint64(record[32:]), le.Uint64(record[40:]), le.Uint64(record[48:])}, true, nil
}
