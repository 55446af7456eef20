package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// standingStill is a reader that takes nothing until it is let go.
type standingStill struct {
	goOn chan bool
	took bytes.Buffer
}

func (r *standingStill) Write(p []byte) (int, error) {
	<-r.goOn
	return r.took.Write(p)
}

// TestLogCountsWhatItLoses: a reader that stands still has nobody wait, what does not fit is lost, and that is told when it
// reads again.
func TestLogCountsWhatItLoses(t *testing.T) {
	t.Parallel()
	for _, line := range []string{`{"level":"info"}` + "\n", `<6>{"level":"info"}` + "\n", "10:00:00 INF a line for people\n"} {
		synctest.Test(t, func(t *testing.T) {
			r := &standingStill{goOn: make(chan bool)}
			w := newPatientWriter(r, 10)
			defer func() { close(w.lines) }()
			fmt.Fprint(w, line)
			synctest.Wait() // one is being written, ten wait
			for range 10 + 90 {
				if n, err := fmt.Fprint(w, line); n != len(line) || err != nil {
					t.Fatalf("%d, %v", n, err)
				}
			}
			begun := time.Now()
			w.flush(2 * time.Second)
			if took := time.Since(begun); took != 2*time.Second {
				t.Errorf("the end waited %v for a reader that stands still", took)
			}
			close(r.goOn)
			synctest.Wait()
			w.flush(time.Minute)
			lines := strings.SplitAfter(r.took.String(), "\n")
			if len(lines) != 1+10+1+1 || strings.Count(r.took.String(), line) != 11 {
				t.Errorf("%d lines came: %q", len(lines)-1, lines)
			}
			lost := lines[1]
			if !strings.Contains(lost, "lost") || !strings.Contains(lost, "90") {
				t.Errorf("it is not told that 90 were lost: %q", lost)
			}
			if i := strings.Index(lost, "{"); i >= 0 && !json.Valid([]byte(lost[i:])) {
				t.Errorf("it is not JSON: %q", lost)
			}
		})
	}
}

// TestLogThatNobodyReads: the pipe of the log is full, or its reader is gone. Files are delivered, and the daemon ends as
// it does otherwise.
func TestLogThatNobodyReads(t *testing.T) {
	t.Parallel()
	for _, gone := range []bool{false, true} {
		t.Run(fmt.Sprintf("gone is %v", gone), func(t *testing.T) {
			w := newWorld(t, "", "drop")
			read, write, err := os.Pipe()
			must(t, err)
			defer read.Close()
			cmd := exec.Command(os.Args[0], "run", "--config", w.config)
			cmd.Env = append(os.Environ(), runMain+"=1")
			cmd.Stderr = write
			if gone {
				must(t, read.Close())
			} else {
				fillPipe(t, int(write.Fd()))
			}
			must(t, cmd.Start())
			must(t, write.Close())
			exited := make(chan error, 1)
			go func() { exited <- cmd.Wait() }()
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			for i := range 30 {
				must(t, os.WriteFile(fmt.Sprintf("%s/%02d.pdf", w.folder("drop"), i), []byte("x"), 0o644))
			}
			w.filed("drop", 30)
			must(t, cmd.Process.Signal(syscall.SIGTERM))
			select {
			case err := <-exited:
				if err != nil {
					t.Errorf("it ended with %v", err)
				}
			case <-time.After(time.Minute):
				t.Error("it has not ended after a minute")
			}
		})
	}
}

// fillPipe leaves no room in a pipe.
func fillPipe(t *testing.T, fd int) {
	t.Helper()
	must(t, unix.SetNonblock(fd, true))
	for _, piece := range []int{4096, 1} {
		for {
			if _, err := unix.Write(fd, make([]byte, piece)); err == unix.EAGAIN {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	must(t, unix.SetNonblock(fd, false))
}

// TestTimeZones: the zone that TZ names is known on a machine without a zone database, and one that nobody knows is said.
func TestTimeZones(t *testing.T) {
	t.Parallel()
	for tz, known := range map[string]bool{"": true, "Europe/Berlin": true, ":America/New_York": true, "Europe/Nowhere": false, "CET-1CEST": false, "/no/such/zone": false} {
		if isZone(tz) != known {
			t.Errorf("%q: known is %v", tz, !known)
		}
	}
	w := newWorld(t, "", "drop")
	for tz, warned := range map[string]bool{"Europe/Berlin": false, "Europe/Nowhere": true} {
		cmd := exec.Command(os.Args[0], "run", "--once", "--config", w.config)
		cmd.Env = append(os.Environ(), runMain+"=1", "TZ="+tz, "ZONEINFO=/nowhere")
		p := startProcess(t, cmd)
		if code := p.wait(); code != 0 {
			t.Errorf("%s: exit code %d", tz, code)
		}
		if log := p.log(); strings.Contains(log, "no time zone of that name") != warned {
			t.Errorf("%s: %s", tz, log)
		}
	}
}

// TestWithoutProc: in a chroot without /proc files are delivered as anywhere, what is no file is not opened, and the log says
// what is missing.
func TestWithoutProc(t *testing.T) {
	takesLong(t) // to build a program that runs there, because it is static
	t.Parallel()
	if os.Geteuid() != 0 {
		needs(t, "root, for a chroot")
	}
	w := newWorld(t, "", "drop")
	must(t, os.Mkdir(w.dir+"/bin", 0o755))
	must(t, os.Link(buildProgram(t), w.dir+"/bin/kaizala-drop"))
	config, err := os.ReadFile(w.config)
	must(t, err)
	must(t, os.WriteFile(w.config, bytes.ReplaceAll(config, []byte(w.dir), nil), 0o600))
	must(t, os.WriteFile(w.folder("drop")+"/invoice.pdf", []byte("x"), 0o644))
	must(t, os.Symlink("/config.toml", w.folder("drop")+"/link.pdf"))
	must(t, unix.Mkfifo(w.folder("drop")+"/fifo.pdf", 0o644))
	cmd := exec.Command("/bin/kaizala-drop", "run", "--once", "--config", "/config.toml")
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Chroot: w.dir}
	p := startProcess(t, cmd)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := files(t, w.folder("drop")+"/done"); len(got) != 1 || got["invoice.pdf"] != "x" {
		t.Errorf("done/ holds %v", got)
	}
	if !strings.Contains(p.log(), "there is no /proc here") {
		t.Error("it does not say that there is no /proc")
	}
}
