package ignore_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kaizala-drop/internal/ignore"
)

var names = []string{
	"private/", "sub/private/", "sub/a.tmp", "sub/deep/a.tmp", "a.tmp", "x/y/z.pdf", "x/z.pdf", "z.pdf", "draft-1.pdf", "draft-2.pdf",
	"foo/", "foo/bar/", "foo/bar/baz.pdf", "abc.pdf", "a{b}.pdf", "ab.pdf", "#recycle/", "!bang.pdf", "deep/er/private.pdf", "photo.jpg", "x/photo.jpg",
}

// TestMatchesAsGitDoes shows that each list of patterns ignores the names that git itself ignores with it.
func TestMatchesAsGitDoes(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		if os.Getenv("KAIZALA_DROP_CI") != "" {
			t.Fatal("this test needs git: apt-get install git")
		}
		t.Skip("this test needs git: apt-get install git")
	}
	for _, patterns := range [][]string{
		{"private/"}, {"private"}, {"sub/*.tmp"}, {"*.tmp"}, {"**"}, {"**/z.pdf"}, {"x/**"}, {"x/**/z.pdf"}, {"/z.pdf"}, {"/private"},
		{"draft-*", "!draft-2.pdf"}, {"!draft-2.pdf", "draft-*"}, {"foo/bar"}, {"foo/bar/"}, {"[a-c]bc.pdf"}, {"[!a]*.pdf"}, {"a?.pdf"},
		{"a{b}.pdf"}, {`\!bang.pdf`}, {`a\{b}.pdf`}, {"*/photo.jpg"}, {"er/private.pdf"}, {"deep/*/private.pdf"}, {"foo*/"}, {"*"}, {"*.pdf", "!x/*.pdf"},
	} {
		dir := t.TempDir()
		run := func(stdin string, args ...string) string {
			cmd := exec.Command(git, args...)
			cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
			out, err := cmd.CombinedOutput()
			if err != nil && args[0] != "check-ignore" { // check-ignore ends with 1 if nothing is ignored
				t.Fatalf("%v: %v %s", args, err, out)
			}
			return string(out)
		}
		run("", "init", "-q")
		if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte(strings.Join(patterns, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			path := filepath.Join(dir, name)
			if strings.HasSuffix(name, "/") {
				path = filepath.Join(path, "keep")
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		ignored := "\x00" + run(strings.Join(names, "\x00")+"\x00", "check-ignore", "--no-index", "-z", "--stdin")
		p, _, err := ignore.Compile(patterns, "")
		if err != nil {
			t.Fatalf("%q: %v", patterns, err)
		}
		for _, name := range names {
			want := strings.Contains(ignored, "\x00"+name+"\x00")
			if got := below(p, name); got != want {
				t.Errorf("%q, %q: ignored is %v, git says %v", patterns, name, got, want)
			}
		}
	}
}

// below asks as a caller that enters no folder which is left alone.
func below(p ignore.Patterns, name string) bool {
	for i, r := range name {
		if r == '/' && p.Match(name[:i], true) != "" {
			return true
		}
	}
	return !strings.HasSuffix(name, "/") && p.Match(name, false) != ""
}

// TestCaseDoesNotCount shows that patterns match without regard to case, and that the pattern is given as it was
// written.
func TestCaseDoesNotCount(t *testing.T) {
	p, _, err := ignore.Compile([]string{"draft-*.pdf", "Größe/", "[A-C]x.JPG", "#recycle"}, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]bool{"DRAFT-1.PDF": false, "GRÖSSE": true, "GRÖßE": true, "bX.jpg": false, "#Recycle": true} {
		if want := name != "GRÖSSE"; (p.Match(name, dir) != "") != want {
			t.Errorf("%s: %q", name, p.Match(name, dir))
		}
	}
	if by := p.Match("Draft-7.pdf", false); by != "draft-*.pdf" {
		t.Errorf("it is left alone for %q", by)
	}
}

// TestRefused shows that a pattern which could match nothing is an error with its index.
func TestRefused(t *testing.T) {
	for _, text := range []string{"", "/", "!", "!/", "[", "a[", "../x", "./x", "a//b", "a/./b", `x\`, "/srv/drop/private", "//"} {
		if _, i, err := ignore.Compile([]string{"*.ok", text}, "/srv/drop"); err == nil || i != 1 {
			t.Errorf("%q: index %d, %v", text, i, err)
		}
	}
	if _, _, err := ignore.Compile([]string{"/private", "srv/drop"}, "/srv/drop"); err != nil {
		t.Error(err)
	}
}
