package uploader

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/budget"
	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/ledger/ledgertest"
)

// logged is what was logged so far. It may be read while more is.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// memory is a Ledger with the guards of the real one, for tests whose clock is synctest's.
type memory struct {
	mu   sync.Mutex
	rows map[int64]*ledger.Delivery
	last int64
	fail func(step string, d *ledger.Delivery) error // asked before each step
	done []string                                    // the steps that were committed
}

func newMemory() *memory {
	return &memory{rows: map[int64]*ledger.Delivery{}, fail: func(string, *ledger.Delivery) error { return nil }}
}

func (m *memory) Unfinished(ctx context.Context, destination string) ([]ledger.Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var open []ledger.Delivery
	for _, d := range m.rows {
		if !d.Finished && (destination == "" || d.Destination == destination) {
			known := *d
			known.Files = slices.Clone(d.Files)
			open = append(open, known)
		}
	}
	slices.SortFunc(open, func(a, b ledger.Delivery) int { return cmp.Compare(a.ID, b.ID) })
	return open, ctx.Err()
}

func (m *memory) Claim(ctx context.Context, d ledger.Delivery) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(ctx.Err(), m.fail("Claim", &d)); err != nil {
		return 0, err
	}
	for _, other := range m.rows {
		for _, f := range other.Files {
			same := func(g ledger.File) bool { return f.Name == g.Name && f.ID == g.ID }
			if !other.Finished && other.Folder == d.Folder && slices.ContainsFunc(d.Files, same) {
				return 0, &ledger.ClaimedError{Delivery: other.ID}
			}
		}
	}
	m.last++
	row := ledger.Delivery{ID: m.last, Destination: d.Destination, Key: d.Key, Folder: d.Folder, Kind: d.Kind, State: ledger.Claimed, SettledAt: d.SettledAt}
	if d.State == ledger.Failed {
		row.State, row.Reason = ledger.Failed, d.Reason
	}
	for _, f := range d.Files {
		row.Files = append(row.Files, ledger.File{Name: f.Name, ID: f.ID})
	}
	m.rows[m.last] = &row
	m.done = append(m.done, "Claim")
	return m.last, nil
}

func (m *memory) step(ctx context.Context, name string, id int64, from []ledger.State, change func(*ledger.Delivery)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.rows[id]
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case d == nil:
		return ledger.ErrUnknown
	}
	if err := m.fail(name, d); err != nil {
		return err
	}
	if d.Finished || !slices.Contains(from, d.State) {
		return fmt.Errorf("%s: %w: it is %s", name, ledger.ErrState, d.State)
	}
	change(d)
	m.done = append(m.done, name)
	return nil
}

// TestMemoryIsLikeTheLedger: the stand-in allows the steps that the real one does, and no other.
func TestMemoryIsLikeTheLedger(t *testing.T) { ledgertest.Conform(t, newMemory()) }

func states(s ...ledger.State) []ledger.State { return s }

func (m *memory) Uploaded(ctx context.Context, id int64, resource string, sums [][]byte) error {
	return m.step(ctx, "Uploaded", id, states(ledger.Claimed, ledger.Uploaded, ledger.Posting), func(d *ledger.Delivery) {
		d.State, d.Resource = ledger.Uploaded, resource
		for i := range d.Files {
			d.Files[i].SHA256 = sums[i]
		}
	})
}

func (m *memory) Posting(ctx context.Context, id int64, group, caption string, again bool) error {
	from := states(ledger.Uploaded)
	if again {
		from = append(from, ledger.Posting)
	}
	return m.step(ctx, "Posting", id, from, func(d *ledger.Delivery) {
		d.State, d.Group, d.Caption, d.MaybeTwice = ledger.Posting, group, caption, d.MaybeTwice || again
	})
}

func (m *memory) NotPosted(ctx context.Context, id int64, attempts int, reason string) error {
	return m.step(ctx, "NotPosted", id, states(ledger.Posting), func(d *ledger.Delivery) {
		d.State, d.Attempts, d.Reason = ledger.Uploaded, attempts, reason
	})
}

func (m *memory) Posted(ctx context.Context, id int64, reference string) error {
	return m.step(ctx, "Posted", id, states(ledger.Posting), func(d *ledger.Delivery) {
		d.State, d.Reference, d.Reason = ledger.Posted, reference, ""
	})
}

func (m *memory) Filed(ctx context.Context, id int64, dests []string) error {
	return m.step(ctx, "Filed", id, states(ledger.Posted), func(d *ledger.Delivery) {
		d.State = ledger.Filed
		finish(d, dests)
	})
}

func (m *memory) Failed(ctx context.Context, id int64, reason string) error {
	from := states(ledger.Claimed, ledger.Uploaded, ledger.Posting, ledger.Failed)
	return m.step(ctx, "Failed", id, from, func(d *ledger.Delivery) {
		if d.State != ledger.Posting && d.State != ledger.Failed {
			d.Resource = ""
		}
		d.State, d.Reason = ledger.Failed, reason
	})
}

func (m *memory) FailedFiled(ctx context.Context, id int64, dests []string) error {
	return m.step(ctx, "FailedFiled", id, states(ledger.Failed), func(d *ledger.Delivery) { finish(d, dests) })
}

func finish(d *ledger.Delivery, dests []string) {
	d.Finished = true
	for i := range d.Files {
		d.Files[i].Dest = dests[i]
	}
}

func (m *memory) Waits(ctx context.Context, id int64, attempts int, reason string) error {
	from := states(ledger.Claimed, ledger.Uploaded, ledger.Posting, ledger.Posted, ledger.Failed)
	return m.step(ctx, "Waits", id, from, func(d *ledger.Delivery) {
		if d.Attempts = attempts; d.State != ledger.Failed {
			d.Reason = reason
		}
	})
}

func (m *memory) Recognised(ctx context.Context, id int64, position int, name string, as file.Identity) error {
	from := states(ledger.Claimed, ledger.Uploaded, ledger.Posting, ledger.Posted, ledger.Failed)
	return m.step(ctx, "Recognised", id, from, func(d *ledger.Delivery) { d.Files[position].Name, d.Files[position].ID = name, as })
}

func (m *memory) Withdraw(ctx context.Context, id int64) error {
	return m.step(ctx, "Withdraw", id, states(ledger.Claimed, ledger.Uploaded), func(d *ledger.Delivery) { delete(m.rows, id) })
}

// service is a Destination that takes everything, unless told otherwise. Names and contents of an album are joined
// with "+".
type service struct {
	mu       sync.Mutex
	onUpload func(ctx context.Context, name string, nth int) error
	onPost   func(ctx context.Context, p destination.Message, nth int) error
	uploads  []string          // names
	contents map[string]string // by resource
	posted   []string          // contents
	calls    map[string]int
	now      int // uploads under way
	most     int
}

func newService() *service {
	return &service{
		contents: map[string]string{}, calls: map[string]int{},
		onUpload: func(context.Context, string, int) error { return nil },
		onPost:   func(context.Context, destination.Message, int) error { return nil },
	}
}

func (s *service) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[what]++
	return s.calls[what]
}

func (s *service) Upload(ctx context.Context, _ string, files []destination.File) (string, error) {
	s.mu.Lock()
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.now--; s.mu.Unlock() }()
	var names, contents []string
	var err error
	for _, f := range files {
		content, readErr := io.ReadAll(f.Open())
		if readErr == nil && int64(len(content)) != f.Size {
			readErr = io.ErrUnexpectedEOF
		}
		err = cmp.Or(err, readErr)
		names, contents = append(names, f.Name), append(contents, string(content))
	}
	name, content := strings.Join(names, "+"), strings.Join(contents, "+")
	nth := s.count("upload " + name)
	if hook := s.onUpload(ctx, name, nth); hook != nil {
		return "", hook
	}
	if err != nil {
		return "", &destination.Error{Fault: destination.OfContent, Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	resource := fmt.Sprintf("resource %d", len(s.contents))
	s.contents[resource] = content
	s.uploads = append(s.uploads, name)
	return resource, nil
}

func (s *service) Post(ctx context.Context, p destination.Message) (destination.Receipt, error) {
	nth := s.count("post " + p.Ref)
	if err := s.onPost(ctx, p, nth); err != nil {
		return destination.Receipt{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	content, ok := s.contents[p.Ref]
	if !ok {
		content = p.Ref
	}
	s.posted = append(s.posted, content)
	return destination.Receipt{ID: fmt.Sprintf("reference %d", len(s.posted))}, nil
}

// world is an Uploader with real files around it.
type world struct {
	t        testing.TB
	dir      string
	service  *service
	ledger   Ledger
	settled  chan file.Batch
	released chan file.Release
	folders  chan []Folder
	u        *Uploader
	result   chan Summary
	err      error
}

func newWorld(t testing.TB, l Ledger) *world {
	w := &world{
		t: t, dir: filepath.Join(t.TempDir(), "in"), service: newService(), ledger: l, settled: make(chan file.Batch),
		released: make(chan file.Release), folders: make(chan []Folder, 1), result: make(chan Summary, 1),
	}
	w.must(os.Mkdir(w.dir, 0o755))
	w.u = &Uploader{
		Destination: w.service, Ledger: l, Filer: filing.New(), Folders: w.folders, Settled: w.settled, Released: w.released,
		MaxUploads: 4, MaxAttempts: 10, Budget: budget.New(0), Grace: 20 * time.Second, Log: zerolog.Nop(),
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) folder() Folder {
	return Folder{Path: w.dir, Group: "g@2", Done: w.dir + "/done", Failed: w.dir + "/failed",
		Caption: func(_ string, names []string, _ time.Time) (string, error) {
			return "caption of " + strings.Join(names, ", "), nil
		}}
}

// start runs the uploader with the given folders.
func (w *world) start(ctx context.Context, folders ...Folder) {
	w.folders <- folders
	go func() {
		sum, err := w.u.Run(ctx)
		w.err = err
		w.result <- sum
	}()
}

// end closes the input and waits for the end of the run.
func (w *world) end() Summary {
	w.t.Helper()
	close(w.settled)
	sum := <-w.result
	w.must(w.err)
	return sum
}

// write puts a file into the folder as it settles.
func (w *world) write(name, content string) file.Settled {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	w.must(os.WriteFile(path, []byte(content), 0o644))
	return w.look(name)
}

func (w *world) look(name string) file.Settled {
	w.t.Helper()
	info, err := file.Lstat(filepath.Join(w.dir, name))
	w.must(err)
	return file.Settled{Folder: w.dir, Name: name, ID: info.Identity, At: time.Now()}
}

func (w *world) drop(name, content string) { w.settled <- file.Batch{w.write(name, content)} }

// lies tells the content of the file at path below the folder, and "" if there is none.
func (w *world) lies(path string) string {
	content, err := os.ReadFile(filepath.Join(w.dir, path))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return ""
	}
	w.must(err)
	return string(content)
}

func (w *world) unfinished() []ledger.Delivery {
	open, err := w.ledger.Unfinished(context.Background(), "")
	w.must(err)
	return open
}

// soFar gives what was uploaded and posted by now.
func (w *world) soFar() (uploads, posted []string) {
	w.service.mu.Lock()
	defer w.service.mu.Unlock()
	return slices.Clone(w.service.uploads), slices.Clone(w.service.posted)
}

func (w *world) wantPosted(want ...string) {
	w.t.Helper()
	w.service.mu.Lock()
	defer w.service.mu.Unlock()
	if !slices.Equal(w.service.posted, want) {
		w.t.Errorf("posted %q, want %q", w.service.posted, want)
	}
}

// realLedger is a ledger in SQLite, for tests whose clock is the world's.
func realLedger(t testing.TB) *ledger.Ledger {
	l, err := ledger.Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		l.Close()
	})
	return l
}
