package uploader

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/view"
)

// TestQueueShowsWhatItWaitsFor: of each delivery it is shown how far it is, what it waits for, and until when.
func TestQueueShowsWhatItWaitsFor(t *testing.T) {
	type shown struct {
		stage  view.Stage
		behind view.Behind
	}
	for name, c := range map[string]struct {
		at   stage
		err  error
		want shown
		next bool // it is said when it is tried next
	}{
		"an outage":          {toUpload, ofDestination(503), shown{view.Claimed, view.BehindDestination}, true},
		"too many calls":     {toPost, ofDestination(429), shown{view.Uploaded, view.BehindDestination}, true},
		"the group refuses":  {toPost, ofGroup(403), shown{view.Uploaded, view.BehindGroup}, true},
		"it cannot be read":  {toUpload, errors.New("permission denied"), shown{view.Claimed, view.BehindItself}, true},
		"done/ is full":      {toFile, errors.New("no space left"), shown{view.Posted, view.BehindFolder}, true},
		"failed/ is full":    {toFail, errors.New("no space left"), shown{view.Failing, view.BehindFolder}, true},
		"done/ is read-only": {toPost, unfilable{errors.New("read-only"), true}, shown{view.Uploaded, view.BehindFolder}, true},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(1, 10, free{}, destination.Traits{Name: "It"})
			q.setFolders([]Folder{folder("/a")})
			now := time.Now()
			q.add(file.Batch{version("/a", "x.pdf", 1)})
			q.next(now)
			d := q.lanes["/a"].active[0]
			q.ended(d, result{})
			d.stage = c.at
			if !d.isOpen() {
				q.localEnd(d)
			}
			q.apply(now, d, judge(d, result{err: c.err}), c.err)
			all := q.view(now, view.Ask[view.Posting]{})
			one := all.Lanes[0].Queue[0]
			if got := (shown{one.Stage, one.Behind}); got != c.want || one.Next.After(now) != c.next || one.Name != "x.pdf" {
				t.Errorf("shown as %+v", one)
			}
			reasons := fmt.Sprint(all.Pause, all.Lanes[0].Group, all.Lanes[0].Filing)
			if one.Trouble == "" && reasons == "<nil> <nil> <nil>" {
				t.Error("no reason is shown")
			}
		})
	}
}

// TestQueueShowsOneFile: a question about a file is answered with its delivery alone, with the names of all files of it, and one
// about a folder or a name that is not there with nothing.
func TestQueueShowsOneFile(t *testing.T) {
	q := newQueue(1, 10, free{}, destination.Traits{})
	q.setFolders([]Folder{folder("/a"), folder("/b")})
	for i := range 5 {
		q.add(file.Batch{version("/a", fmt.Sprint(i, ".pdf"), 1)})
	}
	q.add(album("/a", "1.jpg", "2.jpg"))
	now := time.Now()
	if got := q.view(now, view.Ask[view.Posting]{Folder: "/a", Name: "2.jpg"}); len(got.Lanes) != 1 || len(got.Lanes[0].Queue) != 1 ||
		fmt.Sprint(got.Lanes[0].Queue[0].Names) != "[1.jpg 2.jpg]" || got.Lanes[0].Queue[0].Ahead != 5 {
		t.Errorf("%+v", got)
	}
	if got := q.view(now, view.Ask[view.Posting]{}); len(got.Lanes) != 2 || len(got.Lanes[0].Queue) != 6 {
		t.Errorf("%+v", got)
	}
	if got := q.view(now, view.Ask[view.Posting]{Folder: "/b", Name: "2.jpg"}); len(got.Lanes) != 1 || len(got.Lanes[0].Queue) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestQueueShowsANameBelow: a question about the last part of names is answered with each file of that name, in whichever subfolder.
func TestQueueShowsANameBelow(t *testing.T) {
	q := newQueue(1, 10, free{}, destination.Traits{})
	q.setFolders([]Folder{folder("/a")})
	for _, name := range []string{"x.pdf", "one/x.pdf", "one/two/x.pdf", "one/y.pdf", "xx.pdf"} {
		q.add(file.Batch{version("/a", name, 1)})
	}
	got := q.view(time.Now(), view.Ask[view.Posting]{Folder: "/a", Name: "x.pdf", Below: true}).Lanes[0].Queue
	var names []string
	for _, one := range got {
		names = append(names, one.Name)
	}
	if fmt.Sprint(names) != "[x.pdf one/x.pdf one/two/x.pdf]" {
		t.Errorf("shown are %s", names)
	}
}

// TestQueueShowsDoubt: a delivery whose post may have been made is shown so until an answer says that it was or was not, and an answer that says
// what helps has that shown.
func TestQueueShowsDoubt(t *testing.T) {
	q := newQueue(1, 10, free{}, destination.Traits{Name: "It"})
	q.setFolders([]Folder{folder("/a")})
	now := time.Now()
	q.add(file.Batch{version("/a", "x.pdf", 1)})
	q.next(now)
	d := q.lanes["/a"].active[0]
	fail := func(err error) view.Posting {
		r := result{err: err, sent: true}
		q.ended(d, r)
		q.apply(now, d, judge(d, r), err)
		return q.view(now, view.Ask[view.Posting]{})
	}
	d.stage = toPost
	if got := fail(doubtful(504)).Lanes[0].Queue[0]; !got.MaybePosted || got.Stage != view.Uploaded {
		t.Errorf("shown as %+v", got)
	}
	access := &destination.Error{Fault: destination.OfAccess, Answered: true, Spoken: true, Advice: "log in anew", Err: errors.New("401")}
	now = now.Add(time.Hour)
	d.busy, d.since = true, now
	if got := fail(access); got.Pause == nil || got.Pause.Advice != "log in anew" || !got.Lanes[0].Queue[0].MaybePosted {
		t.Errorf("shown as %+v", got)
	}
}

// TestPauseIsShownSinceItBegan: while posts fail, the uploads that pass between them do not let the pause begin anew; a post that passes does, and so
// does a failure long after the last.
func TestPauseIsShownSinceItBegan(t *testing.T) {
	q := newQueue(1, 10, free{}, destination.Traits{Name: "It"})
	q.setFolders([]Folder{folder("/a")})
	began := time.Now()
	q.add(file.Batch{version("/a", "x.pdf", 1)})
	q.next(began)
	d := q.lanes["/a"].active[0]
	after := func(wait time.Duration, at stage, err error) time.Duration {
		now := began.Add(wait)
		d.stage, d.busy, d.since = at, true, now
		r := result{err: err, posted: err == nil && at == toPost}
		q.ended(d, r)
		v := judge(d, r)
		if err == nil {
			q.success(at)
		} else {
			q.apply(now, d, v, err)
		}
		p := q.view(now, view.Ask[view.Posting]{}).Pause
		if p == nil {
			return -1
		}
		return p.Since.Sub(began)
	}
	for i, c := range []struct {
		wait time.Duration
		at   stage
		err  error
		want time.Duration
	}{
		{0, toPost, ofDestination(503), 0},
		{time.Minute, toPost, ofDestination(503), 0},
		{2 * time.Minute, toUpload, nil, -1},
		{3 * time.Minute, toPost, ofDestination(503), 0},
		{4 * time.Minute, toUpload, ofDestination(503), 0},
		{5 * time.Minute, toPost, nil, -1},
		{6 * time.Minute, toUpload, ofDestination(503), 4 * time.Minute},
		{7 * time.Minute, toUpload, nil, -1},
		{8 * time.Minute, toPost, ofDestination(503), 8 * time.Minute},
		{9 * time.Minute, toUpload, nil, -1},
		{time.Hour, toPost, ofDestination(503), time.Hour},
	} {
		if got := after(c.wait, c.at, c.err); got != c.want {
			t.Errorf("step %d: since %s, want %s", i, got, c.want)
		}
	}
}

// TestLoopShowsProgress: while an upload is under way the loop answers, and says how much of the file was sent.
func TestLoopShowsProgress(t *testing.T) {
	bubble(t, func(w *world, _ *memory) {
		sending, goOn := make(chan struct{}), make(chan struct{})
		w.service.onUpload = func(context.Context, string, int) error { close(sending); <-goOn; return nil }
		asks := make(chan view.Ask[view.Posting])
		w.u.Asks = asks
		w.start(w.t.Context(), w.folder())
		w.drop("x.pdf", "twelve bytes")
		<-sending
		synctest.Wait()
		answer := make(chan view.Posting, 1)
		asks <- view.Ask[view.Posting]{Answer: answer}
		got := <-answer
		if q := got.Lanes[0].Queue; len(q) != 1 || q[0].Stage != view.Claimed || !q[0].Busy || q[0].Sent != 12 || q[0].Size != 12 || got.Destination != w.u.Name {
			t.Errorf("%+v", got)
		}
		close(goOn)
		w.end()
	})
}

// BenchmarkView is what a question costs the loop, with 10,000 files that wait.
func BenchmarkView(b *testing.B) {
	q := newQueue(4, 10, free{}, destination.Traits{})
	q.setFolders([]Folder{folder("/a")})
	for i := range 10_000 {
		q.add(file.Batch{version("/a", fmt.Sprint(i, ".pdf"), 1)})
	}
	for b.Loop() {
		q.view(time.Now(), view.Ask[view.Posting]{})
	}
}
