package filing

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// TestForms shows how a name is changed for file systems that refuse it.
func TestForms(t *testing.T) {
	for _, c := range []struct{ name, portable, ascii string }{
		{"scan.pdf", "scan.pdf", "scan.pdf"},
		{"Scan 2026-11-27 10:15:00.pdf", "Scan 2026-11-27 10-15-00.pdf", "Scan 2026-11-27 10-15-00.pdf"},
		{`<>:"\|?*.pdf`, "--------.pdf", "--------.pdf"},
		{"tab\tnew\nline\x7f.pdf", "tab-new-line-.pdf", "tab-new-line-.pdf"},
		{"dot.", "dot", "dot"}, {"a. . ", "a", "a"}, {"...", "_", "_"},
		{"Büro 日.pdf", "Büro 日.pdf", "B_ro _.pdf"},
		{"\xff\xfea.pdf", "_a.pdf", "_a.pdf"},
		{"CON", "CON_", "CON_"}, {"nul.pdf", "nul_.pdf", "nul_.pdf"}, {"Com1.tar.gz", "Com1_.tar.gz", "Com1_.tar.gz"},
		{"console.pdf", "console.pdf", "console.pdf"}, {"com10", "com10", "com10"}, {"COM¹", "COM¹_", "COM_"},
	} {
		for form, want := range map[form]string{asItIs: c.name, portable: c.portable, ascii: c.ascii} {
			if got := (spelling{form, maxName}).numbered(c.name, 1, 0); got != want {
				t.Errorf("%q in form %d: %q, want %q", c.name, form, got, want)
			}
		}
		got := spelling{plain, shortestLimit}.numbered(c.name, 1, 0)
		if !strings.HasPrefix(got, "file-") || strings.HasSuffix(c.name, ".pdf") != strings.HasSuffix(got, ".pdf") {
			t.Errorf("%q in plain: %q", c.name, got)
		}
	}
}

// FuzzForms shows that each spelling of any name fits, keeps a usual extension, and differs between two numbers.
func FuzzForms(f *testing.F) {
	for _, name := range []string{"scan.pdf", "a:b.pdf", strings.Repeat("é", 127), "\xff.pdf", "CON", "...", ". ", "a." + strings.Repeat("b", 200)} {
		f.Add(name, uint8(3))
	}
	f.Fuzz(func(t *testing.T, name string, number uint8) {
		if !isName(name) {
			t.Skip()
		}
		for _, s := range spellings(name, maxName, len(noteSuffix)) {
			n := int(number) + 1
			got := s.numbered(name, n, len(noteSuffix))
			if !isName(got) || len(got)+len(noteSuffix) > s.limit {
				t.Errorf("%+v of %q: %q", s, name, got)
			}
			if got == s.numbered(name, n+1, len(noteSuffix)) {
				t.Errorf("%+v of %q: %q twice", s, name, got)
			}
			if s.form == asItIs {
				continue
			}
			if !utf8.ValidString(got) || strings.ContainsAny(got, "<>:\"\\|?*") || strings.TrimRight(got, ". ") != got {
				t.Errorf("%+v of %q: %q", s, name, got)
			}
			if strings.HasSuffix(name, ".pdf") && len(name) > len(".pdf") && !strings.HasSuffix(got, ".pdf") {
				t.Errorf("%+v of %q lost its extension: %q", s, name, got)
			}
		}
	})
}

// TestChangedOnlyWhenRefused shows that an error which is not about the name does not change the name.
func TestChangedOnlyWhenRefused(t *testing.T) {
	for _, answer := range []unix.Errno{unix.EIO, unix.EINVAL, unix.EACCES, unix.ENAMETOOLONG, unix.ESTALE, unix.EILSEQ} {
		d := newFarDesk(t)
		m := d.drop("10:15\u00e9.pdf", "a")
		c := realCalls()
		c.copy = func(_, _ *os.File) (int64, error) { return 0, answer }
		if dest, err := newFiler(c).Move(m); !oneOf(err, answer) || dest != "" {
			t.Errorf("%v: %q, %v", answer, dest, err)
		}
		everything(t, d.done)
		dest, err := New().Move(m)
		if err != nil || filepath.Base(dest) != m.Name {
			t.Errorf("%q, %v", dest, err)
		}
	}
}

// TestLeftByTheFirstVersion shows that files which the first version set aside or copied under its own hidden names are found.
func TestLeftByTheFirstVersion(t *testing.T) {
	d := newFarDesk(t)
	mkdir(t, d.done, 0o755)
	m := d.drop("a.pdf", "a")
	m.Again = true
	noError(t, os.Rename(m.source(), hiddenByFirstVersion(m.source(), m.Want)))
	if _, err := New().Move(m); err != nil {
		t.Error(err)
	}
	m = d.drop("b.pdf", "b")
	m.Again = true
	write(t, hiddenByFirstVersion(filepath.Join(d.done, "b.pdf"), m.Want), "unfinished")
	_, err := New().Move(m)
	noError(t, err)
	everything(t, d.folder)
	everything(t, d.done, "a.pdf", "b.pdf")
}
