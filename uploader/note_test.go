package uploader

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
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
		if !strings.Contains(torn.Advice, word) || !torn.Same || !torn.AsItIs {
			t.Errorf("the advice lacks %q: %+v", word, torn)
		}
	}
	if n := unsupported("a.heic", destination.Traits{Name: "It", Extensions: []string{".jpg"}}); !n.Same || !strings.Contains(n.Advice, ".jpg") {
		t.Errorf("%+v", n)
	}
	for _, n := range []filing.Note{unknownNote(d, nil), disownedNote(d, errors.New("x"))} {
		if n.Same || !n.Unknown || !(ledger.Delivery{State: ledger.Failed, Reason: n.Reason}).MayBePosted() {
			t.Errorf("what may have been posted can be sent again, when somebody says so: %+v", n)
		}
	}
}

// TestResumedNote: what an earlier run gave up, and did not move, has a note that says what helps all the same.
func TestResumedNote(t *testing.T) {
	d := &delivery{}
	for _, n := range []filing.Note{unknownNote(d, errors.New("reset")), truncated("no %%EOF"), noteOf(d, errors.New("refused"))} {
		got := Recall(ledger.Delivery{State: ledger.Failed, Reason: n.Reason, Attempts: n.Attempts, Files: []ledger.File{{Name: "a.pdf"}}}, destination.Traits{})
		if got != n {
			t.Errorf("got %+v, want %+v", got, n)
		}
	}
	if n := Recall(ledger.Delivery{State: ledger.Failed, Resource: "r", Reason: "refused", Files: []ledger.File{{Name: "a.pdf"}}}, destination.Traits{}); !n.Unknown {
		t.Errorf("%+v", n)
	}
}

// TestReasonOutlivesTroubles: a file on its way to failed/ keeps the reason it goes there for, in the ledger, in the log and in its
// note, although the ledger and the move fail before they work.
func TestReasonOutlivesTroubles(t *testing.T) {
	for name, drop := range map[string]func(w *world){
		"never claimed": func(w *world) { w.drop("a.heic", "x") },
		"refused": func(w *world) {
			w.service.onUpload = func(context.Context, string, int) error { return ofFile(415) }
			w.drop("a.pdf", "x")
		},
		"torn": func(w *world) {
			torn := w.write("a.pdf", "x")
			torn.Torn = "its end is missing"
			w.settled <- file.Batch{torn}
		},
		"too large": func(w *world) {
			w.drop("a.pdf", strings.Repeat("long", 10))
		},
		"one of an album": func(w *world) {
			w.service.onUpload = func(_ context.Context, name string, _ int) error {
				if strings.Contains(name, "1.jpg") {
					return ofFile(415)
				}
				return nil
			}
			w.settled <- w.writeAlbum(images(3)...)
		},
		"in doubt": func(w *world) {
			w.service.onPost = func(context.Context, destination.Message, int) error { return doubtful(504) }
			w.drop("a.pdf", "x")
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world, m *memory) {
				var log logged
				w.u.Log = zerolog.New(&log)
				failed := 0
				m.fail = func(step string, d *ledger.Delivery) error {
					if (step == "Claim" && d.State == ledger.Failed || step == "Failed" || step == "FailedFiled") && failed < 2 {
						failed++
						return errors.New("database or disk is full")
					}
					return nil
				}
				w.u.Traits.MaxBytes = 20
				f := w.folder()
				f.HoldUnknown = true
				w.start(w.t.Context(), f)
				drop(w)
				if sum := w.end(); sum.Failed != 1 || failed != 2 {
					t.Fatalf("%+v, the ledger failed %d times", sum, failed)
				}
				for _, row := range m.rows {
					if row.State == ledger.Failed && (strings.Contains(row.Reason, "disk is full") || row.Reason == "") {
						t.Errorf("the ledger has the reason %q", row.Reason)
					}
				}
				for line := range strings.Lines(log.String()) {
					if told := strings.Contains(line, `"message":"failed"`); told && strings.Contains(line, "disk is full") {
						t.Errorf("the log says %s", line)
					}
				}
			})
		})
	}
}
