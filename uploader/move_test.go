package uploader

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
)

// TestMoveIsRepeatedUntilItLasts: a file was moved, but its sync failed. It does not count as moved before a later try,
// which knows that it is not the first, had no error; what was moved without one is left in peace meanwhile.
func TestMoveIsRepeatedUntilItLasts(t *testing.T) {
	w := newWorld(t, newMemory())
	d := &delivery{lane: &lane{}, facts: facts{Delivery: ledger.Delivery{Folder: w.dir}, stage: toFile}}
	for _, name := range []string{"a.jpg", "b.jpg", "c.jpg", "d.jpg"} {
		d.Files = append(d.Files, ledger.File{Name: name, SHA256: []byte(name)})
	}
	var mu sync.Mutex
	tries := map[string]int{}
	move := func(m filing.Move) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		n := tries[m.Name]
		tries[m.Name]++
		if m.Again != (n > 0) || string(m.SHA256) != m.Name {
			t.Errorf("try %d of %s: %+v", n, m.Name, m)
		}
		dest := filepath.Join(m.Dir, m.Name)
		switch {
		case m.Name == "b.jpg" && n < 3:
			return dest, fmt.Errorf("sync: %w", syscall.EIO)
		case m.Name == "c.jpg" && n < 2:
			return "", syscall.ENOSPC
		case m.Name == "d.jpg" && n == 0:
			return dest, syscall.EIO
		case m.Name == "d.jpg": // somebody took it out of done/ in between
			return "", filing.ErrGone
		}
		return dest, nil
	}
	q := newQueue(1, 1, nil, destination.Traits{})
	try := func() error {
		of := newWork(w.u, d.job())
		err := of.move(t.Context(), move, "/done")
		d.learn(of.got)
		return err
	}
	for range 3 {
		err := try()
		if !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.ENOSPC) || d.Files[1].Dest != "" {
			t.Fatalf("%v, %+v", err, d.Files)
		}
		q.retryEnd(w.look(".").At, d, err)
	}
	w.must(try())
	if got, want := fmt.Sprint(newWork(w.u, d.job()).dests()), "[/done/a.jpg /done/b.jpg /done/c.jpg ]"; got != want {
		t.Errorf("they lie at %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(tries), "map[a.jpg:1 b.jpg:4 c.jpg:3 d.jpg:4]"; got != want {
		t.Errorf("moved %s, want %s", got, want)
	}
}
