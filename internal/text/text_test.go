package text_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"kaizala-drop/internal/text"
)

// TestPrintable shows which characters are escaped, and that all others stay as they are.
func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"Büro – Übersicht 2026.pdf": "Büro – Übersicht 2026.pdf",
		"two\nlines\r.pdf":          `two\nlines\r.pdf`,
		"\x1b[31mred":               `\x1b[31mred`,
		"\xff\xfe.pdf":              `\xff\xfe.pdf`,
		"abc\u202efdp.exe":          `abc\u202efdp.exe`,
		"a\u200bb":                  `a\u200bb`,
		`back\slash`:                `back\\slash`,
		`"quoted"`:                  `"quoted"`, // whoever quotes the text escapes them
		"no\u00a0break":             `no\u00a0break`,
		"日本語.pdf":                   "日本語.pdf",
		"שלום.pdf":                  "שלום.pdf",
		"line\u2028separator":       `line\u2028separator`,
		"\ufffd":                    "\ufffd", // a replacement character that was really there
	} {
		if got := text.Printable(in); got != want {
			t.Errorf("Printable(%q) = %s, want %s", in, got, want)
		}
	}
}

// FuzzPrintable shows that no control or formatting character gets through, and that different names look different.
func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"a", "\xff", "a\nb", `\n`, "\u202e", "\x00"} {
		f.Add(s, s+"x")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		shown := text.Printable(a)
		if !utf8.ValidString(shown) {
			t.Errorf("Printable(%q) is not UTF-8", a)
		}
		for _, r := range shown {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
				t.Errorf("Printable(%q) holds %U", a, r)
			}
		}
		if a != b && shown == text.Printable(b) {
			t.Errorf("%q and %q look the same: %s", a, b, shown)
		}
	})
}

// TestLine shows that a text becomes one printable line, and that "…" ends it if and only if something was cut off.
func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "",
		"12345678":             "12345678",
		"123456789":            "12345678…",
		"  a \n\t b  ":         "a b…",
		" a\r\nb ":             "a b",
		"Übersähe":             "Übersähe",
		"Übersähen":            "Übersähe…",
		"\xff\xff":             `\xff\xff`,
		"\xff\xff\xff":         `\xff\xff…`,
		strings.Repeat(" ", 9): "…",
	} {
		if got := text.Line(in, 8); got != want {
			t.Errorf("Line(%q, 8) = %q, want %q", in, got, want)
		}
	}
}

// TestFirst shows that characters are counted, and bytes that are not UTF-8 as one each.
func TestFirst(t *testing.T) {
	for in, want := range map[string]string{"": "", "äö": "äö", "äöü": "äö", "\xff\xfeü": "\xff\xfe", "ä\xffü": "ä\xff"} {
		if got := text.First(in, 2); got != want {
			t.Errorf("First(%q, 2) = %q, want %q", in, got, want)
		}
	}
}

// TestCut shows that no character of a UTF-8 text is cut in two, and that other bytes are cut where the limit is.
func TestCut(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "12345": "12345", "123456": "12345", "1234ä": "1234", "123ä5": "123ä", "12日": "12日", "123日": "123",
		"\x80\x80\x80\x80\x80\x80": "\x80\x80\x80\x80\x80", "\xff\xff\xff\xff\xff\xff": "\xff\xff\xff\xff\xff",
	} {
		if got := text.Cut(in, 5); got != want {
			t.Errorf("Cut(%q, 5) = %q, want %q", in, got, want)
		}
	}
	if got := text.Cut("ä", 0); got != "" {
		t.Errorf("Cut to nothing = %q", got)
	}
}

// TestShorten shows that a text which is cut says so, and ends with a whole character.
func TestShorten(t *testing.T) {
	for in, want := range map[string]string{"": "", "1234ä": "1234…", "12345": "12345", "123456": "12345…", "\xff": "\xff", "12\xff456": "1245…"} {
		if got := text.Shorten(in, 5); got != want {
			t.Errorf("Shorten(%q, 5) = %q, want %q", in, got, want)
		}
	}
}
