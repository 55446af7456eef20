package samples

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"path"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"kaizala-drop/internal/media"
)

// checks gives, for each extension, a check that knows a whole file of that kind without any of the project's own
// readers.
func checks() map[string]func([]byte) error {
	return map[string]func([]byte) error{
		".jpg": picture("jpeg"), ".jpeg": picture("jpeg"), ".png": picture("png"),
		".mp3": mp3, ".wav": wav,
		".doc": compound("WordDocument"), ".xls": compound("Workbook"), ".ppt": compound("PowerPoint Document"),
		".docx": ooxml("word/document.xml"), ".xlsx": ooxml("xl/workbook.xml"), ".pptx": ooxml("ppt/presentation.xml"),
		".pdf": pdf, ".mp4": boxes("isom"), ".3gpp": boxes("3gp6"),
	}
}

// TestEverySampleIsWhole shows that each sample passes the check of its extension, that half of a sample does not, and
// that all together are small.
func TestEverySampleIsWhole(t *testing.T) {
	total := 0
	for _, s := range All() {
		check, ok := checks()[strings.ToLower(path.Ext(s.Name))]
		if !ok {
			t.Errorf("%s: no check for this extension", s.Name)
			continue
		}
		if err := check(s.Bytes); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		// The check is only worth something if it fails for a sample without its second half. An MP3 has no ending.
		if err := check(s.Bytes[:len(s.Bytes)/2]); err == nil && !strings.HasSuffix(s.Name, ".mp3") {
			t.Errorf("%s: half of the file passes the check", s.Name)
		}
		total += len(s.Bytes)
	}
	if total > 300_000 {
		t.Errorf("the samples take %d bytes: too many for a program to carry", total)
	}
}

// TestEveryExtensionHasASample shows that there is a sample for each extension that media knows.
func TestEveryExtensionHasASample(t *testing.T) {
	have := map[string]bool{}
	for _, s := range All() {
		have[strings.ToLower(path.Ext(s.Name))] = true
	}
	if len(media.Extensions()) == 0 {
		t.Fatal("the table of types is empty")
	}
	for _, ext := range media.Extensions() {
		if !have[ext] {
			t.Errorf("no sample for %s", ext)
		}
	}
}

// TestNamesAreAsPeopleGiveThem shows that the names are supported and different, and that capitals and letters outside
// ASCII occur.
func TestNamesAreAsPeopleGiveThem(t *testing.T) {
	var names []string
	upper, unicode := false, false
	for _, s := range All() {
		if _, ok := media.ByName(s.Name); !ok {
			t.Errorf("%s: not a supported name", s.Name)
		}
		if s.Name != path.Base(s.Name) || !utf8.ValidString(s.Name) {
			t.Errorf("%q is not a plain name", s.Name)
		}
		if slices.Contains(names, s.Name) {
			t.Errorf("two samples are called %q", s.Name)
		}
		names = append(names, s.Name)
		upper = upper || path.Ext(s.Name) == strings.ToUpper(path.Ext(s.Name))
		unicode = unicode || len(s.Name) != utf8.RuneCountInString(s.Name)
	}
	if !upper || !unicode {
		t.Errorf("an upper-case extension: %v, a name outside ASCII: %v; want both", upper, unicode)
	}
}

// TestUnsupported shows that the unsupported sample is neither of a known type nor empty.
func TestUnsupported(t *testing.T) {
	s := Unsupported()
	if _, ok := media.ByName(s.Name); ok {
		t.Errorf("%s is supported", s.Name)
	}
	if len(s.Bytes) == 0 {
		t.Error("an empty file would be held back, not refused")
	}
}

// TestCopiesAreFresh shows that a caller may change its sample without a change for the next caller.
func TestCopiesAreFresh(t *testing.T) {
	All()[0].Bytes[0] = 0
	if All()[0].Bytes[0] == 0 {
		t.Error("a caller's change shows in the next caller's sample")
	}
}

func picture(format string) func([]byte) error {
	return func(b []byte) error {
		m, got, err := image.Decode(bytes.NewReader(b))
		if err != nil {
			return err
		}
		if got != format {
			return fmt.Errorf("a %s, want %s", got, format)
		}
		if m.Bounds().Dx() < 300 || m.Bounds().Dy() < 200 {
			return fmt.Errorf("%v is too small to be looked at", m.Bounds())
		}
		return nil
	}
}

func pdf(b []byte) error {
	tail := bytes.TrimRight(b, "\r\n")
	if !bytes.HasPrefix(b, []byte("%PDF-")) || !bytes.HasSuffix(tail, []byte("%%EOF")) {
		return errors.New("no %PDF- at its head or no %%EOF at its end")
	}
	_, after, ok := bytes.Cut(b[bytes.LastIndex(b, []byte("startxref")):], []byte("\n"))
	var at int
	if _, err := fmt.Fscan(bytes.NewReader(after), &at); !ok || err != nil {
		return fmt.Errorf("startxref: %v", err)
	}
	if at >= len(b) || !bytes.HasPrefix(b[at:], []byte("xref")) {
		return fmt.Errorf("no cross-reference table at %d", at)
	}
	return nil
}

func wav(b []byte) error {
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return errors.New("no RIFF header")
	}
	if n := binary.LittleEndian.Uint32(b[4:]); int(n)+8 != len(b) {
		return fmt.Errorf("RIFF says %d bytes after its header, the file has %d", n, len(b)-8)
	}
	var kinds []string
	for at := 12; at+8 <= len(b); {
		n := int(binary.LittleEndian.Uint32(b[at+4:]))
		kinds = append(kinds, string(b[at:at+4]))
		at += 8 + n + n%2
	}
	if !slices.Contains(kinds, "fmt ") || !slices.Contains(kinds, "data") {
		return fmt.Errorf("chunks %q, want fmt and data", kinds)
	}
	return nil
}

// mp3 follows the frames of MPEG-1 layer III from the first byte to the last (ISO 11172-3, 2.4.2.3).
func mp3(b []byte) error {
	kbps := []int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0}
	frames := 0
	for at := 0; at < len(b); frames++ {
		if at+4 > len(b) || b[at] != 0xff || b[at+1]&0xfe != 0xfa || b[at+2]&0x0c != 0 {
			return fmt.Errorf("no 44.1 kHz frame at byte %d of %d, after %d frames", at, len(b), frames)
		}
		rate := kbps[b[at+2]>>4]
		if rate == 0 {
			return fmt.Errorf("frame at byte %d has no bit rate", at)
		}
		at += 144*rate*1000/44100 + int(b[at+2]>>1&1)
	}
	if frames < 38 { // of 26 ms each
		return fmt.Errorf("%d frames: less than a second", frames)
	}
	return nil
}

// boxes checks that the outer boxes fill the file (ISO 14496-12, 4.2), and that the boxes of a film are among them.
func boxes(brand string) func([]byte) error {
	return func(b []byte) error {
		var kinds []string
		for at := 0; at < len(b); {
			if at+8 > len(b) {
				return fmt.Errorf("half a box at the end, after %q", kinds)
			}
			n := int(binary.BigEndian.Uint32(b[at:]))
			kinds = append(kinds, string(b[at+4:at+8]))
			if n < 8 || at+n > len(b) {
				return fmt.Errorf("box %q at %d says %d bytes, the file has %d", kinds[len(kinds)-1], at, n, len(b)-at)
			}
			at += n
		}
		if !slices.Contains(kinds, "moov") || !slices.Contains(kinds, "mdat") {
			return fmt.Errorf("boxes %q, want moov and mdat", kinds)
		}
		if kinds[0] != "ftyp" || string(b[8:12]) != brand {
			return fmt.Errorf("first box %q, brand %q, want %q", kinds[0], b[8:12], brand)
		}
		return nil
	}
}

func ooxml(main string) func([]byte) error {
	return func(b []byte) error {
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return err
		}
		want := []string{"[Content_Types].xml", "_rels/.rels", main}
		for _, part := range z.File {
			want = slices.DeleteFunc(want, func(name string) bool { return name == part.Name })
			if err := wellFormed(part); err != nil {
				return fmt.Errorf("%s: %w", part.Name, err)
			}
		}
		if len(want) > 0 {
			return fmt.Errorf("parts missing: %q", want)
		}
		return nil
	}
}

func wellFormed(part *zip.File) error {
	r, err := part.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if ext := path.Ext(part.Name); ext != ".xml" && ext != ".rels" {
		_, err := io.Copy(io.Discard, r) // reading to the end compares the checksum
		return err
	}
	for d := xml.NewDecoder(r); ; {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// compound checks that a compound file ([MS-CFB], 2.2 and 2.6) has a stream of that name, and every sector that its
// file allocation table lists.
func compound(stream string) func([]byte) error {
	return func(b []byte) error {
		if len(b) < 1024 || len(b)%512 != 0 || !bytes.HasPrefix(b, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")) {
			return errors.New("no compound file's header, or no whole number of sectors")
		}
		u32 := func(at int) int { return int(int32(binary.LittleEndian.Uint32(b[at:]))) } // ends and gaps are negative
		sector := func(n int) int { return 512 + 512*n }
		last := 0
		for i := range u32(44) {
			fat := sector(u32(76 + 4*i))
			if fat+512 > len(b) {
				return fmt.Errorf("sector %d of the allocation table is missing", i)
			}
			for entry := range 128 {
				if u32(fat+4*entry) != -1 {
					last = max(last, 128*i+entry)
				}
			}
		}
		if sector(last)+512 != len(b) {
			return fmt.Errorf("the allocation table knows %d bytes, the file has %d", sector(last)+512, len(b))
		}
		var name []byte
		for _, c := range stream {
			name = append(name, byte(c), 0)
		}
		if !bytes.Contains(b[sector(u32(48)):], name) {
			return fmt.Errorf("no stream %q in its directory", stream)
		}
		return nil
	}
}
