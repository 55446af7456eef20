package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/media"
)

// TestMain lets this program be the child processes of the tests.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	if dir := os.Getenv(openDir); dir != "" {
		os.Exit(opener(dir))
	}
	if dir := os.Getenv(strangerDir); dir != "" {
		os.Exit(stranger(dir))
	}
	os.Exit(m.Run())
}

// open opens the ledger in dir and closes it when the test ends. Nothing is written until it runs.
func open(t testing.TB, dir string) *Ledger {
	t.Helper()
	l, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// run opens the ledger in dir and runs its writer until the test ends.
func run(t testing.TB, dir string) *Ledger {
	t.Helper()
	l := open(t, dir)
	start(t, l)
	return l
}

func start(t testing.TB, l *Ledger) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

func try(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sample is a delivery of n files; the files of each number are different ones.
func sample(number, n int) Delivery {
	d := Delivery{Folder: "/srv/drop", Kind: media.Album, SettledAt: time.Now()}
	for i := range n {
		d.Files = append(d.Files, File{
			Name: fmt.Sprintf("scan %d-%d.jpg", number, i),
			ID:   file.Identity{Dev: 8, Ino: uint64(number), Size: int64(i), Mtime: 1, Ctime: 2},
		})
	}
	return d
}

func sums(n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		sum := sha256.Sum256([]byte{byte(i)})
		all[i] = sum[:]
	}
	return all
}

func claim(t testing.TB, l *Ledger, d Delivery) int64 {
	t.Helper()
	id, err := l.Claim(t.Context(), d)
	try(t, err)
	return id
}

func get(t testing.TB, l *Ledger, id int64) Delivery {
	t.Helper()
	d, err := l.Get(t.Context(), id)
	try(t, err)
	return d
}

// TestRoundTrip shows that a delivery with odd names and extreme numbers is read back as it was written, after each step.
func TestRoundTrip(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	l := run(t, dir)
	want := Delivery{
		Destination: "office", Key: "KEY", Folder: "/srv/\xff\xfe drop", Kind: media.Album,
		SettledAt: time.Date(2024, 2, 29, 23, 59, 59, 7_000_000, time.FixedZone("", 3600)),
		Files: []File{
			{
				Name: "sub/\xc3\x28 'x'\n.jpg",
				ID:   file.Identity{Dev: 1<<64 - 1, Ino: 1 << 63, Size: 1 << 62, Mtime: -1, Ctime: 1},
			},
			{Name: "b.jpg", ID: file.Identity{Dev: 1, Ino: 1<<64 - 2, Mtime: 1 << 62, Ctime: -1 << 63}},
		},
	}
	id := claim(t, l, want)
	want.ID, want.State = id, Claimed

	posting := false
	same := func(step string) {
		t.Helper()
		got := get(t, l, id)
		if since := time.Since(got.UpdatedAt); since < -time.Second || since > time.Minute {
			t.Errorf("%s: updated at %v", step, got.UpdatedAt)
		}
		if !got.SettledAt.Equal(want.SettledAt) {
			t.Errorf("%s: settled at %v, want %v", step, got.SettledAt, want.SettledAt)
		}
		if since := time.Since(got.PostingAt); posting && (since < -time.Second || since > time.Minute) || got.PostingAt.IsZero() == posting {
			t.Errorf("%s: its post was begun at %v", step, got.PostingAt)
		}
		if since := time.Since(got.ClaimedAt); since < -time.Second || since > time.Minute || got.Finished == got.FinishedAt.IsZero() {
			t.Errorf("%s: claimed at %v, finished at %v", step, got.ClaimedAt, got.FinishedAt)
		}
		got.UpdatedAt, got.SettledAt, got.PostingAt = time.Time{}, want.SettledAt, time.Time{}
		got.ClaimedAt, got.FinishedAt = time.Time{}, time.Time{}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", step, got, want)
		}
	}
	same("claimed")

	try(t, l.Waits(ctx, id, 3, "offline\x00, \xff"))
	want.Attempts, want.Reason = 3, "offline\x00, \xff"
	same("waiting")

	resource := strings.Repeat("a+/=", 2500)
	try(t, l.Uploaded(ctx, id, resource, sums(2)))
	want.State, want.Resource, want.Reason = Uploaded, resource, ""
	want.Files[0].SHA256, want.Files[1].SHA256 = sums(2)[0], sums(2)[1]
	same("uploaded")

	posting = true
	try(t, l.Posting(ctx, id, "0f8b@2", "Zähler \xf0\x9f\x93\xb7 \xff", false))
	want.State, want.Group, want.Caption = Posting, "0f8b@2", "Zähler \xf0\x9f\x93\xb7 \xff"
	same("posting")

	try(t, l.NotPosted(ctx, id, 4, "429"))
	want.State, want.Attempts, want.Reason = Uploaded, 4, "429"
	same("notposted")

	try(t, l.Posting(ctx, id, "0f8b@3", "c", false))
	try(t, l.Posting(ctx, id, "0f8b@3", "c", true))
	want.State, want.Group, want.Caption, want.Reason, want.MaybeTwice = Posting, "0f8b@3", "c", "", true
	same("posting again")

	try(t, l.Posted(ctx, id, "ref"))
	want.State, want.Reference = Posted, "ref"
	same("posted")
	for destination, n := range map[string]int{"": 1, "office": 1, "kaizala": 0} {
		open, err := l.Unfinished(ctx, destination)
		if err != nil || len(open) != n || n > 0 && len(open[0].Files) != 2 {
			t.Errorf("unfinished of %q: %+v, %v", destination, open, err)
		}
	}

	try(t, l.Filed(ctx, id, []string{"/srv/done/\xff.jpg", ""}))
	want.State, want.Finished, want.Resource = Filed, true, ""
	want.Files[0].Dest = "/srv/done/\xff.jpg"
	same("filed")
	if open, err := l.Unfinished(ctx, ""); err != nil || len(open) != 0 {
		t.Errorf("unfinished after the end: %+v, %v", open, err)
	}

	try(t, l.Close())
	if _, err := os.Stat(filepath.Join(dir, "ledger.db-wal")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the -wal is still there after Close: %v", err)
	}
	l = run(t, dir)
	same("opened again")
}

// TestUnfinishedOrder shows that Unfinished lists the deliveries that are not withdrawn in the order of their claims.
func TestUnfinishedOrder(t *testing.T) {
	l := run(t, t.TempDir())
	var want []int64
	for i := range 30 {
		id := claim(t, l, sample(i, 1+i%3))
		switch i % 3 {
		case 0:
			try(t, l.Withdraw(t.Context(), id))
		case 1:
			try(t, l.Failed(t.Context(), id, "type unknown"))
			want = append(want, id)
		default:
			want = append(want, id)
		}
	}
	open, err := l.Unfinished(t.Context(), "")
	try(t, err)
	var got []int64
	for _, d := range open {
		got = append(got, d.ID)
		i := int(d.Files[0].ID.Ino)
		if exp := sample(i, 1+i%3).Files; !reflect.DeepEqual(d.Files, exp) {
			t.Errorf("delivery %d has files %+v, want %+v", d.ID, d.Files, exp)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// situation is a state of a delivery, and the steps that lead to it.
type situation struct {
	name  string
	steps []string
}

func situations() []situation {
	return []situation{
		{"claimed", nil},
		{"uploaded", []string{"uploaded"}},
		{"posting", []string{"uploaded", "posting"}},
		{"posted", []string{"uploaded", "posting", "posted"}},
		{"filed", []string{"uploaded", "posting", "posted", "filed"}},
		{"failed", []string{"failed"}},
		{"failedfiled", []string{"failed", "failedfiled"}},
		{"withdrawn", []string{"withdrawn"}},
	}
}

func steps(ctx context.Context, l *Ledger, id int64) map[string]func() error {
	return stepsOf(ctx, l, id, 2)
}

// stepsOf are the steps of a delivery of n files.
func stepsOf(ctx context.Context, l *Ledger, id int64, n int) map[string]func() error {
	dests := []string{"/a", "/b", "/c"}[:n]
	return map[string]func() error{
		"uploaded":    func() error { return l.Uploaded(ctx, id, "res", sums(n)) },
		"posting":     func() error { return l.Posting(ctx, id, "g", "c", false) },
		"again":       func() error { return l.Posting(ctx, id, "g", "c", true) },
		"notposted":   func() error { return l.NotPosted(ctx, id, 1, "429") },
		"posted":      func() error { return l.Posted(ctx, id, "ref") },
		"filed":       func() error { return l.Filed(ctx, id, dests) },
		"failed":      func() error { return l.Failed(ctx, id, "no") },
		"failedfiled": func() error { return l.FailedFiled(ctx, id, dests) },
		"waiting":     func() error { return l.Waits(ctx, id, 1, "later") },
		"withdrawn":   func() error { return l.Withdraw(ctx, id) },
		"recognised": func() error {
			return l.Recognised(ctx, id, n-1, "renamed.jpg", file.Identity{Dev: 9, Ino: uint64(id), Size: 1, Mtime: 3, Ctime: 4})
		},
	}
}

// allowed are the situations in which each step is allowed.
func allowed() map[string]string {
	return map[string]string{
		"uploaded":    "claimed uploaded posting",
		"posting":     "uploaded",
		"again":       "uploaded posting",
		"notposted":   "posting",
		"posted":      "posting",
		"filed":       "posted",
		"failed":      "claimed uploaded posting failed",
		"failedfiled": "failed",
		"waiting":     "claimed uploaded posting posted failed",
		"withdrawn":   "claimed uploaded",
		"recognised":  "claimed uploaded posting posted failed",
	}
}

// TestGuards shows that each step succeeds just in the situations that allow it, and else changes nothing.
func TestGuards(t *testing.T) {
	l := run(t, t.TempDir())
	number := 0
	for _, s := range situations() {
		for step, from := range allowed() {
			number++
			id := claim(t, l, sample(number, 2))
			do := steps(t.Context(), l, id)
			for _, before := range s.steps {
				try(t, do[before]())
			}
			before, errBefore := l.Get(t.Context(), id)
			err := do[step]()
			if slices.Contains(strings.Fields(from), s.name) {
				if err != nil {
					t.Errorf("%s from %s: %v", step, s.name, err)
				}
				continue
			}
			want := ErrState
			if s.name == "withdrawn" {
				want = ErrUnknown
			}
			if !errors.Is(err, want) || !strings.Contains(err.Error(), fmt.Sprintf("delivery %d ", id)) {
				t.Errorf("%s from %s: %v", step, s.name, err)
			}
			after, errAfter := l.Get(t.Context(), id)
			if !reflect.DeepEqual(before, after) || (errBefore == nil) != (errAfter == nil) {
				t.Errorf("%s from %s left a trace:\n%+v\n%+v", step, s.name, before, after)
			}
		}
	}
}

// TestGuardMessage shows what the error of a step says that the state does not allow.
func TestGuardMessage(t *testing.T) {
	l := run(t, t.TempDir())
	id := claim(t, l, sample(1, 1))
	if got, want := fmt.Sprint(l.Posted(t.Context(), id, "")),
		"delivery 1 cannot be posted: not allowed in this state: it is claimed, not posting"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := l.Get(t.Context(), 77); !errors.Is(err, ErrUnknown) {
		t.Errorf("Get of an id never given: %v", err)
	}
}

// TestCountsMustFit shows that steps with too few or too many values, and claims without a folder, a file or a name, change
// nothing.
func TestCountsMustFit(t *testing.T) {
	l, ctx := run(t, t.TempDir()), t.Context()
	id := claim(t, l, sample(1, 2))
	for name, err := range map[string]error{
		"too few sums":  l.Uploaded(ctx, id, "r", sums(1)),
		"too many sums": l.Uploaded(ctx, id, "r", sums(3)),
		"no sums":       l.Uploaded(ctx, id, "r", nil),
		"a short sum":   l.Uploaded(ctx, id, "r", [][]byte{sums(1)[0], {1}}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if d := get(t, l, id); d.State != Claimed || d.Resource != "" || d.Files[0].SHA256 != nil {
		t.Errorf("half applied: %+v", d)
	}
	for _, d := range []Delivery{{}, {Folder: "/x"}, {Files: sample(1, 1).Files}, {Folder: "/x", Files: []File{{}}}} {
		if id, err := l.Claim(ctx, d); err == nil || id != 0 {
			t.Errorf("claimed %+v as %d", d, id)
		}
	}
}

// TestClaimTwice shows that a file of an unfinished delivery cannot be claimed again, and that a changed file, one in another
// folder and one of a finished delivery can.
func TestClaimTwice(t *testing.T) {
	l, ctx := run(t, t.TempDir()), t.Context()
	first := claim(t, l, sample(1, 2))
	id, err := l.Claim(ctx, sample(1, 1))
	if want := fmt.Sprintf(`"scan 1-0.jpg": delivery %d has it already`, first); id != 0 || err == nil ||
		!strings.Contains(err.Error(), want) {
		t.Fatalf("%d, %v, want %q", id, err, want)
	}
	changed := sample(1, 1)
	changed.Files[0].ID.Ctime++
	claim(t, l, changed)
	elsewhere := sample(1, 1)
	elsewhere.Folder = "/srv/other"
	claim(t, l, elsewhere)
	try(t, l.Failed(ctx, first, "no"))
	try(t, l.FailedFiled(ctx, first, []string{"", ""}))
	claim(t, l, sample(1, 1)) // a finished delivery does not count, as when somebody put the file back
	open, err := l.Unfinished(ctx, "")
	if err != nil || len(open) != 3 {
		t.Errorf("%d open, %v", len(open), err)
	}
}

// TestClaimOfAFiledFile shows that a file is known which a delivery has filed in a done/ that is not configured any more.
func TestClaimOfAFiledFile(t *testing.T) {
	l, ctx := run(t, t.TempDir()), t.Context()
	filed := sample(1, 2)
	filed.Folder = "/srv/drop/\xff"
	id := claim(t, l, filed)
	ways := steps(ctx, l, id)
	try(t, ways["uploaded"]())
	try(t, ways["posting"]())
	try(t, ways["posted"]())
	// found is a delivery of the second file where it lies in done/ now.
	found := func(change func(*Delivery, *File)) Delivery {
		d := Delivery{Folder: filed.Folder, Kind: media.Image, SettledAt: time.Now(), Files: filed.Files[1:2:2]}
		f := d.Files[0]
		f.Name, f.ID.Ctime, f.ID.Dev = "done/b\xfe.jpg", 77, 78
		change(&d, &f)
		d.Files = []File{f}
		return d
	}
	as := func(*Delivery, *File) {}
	try(t, l.Withdraw(ctx, claim(t, l, found(as)))) // the file is not there yet
	try(t, l.Filed(ctx, id, []string{"", filed.Folder + "/done/b\xfe.jpg"}))

	refused := map[string]Delivery{
		"as it is": found(as),
		"by another folder": found(func(d *Delivery, f *File) {
			d.Folder, f.Name = d.Folder+"/done", "b\xfe.jpg"
		}),
	}
	for name, d := range refused {
		got, err := l.Claim(ctx, d)
		which, ok := errors.AsType[*FiledError](err)
		if got != 0 || !errors.Is(err, ErrFiled) || !ok || which.Position != 0 || which.Delivery != id {
			t.Errorf("%s: %d, %v", name, got, err)
		}
		finished := get(t, l, id).UpdatedAt.Format("2006-01-02T15:04")
		if said := fmt.Sprint(err); !strings.Contains(said, fmt.Sprintf("delivery %d ", id)) || !strings.Contains(said, finished) {
			t.Errorf("%s: %v", name, err)
		}
		t.Log(err)
	}
	album := sample(5, 3)
	album.Folder = filed.Folder
	album.Files[1] = found(as).Files[0]
	_, err := l.Claim(ctx, album)
	if which, ok := errors.AsType[*FiledError](err); !ok || which.Position != 1 {
		t.Errorf("in an album: %v", err)
	}
	for name, change := range map[string]func(*Delivery, *File){
		"dropped in again": func(_ *Delivery, f *File) { f.Name = "b\xfe.jpg" },
		"another name":     func(_ *Delivery, f *File) { f.Name = "done/b\xff.jpg" },
		"written to":       func(_ *Delivery, f *File) { f.ID.Mtime++ },
		"grown":            func(_ *Delivery, f *File) { f.ID.Size++ },
		"another file":     func(_ *Delivery, f *File) { f.ID.Ino++ },
	} {
		if _, err := l.Claim(ctx, found(change)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := count(t, l, "SELECT count(*) FROM delivery WHERE finished_at IS NULL"); n != 5 {
		t.Errorf("%d open, want 5: a refused one left something", n)
	}
	if _, err := l.Prune(ctx, time.Now().Add(time.Hour)); err != nil {
		t.Error(err)
	}
	claim(t, l, found(as))

	failedFiled := sample(6, 1)
	id = claim(t, l, failedFiled)
	try(t, l.Failed(ctx, id, "may have been posted"))
	try(t, l.FailedFiled(ctx, id, []string{"/srv/drop/failed/x.jpg"}))
	failedFiled.Files[0].Name = "failed/x.jpg"
	if _, err := l.Claim(ctx, failedFiled); !errors.Is(err, ErrFiled) {
		t.Errorf("one that failed: %v", err)
	}
}

// TestFailedKeepsItsReason shows that Waits does not replace the reason of a failed delivery.
func TestFailedKeepsItsReason(t *testing.T) {
	l, ctx := run(t, t.TempDir()), t.Context()
	id := claim(t, l, sample(1, 1))
	try(t, l.Failed(ctx, id, "415"))
	try(t, l.Waits(ctx, id, 2, "failed/ is not writable"))
	try(t, l.FailedFiled(ctx, id, []string{"/srv/drop/failed/x"}))
	if d := get(t, l, id); d.Reason != "415" || d.Attempts != 2 || !d.Finished || d.Files[0].Dest == "" {
		t.Errorf("%+v", d)
	}
}

// TestFailedTellsWhatMayBePosted shows that a failed delivery keeps its resource just if it may have been posted, even if
// Failed is called again.
func TestFailedTellsWhatMayBePosted(t *testing.T) {
	l := run(t, t.TempDir())
	ctx := t.Context()
	number := 0
	for state, kept := range map[State]string{Claimed: "", Uploaded: "", Posting: "resource"} {
		number++
		id := claim(t, l, sample(number, 1))
		if state != Claimed {
			try(t, l.Uploaded(ctx, id, "resource", sums(1)))
		}
		if state == Posting {
			try(t, l.Posting(ctx, id, "g", "", false))
		}
		for range 2 {
			try(t, l.Failed(ctx, id, "why"))
			if d := get(t, l, id); d.State != Failed || d.Resource != kept {
				t.Errorf("given up when it was %s: %+v", state, d)
			}
		}
	}
}

func count(t testing.TB, l *Ledger, query string, args ...any) int {
	t.Helper()
	var n int
	try(t, l.read.QueryRow(query, args...).Scan(&n))
	return n
}

// TestWithdrawCascadesAndIDsAreNotReused shows that Withdraw deletes the files of a delivery, and that its id is not given
// again.
func TestWithdrawCascadesAndIDsAreNotReused(t *testing.T) {
	l := run(t, t.TempDir())
	id := claim(t, l, sample(1, 3))
	try(t, l.Withdraw(t.Context(), id))
	if n := count(t, l, "SELECT count(*) FROM file"); n != 0 {
		t.Errorf("%d files are left", n)
	}
	if next := claim(t, l, sample(1, 1)); next <= id {
		t.Errorf("id %d after %d", next, id)
	}
}

// TestPrune shows that Prune deletes just the deliveries that were finished before its time, even if it takes several
// transactions.
func TestPrune(t *testing.T) {
	l, ctx := run(t, t.TempDir()), t.Context()
	const many = 2*pruneAtOnce + 7
	var wg sync.WaitGroup
	for part := range 50 {
		wg.Go(func() {
			for i := part; i < many; i += 50 {
				id := claim(t, l, sample(i, 2))
				if err := errors.Join(l.Failed(ctx, id, "no"), l.FailedFiled(ctx, id, []string{"", ""})); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	open := claim(t, l, sample(many, 2))
	if n, err := l.Prune(ctx, time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("pruned %d too young ones, %v", n, err)
	}
	if n, err := l.Prune(ctx, time.Now().Add(time.Hour)); n != many || err != nil {
		t.Errorf("pruned %d of %d, %v", n, many, err)
	}
	if n := count(t, l, "SELECT count(*) FROM file WHERE delivery <> ?", open); n != 0 {
		t.Errorf("%d files of pruned deliveries are left", n)
	}
	get(t, l, open)
}

// queued asks for the steps one by one, so that they are queued in this order, and returns their answers.
func queued(t *testing.T, l *Ledger, ctx context.Context, steps ...func(context.Context) error) []chan error {
	t.Helper()
	var answers []chan error
	for i, step := range steps {
		answer := make(chan error, 1)
		answers = append(answers, answer)
		go func() { answer <- step(ctx) }()
		for len(l.queue) <= i {
			runtime.Gosched()
		}
	}
	return answers
}

// claims is a claim to queue.
func claims(l *Ledger, number, n int) func(context.Context) error {
	return func(ctx context.Context) error { _, err := l.Claim(ctx, sample(number, n)); return err }
}

// TestOneBadStepDoesNotSpoilTheOthers shows that a refused step leaves the other steps of its transaction alone.
func TestOneBadStepDoesNotSpoilTheOthers(t *testing.T) {
	l := open(t, t.TempDir())
	answers := queued(t, l, t.Context(),
		claims(l, 1, 2),
		claims(l, 2, 1),
		func(ctx context.Context) error { return l.Posted(ctx, 1, "") },              // not allowed when claimed
		func(ctx context.Context) error { return l.Uploaded(ctx, 2, "r", sums(2)) },  // fails after its first statement
		func(ctx context.Context) error { return l.Uploaded(ctx, 1, "r1", sums(2)) }, // allowed
		claims(l, 1, 1), // delivery 1 has the file already
		claims(l, 3, 1),
	)
	start(t, l)
	for i, want := range []bool{true, true, false, false, true, false, true} {
		if err := <-answers[i]; (err == nil) != want {
			t.Errorf("step %d: %v", i, err)
		}
	}
	if n := l.w.commits.Load(); n != 1 {
		t.Errorf("%d commits", n)
	}
	if a, b := get(t, l, 1), get(t, l, 2); a.State != Uploaded || b.State != Claimed || b.Resource != "" {
		t.Errorf("%+v\n%+v", a, b)
	}
	if n := count(t, l, "SELECT count(*) FROM delivery"); n != 3 {
		t.Errorf("%d deliveries", n)
	}
}

// TestGroupCommit shows that steps of many callers that wait together share one commit.
func TestGroupCommit(t *testing.T) {
	l := open(t, t.TempDir())
	var steps []func(context.Context) error
	for i := range maxBatch {
		steps = append(steps, claims(l, i, 1))
	}
	answers := queued(t, l, t.Context(), steps...)
	before := l.w.commits.Load()
	start(t, l)
	for _, answer := range answers {
		try(t, <-answer)
	}
	if n := count(t, l, "SELECT count(*) FROM delivery"); n != maxBatch {
		t.Errorf("%d of %d are there", n, maxBatch)
	}
	if commits := l.w.commits.Load() - before; commits != 1 {
		t.Errorf("%d commits for %d steps, want one", commits, maxBatch)
	}
}

// TestManyCallers shows that each of many callers at once gets its answer, and that all answered steps are recorded.
func TestManyCallers(t *testing.T) {
	l := run(t, t.TempDir())
	const callers, each = 64, 20
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				claim(t, l, sample(c*each+i, 1))
			}
		})
	}
	wg.Wait()
	if n := count(t, l, "SELECT count(*) FROM delivery"); n != callers*each {
		t.Errorf("%d of %d are there", n, callers*each)
	}
	t.Logf("%d steps of %d callers in %d commits", callers*each, callers, l.w.commits.Load())
}

// TestEndOfRunCommitsWhatIsQueued shows that the end of Run commits the queued steps, and that later ones get ErrClosed.
func TestEndOfRunCommitsWhatIsQueued(t *testing.T) {
	l := open(t, t.TempDir())
	answers := queued(t, l, t.Context(), claims(l, 1, 1))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	try(t, l.Run(ended))
	try(t, <-answers[0])
	if _, err := l.Claim(t.Context(), sample(2, 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("after Run: %v", err)
	}
	if err := l.Run(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("second Run: %v", err)
	}
	if open, err := l.Unfinished(t.Context(), ""); err != nil || len(open) != 1 {
		t.Errorf("reading after Run: %v, %v", open, err)
	}
	try(t, l.Close())
	try(t, l.Close())
}

// TestEndOfRunUnderLoad shows that each step that many callers ask for during the end of Run is either recorded or gets
// ErrClosed.
func TestEndOfRunUnderLoad(t *testing.T) {
	l := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	committed := 0
	for c := range 32 {
		wg.Go(func() {
			for i := 0; ; i++ {
				_, err := l.Claim(t.Context(), sample(c*1_000_000+i, 1))
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if committed++; committed == 500 {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	try(t, l.Run(ctx))
	wg.Wait()
	if n := count(t, l, "SELECT count(*) FROM delivery"); n != committed {
		t.Errorf("%d answered with nil, %d there", committed, n)
	}
}

// TestCloseWithoutRun shows that queued steps get ErrClosed from a Close without Run.
func TestCloseWithoutRun(t *testing.T) {
	l := open(t, t.TempDir())
	answers := queued(t, l, t.Context(), claims(l, 1, 1))
	try(t, l.Close())
	if err := <-answers[0]; !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := l.Run(t.Context()); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestContexts shows that a step does not happen if its context has ended before, and may happen if the context ends while the
// step is queued.
func TestContexts(t *testing.T) {
	l := open(t, t.TempDir())
	gone, cancel := context.WithCancel(t.Context())
	answers := queued(t, l, gone, claims(l, 1, 1))
	cancel()
	if err := <-answers[0]; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "may still") {
		t.Errorf("ended while queued: %v", err)
	}
	_, err := l.Claim(gone, sample(2, 1))
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "may still") {
		t.Errorf("ended before: %v", err)
	}
	start(t, l)
	claim(t, l, sample(3, 1)) // after this the writer has dealt with the first claim
	open, err := l.Unfinished(t.Context(), "")
	if err != nil || len(open) != 2 || open[0].Files[0].ID.Ino != 1 || open[1].Files[0].ID.Ino != 3 {
		t.Errorf("%+v, %v", open, err)
	}
}

// TestBusy shows that a step fails with an error that says so while another program holds the file, as a person with sqlite3
// may.
func TestBusy(t *testing.T) {
	l := open(t, t.TempDir())
	try(t, l.w.exec("PRAGMA busy_timeout = 1"))
	start(t, l)
	db, err := sql.Open("sqlite", "file:"+l.path()+"?_txlock=immediate")
	try(t, err)
	defer db.Close()
	tx, err := db.Begin()
	try(t, err)
	_, err = l.Claim(t.Context(), sample(1, 1))
	if err == nil || !strings.Contains(err.Error(), "another program holds it") {
		t.Errorf("%v", err)
	}
	try(t, tx.Rollback())
	claim(t, l, sample(1, 1))
}

// TestViews shows the rows of the views history and waiting.
func TestViews(t *testing.T) {
	l, ctx := run(t, t.TempDir()), t.Context()
	claim(t, l, sample(1, 2))
	id := claim(t, l, sample(2, 1))
	do := steps(ctx, l, claim(t, l, sample(3, 2)))
	for _, s := range []string{"uploaded", "posting", "posted", "filed"} {
		try(t, do[s]())
	}
	try(t, l.Failed(ctx, id, "type unknown"))
	lines := func(query string) string {
		rows, err := l.read.Query(query)
		try(t, err)
		defer rows.Close()
		var b bytes.Buffer
		for rows.Next() {
			var line string
			try(t, rows.Scan(&line))
			fmt.Fprintln(&b, line)
		}
		try(t, rows.Err())
		return b.String()
	}
	want := `1 /srv/drop scan 1-0.jpg Album claimed  -
1 /srv/drop scan 1-1.jpg Album claimed  -
2 /srv/drop scan 2-0.jpg Album failed type unknown -
3 /srv/drop scan 3-0.jpg Album filed  /a
3 /srv/drop scan 3-1.jpg Album filed  /b
`
	const history = `SELECT concat_ws(' ', id, folder, name, action, state, reason, coalesce(dest, '-')) FROM history`
	if got := lines(history); got != want {
		t.Errorf("history:\n%s", got)
	}
	const waiting = `SELECT concat_ws(' ', id, folder, names, state, attempts, reason) FROM waiting`
	want = "1 /srv/drop scan 1-0.jpg, scan 1-1.jpg claimed 0 \n2 /srv/drop scan 2-0.jpg failed 0 type unknown\n"
	if got := lines(waiting); got != want {
		t.Errorf("waiting:\n%s", got)
	}
	if n := count(t, l, `SELECT count(*) FROM history WHERE name = 'scan 3-1.jpg'
		AND at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'`); n != 1 {
		t.Errorf("%d lines by name", n)
	}
}

// TestSettings shows that each connection has the settings on which durability and the guards rely, and that queries use their
// indexes.
func TestSettings(t *testing.T) {
	l := open(t, t.TempDir())
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000", "secure_delete": "1",
		"user_version": fmt.Sprint(len(migrations())), "application_id": fmt.Sprint(applicationID),
	} {
		var w, r string
		try(t, l.w.get(&w, "PRAGMA "+pragma))
		try(t, l.read.QueryRow("PRAGMA "+pragma).Scan(&r))
		if w != want || r != want {
			t.Errorf("%s: %s to write, %s to read, want %s", pragma, w, r, want)
		}
	}
	if _, err := l.read.Exec("DELETE FROM delivery"); err == nil {
		t.Error("the readers can write")
	}
	for query, index := range map[string]string{
		"SELECT id FROM delivery WHERE finished_at < 'x' LIMIT 5":                        "delivery_finished",
		"SELECT id FROM delivery WHERE finished_at IS NULL ORDER BY id":                  "delivery_open",
		"SELECT d.id FROM " + claimedAlready:                                             "file_ino",
		"SELECT name FROM file WHERE delivery = 7 ORDER BY delivery, position":           "PRIMARY KEY",
		"SELECT name FROM file WHERE delivery IN (SELECT id FROM delivery WHERE id = 7)": "PRIMARY KEY",
		"SELECT id FROM waiting":                                                         "delivery_open",
		takenUp:                                                                          "asked_size", copies: "asked_size",
		"UPDATE asked SET became = NULL WHERE became = 7": "asked_became",
		"DELETE FROM asked WHERE delivery = 7":            "asked_delivery",
	} {
		var id, parent, unused int
		var plan, line string
		var args []any
		if strings.Contains(query, "?10") {
			args = make([]any, 10)
		} else if strings.Contains(query, "?5") {
			args = make([]any, 5)
		} else if strings.Contains(query, "?3") {
			args = make([]any, 3)
		}
		rows, err := l.read.Query("EXPLAIN QUERY PLAN "+query, args...)
		try(t, err)
		for rows.Next() {
			try(t, rows.Scan(&id, &parent, &unused, &line))
			plan += line + "\n"
		}
		rows.Close()
		if !strings.Contains(plan, index) {
			t.Errorf("%s does not use %s:\n%s", query, index, plan)
		}
	}
}
