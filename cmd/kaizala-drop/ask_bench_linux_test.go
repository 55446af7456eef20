package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/sandbox"
)

// BenchmarkAsked delivers 3,000 files from four folders twice in each round: alone, and while 1,000 questions a second are asked, half for
// the status and half for the story of one of these files. of-unasked is the throughput under questions by that without: what it is
// less than 1 is the processor's time that they take, the daemon's (ms/answer) and the asker's, as far as no processor is idle, and
// what they hold up beyond it.
func BenchmarkAsked(b *testing.B) {
	const each, size, perSecond = 750, 20_000, 1000
	folders := []string{"one", "two", "three", "four"}
	w := newWorldOf(b, sandbox.Options{}, "", folders...)
	socket := filepath.Join(w.dir, "c.sock")
	text, err := os.ReadFile(w.config)
	must(b, err)
	must(b, os.WriteFile(w.config, []byte(strings.Replace(string(text), "[kaizala]", fmt.Sprintf("[control]\nsocket = %q\n[kaizala]", socket), 1)), 0o600))
	p := startProcess(b, exec.Command(buildProgram(b), "run", "--config", w.config))
	p.waitFor(`"message":"watching"`)
	rounds := 0
	deliver := func() time.Duration {
		staged := stage(b, w, folders, each, size)
		posts, began := w.sandbox.Stats().Posts, time.Now()
		for _, s := range staged {
			must(b, os.Rename(s.path, filepath.Join(w.folder(s.folder), fmt.Sprintf("%d %s", rounds, filepath.Base(s.path)))))
		}
		w.posted(posts + each*len(folders))
		rounds++
		for _, folder := range folders {
			w.filed(folder, each*rounds)
		}
		return time.Since(began)
	}
	deliver() // the first time everything is slow
	var alone, asked, aloneCPU, askedCPU time.Duration
	var answers atomic.Int64
	for b.Loop() {
		before := processorTime(b, p)
		alone += deliver()
		aloneCPU += processorTime(b, p) - before
		ctx, stop := context.WithCancel(b.Context())
		var asking sync.WaitGroup
		const clients = 4
		for i := range clients {
			asking.Go(func() {
				c := control.NewClient(socket)
				defer c.Close()
				for tick := time.Tick(clients * time.Second / perSecond); ctx.Err() == nil; <-tick {
					var err error
					if i%2 == 0 {
						_, err = c.Status(ctx)
					} else {
						_, err = c.Explain(ctx, filepath.Join(w.folder("one"), fmt.Sprintf("%d 0001.pdf", rounds)), nil)
					}
					if err == nil {
						answers.Add(1)
					} else if ctx.Err() == nil {
						b.Error(err)
					}
				}
			})
		}
		before = processorTime(b, p)
		asked += deliver()
		askedCPU += processorTime(b, p) - before
		stop()
		asking.Wait()
	}
	p.stop()
	files := float64(b.N * each * len(folders))
	b.ReportMetric(alone.Seconds()/asked.Seconds(), "of-unasked")
	b.ReportMetric(float64(answers.Load())/asked.Seconds(), "answers/s")
	b.ReportMetric(files/alone.Seconds(), "files/s")
	b.ReportMetric(1000*aloneCPU.Seconds()/files, "cpu-ms/file")
	b.ReportMetric(1000*(askedCPU-aloneCPU).Seconds()/float64(answers.Load()), "cpu-ms/answer")
}

// processorTime is how long a process has had a processor (proc_pid_stat(5)).
func processorTime(b *testing.B, p *process) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	must(b, err)
	_, after, _ := strings.Cut(string(stat), ") ")
	words := strings.Fields(after)
	var ticks time.Duration
	for _, word := range words[11:13] { // utime, stime
		n, err := strconv.Atoi(word)
		must(b, err)
		ticks += time.Duration(n)
	}
	return ticks * time.Second / 100 // USER_HZ
}
