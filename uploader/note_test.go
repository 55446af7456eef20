package uploader

import (
	"strings"
	"testing"

	"kaizala-drop/internal/kaizala"
)

// TestNotesNameWhatHelps: a note says what helps for its very reason, and does not advise what would end the same way.
func TestNotesNameWhatHelps(t *testing.T) {
	d := &delivery{}
	for _, status := range []int{413, 415} {
		if n := noteOf(d, &kaizala.Error{Status: status, Spoken: true, Fault: kaizala.FaultFile}); !n.Same || n.Advice == "" {
			t.Errorf("%d: %+v", status, n)
		}
	}
	torn := truncated("the PDF has no %%EOF near its end")
	for _, word := range []string{"verify_ending = false", "scan or copy it again", "opens as it should"} {
		if !strings.Contains(torn.Advice, word) || !torn.Same {
			t.Errorf("the advice lacks %q: %+v", word, torn)
		}
	}
	if n := unsupported("a.heic"); !n.Same || !strings.Contains(n.Advice, ".jpg") {
		t.Errorf("%+v", n)
	}
	if n := unknownNote(d, nil); n.Same {
		t.Errorf("what may have been posted can be sent again: %+v", n)
	}
}
