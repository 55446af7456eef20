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

// TestNoteNamesTheCommand: the note of a file that lies in failed/ names the command that helps, as a shell takes it. It is known
// for a note of the daemon's own, as those are that older versions wrote.
func TestNoteNamesTheCommand(t *testing.T) {
	for name, c := range map[string]struct {
		note Note
		path string
		want string
	}{
		"refused": {Note{}, "/srv/drop/failed/a.pdf", `To send the file, put it into the folder again, or run on the server:
    kaizala-drop retry /srv/drop/failed/a.pdf
`},
		"another configuration": {Note{options: " --config '/etc/a b.toml'"}, "/f/a.pdf", `To send the file, put it into the folder again, or run on the server:
    kaizala-drop retry --config '/etc/a b.toml' /f/a.pdf
`},
		"another configuration, as it is": {Note{options: " --config /c", Same: true, AsItIs: true}, "/f/a.pdf",
			`Put into the folder again as it is, it would only come back here. This sends it as it is, if run on the server:
    kaizala-drop retry --config /c --as-it-is /f/a.pdf
`},
		"hostile": {Note{}, "/srv/failed/it's\n\x1b[31m.pdf", `To send the file, put it into the folder again, or run on the server:
    kaizala-drop retry $'/srv/failed/it\'s\n\033[31m.pdf'
`},
		"no use": {Note{Same: true, Advice: "Convert it."}, "/f/a b.heic", `Convert it.
Put into the folder again as it is, it would only come back here. `},
		"truncated": {Note{Same: true, AsItIs: true}, "/f/a b.pdf", `Put into the folder again as it is, it would only come back here. This sends it as it is, if run on the server:
    kaizala-drop retry --as-it-is '/f/a b.pdf'
`},
		"unknown": {Note{Unknown: true, Advice: "Look."}, "/f/a.pdf", `Look.
If it is not there, put the file into the folder again, or run on the server:
    kaizala-drop retry --post-again /f/a.pdf
If it is there, this moves the file to done/, and sends nothing:
    kaizala-drop retry --was-posted /f/a.pdf
`},
	} {
		c.note.path, c.note.Reason = c.path, "because"
		text := c.note.text("a.pdf", time.UTC)
		if want := "\nWhat to do:\n" + c.want + noteTail; !strings.HasSuffix(text, want) {
			t.Errorf("%s:\n%s\nwant at its end:\n%s", name, text, want)
		}
		if ours, unchanged := IsNote([]byte(text)); !ours || !unchanged {
			t.Errorf("%s is not known: %t, %t", name, ours, unchanged)
		}
	}
}

// TestReadNote: what a note says of what to do is read back from it, with a name in any state, and not from what somebody has changed.
func TestReadNote(t *testing.T) {
	path := t.TempDir() + "/a\n b.pdf"
	for name, n := range map[string]Note{
		"refused": {}, "advised": {Advice: "Ask them."}, "no use": {Same: true, Advice: "Convert it."}, "truncated": {Same: true, AsItIs: true, Advice: "Scan it again."},
		"unknown": {Unknown: true, Advice: "Look."}, "hostile": {Advice: "retry --post-again", Message: "\nWhat to do:\nnothing"},
	} {
		text := n
		text.path, text.Reason = path, "because"
		write(t, path+noteSuffix, text.text("a.pdf", time.UTC))
		n.Message = ""
		if got, ok := ReadNote(path); !ok || got != n {
			t.Errorf("%s: got %+v, %t, want %+v", name, got, ok, n)
		}
	}
	write(t, path+noteSuffix, noteHead+"sent on 5 May\n")
	if got, ok := ReadNote(path); ok {
		t.Errorf("a note that somebody has changed is %+v", got)
	}
	if got, ok := ReadNote(path + "x"); ok {
		t.Errorf("a note that is not there is %+v", got)
	}
}

// TestDropNote: a note goes when its file is gone, and only one of the daemon's own that nobody has changed.
func TestDropNote(t *testing.T) {
	whole := Note{Reason: "refused", path: "/x"}.text("a.pdf", time.Local)
	const old = noteHead + "File:      a.pdf\nReason:    refused\n\nWhat to do:\nTo send the file, put it into the folder again. " + noteTail
	for name, c := range map[string]struct {
		text string
		stay bool
	}{
		"ours": {whole, false}, "of an older version": {old, false}, "what a power cut left": {"\x00\x00", false}, "its beginning": {noteHead[:9], false},
		"changed": {strings.Replace(whole, "What to do:", "Done:", 1), true}, "added to": {whole + "done\n", true}, "another's": {"mine", true},
	} {
		path := t.TempDir() + "/a.pdf"
		write(t, path+noteSuffix, c.text)
		write(t, path, "x")
		if left, err := New().DropNote(path); left != "" || err != nil || isAbsent(path+noteSuffix) {
			t.Errorf("%s: beside its file: %q, %v", name, left, err)
		}
		noError(t, os.Remove(path))
		left, err := New().DropNote(path)
		if err != nil || c.stay != (left == path+noteSuffix) || c.stay == isAbsent(path+noteSuffix) {
			t.Errorf("%s: left %q, %v", name, left, err)
		}
		if left, err := New().DropNote(path + "x"); left != "" || err != nil {
			t.Errorf("%s: without a note: %q, %v", name, left, err)
		}
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
		whole := Note{Reason: "refused", path: want}.text("a.pdf", time.Local)
		if text, err := os.ReadFile(dest + noteSuffix); string(text) != whole {
			t.Errorf("%.20q: the note is %q, %v", left, text, err)
		}
		if text, err := os.ReadFile(d.done + "/a.pdf" + noteSuffix); !ours && string(text) != left {
			t.Errorf("%.20q became %.20q, %v", left, text, err)
		}
	}
}
