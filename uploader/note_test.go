package uploader

import (
	"errors"
	"strings"
	"testing"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/filing"
)

// TestNotesNameWhatHelps: a note says what helps for its very reason, and does not advise what would end the same way.
func TestNotesNameWhatHelps(t *testing.T) {
	d := &delivery{}
	refused := &destination.Error{Fault: destination.OfFile, Reason: "refused: it is too large", Advice: "Make it smaller.", Same: true,
		Answer: destination.Answer{Status: "413", Code: "TooLarge", Message: "no"}, Err: errors.New("answered 413")}
	want := filing.Note{Reason: refused.Reason, Advice: refused.Advice, Same: true, Status: "413", Code: "TooLarge", Message: "no"}
	if n := noteOf(d, refused); n != want {
		t.Errorf("%+v", n)
	}
	torn := truncated("the PDF has no %%EOF near its end")
	for _, word := range []string{"verify_ending = false", "scan or copy it again", "opens as it should"} {
		if !strings.Contains(torn.Advice, word) || !torn.Same {
			t.Errorf("the advice lacks %q: %+v", word, torn)
		}
	}
	if n := unsupported("a.heic", destination.Traits{Name: "It", Extensions: []string{".jpg"}}); !n.Same || !strings.Contains(n.Advice, ".jpg") {
		t.Errorf("%+v", n)
	}
	if n := unknownNote(d, nil); n.Same {
		t.Errorf("what may have been posted can be sent again: %+v", n)
	}
}
