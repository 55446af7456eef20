package text_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"kaizala-drop/internal/text"
)

// TestFit: what is cut is never wider than it may be, a wide character is not halved, and an accent stays with its letter.
func TestFit(t *testing.T) {
	for _, c := range []struct {
		s       string
		columns int
		want    string
	}{
		{"scan.pdf", 8, "scan.pdf"},
		{"scan.pdf", 7, "scan.p…"},
		{"scan.pdf", 1, "…"},
		{"scan.pdf", 0, ""},
		{"", 0, ""},
		{"請求書.pdf", 10, "請求書.pdf"},
		{"請求書.pdf", 9, "請求書.p…"},
		{"請求書.pdf", 6, "請求…"},
		{"請求書.pdf", 4, "請…"},
		{"e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301…"},
		{"a" + strings.Repeat("\u0308", 40) + "bc", 2, "a" + strings.Repeat("\u0308", 40) + "…"},
	} {
		if got := text.Fit(c.s, c.columns); got != c.want {
			t.Errorf("Fit(%q, %d) = %q, want %q", c.s, c.columns, got, c.want)
		}
	}
}

// TestFitEnd: the end of a path is what tells it from others, and is kept.
func TestFitEnd(t *testing.T) {
	for in, want := range map[string]string{"/srv/drop/in": "…/drop/in", "/drop/in": "/drop/in", "/srv/請求書": "…v/請求書", "": ""} {
		if got := text.FitEnd(in, 9); got != want {
			t.Errorf("FitEnd(%q, 9) = %q, want %q", in, got, want)
		}
	}
}

// TestWrap: no line is too wide, and words that have room are whole.
func TestWrap(t *testing.T) {
	for _, c := range []struct {
		s       string
		columns int
		want    string
	}{
		{"! a folder is not served", 40, "! a folder is not served"},
		{"! a folder is not served", 13, "! a folder is|  not served"},
		{"    indented is what it was", 14, "    indented|  is what it|  was"},
		{"a/very/long/path/without/spaces", 12, "a/very/long/|  path/witho|  ut/spaces"},
		{"! a/very/long/path is not served", 14, "! a/very/long/|  path is not|  served"},
		{"", 5, ""},
		{"請求書請求書", 5, "請求|  書|  請|  求|  書"},
	} {
		if got := strings.Join(text.Wrap(c.s, c.columns, 2), "|"); got != c.want {
			t.Errorf("Wrap(%q, %d, 2) = %q, want %q", c.s, c.columns, got, c.want)
		}
	}
}

// FuzzFit: whatever a name is, what is made of it has room, and is its beginning.
func FuzzFit(f *testing.F) {
	f.Add("scan.pdf", 5)
	f.Add("請求書 👩‍👩‍👧‍👦 \u0301\u0301", 7)
	f.Add("\xff\xfe🇩🇪🇩", 3)
	f.Fuzz(func(t *testing.T, s string, columns int) {
		columns = min(max(columns, 0), 1000)
		s = text.Printable(s)
		got := text.Fit(s, columns)
		if text.Width(got) > columns || !strings.HasPrefix(s, strings.TrimSuffix(got, "…")) || !utf8.ValidString(got) {
			t.Errorf("Fit(%q, %d) = %q, %d wide", s, columns, got, text.Width(got))
		}
		if got := text.FitEnd(s, columns); text.Width(got) > columns || !strings.HasSuffix(s, strings.TrimPrefix(got, "…")) {
			t.Errorf("FitEnd(%q, %d) = %q, %d wide", s, columns, got, text.Width(got))
		}
		var all strings.Builder
		for _, line := range text.Wrap(s, columns, 4) {
			if all.WriteString(line); columns > 8 && text.Width(line) > columns {
				t.Errorf("Wrap(%q, %d, 4) has %q, %d wide", s, columns, line, text.Width(line))
			}
		}
		if strings.ReplaceAll(all.String(), " ", "") != strings.ReplaceAll(s, " ", "") {
			t.Errorf("Wrap(%q, %d, 4) is %q", s, columns, all.String())
		}
	})
}
