package text_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"kaizala-drop/internal/text"
)

func TestQuoted(t *testing.T) {
	for in, want := range map[string]string{
		"/srv/drop/a-b_c.pdf": "/srv/drop/a-b_c.pdf",
		"/büro/scan.pdf":      "/büro/scan.pdf",
		"":                    "''",
		"a b":                 "'a b'",
		"it's":                `'it'\''s'`,
		`"$(reboot)!`:         `'"$(reboot)!'`,
		`back\slash`:          `'back\slash'`,
		"two\nlines":          `$'two\nlines'`,
		"it's\t\\":            `$'it\'s\011\\'`,
		"\xff\x1b[31m7":       `$'\377\033[31m7'`,
		"abc\u202efdp.exe":    `$'abc\342\200\256fdp.exe'`,
		"~":                   "'~'",
	} {
		if got := text.Quoted(in); got != want {
			t.Errorf("Quoted(%q) = %s, want %s", in, got, want)
		}
	}
}

// FuzzQuoted: whatever a shell is given, it makes the same path of it, and a terminal sees nothing but plain text.
func FuzzQuoted(f *testing.F) {
	bash, err := exec.LookPath("bash")
	if err != nil && os.Getenv("KAIZALA_DROP_CI") != "" {
		f.Fatal(err)
	} else if err != nil {
		f.Skip("bash is not there: apt-get install bash")
	}
	for _, s := range []string{"a", "", "-n", "'", "'\n'", `\`, "\xff1", "\x011", "$'x'", "~root", "ü\u00a0", "`id`", "a;b", "{a,b}", "*", "\u202e", "\x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if strings.Contains(path, "\x00") {
			return
		}
		quoted := text.Quoted(path)
		if !utf8.ValidString(quoted) || strings.ContainsFunc(quoted, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
			t.Errorf("Quoted(%q) is %q", path, quoted)
		}
		for _, locale := range []string{"C", "C.UTF-8"} {
			cmd := exec.Command(bash, "-c", "printf '%s' "+quoted)
			cmd.Env = []string{"LC_ALL=" + locale}
			if out, err := cmd.Output(); err != nil || string(out) != path {
				t.Errorf("%s: bash makes %q of %s, want %q: %v", locale, out, quoted, path, err)
			}
		}
	})
}
