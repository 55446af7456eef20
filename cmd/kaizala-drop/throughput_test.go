package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/media"
	"kaizala-drop/internal/sandbox"
)

// BenchmarkThroughput says how many files a second go from drop to done/, and the ratio to how many the bare two calls for
// each would take there, without watching, settling, ledger or filing. The ratio is the daemon's own cost: 0.5 at least is
// wanted where a call takes 20 ms. The files a second say more about the machine.
//
// Any service that is reached over a network takes longer for a call than the 20 ms of the first two. One that answers at
// once, on the same two processors, shows the processor time that the daemon takes for a file beside that of two calls
// over loopback: the smaller the file, the more of its way is the ledger's and the disk's.
func BenchmarkThroughput(b *testing.B) {
	for _, c := range []struct {
		name  string
		size  int           // bytes
		each  int           // files in each folder
		takes time.Duration // for each call
	}{
		{"200 kB, 20 ms a call", 200_000, 30, 20 * time.Millisecond},
		{"20 kB, 20 ms a call", 20_000, 30, 20 * time.Millisecond},
		{"200 kB, at once", 200_000, 250, 0},
		{"20 kB, at once", 20_000, 750, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			var o sandbox.Options
			if c.takes > 0 {
				o.Chaos = &sandbox.Chaos{Rules: []sandbox.Rule{{Do: "delay", For: c.takes, Chance: 1}}}
			}
			throughput(b, o, c.size, c.each)
		})
	}
}

// throughput delivers each files from each of four folders again and again.
func throughput(b *testing.B, o sandbox.Options, size, each int) {
	folders := []string{"one", "two", "three", "four"}
	total := each * len(folders)
	w := newWorldOf(b, o, "", folders...)
	p := startProcess(b, exec.Command(buildProgram(b), "run", "--config", w.config))
	p.waitFor(`"message":"watching"`)
	bare(b, w, stage(b, w, folders, each/4, size)) // the first time everything is slow
	var daemonTime, bareTime time.Duration
	rounds := 0
	for b.Loop() {
		alone, staged := stage(b, w, folders, each, size), stage(b, w, folders, each, size)
		bareTime += bare(b, w, alone)
		posts := w.sandbox.Stats().Posts
		began := time.Now()
		for _, s := range staged {
			must(b, os.Rename(s.path, filepath.Join(w.folder(s.folder), fmt.Sprintf("%d %s", rounds, filepath.Base(s.path)))))
		}
		w.posted(posts + total) // cheaper to ask than to look at the folders
		rounds++
		for _, folder := range folders {
			w.filed(folder, each*rounds)
		}
		daemonTime += time.Since(began)
	}
	p.stop()
	b.ReportMetric(float64(total*rounds)/daemonTime.Seconds(), "files/s")
	b.ReportMetric(bareTime.Seconds()/daemonTime.Seconds(), "of-bare-calls")
}

type stagedFile struct {
	folder, path string
	size         int
}

// stage writes files to be dropped by a rename.
func stage(t testing.TB, w *world, folders []string, each, size int) []stagedFile {
	t.Helper()
	dir, err := os.MkdirTemp(w.dir, "staged")
	must(t, err)
	var staged []stagedFile
	for i := range each {
		for _, folder := range folders {
			path := fmt.Sprintf("%s/%s %d.pdf", dir, folder, i)
			content := strings.Repeat(fmt.Sprintf("%s %d ", folder, i), size/5)[:size]
			must(t, os.WriteFile(path, []byte(content), 0o644))
			staged = append(staged, stagedFile{folder, path, size})
		}
	}
	return staged
}

// bare makes the two calls for each file, as many at once as the daemon, with the daemon's own client, and nothing else.
func bare(t testing.TB, w *world, staged []stagedFile) time.Duration {
	t.Helper()
	client, err := kaizala.New(kaizala.Options{Endpoint: w.url, AccessToken: fixedToken, MaxConns: 5})
	must(t, err)
	defer client.Close()
	work := make(chan stagedFile)
	var workers sync.WaitGroup
	began := time.Now()
	for range 4 {
		workers.Go(func() {
			for s := range work {
				if err := bareCalls(t.Context(), client, s); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, s := range staged {
		work <- s
	}
	close(work)
	workers.Wait()
	return time.Since(began)
}

func bareCalls(ctx context.Context, client *kaizala.Client, s stagedFile) error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	resource, err := client.Upload(ctx, "", []destination.File{{
		Name: filepath.Base(s.path), MIME: "application/pdf", Size: int64(s.size),
		Open: func() io.Reader { return io.NewSectionReader(f, 0, int64(s.size)) },
	}})
	if err != nil {
		return err
	}
	_, err = client.Post(ctx, destination.Message{Target: s.folder + "@2", Kind: media.Document, Ref: resource})
	return err
}
