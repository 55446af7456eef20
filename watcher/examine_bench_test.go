package watcher

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kaizala-drop/internal/file"
)

// specimen is a file of about 5 MB that has settled.
type specimen struct {
	name    string
	content []byte
	torn    bool
}

// specimens gives one specimen of each format, whole and cut off. An MP3 has no ending that could be missing.
func specimens(t testing.TB) (all []specimen) {
	t.Helper()
	padding := bytes.Repeat([]byte{0x55}, 5<<20)
	be, le := binary.BigEndian, binary.LittleEndian
	chunk := func(order binary.AppendByteOrder, name string, content []byte) []byte {
		return slices.Concat([]byte(name), order.AppendUint32(nil, uint32(len(content))), content)
	}
	box := func(name string, content []byte) []byte {
		return slices.Concat(be.AppendUint32(nil, uint32(8+len(content))), []byte(name), content)
	}
	for name, content := range map[string][]byte{
		"photo.jpg": slices.Concat([]byte("\xff\xd8\xff\xda\x00\x02"), padding, []byte("\xff\xd9")),
		"plan.png": slices.Concat([]byte("\x89PNG\r\n\x1a\n"), be.AppendUint32(nil, uint32(len(padding))), []byte("IDAT"), padding,
			make([]byte, 4), []byte("\x00\x00\x00\x00IEND\xae\x42\x60\x82")),
		"scan.pdf":    slices.Concat([]byte("%PDF-1.7\n"), padding, []byte("\nstartxref\n9\n%%EOF\n")),
		"letter.docx": archive(t, padding),
		"letter.doc":  compoundFile(padding),
		"film.mp4":    slices.Concat(box("ftyp", []byte("isom\x00\x00\x02\x00isom")), box("mdat", padding), box("moov", padding[:9000])),
		"sound.wav":   chunk(le, "RIFF", slices.Concat([]byte("WAVE"), chunk(le, "fmt ", make([]byte, 16)), chunk(le, "data", padding))),
		"music.mp3":   padding,
	} {
		all = append(all, specimen{name, content, false})
		if ext := filepath.Ext(name); ext != ".mp3" {
			all = append(all, specimen{"torn" + ext, content[:len(content)-9], true})
		}
	}
	slices.SortFunc(all, func(a, b specimen) int { return strings.Compare(a.name, b.name) })
	return all
}

func archive(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.CreateHeader(&zip.FileHeader{Name: "word/media/image1.png", Method: zip.Store})
	if err == nil {
		_, err = f.Write(content)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// compoundFile is a compound file ([MS-CFB]) with sectors of 4,096 bytes: the header, two sectors of the FAT, one of
// the directory, and those filled with content.
func compoundFile(content []byte) []byte {
	const sector, fats = 4096, 2
	header, fat, directory := make([]byte, sector), make([]byte, fats*sector), make([]byte, sector)
	copy(header, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	le := binary.LittleEndian
	le.PutUint16(header[30:], 12) // 1<<12 bytes in a sector
	le.PutUint32(header[44:], fats)
	le.PutUint32(header[48:], fats) // where the directory begins
	le.PutUint32(header[80:], 1)    // the second sector of the FAT; the first is given by the header
	directory[66] = 5               // the type of the root entry
	last := fats + len(content)/sector
	for i := range len(fat) / 4 {
		next := uint32(i + 1)
		switch {
		case i < fats:
			next = 0xFFFFFFFD
		case i == fats, i == last:
			next = 0xFFFFFFFE
		case i > last:
			next = 0xFFFFFFFF
		}
		le.PutUint32(fat[4*i:], next)
	}
	return slices.Concat(header, fat, directory, content)
}

// examined writes the file, and gives a function that looks into it afresh each time and checks the result.
func (sp specimen) examined(t testing.TB, dir string) (look func()) {
	t.Helper()
	path := filepath.Join(dir, sp.name)
	if err := os.WriteFile(path, sp.content, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := file.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	s := newScout(Folder{Path: dir, VerifyEnding: true}, nil)
	return func() {
		clear(s.torn)
		clear(s.beside)
		var a answer
		found := sighting{look: observation{Info: info}}
		err := s.examine(sp.name, &found, &a)
		hold := found.look.obstacle
		if err != nil || a.leaseErr != nil || hold.torn != sp.torn || (hold.reason != "") != sp.torn {
			t.Fatalf("%s: %+v, %v, %v", sp.name, hold, err, a.leaseErr)
		}
	}
}

// BenchmarkExamine measures a look into a file of 5 MB: companions, open writers, holes, the ending.
func BenchmarkExamine(b *testing.B) {
	dir := b.TempDir()
	for _, sp := range specimens(b) {
		look := sp.examined(b, dir)
		b.Run(sp.name, func(b *testing.B) {
			for b.Loop() {
				look()
			}
		})
	}
}

// BenchmarkDue measures looks into some or all of the files of a directory.
func BenchmarkDue(b *testing.B) {
	for _, c := range []struct{ due, files int }{{1, 1}, {1, 100}, {1, 10_000}, {100, 100}, {100, 10_000}} {
		b.Run(fmt.Sprintf("%d of %d", c.due, c.files), func(b *testing.B) {
			dir := b.TempDir()
			due := fill(b, dir, c.files)[:c.due]
			s := newScout(Folder{Path: dir, VerifyEnding: true}, nil)
			for b.Loop() {
				for _, seen := range s.answer(b.Context(), request{due: due}).seen {
					if !seen.look.examined || seen.look.obstacle.reason != "" {
						b.Fatal(seen)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.due), "ns/file")
		})
	}
}

// fill makes n small files in dir and gives their names.
func fill(b *testing.B, dir string, n int) (names []string) {
	b.Helper()
	for i := range n {
		names = append(names, fmt.Sprintf("scan-%06d.mp3", i))
		if err := os.WriteFile(filepath.Join(dir, names[i]), []byte("x"), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return names
}
