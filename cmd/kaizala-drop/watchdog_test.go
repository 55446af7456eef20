package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/beat"
)

// guarded is a watchdog at work in a bubble, with parts that it looks at.
type guarded struct {
	beats beat.Board
	began time.Time
	log   sharedLog

	mu    sync.Mutex
	fails bool            // systemd does not take what it is told
	pings []time.Duration // when it was told, from the beginning on
}

const guardPeriod = 20 * time.Second

func guard(t *testing.T) *guarded {
	g := &guarded{began: time.Now()}
	w := &watchdog{period: guardPeriod, beats: &g.beats, log: zerolog.New(&g.log), ping: g.ping}
	go w.run(t.Context())
	synctest.Wait()
	return g
}

func (g *guarded) ping() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fails {
		return errors.New("no room")
	}
	g.pings = append(g.pings, time.Since(g.began))
	return nil
}

// pinged gives the times of the pings, and forgets them.
func (g *guarded) pinged() (at []time.Duration) {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	at, g.pings = g.pings, nil
	return at
}

// move lets a part move until stop is called.
func (g *guarded) move(name string) (stop func()) {
	part := g.beats.Join(name)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for {
			select {
			case <-part.Asked():
				part.Taken()
			case <-ctx.Done():
				return
			}
		}
	}()
	return cancel
}

// TestWatchdogPingsWhileAllMoves: at half of the period, however long that lasts, and for a daemon that has no parts yet or any more.
func TestWatchdogPingsWhileAllMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard(t)
		time.Sleep(guardPeriod * 2)
		stop := g.move("a loop")
		defer stop()
		time.Sleep(guardPeriod*8 - time.Second)
		pings := g.pinged()
		if len(pings) != 20 {
			t.Errorf("%d pings in ten periods, want two in each: %v", len(pings), pings)
		}
		for i := 1; i < len(pings); i++ {
			if pings[i]-pings[i-1] > guardPeriod/2 {
				t.Errorf("no ping from %v to %v", pings[i-1], pings[i])
			}
		}
		if g.log.String() != "" {
			t.Errorf("it says %s", &g.log)
		}
	})
}

// TestWatchdogWithheld: once one of several parts stands still there is no ping, which part it is and for how long is said once before the
// period is over, and when it moves again there is one at the next look.
func TestWatchdogWithheld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard(t)
		defer g.move("one that moves")()
		part := g.beats.Join("the ledger")
		time.Sleep(time.Second / 2)
		<-part.Asked()
		time.Sleep(guardPeriod)
		synctest.Wait()
		if pings := g.pinged(); len(pings) != 1 {
			t.Errorf("pings at %v, want none but the first", pings)
		}
		said := g.log.String()
		if strings.Count(said, "\n") != 1 || !strings.Contains(said, `"level":"error","part":"the ledger","for":"13s"`) {
			t.Errorf("it says %q", said)
		}
		<-part.Asked()
		time.Sleep(guardPeriod / looksOfPeriod)
		if pings := g.pinged(); len(pings) != 1 {
			t.Errorf("pings at %v, want one as soon as it moves", pings)
		}
		part.Leave()
		time.Sleep(guardPeriod * 2)
		if pings := g.pinged(); len(pings) != 4 {
			t.Errorf("pings at %v, want two in each period without it", pings)
		}
		if said := g.log.String(); strings.Count(said, "\n") != 2 || !strings.Contains(said, "move again") {
			t.Errorf("it says %q", said)
		}
	})
}

// TestWatchdogLateParts: a part that takes nearly half of a period for one step is no reason to end the daemon, whenever it begins.
func TestWatchdogLateParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard(t)
		part := g.beats.Join("a slow disk")
		for time.Since(g.began) < guardPeriod*100 {
			<-part.Asked()
			time.Sleep(guardPeriod*4/10 + 300*time.Millisecond) // beside the looks
		}
		pings := g.pinged()
		for i := 1; i < len(pings); i++ {
			if pings[i]-pings[i-1] >= guardPeriod {
				t.Fatalf("no ping from %v to %v", pings[i-1], pings[i])
			}
		}
		if len(pings) < 100 {
			t.Errorf("only %d pings", len(pings))
		}
	})
}

// TestWatchdogNotHeard: a ping that systemd did not take is sent again at the next look.
func TestWatchdogNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard(t)
		time.Sleep(time.Second)
		g.pinged()
		g.mu.Lock()
		g.fails = true
		g.mu.Unlock()
		time.Sleep(guardPeriod / 2)
		g.mu.Lock()
		g.fails = false
		g.mu.Unlock()
		time.Sleep(guardPeriod / looksOfPeriod)
		if pings := g.pinged(); len(pings) != 1 {
			t.Errorf("pings at %v, want one", pings)
		}
	})
}

// TestStartIsExtended: as long as the ledger is checked systemd is asked for more time, before what it has granted is over.
func TestStartIsExtended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		said := []string{}
		ended := start(func() error {
			extend(ctx, func(state string) {
				mu.Lock()
				defer mu.Unlock()
				said = append(said, state)
			})
			return nil
		})
		time.Sleep(10*time.Minute + time.Second)
		cancel()
		<-ended
		if want := int(10*time.Minute/extendEvery) + 1; len(said) != want || extendEvery > extendBy/2 {
			t.Errorf("said %d times, want %d", len(said), want)
		}
		if said[0] != "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=checking the ledger" {
			t.Errorf("said %q", said[0])
		}
	})
}

// TestDaemonTellsSystemd: a daemon with a watchdog says in this order that it checks the ledger, is ready, and stops, and
// pings before, between and after; one whose watchdog is another process' does not ping.
func TestDaemonTellsSystemd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env   []string
		pings bool
	}{"its own": {[]string{"WATCHDOG_USEC=1000000"}, true}, "another's": {[]string{"WATCHDOG_USEC=1000000", "WATCHDOG_PID=1"}, false}, "none": {nil, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", "drop")
			systemd := newSystemd(t, w.dir+"/notify")
			cmd := exec.Command(os.Args[0], "run", "--config", w.config)
			cmd.Env = append(os.Environ(), append(c.env, runMain+"=1", "NOTIFY_SOCKET="+w.dir+"/notify")...)
			p := startProcess(t, cmd)
			w.drop("drop", "a.pdf", "x")
			w.filed("drop", 1)
			if c.pings {
				systemd.heardSince(t, "READY=1", "WATCHDOG=1")
				systemd.heardSince(t, "", "WATCHDOG=1")
			}
			if code := p.stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			all := systemd.heardSince(t, "", "STOPPING=1")
			if strings.Contains(all, "WATCHDOG=1") != c.pings || !strings.HasPrefix(strings.TrimPrefix(all, "WATCHDOG=1\n"), "EXTEND_TIMEOUT_USEC=") {
				t.Errorf("it said %q", all)
			}
		})
	}
}

// systemdEar is the socket at which systemd hears its services.
type systemdEar struct {
	socket *net.UnixConn
	said   string
	from   int // what heardSince has not asked about yet
}

func newSystemd(t *testing.T, path string) *systemdEar {
	t.Helper()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { socket.Close() })
	return &systemdEar{socket: socket}
}

// heardSince waits until first and, after it, then was said, both after what an earlier call waited for. It gives all that was said.
func (e *systemdEar) heardSince(t *testing.T, first, then string) string {
	t.Helper()
	buffer := make([]byte, 4096)
	for {
		if _, after, ok := strings.Cut(e.said[e.from:], first); ok {
			if before, _, ok := strings.Cut(after, then); ok {
				e.from = len(e.said) - len(after) + len(before) + len(then)
				return e.said
			}
		}
		must(t, e.socket.SetReadDeadline(time.Now().Add(time.Minute)))
		n, err := e.socket.Read(buffer)
		must(t, err)
		e.said += string(buffer[:n]) + "\n"
	}
}
