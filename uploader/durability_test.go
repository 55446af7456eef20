package uploader

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/budget"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/sandbox"
)

// forgetful is a Ledger that writes nothing down: what the uploader would be without one.
type forgetful struct{ last atomic.Int64 }

func (*forgetful) Unfinished(context.Context) ([]ledger.Delivery, error)      { return nil, nil }
func (f *forgetful) Claim(context.Context, ledger.Delivery) (int64, error)    { return f.last.Add(1), nil }
func (*forgetful) Uploaded(context.Context, int64, string, [][]byte) error    { return nil }
func (*forgetful) Posting(context.Context, int64, string, string, bool) error { return nil }
func (*forgetful) Posted(context.Context, int64, string) error                { return nil }
func (*forgetful) Filed(context.Context, int64, []string) error               { return nil }
func (*forgetful) Failed(context.Context, int64, string) error                { return nil }
func (*forgetful) Buried(context.Context, int64, []string) error              { return nil }
func (*forgetful) Waits(context.Context, int64, int, string) error            { return nil }
func (*forgetful) Refused(context.Context, int64, int, string) error          { return nil }
func (*forgetful) Withdraw(context.Context, int64) error                      { return nil }

// TestDurabilityCostsLittle compares files a second, from settled to done/, with the ledger and without any, four
// uploads at once, over real HTTP, in one run.
func TestDurabilityCostsLittle(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("a measurement: of no meaning with the race detector, and it takes a while")
	}
	w := newFastWorld(t)
	book, err := ledger.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- book.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		book.Close()
	}()
	w.rate(&forgetful{}) // the first run opens connections and grows heaps
	var ratios []float64
	for range 5 {
		without, with := w.rate(&forgetful{}), w.rate(book)
		t.Logf("%.0f files/s with the ledger, %.0f without", with, without)
		ratios = append(ratios, with/without)
	}
	slices.Sort(ratios)
	t.Logf("ratios %.2f", ratios)
	// The round that was disturbed least tells what the ledger costs; the median, that it does so on a busy machine, too.
	if best, median := ratios[len(ratios)-1], ratios[len(ratios)/2]; best < 0.7 || median < 0.4 {
		t.Errorf("with the ledger it is %.2f times as fast at best, %.2f in the median, want 0.7 and 0.4", best, median)
	}
}

// fastWorld is real folders, a real server and a real client.
type fastWorld struct {
	t      *testing.T
	dir    string
	client *kaizala.Client
	rounds int
}

func newFastWorld(t *testing.T) *fastWorld {
	dir := t.TempDir()
	o := sandbox.Options{Dir: filepath.Join(dir, "media"), AccessToken: "token-of-the-test"}
	for i := range 4 {
		o.Groups = append(o.Groups, sandbox.Group{ID: fmt.Sprint("group", i)})
	}
	server, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	client, err := kaizala.New(kaizala.Options{Endpoint: web.URL, AccessToken: "token-of-the-test", MaxConns: 5})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &fastWorld{t: t, dir: dir, client: client}
}

// rate delivers 300 files of 20 kB from each of four folders and returns how many a second were.
func (w *fastWorld) rate(book Ledger) float64 {
	w.t.Helper()
	const each = 300
	w.rounds++
	var folders []Folder
	var batches []file.Batch
	for i := range 4 {
		dir := filepath.Join(w.dir, fmt.Sprint(w.rounds), fmt.Sprint(i))
		folders = append(folders, Folder{Path: dir, Group: fmt.Sprint("group", i), Done: dir + "/done", Failed: dir + "/failed"})
		if err := os.MkdirAll(dir, 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	for n := range each {
		for _, f := range folders {
			batches = append(batches, w.write(f.Path, fmt.Sprint(n, ".mp3")))
		}
	}
	configured, settled := make(chan []Folder, 1), make(chan file.Batch)
	configured <- folders
	u := Uploader{
		Destination: w.client, Ledger: book, Filer: filing.New(), Folders: configured, Settled: settled,
		MaxUploads: 4, MaxAttempts: 10, Budget: budget.New(0), Log: zerolog.Nop(),
	}
	began := time.Now()
	go func() {
		defer close(settled)
		for _, b := range batches {
			settled <- b
		}
	}()
	sum, err := u.Run(w.t.Context())
	took := time.Since(began)
	if err != nil || sum != (Summary{Delivered: len(batches)}) {
		w.t.Fatalf("%+v, %v", sum, err)
	}
	return float64(len(batches)) / took.Seconds()
}

func (w *fastWorld) write(dir, name string) file.Batch {
	w.t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(strings.Repeat(name+" ", 20_000)[:20_000]), 0o644); err != nil {
		w.t.Fatal(err)
	}
	info, err := file.Lstat(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return file.Batch{{Folder: dir, Name: name, ID: info.Identity, At: time.Now()}}
}
