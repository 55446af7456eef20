package uploader

import (
	"os"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/file"
)

// TestFiledFilesAreNoNewOnes: done and failed get other names in the configuration of a recursive folder, and the watcher
// finds all that was filed by then. It is left alone, and so said; what is new among it is posted.
func TestFiledFilesAreNoNewOnes(t *testing.T) {
	book := realLedger(t)
	first := newWorld(t, book)
	f := first.folder()
	f.Done, f.Failed = first.dir+"/old", first.dir+"/bad"
	first.start(t.Context(), f)
	first.settled <- first.writeAlbum("a.pdf")
	first.settled <- first.writeAlbum("1.jpg", "2.jpg", "3.jpg")
	first.settled <- first.writeAlbum("notes.txt")
	first.end()
	first.wantPosted("a.pdf", "1.jpg+2.jpg+3.jpg")

	second := newWorld(t, book)
	must := second.must
	must(os.Remove(second.dir))
	must(os.Rename(first.dir, second.dir)) // a folder of the same files under another path: they are new there
	second.start(t.Context(), second.folder())
	second.settled <- file.Batch{second.look("old/a.pdf")}
	second.end()
	second.wantPosted("a.pdf")
	must(os.Rename(second.dir, first.dir))

	third := newWorld(t, book)
	third.dir = first.dir
	must(os.Rename(first.dir+"/done/old/a.pdf", first.dir+"/old/a.pdf"))
	var log logged
	third.u.Log = zerolog.New(&log)
	third.start(t.Context(), third.folder())
	third.settled <- file.Batch{third.look("old/a.pdf")}
	third.settled <- file.Batch{third.look("bad/notes.txt")}
	third.write("old/4.jpg", "4.jpg")
	third.settled <- file.Batch{third.look("old/1.jpg"), third.look("old/2.jpg"), third.look("old/3.jpg"), third.look("old/4.jpg")}
	if sum := third.end(); sum != (Summary{Delivered: 1}) {
		t.Errorf("%+v", sum)
	}
	third.wantPosted("4.jpg")
	if n := strings.Count(log.String(), "left alone"); n != 5 {
		t.Errorf("it is said %d times, of 5 files:\n%s", n, log.String())
	}
	for _, path := range []string{"old/a.pdf", "old/1.jpg", "old/3.jpg", "bad/notes.txt", "bad/notes.txt.reason.txt", "done/old/4.jpg"} {
		if third.lies(path) == "" {
			t.Errorf("%s is not there", path)
		}
	}
	if open := third.unfinished(); len(open) > 0 {
		t.Errorf("unfinished: %+v", open)
	}
}
