package filing

import (
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestNote shows the whole text of a note, and that of an empty one.
func TestNote(t *testing.T) {
	berlin := time.FixedZone("CEST", 2*60*60)
	full := Note{
		When:     time.Date(2026, 5, 14, 8, 32, 7, 0, time.UTC),
		Reason:   "Kaizala does not accept this file as a document",
		Status:   "415",
		Message:  "Unsupported\r\n\tmedia \x1b[31mtype\u202e",
		Code:     "UnsupportedMedia",
		Attempts: 3,
		Advice:   "Save it as a PDF file first.",
		Group:    "0f8b3c52@2",
		SentAs:   "Document",
	}
	const want = `kaizala-drop put this file aside and will not send it again by itself.

File:      letters/to\nall.docx
Reason:    Kaizala does not accept this file as a document
When:      Thursday, 14 May 2026, 10:32:07 CEST (UTC+02:00)
Group:     0f8b3c52@2
Sent as:   Document
Attempts:  3
Status:    415
Code:      UnsupportedMedia
Message:   Unsupported media \x1b[31mtype\u202e

What to do:
Save it as a PDF file first.
To send the file, put it into the folder again. This note can be deleted.
`
	if got := full.text("letters/to\nall.docx", berlin); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	const least = `kaizala-drop put this file aside and will not send it again by itself.

File:      a.pdf

What to do:
To send the file, put it into the folder again. This note can be deleted.
`
	if got := (Note{}).text("a.pdf", berlin); got != least {
		t.Errorf("got:\n%s\nwant:\n%s", got, least)
	}
}

// TestNoteOfTheSameEnd shows that the note does not advise to put a file into the folder again if it would fail in the same
// way.
func TestNoteOfTheSameEnd(t *testing.T) {
	const want = `kaizala-drop put this file aside and will not send it again by itself.

File:      a.pdf
Reason:    truncated

What to do:
Scan it again.
Put into the folder again as it is, it would only come back here. This note can be deleted.
`
	if got := (Note{Reason: "truncated", Same: true, Advice: "Scan it again."}).text("a.pdf", time.UTC); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestNoteIsBounded shows that a text from outside, however long, is cut in the note.
func TestNoteIsBounded(t *testing.T) {
	for _, message := range []string{
		strings.Repeat("é", 1<<20), strings.Repeat("\xff", 1<<20),
		strings.Repeat(" ", 1<<20) + "end", strings.Repeat("a ", 1<<20),
	} {
		text := Note{Message: message}.text("a.pdf", time.UTC)
		if n := utf8.RuneCountInString(text); n > maxText+300 || !utf8.ValidString(text) || !strings.Contains(text, "…") {
			t.Errorf("%.20q...: %d runes", message, n)
		}
	}
	if got := clean(strings.Repeat("é", maxText)); utf8.RuneCountInString(got) != maxText || strings.Contains(got, "…") {
		t.Error("what fits is cut")
	}
}

// TestNoteThatAPowerCutLeft shows that a note which a power cut left without its file is written anew, and that a note of
// somebody else stays.
func TestNoteThatAPowerCutLeft(t *testing.T) {
	whole := Note{Reason: "refused"}.text("a.pdf", time.Local)
	for left, ours := range map[string]bool{
		"": true, whole: true, whole[:10]: true, strings.Repeat("\x00", len(whole)): true, whole[:100] + strings.Repeat("\x00", 50): true,
		"theirs": false, "\x00theirs": false, strings.Repeat("\x00", 1<<20): false,
	} {
		d := newDesk(t)
		write(t, d.done+"/a.pdf"+noteSuffix, left)
		want := d.done + "/a.pdf"
		if !ours {
			want = d.done + "/a (2).pdf"
		}
		m := d.drop("a.pdf", "a")
		m.Again = true
		dest, err := New().Fail(m, Note{Reason: "refused"})
		if err != nil || dest != want {
			t.Errorf("%.20q: got %q, %v", left, dest, err)
		}
		if text, err := os.ReadFile(dest + noteSuffix); string(text) != whole {
			t.Errorf("%.20q: the note is %q, %v", left, text, err)
		}
		if text, err := os.ReadFile(d.done + "/a.pdf" + noteSuffix); !ours && string(text) != left {
			t.Errorf("%.20q became %.20q, %v", left, text, err)
		}
	}
}
