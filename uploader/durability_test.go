package uploader

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
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

func (*forgetful) Unfinished(context.Context, string) ([]ledger.Delivery, error)       { return nil, nil }
func (f *forgetful) Claim(context.Context, ledger.Delivery) (int64, error)             { return f.last.Add(1), nil }
func (*forgetful) Uploaded(context.Context, int64, string, [][]byte) error             { return nil }
func (*forgetful) Posting(context.Context, int64, string, string, bool) error          { return nil }
func (*forgetful) Posted(context.Context, int64, string) error                         { return nil }
func (*forgetful) Filed(context.Context, int64, []string) error                        { return nil }
func (*forgetful) Failed(context.Context, int64, string) error                         { return nil }
func (*forgetful) FailedFiled(context.Context, int64, []string) error                  { return nil }
func (*forgetful) Waits(context.Context, int64, int, string) error                     { return nil }
func (*forgetful) NotPosted(context.Context, int64, int, string) error                 { return nil }
func (*forgetful) Recognised(context.Context, int64, int, string, file.Identity) error { return nil }
func (*forgetful) Withdraw(context.Context, int64) error                               { return nil }

// BenchmarkDurability says how many files a second go from settled to done/ with the ledger and without any, four uploads at
// once, over real HTTP. 0.7 times as many with it are wanted.
func BenchmarkDurability(b *testing.B) {
	book, err := ledger.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- book.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		book.Close()
	}()
	w := newFastWorld(b)
	w.deliver(&forgetful{}) // the first run opens connections and grows heaps
	for name, book := range map[string]Ledger{"ledger": book, "none": &forgetful{}} {
		b.Run(name, func(b *testing.B) {
			files, took := 0, time.Duration(0)
			for b.Loop() {
				n, d := w.deliver(book)
				files, took = files+n, took+d
			}
			b.ReportMetric(float64(files)/took.Seconds(), "files/s")
		})
	}
}

// fastWorld is real folders, a real server and a real client.
type fastWorld struct {
	t      testing.TB
	dir    string
	client *kaizala.Client
	rounds int
}

func newFastWorld(t testing.TB) *fastWorld {
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

// deliver delivers 300 files of 20 kB from each of four folders and returns how many they are and how long that took.
func (w *fastWorld) deliver(book Ledger) (files int, took time.Duration) {
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
	took = time.Since(began)
	if err != nil || sum != (Summary{Delivered: len(batches)}) {
		w.t.Fatalf("%+v, %v", sum, err)
	}
	return len(batches), took
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
