package filing

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"unicode/utf8"

	"kaizala-drop/internal/file"

	"golang.org/x/sys/unix"
)

// TestNumbered shows how a name gets a number, and where it is cut to fit.
func TestNumbered(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int
		want string
	}{
		{"scan.pdf", 1, "scan.pdf"},
		{"scan.pdf", 2, "scan (2).pdf"},
		{"archive.tar.gz", 12, "archive.tar (12).gz"},
		{"name", 2, "name (2)"},
		{".hidden", 2, ".hidden (2)"},
		{".hidden.txt", 2, ".hidden (2).txt"},
		{"dot.", 2, "dot (2)."},
		{"scan (2).pdf", 2, "scan (2) (2).pdf"},
		{strings.Repeat("a", 255), 1, strings.Repeat("a", 255)},
		{strings.Repeat("a", 255), 2, strings.Repeat("a", 251) + " (2)"},
		{strings.Repeat("a", 251) + ".pdf", 10, strings.Repeat("a", 246) + " (10).pdf"},
		{strings.Repeat("é", 125) + ".jpeg", 2, strings.Repeat("é", 123) + " (2).jpeg"},
		{strings.Repeat("\x80", 255), 2, strings.Repeat("\x80", 251) + " (2)"},
		{"a." + strings.Repeat("b", 253), 2, "a." + strings.Repeat("b", 249) + " (2)"},
	} {
		if got := numbered(c.name, c.n, maxName); got != c.want {
			t.Errorf("%q, %d: got %q, want %q", c.name, c.n, got, c.want)
		}
	}
}

// TestHidden shows that a hidden name lies in the folder of its file, begins with a dot, ends in .tmp and is not too long.
func TestHidden(t *testing.T) {
	for _, name := range []string{"a.pdf", strings.Repeat("é", 127), strings.Repeat("\xff", 255)} {
		dir, base := filepath.Split(hidden("/in/"+name, file.Identity{Ino: 1}))
		if dir != "/in/" || base[0] != '.' || !strings.HasSuffix(base, ".tmp") || len(base) > maxName {
			t.Errorf("%q: %q in %q", name, base, dir)
		}
	}
}

func isName(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= maxName && !strings.ContainsAny(s, "/\x00")
}

// FuzzNames shows that the name chosen among taken ones is free, fits into the limit and keeps its extension.
func FuzzNames(f *testing.F) {
	f.Add("scan.pdf", "scan.pdf\x00scan (2).pdf\x00scan (4).pdf", uint16(100), false)
	f.Add(strings.Repeat("é", 127), "", uint16(3), true)
	f.Add(strings.Repeat("\xf0\x9f\x98", 85), "", uint16(11), true)
	f.Add("."+strings.Repeat("x", 254), "", uint16(0), true)
	f.Add("a."+strings.Repeat("b", 62), "a\x00b", uint16(9), false)
	f.Fuzz(func(t *testing.T, name, others string, run uint16, note bool) {
		if !isName(name) {
			t.Skip()
		}
		limit, beside := maxName, []string{""}
		if note {
			limit, beside = maxName-len(noteSuffix), []string{"", noteSuffix}
		}
		there := map[string]bool{}
		for other := range strings.SplitSeq(others, "\x00") {
			there[other] = true
		}
		for n := range int(run) {
			there[numbered(name, n+1, limit)] = true
		}
		taken := func(n int) (bool, error) {
			for _, suffix := range beside {
				if there[numbered(name, n, limit)+suffix] {
					return true, nil
				}
			}
			return false, nil
		}
		n, err := firstFree(1, taken)
		noError(t, err)
		got := numbered(name, n, limit)
		if is, _ := taken(n); is {
			t.Errorf("%q is taken", got)
		}
		if before, _ := taken(n - 1); n > 1 && !before {
			t.Errorf("number %d, but the one before is free", n)
		}
		if got == "" || got == "." || got == ".." || len(got) > limit || strings.Contains(got, "/") {
			t.Errorf("%q is no name", got)
		}
		if ext := filepath.Ext(name); len(ext) <= maxExtension && len(ext) < len(name) && filepath.Ext(got) != ext {
			t.Errorf("%q lost its extension: %q", name, got)
		}
		if utf8.ValidString(name) && !utf8.ValidString(got) {
			t.Errorf("%q was cut within a rune: %q", name, got)
		}
		if numbered(name, n+1, limit) == got {
			t.Errorf("%q twice", got)
		}
	})
}

// FuzzMove shows with real moves what FuzzNames shows.
func FuzzMove(f *testing.F) {
	f.Add("scan.pdf", uint8(3))
	f.Add(strings.Repeat("\xff", 255), uint8(2))
	f.Fuzz(func(t *testing.T, name string, times uint8) {
		if !isName(name) || name == "done" {
			t.Skip()
		}
		d := newDesk(t)
		c := realCalls()
		c.fsync = func(*os.File) error { return nil }
		seen := map[string]bool{}
		for range times%8 + 1 {
			m := d.drop(name, name)
			dest, err := newFiler(c).Move(m)
			noError(t, err)
			if seen[dest] {
				t.Errorf("%q twice", dest)
			}
			seen[dest] = true
			if got, err := os.ReadFile(dest); string(got) != name {
				t.Errorf("%q holds %q, %v", dest, got, err)
			}
			if _, err := os.Lstat(m.source()); err == nil {
				t.Errorf("%q is still there", name)
			}
		}
	})
}

// TestUnknownErrorOfLook shows that exists returns an error that does not say whether a path exists.
func TestUnknownErrorOfLook(t *testing.T) {
	loop := filepath.Join(t.TempDir(), "loop")
	noError(t, os.Symlink(loop, loop))
	if _, err := exists(loop + "/a"); !oneOf(err, unix.ELOOP) {
		t.Errorf("got %v", err)
	}
}
