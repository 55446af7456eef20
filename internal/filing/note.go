package filing

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/text"
)

const (
	noteSuffix = ".reason.txt"
	noteHead   = "kaizala-drop put this file aside and will not send it again by itself.\n\n"
	noteTodo   = "\nWhat to do:\n"
	noteTail   = "This note can be deleted.\n"
	maxText    = 2000 // runes of one text from outside
)

// text is the content of the note. It is never empty, so that no file lies in failed/ without a word.
func (n Note) text(name string, local *time.Location) string {
	var b strings.Builder
	b.WriteString(noteHead)
	line := func(label, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-10s %s\n", label+":", value)
		}
	}
	line("File", text.Printable(name))
	line("Lies as", text.Printable(n.as))
	line("Reason", clean(n.Reason))
	if !n.When.IsZero() {
		line("When", n.When.In(local).Format("Monday, 2 January 2006, 15:04:05 MST (UTC-07:00)"))
	}
	line("Group", clean(n.Group))
	line("Sent as", clean(n.SentAs))
	line("Attempts", number(n.Attempts))
	line("Status", clean(n.Status))
	line("Code", clean(n.Code))
	line("Message", clean(n.Message))
	b.WriteString(noteTodo)
	if advice := clean(n.Advice); advice != "" {
		b.WriteString(advice + "\n")
	}
	b.WriteString(n.again() + noteTail)
	return b.String()
}

// again says how the file is sent again.
func (n Note) again() string {
	var b strings.Builder
	for _, step := range n.Steps(n.path) {
		if step.Args == nil {
			b.WriteString(step.Text + ". ")
		} else {
			b.WriteString(step.Text + ":\n    " + step.Command(n.options) + "\n")
		}
	}
	return b.String()
}

// MaxNoteSize is in bytes, and larger than any note.
const MaxNoteSize = 64 << 10

// IsNoteName reports whether name ends as the names of notes do, in whichever case.
func IsNoteName(name string) bool { return strings.HasSuffix(strings.ToLower(name), noteSuffix) }

// IsNote reports whether content begins as the notes of this package do, and whether it has all their parts from the first line to
// the last, as a note does that nobody has changed.
func IsNote(content []byte) (ours, unchanged bool) {
	ours = bytes.HasPrefix(content, []byte(noteHead))
	unchanged = ours && bytes.HasSuffix(content, []byte(noteTail))
	for _, part := range []string{"\nFile: ", "\nReason: ", noteTodo} {
		unchanged = unchanged && bytes.Contains(content, []byte(part))
	}
	return ours, unchanged
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func clean(s string) string { return text.Line(s, maxText) }

// isAbandoned reports whether the file at path is a note of this package, perhaps cut off, or only zeros, as a power cut leaves
// a file. The caller knows that the note's file is not there.
func isAbandoned(path string) bool {
	content, err := noteText(path)
	head := content[:min(len(content), len(noteHead))]
	blank := len(content) <= MaxNoteSize && len(bytes.Trim(content, "\x00")) == 0
	return err == nil && (blank || strings.HasPrefix(noteHead, string(head)))
}

// noteText reads what may be a note, and a byte more than the longest has.
func noteText(path string) ([]byte, error) {
	info, err := file.Lstat(path)
	if err == nil && !info.Mode.IsRegular() {
		err = file.ErrNotRegular
	}
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxNoteSize+1))
}

// DropNote removes the note of a file that lay at path and does not any more. A note that a person has changed stays, and so does
// whatever else lies there; left is its path then, or "". What it removed stays so.
func (f *Filer) DropNote(path string) (left string, err error) {
	if isAbsent(path+noteSuffix) || !f.reserveNote(path) { // the note of another file that is about to come
		return "", nil
	}
	defer f.unreserveNote(path)
	if !isAbsent(path) {
		return "", nil
	}
	content, err := noteText(path + noteSuffix)
	if ours, unchanged := IsNote(content); err != nil || ours && !unchanged || !ours && !isAbandoned(path+noteSuffix) {
		return path + noteSuffix, nil //nolint:nilerr // what cannot be read is not a note of this package
	}
	err = os.Remove(path + noteSuffix)
	if err == nil {
		err = f.Sync(filepath.Dir(path))
	}
	return "", failedTo("remove the note "+quote(path+noteSuffix), err)
}

// reserveNote keeps other transfers from taking path, and from taking its note for an abandoned one, until unreserveNote. It
// returns false if another transfer has reserved path.
func (f *Filer) reserveNote(path string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.notesUnderWay[path] {
		return false
	}
	f.notesUnderWay[path] = true
	return true
}

func (f *Filer) unreserveNote(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.notesUnderWay, path)
}

// textFor is the text of the note for the file that will lie at path. It shows that path if it differs from the file's own name
// by more than a number.
func (t *transfer) textFor(path string) string {
	n := *t.noted
	n.path, n.options = path, t.filer.Options
	if n.as = ""; !t.keepsName(path) {
		n.as, _ = filepath.Rel(t.move.Dir, path)
	}
	return n.text(t.move.Name, time.Local)
}

// keepsName reports whether path has the file's own name, perhaps with a number.
func (t *transfer) keepsName(path string) bool {
	base, own := filepath.Base(path), filepath.Base(t.move.Name)
	inOwn := filepath.Dir(path) == filepath.Join(t.move.Dir, filepath.Dir(t.move.Name))
	ext := extension(own)
	number, is := strings.CutPrefix(strings.TrimSuffix(base, ext), strings.TrimSuffix(own, ext)+" (")
	_, err := strconv.Atoi(strings.TrimSuffix(number, ")"))
	return inOwn && (base == own || is && err == nil)
}

// writeNote writes the note at path, or fails with EEXIST if path is taken by anything but an abandoned note. Those who may
// enter the watched folder may read the note.
func (t *transfer) writeNote(path string) error {
	f, err := t.create(&t.note, path)
	if errors.Is(err, unix.EEXIST) && isAbandoned(path) {
		if err := os.Remove(path); err != nil {
			return failedTo("replace the note of a file that is not there", err)
		}
		f, err = t.create(&t.note, path)
	}
	if err != nil {
		return failedTo("write the note to it", err)
	}
	give(f, t.owner, t.owner.mode.Perm()&^0o111)
	_, err = f.WriteString(t.textFor(strings.TrimSuffix(path, noteSuffix)))
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		t.discard(&t.note) //nolint:errcheck // a note that stays is known by its text
		return failedTo("write the note to it", err)
	}
	return nil
}
