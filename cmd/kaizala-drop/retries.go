package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/retry"
	"kaizala-drop/internal/text"
)

// noteEnd is how the name of the note beside a failed file ends.
const noteEnd = ".reason.txt"

// retries does with failed files what is asked, with a retrier.
type retries struct {
	retrier *retry.Retrier
	book    *ledger.Ledger
	folders func() []config.Folder // of now
}

// newRetries makes one for a ledger whose Run is running. The filer says which options commands need. folders gives the
// configuration of now, and known tells what its destinations take.
func newRetries(book *ledger.Ledger, filer *filing.Filer, folders func() []config.Folder, known rules, log zerolog.Logger) retries {
	r := retries{book: book, folders: folders}
	r.retrier = &retry.Retrier{
		Ledger: book, Filer: filer, Folders: func() []retry.Folder { return retryFolders(folders()) },
		Takes: func(path, name string, size int64) error { return known.takes(folders(), path, name, size) }, Options: filer.Options, Log: log,
	}
	return r
}

// takes is an error that says what helps, if a file of that name and size would come back from the folder at path, or be left alone.
func (r rules) takes(folders []config.Folder, path, name string, size int64) error {
	i := slices.IndexFunc(folders, func(f config.Folder) bool { return f.Path == path })
	if i < 0 {
		return nil // who moves it says so
	}
	switch rule, own := r.LeftAlone(folders[i], name, false); {
	case own:
		return fmt.Errorf("%w: its folder leaves names as %q alone (ignore): rename it here first, or take the pattern out of the configuration",
			retry.ErrNotSent, text.Printable(rule))
	case rule != "":
		return fmt.Errorf("%w: names as %q are left alone, for they are temporary or a system's own: rename it here first", retry.ErrNotSent, text.Printable(rule))
	}
	s, ok := r.services[folders[i].Destination]
	if !ok {
		return nil
	}
	traits := s.traits.Only(folders[i].Only)
	if traits.IsOutside(name) {
		return fmt.Errorf("%w, but come back here: its folder takes only these names: %s: rename it here, put it into another folder, "+
			"or add its name to only in the configuration", retry.ErrNotSent, text.Printable(strings.Join(traits.Names, " ")))
	}
	if _, ok := traits.TypeOf(name); !ok {
		return fmt.Errorf("%w, but come back here: %s takes no files of its type, only %s: convert it, or rename it here if that is what it is, "+
			"or send it another way", retry.ErrNotSent, s.traits.Name, strings.Join(s.traits.Extensions, " "))
	}
	if s.traits.IsTooLarge(size) {
		return fmt.Errorf("%w, but come back here: it has %d bytes, and %s takes at most %d: make it smaller, or send it another way",
			retry.ErrNotSent, size, s.traits.Name, s.traits.MaxBytes)
	}
	return nil
}

// Do does with each file what is asked. When ctx ends it ends with the file that it is at.
func (r retries) Do(ctx context.Context, q control.Retry, by string) ([]control.Retried, error) {
	if err := check(q); err != nil {
		return nil, err
	}
	errands, err := r.errands(ctx, q)
	if err != nil {
		return nil, err
	}
	results := []control.Retried{}
	for _, one := range errands {
		path := one.Path
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if one.Gone || one.Error != "" {
			results = append(results, one)
			continue
		}
		if about, isNote := strings.CutSuffix(path, noteEnd); isNote && slices.Contains(q.Paths, about) { // FILE* names both
			continue
		}
		got, err := r.retrier.Retry(ctx, retry.Request{Path: path, AsItIs: q.AsItIs, PostAgain: q.PostAgain, WasPosted: q.WasPosted, By: by})
		switch {
		case errors.Is(err, retry.ErrNote) && len(errands) > 1: // the note of a file that was not named
			continue
		case err != nil:
			results = append(results, control.Retried{Path: path, Error: err.Error()})
		default:
			results = append(results, control.Retried{
				Path: path, To: got.To, What: string(got.What), At: got.At, By: got.By, Already: got.Already, NoteLeft: got.NoteLeft,
			})
		}
	}
	return results, nil
}

// check refuses what cannot be asked.
func check(q control.Retry) error {
	refusal := func(said string) error { return &control.Refusal{Text: said} }
	switch {
	case len(q.Paths) == 0 && q.Folder == "":
		return refusal("name the failed files, or a watched folder")
	case len(q.Paths) > 0 && q.Folder != "":
		return refusal("name files or a folder, not both")
	case !q.Since.IsZero() && q.Folder == "":
		return refusal("a time goes with a folder")
	case q.WasPosted && (q.PostAgain || q.AsItIs):
		return refusal("what was posted is not sent: say either that it was, or how it is to be sent")
	}
	for _, path := range q.Paths {
		if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
			return refusal(fmt.Sprintf("paths must be absolute, not %q", text.Printable(path)))
		}
	}
	return nil
}

// errands are the files that are asked for, each once, with what is to be said of those of a folder that cannot be taken.
func (r retries) errands(ctx context.Context, q control.Retry) (all []control.Retried, err error) {
	if q.Folder != "" {
		return r.failedOf(ctx, q)
	}
	seen := map[string]bool{}
	for _, path := range q.Paths {
		if path = filepath.Clean(path); !seen[path] {
			seen[path] = true
			all = append(all, control.Retried{Path: path})
		}
	}
	return all, nil
}

// retryFolders gives folders as a retrier knows them.
func retryFolders(folders []config.Folder) []retry.Folder {
	all := make([]retry.Folder, len(folders))
	for i, f := range folders {
		all[i] = retry.Folder{Path: f.Path, Done: f.Done, Failed: f.Failed, Recursive: f.Recursive}
	}
	return all
}

// tellRetried says what became of one file, on the clock of now.
func tellRetried(one control.Retried, now time.Time) string {
	path, to := text.Printable(one.Path), text.Printable(one.To)
	line := path + " -> " + to
	if one.Already {
		line = fmt.Sprintf("%s was put back already: %s, as %s, by %s", path, one.At.In(now.Location()).Format("2006-01-02 15:04:05"), to, text.Printable(one.By))
	}
	if one.Already && one.What == string(ledger.WasPosted) {
		line = strings.Replace(line, "was put back", "was filed as posted", 1)
	}
	if one.NoteLeft != "" {
		line += fmt.Sprintf(" (somebody has written in its note, so that stays: %s)", text.Printable(one.NoteLeft))
	}
	return line
}
