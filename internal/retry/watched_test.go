package retry

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/file"
	"kaizala-drop/watcher"
)

// TestWatched: what goes back is handed over by the watcher of its folder, torn as it is if that was asked, and is torn again if not.
// So it is after a restart between the two, and for a failed/ on another device.
func TestWatched(t *testing.T) {
	for _, far := range []bool{false, true} {
		for _, asItIs := range []bool{false, true} {
			for _, restart := range []bool{false, true} {
				o := newOffice(t, far)
				_, paths := o.fail("truncated: no %%EOF", "a.pdf")
				must(t, os.WriteFile(paths[0], []byte("%PDF-1.7\n"+strings.Repeat("x", 3000)), 0o600))
				var settled <-chan file.Batch
				stop := func() {}
				if !restart {
					settled, stop = o.watch()
				}
				if _, err := o.Retry(t.Context(), Request{Path: paths[0], AsItIs: asItIs}); err != nil {
					t.Fatal(err)
				}
				if restart {
					must(t, o.Ledger.Close())
					o.open()
					settled, stop = o.watch()
				}
				select {
				case b := <-settled:
					if len(b) != 1 || b[0].Name != "a.pdf" || (b[0].Torn == "") != asItIs {
						t.Errorf("far %t, as it is %t, restart %t: %+v", far, asItIs, restart, b)
					}
				case <-time.After(time.Minute):
					t.Fatalf("far %t, as it is %t, restart %t: nothing settled", far, asItIs, restart)
				}
				stop()
			}
		}
	}
}

// watch watches the folder as the daemon does, but in a hurry.
func (o *office) watch() (<-chan file.Batch, func()) {
	settled, folders := make(chan file.Batch), make(chan []watcher.Folder, 1)
	folders <- []watcher.Folder{{
		Path: o.folder.Path, Recursive: true, Settle: 10 * time.Millisecond, SettleRemote: 10 * time.Millisecond, Rescan: time.Second,
		VerifyEnding: true, TruncatedAfter: 50 * time.Millisecond, Exclude: []string{o.folder.Done, o.folder.Failed},
		AsItIs: o.AsItIs(o.folder.Path),
	}}
	w := watcher.Watcher{Folders: folders, Settled: settled, Log: zerolog.Nop()}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = w.Run(ctx) }()
	return settled, func() {
		stop()
		for range settled {
		}
		<-ended
	}
}

// TestAsItIsWithoutTheLedger: what cannot be asked is no.
func TestAsItIsWithoutTheLedger(t *testing.T) {
	o := newOffice(t, false)
	_, paths := o.fail("truncated: no %%EOF", "a.pdf")
	got, err := o.Retry(t.Context(), Request{Path: paths[0], AsItIs: true})
	must(t, err)
	info, err := file.Lstat(got.To)
	must(t, err)
	if !o.AsItIs(o.folder.Path)("a.pdf", info.Identity) {
		t.Error("it is not let through")
	}
	must(t, o.Ledger.Close())
	must(t, os.RemoveAll(o.state))
	if o.AsItIs(o.folder.Path)("a.pdf", info.Identity) || !strings.Contains(o.log.String(), "held back") {
		t.Errorf("the log: %s", o.log)
	}
}

// TestFinish: what a start cannot do yet stays asked, and what was taken up meanwhile is done; another request counts instead of one
// that has not begun.
func TestFinish(t *testing.T) {
	o := newOffice(t, true)
	_, paths := o.fail("it may have been posted: no answer came back", "a.pdf")
	_, other := o.fail("refused", "b.pdf")
	o.passed = func(point string) {
		if point == "asked" {
			panic("crash")
		}
	}
	crash := func(q Request) {
		defer func() { _ = recover() }()
		_, err := o.Retry(t.Context(), q)
		t.Errorf("no crash: %v", err)
	}
	crash(Request{Path: paths[0], PostAgain: true})
	crash(Request{Path: other[0], By: by})
	o.passed = nil
	was := o.folder.Path
	o.folder.Path = "/nonexistent"
	if done, err := o.Finish(t.Context()); len(done) != 0 || err == nil || !strings.Contains(err.Error(), paths[0]) || !strings.Contains(err.Error(), other[0]) {
		t.Errorf("%+v, %v", done, err)
	}
	o.folder.Path = was
	if got, err := o.Retry(t.Context(), Request{Path: paths[0], WasPosted: true}); err != nil || got.To != o.folder.Done+"/a.pdf" {
		t.Errorf("%+v, %v", got, err)
	}
	done, err := o.Finish(t.Context())
	if err != nil || len(done) != 1 || done[0].To != was+"/b.pdf" || done[0].By != by {
		t.Errorf("%+v, %v", done, err)
	}
	o.want("after it", "b.pdf=b.pdf", "done/a.pdf=a.pdf")
	if done, err := o.Finish(t.Context()); len(done) != 0 || err != nil {
		t.Errorf("%+v, %v", done, err)
	}
}

// TestSentBeforeItIsFinished: a file that a crash left in its folder is sent from there before anybody can finish: it is done, with
// its note gone. Where one just like it is in failed/ too, a person is told to look.
func TestSentBeforeItIsFinished(t *testing.T) {
	for _, both := range []bool{false, true} {
		o := newOffice(t, false)
		d, paths := o.fail("refused", "a.pdf")
		info, err := file.Lstat(paths[0])
		must(t, err)
		o.passed = func(point string) {
			if point == "moved" {
				panic("crash")
			}
		}
		func() {
			defer func() { _ = recover() }()
			_, _ = o.Retry(t.Context(), Request{Path: paths[0]})
		}()
		o.passed = nil
		o.claim("a.pdf")
		if both {
			must(t, os.Rename(o.folder.Path+"/a.pdf", paths[0]))
		} else {
			must(t, os.MkdirAll(o.folder.Done, 0o755))
			must(t, os.Rename(o.folder.Path+"/a.pdf", o.folder.Done+"/a.pdf"))
		}
		_, err = o.Finish(t.Context())
		asked := o.asked(d.ID)
		if both != (err != nil) || len(asked) != 1 || asked[0].Became == 0 || asked[0].File.Ino != info.Ino {
			t.Errorf("both %t: %v, %+v", both, err, asked)
		}
		if both {
			o.want("both", "failed/a.pdf.reason.txt", "failed/a.pdf=a.pdf")
		} else {
			o.want("sent", "done/a.pdf=a.pdf")
		}
	}
}
