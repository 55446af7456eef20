package watcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/hang"
)

// world is a made-up folder, and the scout that looks at it.
type world struct {
	mu       sync.Mutex
	files    map[string]observation
	version  int64
	root     uint64 // its inode
	missing  error
	watchErr error
	partial  []error
	remote   string
	leaseErr error
	errs     map[string]error       // the error of looking at a name
	delay    func() time.Duration   // the time from the look to the answer
	hangs    bool                   // the scout never answers
	begin    time.Time              // when the test began
	wholes   []time.Duration        // when a whole listing was asked for
	looks    map[string]int         // how often each name was asked for
	spans    map[int64][2]time.Time // when each version was looked at first and last
}

func newWorld() *world {
	return &world{
		files: map[string]observation{}, errs: map[string]error{}, looks: map[string]int{}, begin: time.Now(), root: 1,
		delay: func() time.Duration { return time.Millisecond }, spans: map[int64][2]time.Time{},
	}
}

// do changes the world while the scout does not look.
func (w *world) do(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// write makes another version of name.
func (w *world) write(name string, size int64) file.Identity {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.version++
	id := file.Identity{Dev: 1, Ino: 2, Size: size, Mtime: w.version, Ctime: w.version}
	w.files[name] = observation{Info: file.Info{Identity: id, Links: 1}}
	return id
}

func (w *world) scout(ctx context.Context, requests <-chan request, answers chan<- answer) {
	for r := range requests {
		a, delay, hangs := w.look(r)
		if hangs {
			<-ctx.Done()
			return
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return
		}
		select {
		case answers <- a:
		case <-ctx.Done():
			return
		}
	}
}

func (w *world) look(r request) (a answer, delay time.Duration, hangs bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a = answer{whole: r.whole, remote: w.remote, watchErr: w.watchErr, leaseErr: w.leaseErr}
	for _, name := range r.names {
		w.looks[name]++
		a.seen = append(a.seen, w.sight(name, false))
	}
	if r.whole {
		w.wholes = append(w.wholes, time.Since(w.begin))
		a.missing, a.partial = w.missing, w.partial
		a.root = file.Info{Identity: file.Identity{Dev: 1, Ino: w.root}, Mode: fs.ModeDir}
		if w.missing == nil {
			before := len(a.seen)
			for name := range w.files {
				a.seen = append(a.seen, w.sight(name, false))
			}
			slices.SortFunc(a.seen[before:], func(x, y sighting) int { return int(x.look.Mtime - y.look.Mtime) })
		}
	}
	for _, name := range r.due {
		w.looks[name]++
		a.seen = append(a.seen, w.sight(name, true))
	}
	return a, w.delay(), w.hangs
}

func (w *world) sight(name string, into bool) sighting {
	l, ok := w.files[name]
	if l.examined = into; !into {
		l.obstacle = obstacle{}
	}
	switch {
	case w.errs[name] != nil:
		return sighting{name: name, err: w.errs[name]}
	case !ok || w.missing != nil:
		return sighting{name: name, gone: true}
	}
	if span, seen := w.spans[l.Ctime]; seen {
		w.spans[l.Ctime] = [2]time.Time{span[0], time.Now()}
	} else {
		w.spans[l.Ctime] = [2]time.Time{time.Now(), time.Now()}
	}
	return sighting{name: name, look: l, dir: l.Mode.IsDir()}
}

// listings gives the times of the whole listings, in seconds.
func (w *world) listings() (at []float64) {
	w.do(func() {
		for _, d := range w.wholes {
			at = append(at, d.Truncate(10*time.Millisecond).Seconds())
		}
	})
	return at
}

type logText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (x *logText) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.Write(p)
}

func (x *logText) count(part string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.Count(x.b.String(), part)
}

// rig is a loop at work on a world, inside a synctest bubble.
type rig struct {
	t        *testing.T
	world    *world
	loop     *loop
	events   chan fsnotify.Event
	errors   chan error
	released chan string
	settled  chan file.Batch
	ended    chan error
	log      logText
}

const simSettle = 5 * time.Second

var simFolder = Folder{Path: "/drop", Settle: simSettle, SettleRemote: 3 * simSettle, Rescan: time.Minute}

// startRig starts the loop. It ends with the test.
func startRig(t *testing.T, w *world, once bool) *rig {
	t.Helper()
	r := &rig{t: t, world: w, events: make(chan fsnotify.Event), errors: make(chan error)}
	r.start(newLoop(simFolder, once, zerolog.New(&r.log)), r.events, r.errors, w.scout)
	return r
}

// startReal starts a loop with a real scout, outside of any bubble.
func startReal(t *testing.T, s *scout) *rig {
	t.Helper()
	r := &rig{t: t}
	r.start(newLoop(s.folder, false, zerolog.New(&r.log)), s.notify.Events, s.notify.Errors, s.run)
	return r
}

func (r *rig) start(l *loop, events <-chan fsnotify.Event, errs <-chan error,
	scout func(context.Context, <-chan request, chan<- answer),
) {
	t := r.t
	t.Helper()
	r.released, r.settled, r.ended = make(chan string), make(chan file.Batch), make(chan error, 1)
	requests, answers := make(chan request), make(chan answer)
	l.events, l.errors, l.released, l.settled, l.requests, l.answers = events, errs, r.released, r.settled, requests, answers
	r.loop = l
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { scout(ctx, requests, answers) })
	running.Go(func() { r.ended <- l.run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if t.Failed() {
			t.Logf("log:\n%s", lastLines(r.log.b.String()))
		}
	})
}

// lastLines gives the end of a log, because the log of thousands of files has a line for each.
func lastLines(log string) string {
	const most = 30
	lines := strings.SplitAfter(log, "\n")
	if len(lines) <= most {
		return log
	}
	return fmt.Sprintf("... %d lines ...\n%s", len(lines)-most, strings.Join(lines[len(lines)-most:], ""))
}

func pass(d time.Duration) { <-time.After(d) }

// event tells the loop of a change of name.
func (r *rig) event(name string, op fsnotify.Op) {
	r.events <- fsnotify.Event{Name: "/drop/" + name, Op: op}
}

// none fails the test if a file settles within d.
func (r *rig) none(d time.Duration) {
	r.t.Helper()
	select {
	case b := <-r.settled:
		s := b[0]
		r.t.Fatalf("%q settled %s after the start of the test, want nothing", s.Name, time.Since(r.world.begin))
	case <-time.After(d):
	}
}

// within fails the test unless name settles in time.
func (r *rig) within(d time.Duration, name string) file.Settled {
	r.t.Helper()
	select {
	case b := <-r.settled:
		s := b[0]
		if s.Name != name || s.Folder != "/drop" {
			r.t.Fatalf("%q in %q settled, want %q", s.Name, s.Folder, name)
		}
		return s
	case <-time.After(d + time.Millisecond):
		r.t.Fatalf("%q has not settled in %s", name, d)
		return file.Settled{}
	}
}

func (r *rig) said(part string, times int) {
	r.t.Helper()
	if r.world != nil {
		synctest.Wait()
	}
	if n := r.log.count(part); n != times {
		r.t.Fatalf("%q was said %d times, want %d", part, n, times)
	}
}

// TestLoopSettlesByEvent shows that a file settles after the quiet time that follows its event, once, and again after
// it was released.
func TestLoopSettlesByEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newWorld(), false)
		pass(time.Second)
		id := r.world.write("a", 1)
		r.event("a", fsnotify.Create)
		r.none(simSettle - time.Millisecond)
		if s := r.within(10*time.Millisecond, "a"); s.ID != id {
			t.Fatalf("got %+v, want %+v", s.ID, id)
		}
		r.none(time.Hour)
		r.released <- "a"
		r.none(simSettle - time.Millisecond)
		r.within(10*time.Millisecond, "a")

		// The released file has changed, and its new state is in the outbox already.
		id = r.world.write("a", 2)
		r.event("a", fsnotify.Write)
		pass(time.Minute)
		r.released <- "a"
		if s := r.within(0, "a"); s.ID != id {
			t.Fatalf("got %+v, want %+v", s.ID, id)
		}
		r.none(time.Hour)
	})
}

// TestLoopListsOnTheTimer shows how often a folder is listed, with and without events.
func TestLoopListsOnTheTimer(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*world)
		polled  bool
		every   time.Duration
	}{
		"local":           {func(*world) {}, false, time.Minute},
		"remote":          {func(w *world) { w.remote = "nfs" }, false, 10 * time.Second},
		"without inotify": {func(*world) {}, true, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				c.prepare(w)
				r := startRig(t, w, false)
				if c.polled {
					close(r.events)
				}
				pass(time.Hour)
				times := w.listings()
				// An answer takes a millisecond. Until the loop knows that no events come, it may take the long
				// interval.
				if want := int(time.Hour / c.every); len(times) < want-int(time.Minute/c.every) || len(times) > want+1 {
					t.Fatalf("%d listings in an hour, want about %d", len(times), want)
				}
				w.write("a", 1)
				began := time.Now()
				settle := simSettle
				if w.remote != "" {
					settle = 3 * simSettle
				}
				r.within(c.every+settle+time.Second, "a")
				if took := time.Since(began); took < settle {
					t.Fatalf("settled after %s", took)
				}
			})
		})
	}
}

// TestLoopOverflowLists shows that an overflow of the event queue, or another error of inotify, brings a listing, and
// several at once no more than two.
func TestLoopOverflowLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := startRig(t, w, false)
		pass(10 * time.Second)
		w.write("unheard", 1)
		for range 5 {
			r.errors <- fsnotify.ErrEventOverflow
		}
		r.within(simSettle+10*time.Millisecond, "unheard")
		if n := len(w.listings()); n < 2 || n > 3 {
			t.Fatalf("%d listings, want one at the start and one or two for five overflows at once", n)
		}
		r.errors <- errors.New("unforeseen")
		r.errors <- syscall.EINVAL
		pass(time.Second)
		if n := len(w.listings()); n < 3 {
			t.Fatal("no listing after an error of inotify")
		}
		r.said("unforeseen", 1)
		r.said("invalid argument", 0)
	})
}

// TestLoopTornFileAfterOverflow shows that a file still settles only after its quiet time when an overflow has lost its
// later events. The scout is busy for so long that the file is listed and looked at in one go: long after the last
// hint, and twice, but only an instant apart.
func TestLoopTornFileAfterOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := startRig(t, w, false)
		pass(time.Second)
		w.do(func() { w.delay = func() time.Duration { return 4 * simSettle } })
		r.event("other", fsnotify.Chmod) // this keeps the scout busy for 20 s
		pass(time.Second)
		w.write("torn", 1)
		r.event("torn", fsnotify.Create)
		r.errors <- fsnotify.ErrEventOverflow
		w.do(func() { w.delay = func() time.Duration { return time.Millisecond } })
		for size := range int64(45) { // it goes on growing without events
			r.none(time.Second)
			w.write("torn", 2+size)
		}
		r.within(2*time.Minute, "torn")
	})
}

// TestLateEventsKeepTheOrder shows that two due files settle in the order of their changes even if their events arrive
// while they are looked at.
func TestLateEventsKeepTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, events := newWorld(), make(chan fsnotify.Event, 2)
		l := newLoop(simFolder, false, zerolog.Nop())
		l.events = events
		w.write("a", 1)
		w.write("b", 1)
		answer := func() {
			a, _, _ := w.look(request{names: []string{"a", "b"}, due: []string{"a", "b"}})
			l.onAnswer(a)
		}
		answer()
		var got []string
		for round := range 3 {
			pass(simSettle)
			l.onTime(time.Now())
			l.sent(time.Now())
			if round == 0 {
				l.onEvent(fsnotify.Event{Name: "/drop/a", Op: fsnotify.Write}, true)
				events <- fsnotify.Event{Name: "/drop/b", Op: fsnotify.Write}
			}
			answer()
			for _, b := range l.outbox[len(got):] {
				got = append(got, b[0].Name)
			}
		}
		if !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("settled in the order %v", got)
		}
	})
}

// TestLoopNeverWaitsForItsConsumer shows that the loop goes on taking events and releases while nobody takes its
// settled files.
func TestLoopNeverWaitsForItsConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := startRig(t, w, false)
		const files = 5000
		var want []string
		for i := range files {
			name := strconv.Itoa(i)
			want = append(want, name)
			w.write(name, 1)
			r.event(name, fsnotify.Create) // would deadlock the bubble if the loop were stuck
		}
		pass(time.Hour)
		r.released <- "0" // has not even been taken yet
		w.write("late", 1)
		r.event("late", fsnotify.Create)
		var got []string
		for range files {
			got = append(got, (<-r.settled)[0].Name)
		}
		if !slices.Equal(got, want) {
			t.Fatal("settled in another order than written")
		}
	})
}

// TestLoopMissingFolder shows that a missing folder is tried again after growing pauses, is said once each time it goes
// missing, and is listed when it is there.
func TestLoopMissingFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.write("a", 1)
		w.missing = &fs.PathError{Op: "lstat", Path: "/drop\n", Err: fs.ErrNotExist}
		r := startRig(t, w, false)
		r.none(time.Hour)
		times := w.listings()
		if first := times[:8]; !slices.Equal(first, []float64{0, 0.25, 0.75, 1.75, 3.75, 7.75, 15.75, 25.75}) {
			t.Fatalf("listed at %v", first)
		}
		if n := len(times); n < 355 || n > 370 {
			t.Fatalf("%d tries in an hour, want one every 10 s", n)
		}
		r.said("cannot be listed", 1)
		r.said(`\\n`, 1)
		w.do(func() { w.missing = nil })
		r.within(10*time.Second+simSettle+time.Second, "a")
		r.said("watched again", 1)
		pass(time.Hour)
		if n := len(w.listings()) - len(times); n < 58 || n > 63 {
			t.Fatalf("%d listings in the hour after, want one a minute", n)
		}
		// The folder goes away once more: that is said again and tried at once, and what was handed over stays so.
		w.do(func() { w.missing = fs.ErrNotExist })
		r.events <- fsnotify.Event{Name: "/drop", Op: fsnotify.Remove}
		r.none(time.Hour)
		r.said("cannot be listed", 2)
		w.do(func() { w.missing = nil })
		r.none(time.Hour)
		r.said("watched again", 2)
	})
}

// TestLoopFolderReplaced shows that another folder at the same path is noticed and said once.
func TestLoopFolderReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := startRig(t, w, false)
		pass(time.Second)
		w.do(func() { w.root = 99 })
		pass(2 * time.Minute)
		r.said("another folder", 1)
	})
}

// TestLoopWatchLimit shows that a folder for which the kernel has no watches left is listed instead, that the remedy is
// said once, and that watching is tried again.
func TestLoopWatchLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.watchErr = watchAdvice("/drop/sub", syscall.ENOSPC)
		r := startRig(t, w, false)
		pass(time.Hour)
		if n := len(w.listings()); n < 355 || n > 370 {
			t.Fatalf("%d tries in an hour, want one every 10 s", n)
		}
		r.said("is not watched", 1)
		r.said("fs.inotify.max_user_watches", 2) // both in one message
		w.write("a", 1)
		r.within(10*time.Second+simSettle+time.Second, "a")
		w.do(func() { w.watchErr = nil })
		pass(time.Minute)
		r.said("watched again", 1)
		// When a new subfolder cannot be watched, the folder is listed at once, and then again after growing pauses.
		before := len(w.listings())
		w.do(func() { w.watchErr = watchAdvice("/drop/sub", syscall.ENOSPC) })
		r.event("sub", fsnotify.Create)
		pass(time.Minute)
		r.said("is not watched", 2)
		if n := len(w.listings()) - before; n < 5 || n > 15 {
			t.Fatalf("%d listings in a minute", n)
		}
	})
}

// TestLoopSubfolderUnreadable shows that a subfolder which cannot be listed is said once, and again only after it could
// be listed.
func TestLoopSubfolderUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.partial = []error{fs.ErrPermission, errors.New("another")}
		r := startRig(t, w, false)
		pass(time.Hour)
		r.said("a subfolder cannot be listed", 2)
		if n := len(w.listings()); n > 61 {
			t.Fatalf("%d listings in an hour", n)
		}
		w.do(func() { w.partial = nil })
		pass(2 * time.Minute)
		w.do(func() { w.partial = []error{fs.ErrPermission} })
		pass(time.Hour)
		r.said("a subfolder cannot be listed", 3)
	})
}

// TestLoopIsIdle shows that while nothing happens a folder is listed once a minute, and held-back files are looked at
// ever less often.
func TestLoopIsIdle(t *testing.T) {
	const files = 300
	for name, c := range map[string]struct {
		prepare         func(*world)
		listings, looks int // at most, in an hour; looks at one file
	}{
		"empty folder": {func(*world) {}, 61, 0},
		"held back": {func(w *world) {
			for i := range files {
				w.write(strconv.Itoa(i), 0)
			}
		}, 61, 75},
		"cannot be looked at": {func(w *world) {
			for i := range files {
				w.write(strconv.Itoa(i), 1)
				w.errs[strconv.Itoa(i)] = syscall.EIO
			}
		}, 61, 75},
		"links": {func(w *world) {
			for i := range files {
				w.write(strconv.Itoa(i), 1)
				l := w.files[strconv.Itoa(i)]
				l.Mode = fs.ModeSymlink
				w.files[strconv.Itoa(i)] = l
			}
		}, 61, 0},
		"missing folder":    {func(w *world) { w.missing = fs.ErrNotExist }, 370, 0},
		"hanging scout":     {func(w *world) { w.hangs = true }, 1, 0},
		"slow scout":        {func(w *world) { w.delay = func() time.Duration { return 10 * time.Minute } }, 7, 0},
		"remote, held back": {func(w *world) { w.remote = "smb"; w.write("0", 0) }, 361, 75},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				c.prepare(w)
				r := startRig(t, w, false)
				r.none(time.Hour)
				if n := len(w.listings()); n > c.listings || n == 0 {
					t.Errorf("%d listings in an hour, want at most %d", n, c.listings)
				}
				for name, n := range w.looks {
					if n > c.looks {
						t.Fatalf("%d looks at %q in an hour, want at most %d", n, name, c.looks)
					}
				}
				r.said("left where it is", btoi(len(w.files) > 0))
			})
		})
	}
}

// TestLoopWithoutLeases shows that where the kernel does not tell who is writing, files must be quiet for
// settle_remote, and that this is said once.
func TestLoopWithoutLeases(t *testing.T) {
	for advice, err := range map[string]error{"CAP_LEASE": syscall.EACCES, "this file system does not tell": syscall.EINVAL} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			r := startRig(t, w, false)
			r.none(time.Second)
			w.do(func() { w.leaseErr = fmt.Errorf("%w: %w", errCannotTell, err) })
			for _, name := range []string{"a", "b"} {
				w.write(name, 1)
				r.event(name, fsnotify.Create)
				r.none(simFolder.SettleRemote - 10*time.Millisecond)
				r.within(time.Second, name)
			}
			r.said("cannot see whether files are open for writing", 1)
			r.said(advice, 1)
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestLoopBesideOneThatHangs shows that a loop whose scout hangs goes on taking events and releases, that other folders
// are not affected, and that the hanging call is said once.
func TestLoopBesideOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung, fine := newWorld(), newWorld()
		hung.write("a", 1)
		hung.hangs = true
		h, f := startRig(t, hung, false), startRig(t, fine, false)
		h.loop.calls.Begin(&hang.Call{What: "list", Path: "/srv/dead", Since: time.Now()})
		for i := range 10_000 {
			h.event(strconv.Itoa(i%100), fsnotify.Write)
			h.released <- strconv.Itoa(i % 100)
		}
		fine.write("b", 1)
		f.event("b", fsnotify.Create)
		f.within(simSettle+time.Second, "b")
		h.none(time.Hour)
		if n := len(h.loop.names); n != 100 || len(h.loop.due) > 0 {
			t.Fatalf("%d names wait for the scout, want each of 100 once", n)
		}
		h.said("does not answer", 1)
		h.said(`list \"/srv/dead\"`, 1)
	})
}

// TestLoopOnceOfOneThatHangs shows that a run with once ends although a folder hangs, and that its error names the
// hanging call.
func TestLoopOnceOfOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := newWorld()
		hung.hangs = true
		h := startRig(t, hung, true)
		h.loop.calls.Begin(&hang.Call{What: "list", Path: "/srv/dead", Since: time.Now()})
		select {
		case err := <-h.ended:
			if _, ok := errors.AsType[*hang.Error](err); !ok || !strings.Contains(err.Error(), `list "/srv/dead"`) {
				t.Errorf("it ended with %v", err)
			}
		case <-time.After(time.Hour):
			t.Error("it does not end")
		}
	})
}

// TestLoopStaleAnswers shows that an answer which a change has overtaken neither loses a file nor hands it over twice.
func TestLoopStaleAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := startRig(t, w, false)
		pass(time.Second)
		w.do(func() { w.delay = func() time.Duration { return time.Second } })
		r.event("a", fsnotify.Create) // it is gone before it is looked at
		pass(500 * time.Millisecond)
		w.write("a", 1) // it is back while the answer says that it is gone
		r.event("a", fsnotify.Create)
		r.within(simSettle+5*time.Second, "a")

		r.errors <- fsnotify.ErrEventOverflow // a listing
		pass(500 * time.Millisecond)
		w.write("b", 1) // it is made after the folder was read
		r.event("b", fsnotify.Create)
		r.within(simSettle+5*time.Second, "b")

		w.do(func() { w.errs["a"] = syscall.EIO })
		r.event("a", fsnotify.Chmod)
		pass(time.Minute)
		w.do(func() { clear(w.errs) })
		r.none(time.Hour) // a is not handed over again because one look at it failed
	})
}

// TestLoopFileIsDueWhileTheScoutIsBusy shows that a file which is due while the scout is busy settles with the next
// answer.
func TestLoopFileIsDueWhileTheScoutIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := startRig(t, w, false)
		pass(time.Second)
		w.write("a", 1)
		r.event("a", fsnotify.Create)
		pass(simSettle - time.Second)
		w.do(func() { w.delay = func() time.Duration { return 3 * time.Second } })
		r.event("b", fsnotify.Remove)
		r.within(7*time.Second, "a") // two answers of 3 s
	})
}

// TestLoopFolderInPlaceOfAFile shows that a folder in the place of a file is left alone, and that a new file of that
// name settles.
func TestLoopFolderInPlaceOfAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := startRig(t, w, false)
		id := w.write("x", 1)
		r.event("x", fsnotify.Create)
		r.within(time.Minute, "x")
		w.do(func() { w.files["x"] = observation{Info: file.Info{Identity: id, Mode: fs.ModeDir}} })
		r.event("x", fsnotify.Create)
		r.none(time.Hour)
		r.said("it is a folder, and recursive = false", 1)
		w.write("x", 2)
		r.event("x", fsnotify.Create)
		r.within(time.Minute, "x")
	})
}

// TestLoopOnce shows what a run with once hands over, when it ends, and which files its error names.
func TestLoopOnce(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*world)
		hands   []string
		atMost  time.Duration
		err     string
	}{
		"empty":    {func(*world) {}, nil, 10 * time.Millisecond, ""},
		"one file": {func(w *world) { w.write("a", 1) }, []string{"a"}, simSettle + time.Second, ""},
		"held back": {func(w *world) { w.write("empty", 0); w.write("a", 1) }, []string{"a"}, simSettle + time.Second,
			"1 left in /drop: empty (it is empty)"},
		"only held back": {func(w *world) {
			for _, name := range []string{"d", "b\n", "c", "a"} {
				w.write(name, 1)
				l := w.files[name]
				l.obstacle = obstacle{reason: "open for writing"}
				w.files[name] = l
			}
		}, nil, simSettle + time.Second, `4 left in /drop: a (open for writing), b\n (open for writing), c (open for writing), ...`},
		"a link": {func(w *world) {
			w.files["a"] = observation{Info: file.Info{Mode: fs.ModeSymlink}}
		}, nil, 10 * time.Millisecond, ""},
		"cannot be looked at": {func(w *world) {
			w.write("a", 1)
			w.errs["a"] = syscall.EIO
		}, nil, 10 * time.Millisecond, "1 left in /drop: a (cannot look at it: input/output error)"},
		"missing": {func(w *world) { w.missing = fs.ErrNotExist }, nil, 10 * time.Millisecond, "cannot list all of /drop: file does not exist"},
		"not all": {func(w *world) {
			w.write("a", 1)
			w.partial = []error{errors.New("open sub\n: permission denied"), errors.New("open b: permission denied")}
		}, []string{"a"}, simSettle + time.Second, `cannot list all of /drop: open b: permission denied; open sub\n: permission denied`},
		"cannot be watched": {func(w *world) {
			w.write("a", 1)
			w.watchErr = errors.New("cannot watch")
		}, []string{"a"}, simSettle + time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				c.prepare(w)
				r := startRig(t, w, true)
				for _, name := range c.hands {
					r.within(c.atMost, name)
				}
				select {
				case err := <-r.ended:
					if fmt.Sprint(err) != c.err && (err != nil || c.err != "") {
						t.Fatalf("ended with %v, want %q", err, c.err)
					}
				case b := <-r.settled:
					s := b[0]
					t.Fatalf("%q settled", s.Name)
				case <-time.After(c.atMost):
					t.Fatal("has not ended")
				}
			})
		})
	}
}

// TestLoopForgetsNothing shows that no file is forgotten in a folder where everything goes wrong: events are late, lost
// or overflow, the scout is slow and its answers stale, looks fail, the folder goes away for a while, and the consumer
// is slow and gives files back. When the folder comes to rest, every file has been handed over as it is then, none
// twice unless it was released, and none that was not seen unchanged twice, the settle time apart.
func TestLoopForgetsNothing(t *testing.T) {
	for seed := range uint64(150) {
		synctest.Test(t, func(t *testing.T) { chaos(t, rand.New(rand.NewPCG(seed, 0))) })
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

func chaos(t *testing.T, rnd *rand.Rand) {
	upTo := func(d time.Duration) time.Duration { return time.Duration(rnd.Int64N(int64(d))) }
	goesAway := rnd.IntN(2) == 0 // files of a folder that went away and came back are handed over again
	w := newWorld()
	scoutRnd, slowest := rand.New(rand.NewPCG(rnd.Uint64(), 0)), 1+upTo(4*simSettle)
	w.delay = func() time.Duration {
		if scoutRnd.IntN(3) > 0 {
			return time.Millisecond
		}
		return time.Duration(scoutRnd.Int64N(int64(slowest)))
	}
	r := startRig(t, w, false)
	var mu sync.Mutex
	handed := map[string]file.Identity{} // the last hand-over of each name that was not released
	ctx, stop := context.WithCancel(t.Context())
	consumer := rand.New(rand.NewPCG(rnd.Uint64(), 0))
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case b := <-r.settled:
				s := b[0]
				mu.Lock()
				if handed[s.Name] == s.ID && !goesAway {
					t.Errorf("%q was handed over twice as %+v", s.Name, s.ID)
				}
				handed[s.Name] = s.ID
				mu.Unlock()
				w.do(func() {
					if span := w.spans[s.ID.Ctime]; span[1].Sub(span[0]) < simSettle {
						t.Errorf("%q was handed over after looks within %s", s.Name, span[1].Sub(span[0]))
					}
				})
			}
			if consumer.IntN(4) == 0 {
				pass(time.Duration(consumer.Int64N(int64(simSettle))))
			}
		}
	})
	defer running.Wait()
	defer stop()

	for range 60 {
		mishap := rnd.IntN(12)
		if mishap == 3 && !goesAway {
			continue
		}
		name := string(rune('a' + rnd.IntN(6)))
		hint := fsnotify.Write
		switch mishap {
		default:
			w.write(name, rnd.Int64N(5))
		case 0, 1:
			w.do(func() { delete(w.files, name) })
			hint = fsnotify.Remove
		case 2:
			hint = fsnotify.Chmod
		case 3:
			w.do(func() { w.missing = map[bool]error{true: fs.ErrNotExist}[w.missing == nil] })
		case 4:
			w.do(func() { w.errs[name] = map[bool]error{true: syscall.EIO}[w.errs[name] == nil] })
		case 5:
			mu.Lock()
			_, ok := handed[name]
			delete(handed, name)
			mu.Unlock()
			if ok {
				r.released <- name
			}
		case 6:
			r.errors <- fsnotify.ErrEventOverflow
		}
		if rnd.IntN(3) > 0 {
			late := upTo(300 * time.Millisecond)
			running.Go(func() {
				pass(late)
				r.event(name, hint)
			})
		}
		pass(time.Duration(rnd.ExpFloat64() * float64(2*time.Second)))
	}
	w.do(func() { w.missing = nil; clear(w.errs) })
	pass(2*time.Minute + 10*slowest + 3*simSettle)
	mu.Lock()
	defer mu.Unlock()
	for name, l := range w.files {
		if l.Size > 0 && handed[name] != l.Identity {
			t.Errorf("%q was not handed over as it is: %+v", name, l.Identity)
		}
	}
}
