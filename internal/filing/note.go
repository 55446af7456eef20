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
	noteTail   = "This note can be deleted.\n"
	maxText    = 2000 // runes of one text from outside
)

// text is the note as a person reads it. No empty one: a file is never set aside without a word.
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
	b.WriteString("\nWhat to do:\n")
	if advice := clean(n.Advice); advice != "" {
		b.WriteString(advice + "\n")
	}
	again := "To send the file, put it into the folder again."
	if n.Same {
		again = "Put into the folder again as it is, it would only come back here."
	}
	b.WriteString(again + " " + noteTail)
	return b.String()
}

// NoteMost is more than any note has, in bytes.
const NoteMost = 64 << 10

// IsNoteName reports whether a note may have that name.
func IsNoteName(name string) bool { return strings.HasSuffix(strings.ToLower(name), noteSuffix) }

// IsNote reports whether text is that of a note that was written here, told by its form, and whether it looks unchanged: from its
// first line to its last.
func IsNote(text []byte) (ours, unchanged bool) {
	ours = bytes.HasPrefix(text, []byte(noteHead))
	unchanged = ours && bytes.HasSuffix(text, []byte(noteTail))
	for _, part := range []string{"\nFile: ", "\nReason: ", "\nWhat to do:\n"} {
		unchanged = unchanged && bytes.Contains(text, []byte(part))
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

// isAbandoned reports whether the note at path is one of ours, perhaps cut off, or with its length but nothing else on the
// disk, as a power cut leaves a file. The caller knows that its file is not there.
func isAbandoned(path string) bool {
	info, err := file.Lstat(path)
	if err != nil || !info.Mode.IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	const most = 64 << 10 // bytes: more than any note has
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	head := text[:min(len(text), len(noteHead))]
	blank := len(text) <= most && len(bytes.Trim(text, "\x00")) == 0
	return err == nil && (blank || strings.HasPrefix(noteHead, string(head)))
}

// reserve keeps another trip from taking path, or its note for an abandoned one, until release.
func (f *Filer) reserve(path string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.noting[path] {
		return false
	}
	f.noting[path] = true
	return true
}

func (f *Filer) release(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.noting, path)
}

// textFor is what the note says of the file that will lie at path: that it has another name than its own, but for a number.
func (t *trip) textFor(path string) string {
	n := *t.noted
	if n.as = ""; !t.keepsName(path) {
		n.as, _ = filepath.Rel(t.move.Dir, path)
	}
	return n.text(t.move.Name, time.Local)
}

func (t *trip) keepsName(path string) bool {
	base, own := filepath.Base(path), filepath.Base(t.move.Name)
	inOwn := filepath.Dir(path) == filepath.Join(t.move.Dir, filepath.Dir(t.move.Name))
	ext := extension(own)
	number, is := strings.CutPrefix(strings.TrimSuffix(base, ext), strings.TrimSuffix(own, ext)+" (")
	_, err := strconv.Atoi(strings.TrimSuffix(number, ")"))
	return inOwn && (base == own || is && err == nil)
}

// writeNote writes the note at path, which must be free: EEXIST. Whoever may enter the folder may read it.
func (t *trip) writeNote(path string) error {
	f, err := t.create(&t.note, path)
	if errors.Is(err, unix.EEXIST) && isAbandoned(path) {
		if err := os.Remove(path); err != nil {
			return step("replace the note of a file that is not there", err)
		}
		f, err = t.create(&t.note, path)
	}
	if err != nil {
		return step("write the note to it", err)
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
		t.discard(&t.note) //nolint:errcheck // told apart by what it holds
		return step("write the note to it", err)
	}
	return nil
}
