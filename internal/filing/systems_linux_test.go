package filing

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/mounts"
	"kaizala-drop/internal/text"
)

// system is a real file system, mounted once for a test.
type system struct {
	name  string
	mount func(t testing.TB) string
}

func systems() []system {
	odd := func(options ...string) func(t testing.TB) string {
		return func(t testing.TB) string { return mounts.Odd(t, options...).Path }
	}
	return []system{
		{"ext4", mounts.Ext4},
		{"exfat", func(t testing.TB) string { return mounts.ExFAT(t).Path }},
		{"short143", func(t testing.TB) string { return mounts.Short143(t).Path }},
		{"windows", odd("-windows", "-utf8", "-noreplace=false", "-links=false", "-symlinks=false")},
		{"inodes made up", odd("-path-inodes", "-nlink=2", "-noreplace=false")},
		{"ntfs", func(t testing.TB) string { return mounts.NTFS(t, "windows_names").Path }},
		{"no limit told", odd("-max=100", "-says=255", "-noreplace=false")},
		{"tmpfs", func(t testing.TB) string { return mounts.Tmpfs(t, "") }},
		{"overlay", mounts.Overlay},
		{"ntfs, names of POSIX", func(t testing.TB) string { return mounts.NTFS(t, "").Path }},
		{"bindfs", func(t testing.TB) string { return mounts.Bindfs(t, t.TempDir()).Path }},
		{"mergerfs", func(t testing.TB) string { return mounts.Mergerfs(t).Path }},
		{"windows, inodes made up", odd("-windows", "-path-inodes", "-nlink=2")},
	}
}

// hostileNames are more than a hundred names; most rules of file systems concern the first ones.
func hostileNames() []string {
	names := []string{
		"scan.pdf", "Scan 2026-11-27 10:15:00.pdf", strings.Repeat("n", 120) + ".pdf", strings.Repeat("é", 125) + ".jpeg", "dot.", "CON.pdf",
		"\xff\xfe.pdf", "SCAN.PDF", strings.Repeat("日", 80) + ".pdf", "sub: folder /what?.pdf",
		"a/b/" + strings.Repeat("deep", 30) + ".pdf", strings.Repeat("f", 140) + "/" + strings.Repeat("n", 143),
	}
	for _, length := range []int{99, 100, 101, 112, 113, 131, 132, 133, 142, 143, 144, 200, 243, 244, 245, 251, 254, 255} {
		names = append(names, strings.Repeat("x", length-4)+".pdf", strings.Repeat("y", length))
	}
	for _, r := range "<>:\"\\|?*\x01\x1f\x7f\t\n" {
		names = append(names, fmt.Sprintf("in%cside.pdf", r), fmt.Sprintf("%cbefore.jpg", r), fmt.Sprintf("behind%c", r))
	}
	return append(names,
		"CON", "nul", "Aux", "prn.txt", "COM1", "lpt9.pdf", "com0.x.y", "COM¹.pdf",
		"space.pdf ", "dots...", "...", ". .", " ", " before.pdf", "both. .", "a..pdf", ".hidden", "-rf", "--", "~", "$MFT", "#1.pdf", "%41.pdf",
		"e\u0301.pdf", "é.pdf", "É.pdf", "ß.pdf", "SS.pdf", "ſ.pdf", "İ.pdf", "ı.pdf", "K.pdf", "\u202efdp.exe", "a\u00a0b.pdf", "\ufeff.pdf",
		"😀.pdf", strings.Repeat("😀", 60)+".pdf", strings.Repeat("😀", 63), "\ufffd.pdf", "a.\x80\x81", "\xed\xa0\x80.pdf", "\xc3", "\xc3.pdf",
		strings.Repeat("\xff", 255), "a."+strings.Repeat("b", 253), strings.Repeat("a.", 127), "::", "???", "*.*", "a:b", "a?b", "a*b",
		"dir./a.pdf", "aux.d/a.pdf", "\xff/a.pdf", "d:/e:/f:.pdf", "x.pdf.reason.txt", "scan (2).pdf", "scan (2) (2).pdf", "a\x00b"[:1],
	)
}

// TestEachFileSystemAndName shows that files of hostile names, moved within and between real file systems, lie in done/ once,
// under their own name if that is accepted, and that nothing done to the old name reaches them. KAIZALA_DROP_CI tries all
// pairs without the race detector, KAIZALA_DROP_FULL all names on all pairs.
func TestEachFileSystemAndName(t *testing.T) {
	needsRoot(t)
	t.Setenv("TMPDIR", "/dev/shm") // syncs cost nothing there
	all := systems()
	names := hostileNames()
	if len(names) < 100 {
		t.Fatalf("only %d names", len(names))
	}
	full, most := os.Getenv("KAIZALA_DROP_FULL") != "", thorough()
	if !full && !most {
		all, names = all[:3], names[:often]
	}
	at, longest := make([]string, len(all)), make([]int, len(all))
	for i, s := range all {
		at[i] = s.mount(t)
		longest[i] = sort.Search(256, func(n int) bool { return makeAndRemove(filepath.Join(at[i], strings.Repeat("n", n+1))) != nil })
	}
	for i, from := range all {
		for j, to := range all {
			names := names
			if !full && !most && i != j {
				names = names[:often/2]
			}
			if !full && i != j {
				if !most && i != 0 && j != 0 {
					continue
				}
				names = names[:min(often, len(names))]
			}
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				top := filepath.Join(at[i], fmt.Sprint("to ", j))
				d := desk{t, top, filepath.Join(top, "done")}
				mkdir(t, d.folder, 0o755)
				if i != j {
					d.done = filepath.Join(at[j], fmt.Sprint("from ", i))
					mkdir(t, d.done, 0o755)
				}
				p := &pair{desk: d, room: filepath.Join(at[j], fmt.Sprint("room ", i)), f: New(), longest: longest[j], want: map[string]string{}}
				noError(t, p.f.Probe(d.folder, d.done))
				acts := []string{"move", "fail", "move"}
				for n, name := range names {
					if to.name == "exfat" && strings.HasPrefix(name, "\xed") {
						continue // exfat-fuse 1.3.0 crashes at such a name
					}
					if n == often {
						acts = acts[:2]
					}
					p.file(name, fmt.Sprint("content ", n), acts)
				}
				p.lie()
				if p.taken < len(names) {
					t.Errorf("only %d names could be dropped", p.taken)
				}
			})
		}
	}
}

// pair is a folder on one file system with a done/ on another.
type pair struct {
	desk
	room    string // an empty folder on the file system of done, to try which names it accepts
	f       *Filer
	longest int               // bytes of the longest name that it accepts
	want    map[string]string // what must lie in done/: the content by its path; "" for a note
	taken   int               // names that could be dropped
}

// often is how many of the names are dropped more than once.
const often = 12

// file drops a file again and again, to be moved or failed, and writes to its old name afterwards.
func (p *pair) file(name, content string, acts []string) {
	p.t.Helper()
	path := filepath.Join(p.folder, name)
	for n, act := range acts {
		content := fmt.Sprint(content, n)
		if os.MkdirAll(filepath.Dir(path), 0o755) != nil || os.WriteFile(path, []byte(content), 0o644) != nil {
			return // the folder's own file system does not accept the name
		}
		p.taken++
		m := p.move(name)
		sum := sha256.Sum256([]byte(content))
		m.SHA256, m.Again = sum[:], n == 2
		noError(p.t, p.f.CanFile(m))
		dest, err := p.act(act, m)
		if err != nil {
			p.t.Errorf("%q: %v", name, err)
			os.Remove(path)
			return
		}
		if old, is := p.want[dest]; is {
			p.t.Errorf("%q: %q twice, before for %q", name, dest, old)
		}
		p.want[dest] = content
		if act == "fail" {
			p.want[dest+noteSuffix] = ""
			p.note(name, dest)
		}
		missing(p.t, path)
		p.named(name, dest)
		noError(p.t, os.WriteFile(path, []byte("the device's next scan"), 0o644))
		if got, err := os.ReadFile(dest); string(got) != content {
			p.t.Errorf("%q: a later write makes %q hold %q, %v", name, dest, got, err)
		}
		noError(p.t, os.Remove(path))
	}
}

func (p *pair) act(act string, m Move) (string, error) {
	if act == "fail" {
		return p.f.Fail(m, Note{Reason: "refused"})
	}
	return p.f.Move(m)
}

// named fails the test unless the file has its own name, perhaps with a number, where the file system accepts it, and its
// extension in any case.
func (p *pair) named(name, dest string) {
	p.t.Helper()
	base := filepath.Base(name)
	if ext := filepath.Ext(base); ext == ".pdf" || ext == ".jpeg" || ext == ".jpg" {
		if filepath.Ext(dest) != ext {
			p.t.Errorf("%q became %q", name, dest)
		}
	}
	if !p.takes(name) {
		if name == "Scan 2026-11-27 10:15:00.pdf" && !strings.HasPrefix(filepath.Base(dest), "Scan 2026-11-27 10-15-00") {
			p.t.Errorf("%q became %q", name, dest)
		}
		return
	}
	long := len(base)+len(" (9)")+len(noteSuffix)+reserveRoom > p.longest // a number, the note's ending or ntfs-3g may need more bytes
	t := transfer{move: Move{Name: name, Dir: p.done}}
	if !t.keepsName(dest) && !long {
		p.t.Errorf("%q is taken there, but became %q", name, dest)
	}
}

// takes reports whether the file system accepts each part of a name.
func (p *pair) takes(name string) bool {
	noError(p.t, os.MkdirAll(p.room, 0o755))
	defer os.RemoveAll(p.room)
	path := filepath.Join(p.room, name)
	return os.MkdirAll(filepath.Dir(path), 0o755) == nil && os.WriteFile(path, nil, 0o644) == nil
}

// note fails the test unless the note shows the file's own name, and its present one if that differs.
func (p *pair) note(name, dest string) {
	p.t.Helper()
	note, err := os.ReadFile(dest + noteSuffix)
	noError(p.t, err)
	t := transfer{move: Move{Name: name, Dir: p.done}}
	rel, _ := filepath.Rel(p.done, dest)
	both := strings.Contains(string(note), "Lies as:   "+text.Printable(rel)+"\n")
	if !strings.Contains(string(note), "File:      "+text.Printable(name)+"\n") || both == t.keepsName(dest) {
		p.t.Errorf("the note beside %q does not tell %q, or both names:\n%s", dest, name, note)
	}
}

// lie fails the test unless just the filed files are there, including hidden ones, and none is left in the folder.
func (p *pair) lie() {
	p.t.Helper()
	got := map[string]string{}
	for _, dir := range []string{p.folder, p.done} {
		noError(p.t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || e.Name() == Mark {
				return err
			}
			content, err := os.ReadFile(path)
			got[path] = string(content)
			return err
		}))
	}
	for path, content := range p.want {
		text, is := got[path]
		if !is {
			text, is = p.alias(path) // the listing may spell the path in another way
		}
		if !is || content != "" && text != content {
			p.t.Errorf("%q: there %t, holds %q, want %q", path, is, text, content)
		}
	}
	if len(got) != len(p.want) {
		var names []string
		for path := range got {
			if _, is := p.want[path]; !is {
				names = append(names, path)
			}
		}
		slices.Sort(names)
		p.t.Errorf("%d files, want %d; not expected: %q", len(got), len(p.want), names)
	}
}

func (p *pair) alias(path string) (string, bool) {
	content, err := os.ReadFile(path)
	return string(content), err == nil && !errors.Is(err, unix.ENOENT)
}
