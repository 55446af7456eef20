package destination

import (
	"strings"
	"testing"
	"unicode/utf8"

	"kaizala-drop/internal/media"
)

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
