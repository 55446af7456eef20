package ledger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	childDir  = "KAIZALA_DROP_LEDGER_CHILD"
	childSize = "KAIZALA_DROP_LEDGER_CHILD_SIZE" // bytes of memory that it fills
)

// child is the process that is killed. It takes deliveries through their steps, and prints each step that the ledger has
// recorded.
func child(dir string) int {
	l, err := Open(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if size, _ := strconv.Atoi(os.Getenv(childSize)); size > 0 {
		fat := make([]byte, size)
		for i := 0; i < len(fat); i += 4096 {
			fat[i] = 1
		}
		defer runtime.KeepAlive(fat)
	}
	fmt.Println("0 ready")
	base := int(rand.Uint32()) << 20
	var wg sync.WaitGroup
	for c := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				if err := travel(l, base+c<<16+i, i); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
			}
		})
	}
	if err := l.Run(context.Background()); err != nil {
		return 1
	}
	wg.Wait()
	return 0
}

// travel takes one delivery through its steps, in one of three ways.
func travel(l *Ledger, number, kind int) error {
	id, err := l.Claim(context.Background(), sample(number, 2))
	if err != nil {
		return err
	}
	say := func(step string) { fmt.Fprintf(os.Stdout, "%d %s\n", id, step) } // one write, so that a kill leaves a whole line or none
	say("claimed")
	way := []string{"uploaded", "posting", "notposted", "posting", "again", "recognised", "posted", "filed"}
	switch kind % 5 {
	case 1:
		way = []string{"uploaded", "withdrawn"}
	case 2:
		way = []string{"uploaded", "failed", "failedfiled"}
	}
	do := steps(context.Background(), l, id)
	for _, step := range way {
		if step == "withdrawn" {
			say("withdrawing")
		}
		if err := do[step](); err != nil {
			return err
		}
		say(step)
	}
	return nil
}

// TestKill shows that each step which was answered is on disk, and none in part, after kills at random moments.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	said := map[int64]string{}
	rounds := 20
	if os.Getenv("KAIZALA_DROP_CI") == "" {
		rounds = 6
	}
	for range rounds {
		maps.Copy(said, killed(t, dir, 1+rand.IntN(600)))
		l := open(t, dir)
		all, err := l.load(t.Context(), "true")
		try(t, err)
		found := map[int64]Delivery{}
		for _, d := range all {
			found[d.ID] = d
			whole(t, d)
		}
		for id, step := range said {
			checkAfterKill(t, found, id, step)
		}
		try(t, l.Close())
	}
	t.Logf("%d kills, %d deliveries", rounds, len(said))
}

// TestOpenAtOnceAfterKill shows that whoever opens the ledger in the moment after its owner was killed, in the middle of writing and
// with much memory that the kernel has to take back first, is not told that it is in use.
func TestOpenAtOnceAfterKill(t *testing.T) {
	dir := t.TempDir()
	for range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir, childSize+"=400000000")
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		try(t, err)
		try(t, cmd.Start())
		text := bufio.NewScanner(out)
		for n := 0; n < 50 && text.Scan(); n++ {
		}
		try(t, cmd.Process.Kill())
		l, err := Open(dir)
		if err != nil {
			t.Error(err)
		} else {
			try(t, l.Close())
		}
		_ = cmd.Wait()
	}
}

// killed runs the child until it has printed that many lines, kills it, and returns the last step that it printed of each
// delivery.
func killed(t *testing.T, dir string, lines int) map[int64]string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	try(t, err)
	try(t, cmd.Start())
	said := map[int64]string{}
	text := bufio.NewScanner(out)
	for n := 0; text.Scan(); n++ {
		var id int64
		var step string
		if _, err := fmt.Sscan(text.Text(), &id, &step); err != nil {
			t.Errorf("%q: %v", text.Text(), err)
		}
		if id > 0 {
			said[id] = step
		}
		if n == lines {
			try(t, cmd.Process.Kill())
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child was to be killed: %v", err)
	}
	return said
}

func checkAfterKill(t *testing.T, found map[int64]Delivery, id int64, said string) {
	t.Helper()
	d, ok := found[id]
	if !ok && (said == "withdrawing" || said == "withdrawn") {
		return
	}
	if !ok || said == "withdrawn" || progress(d) < slices.Index(order(), said) {
		t.Errorf("%d: %q was said, found %+v", id, said, d)
	}
}

// order lists the printed steps; each is at least as far as the one before it.
func order() []string {
	return strings.Fields("claimed withdrawing uploaded posting notposted again recognised posted filed failed failedfiled")
}

// progress is the last place in order at which a delivery that looks like d can be.
func progress(d Delivery) int {
	last := string(d.State)
	switch {
	case d.State == Uploaded && d.Attempts > 0, d.State == Posting && d.Attempts > 0:
		last = "notposted"
	case d.State == Failed && d.Finished:
		last = "failedfiled"
	}
	if d.MaybeTwice && d.State == Posting {
		last = "again"
	}
	if d.State == Posting && d.Files[1].ClaimedAs != "" {
		last = "recognised"
	}
	return slices.Index(order(), last)
}

// whole fails the test if a step of the delivery was applied in part.
func whole(t *testing.T, d Delivery) {
	t.Helper()
	ok := len(d.Files) == 2
	for _, f := range d.Files {
		ok = ok && (f.SHA256 != nil) == (d.State != Claimed) && (f.Dest != "") == d.Finished
	}
	if !ok || (d.State == Posted || d.State == Filed) != (d.Reference != "") {
		t.Errorf("half applied: %+v", d)
	}
}

// TestSecondProcess shows that the lock keeps another process out, and ends with its process.
func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	try(t, err)
	try(t, cmd.Start())
	text := bufio.NewScanner(out)
	if !text.Scan() {
		t.Fatal("the child said nothing")
	}
	_, err = Open(dir)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("(pid %d)", cmd.Process.Pid)) {
		t.Errorf("%v", err)
	}
	t.Log(err)
	try(t, cmd.Process.Kill())
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	open(t, dir)
}

const openDir = "KAIZALA_DROP_LEDGER_OPEN"

// opener is a process that opens and closes a ledger in a single thread, because strace counts the calls of each thread by
// itself.
func opener(dir string) int {
	runtime.LockOSThread()
	l, err := Open(dir)
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}
