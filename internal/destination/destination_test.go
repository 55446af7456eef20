package destination

import (
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"kaizala-drop/internal/media"
)

// TestOnly: of what a destination takes, a folder takes the names that a pattern has and no later one takes back; that a pattern has an
// ending makes it known; patterns that are none match nothing.
func TestOnly(t *testing.T) {
	all := Traits{Accepts: func(name string) (media.Type, bool) {
		if t, ok := media.ByName(name); ok {
			return t, true
		}
		ext := path.Ext(name)
		return media.Type{Ext: ext, Kind: media.Document, Guess: true}, ext != ".exe"
	}}
	for _, c := range []struct {
		only                 string
		name                 string
		takes, outside, sure bool
	}{
		{"", "a.pdf", true, false, true},
		{"", "a.xyz", true, false, false},
		{"*.pdf", "a.pdf", true, false, true},
		{"*.pdf", "A.PDF", true, false, true},
		{"*.pdf", "sub/a.pdf", true, false, true},
		{"*.pdf", "a.jpg", false, true, false},
		{"*.pdf", "a.pdf.jpg", false, true, false},
		{"*.pdf *.xyz", "a.xyz", true, false, true},
		{"*", "a.xyz", true, false, false},
		{"*", "no extension", true, false, false},
		{"* !*.jpg", "a.jpg", false, true, false},
		{"* !*.jpg", "a.png", true, false, true},
		{"in/**", "in/a.pdf", true, false, true},
		{"in/**", "in/deep/a.pdf", true, false, true},
		{"in/**", "out/a.pdf", false, true, false},
		{"/*.pdf", "sub/a.pdf", false, true, false},
		{"*.exe", "a.exe", false, false, false},
		{"[ *.pdf", "a.pdf", true, false, true},
		{"[", "a.pdf", false, true, false},
	} {
		traits := all.Only(strings.Fields(c.only))
		is, takes := traits.TypeOf(c.name)
		if takes != c.takes || traits.IsOutside(c.name) != c.outside || takes && is.Guess == c.sure {
			t.Errorf("only %q: %q is taken %v, %+v, outside %v; want %+v", c.only, c.name, takes, is, traits.IsOutside(c.name), c)
		}
	}
}

// TestTraits: bounds hold where there are any, and a caption is cut between characters.
func TestTraits(t *testing.T) {
	bounded := Traits{CaptionMax: 3, AlbumMax: 2, MaxBytes: 10, Accepts: func(string) (media.Type, bool) { return media.Type{}, false }}
	for text, want := range map[string]string{"": "", "ab": "ab", "日本語": "日本語", "日本語だ": "日本語", "abc\xff": "abc", "ab\xffc": "ab\xff"} {
		if got := bounded.Caption(text); got != want {
			t.Errorf("%q is cut to %q, want %q", text, got, want)
		}
	}
	long := strings.Repeat("é", 10_000)
	if got := (Traits{}).Caption(long); got != long || !utf8.ValidString(got) {
		t.Error("cut without a bound")
	}
	if bounded.Album(10) != 2 || bounded.Album(1) != 1 || (Traits{}).Album(10) != 10 {
		t.Error("albums")
	}
	if !bounded.IsTooLarge(11) || bounded.IsTooLarge(10) || (Traits{}).IsTooLarge(1<<60) {
		t.Error("bytes")
	}
	if _, ok := bounded.TypeOf("a.pdf"); ok {
		t.Error("a type that is not accepted")
	}
	if is, ok := (Traits{}).TypeOf("a.pdf"); !ok || is.Kind != media.Document {
		t.Error("without a list, all that is known is taken")
	}
}
