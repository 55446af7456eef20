package filing

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestNote(t *testing.T) {
	berlin := time.FixedZone("CEST", 2*60*60)
	full := Note{
		When:          time.Date(2026, 5, 14, 8, 32, 7, 0, time.UTC),
		Reason:        "Kaizala does not accept this file as a document",
		Status:        415,
		ServerMessage: "Unsupported\r\n\tmedia \x1b[31mtype\u202e",
		ErrorCode:     "UnsupportedMedia",
		Attempts:      3,
		Advice:        "Save it as a PDF file first.",
		Group:         "0f8b3c52@2",
		Action:        "Document",
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

func TestNoteIsBounded(t *testing.T) {
	for _, message := range []string{
		strings.Repeat("é", 1<<20), strings.Repeat("\xff", 1<<20),
		strings.Repeat(" ", 1<<20) + "end", strings.Repeat("a ", 1<<20),
	} {
		text := Note{ServerMessage: message}.text("a.pdf", time.UTC)
		if n := utf8.RuneCountInString(text); n > maxText+300 || !utf8.ValidString(text) || !strings.Contains(text, "…") {
			t.Errorf("%.20q...: %d runes", message, n)
		}
	}
	if got := clean(strings.Repeat("é", maxText)); utf8.RuneCountInString(got) != maxText || strings.Contains(got, "…") {
		t.Error("what fits is cut")
	}
}
