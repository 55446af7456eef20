package main

import (
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kaizala-drop/internal/matrix/dendritetest"
)

const (
	crashCaption  = "{{.Count}} pictures"
	crashSettings = "near: when_unknown = \"hold\"\nalbum: album = \"window\"\nalbum: when_unknown = \"hold\"\nalbum: album_max = 4\n" +
		"album: caption = \"" + crashCaption + "\"\n"
)

// TestMatrixCrash kills the daemon at every boundary between two steps, at every event of an album, and at random moments, over a stream
// of files and albums. Every file is shown once: not twice, and none is missing. The images of an
// album stay together, also in a room that another folder posts to, and what the homeserver has said to have taken of it is not sent again.
func TestMatrixCrash(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		needs(t, "strace")
	}
	rounds := 1
	if os.Getenv("KAIZALA_DROP_CI") != "" && !raceEnabled {
		rounds = 17 // for 300 kills and more
	}
	c := &matrixCrash{
		matrixWorld: newMatrixWorld(t, dendritetest.Options{}, crashSettings, "near", "album", "beside"),
		rand:        rand.New(rand.NewPCG(firstSeed(t), 2)), kills: map[string]int{}, left: map[string]int{},
	}
	defer c.keepLog()
	c.share("beside", "album")
	for range rounds {
		for _, k := range c.killers() {
			c.round(k)
		}
	}
	c.finish()
	c.wantOnce("near")
	c.wantOnce("album", "beside")
	albums := c.wantAlbums("album", crashCaption)
	if t.Logf("%d files, %d albums", c.number, albums); albums == 0 {
		t.Error("there was no album")
	}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(c.kills)) {
		t.Logf("%4d kills %s", c.kills[name], name)
		total += c.kills[name]
	}
	t.Logf("%4d in all; deliveries that they left: %v", total, c.left)
	if rounds > 10 && total < 250 {
		t.Errorf("%d kills are too few to tell", total)
	}
	for _, state := range []string{"claimed", "uploaded", "posting", "posted"} {
		if c.left[state] == 0 && rounds > 10 {
			t.Errorf("no kill left a delivery that is %s: the matrix has a hole", state)
		}
	}
}

// matrixCrash is a world whose daemon does not live long.
type matrixCrash struct {
	*matrixWorld
	rand   *rand.Rand
	number int            // of files
	kills  map[string]int // by where
	left   map[string]int // deliveries that kills left unfinished, by state
	log    sharedLog      // of all daemons
}

// matrixKiller kills one daemon. It gives the command to start, and is told of the process then.
type matrixKiller struct {
	name  string
	wrap  []string // put before the program
	start func(kill func())
}

func (c *matrixCrash) killers() (all []matrixKiller) {
	for _, at := range []string{"before it is read", "in the middle of it", "before its answer", "after its answer"} {
		path, file := "/send/m.room.message/", fmt.Sprint(".", c.rand.IntN(3)) // only albums have a second one
		all = append(all, matrixKiller{name: "at an upload, " + at, start: c.atCall("/upload", "", at, 1+c.rand.IntN(4))},
			matrixKiller{name: "at the post of file " + file + ", " + at, start: c.atCall(path, file, at, 1)})
	}
	for _, call := range []struct {
		name string
		most int
	}{{"pwrite64", 60}, {"fdatasync", 12}, {"renameat2", 4}, {"fsync", 6}, {"linkat", 3}, {"unlinkat", 4}, {"write", 40}} {
		all = append(all, matrixKiller{name: "at " + call.name, wrap: []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call.name,
			"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call.name, 1+c.rand.IntN(call.most))}})
	}
	return append(all, c.atRandom())
}

func (c *matrixCrash) atRandom() matrixKiller {
	after := time.Duration(c.rand.IntN(1500)) * time.Millisecond
	return matrixKiller{name: "at random", start: func(kill func()) { time.AfterFunc(after, kill) }}
}

// atCall kills at the nth call to such a path with such an end.
func (c *matrixCrash) atCall(path, end, at string, nth int) func(kill func()) {
	isMeant := func(r *http.Request) bool {
		return strings.Contains(r.URL.Path, path) && strings.HasSuffix(r.URL.Path, end)
	}
	return func(kill func()) { c.between(killAt(at, nth, isMeant, c.forward.ServeHTTP, kill)) }
}

// round drops files into all folders, and has a daemon killed that sends them.
func (c *matrixCrash) round(k matrixKiller) {
	c.t.Helper()
	for range 3 {
		c.make("album", ".gif")
		c.make([]string{"near", "near", "beside"}[c.number%3], ".txt")
	}
	c.live(k)
}

// live starts a daemon, and waits until it was killed. One that has nothing left to do is killed as well.
func (c *matrixCrash) live(k matrixKiller) {
	c.t.Helper()
	args := append(slices.Clone(k.wrap), os.Args[0], "run", "--config", c.config)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), runMain+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // strace is not killed alone: the daemon would live on
	cmd.Stdout, cmd.Stderr = &c.log, &c.log
	must(c.t, cmd.Start())
	kill := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if k.start != nil {
		k.start(kill)
	}
	c.kills[untilKilled(c.t, cmd, k.name, c.empty, kill, &c.log)]++
	c.between(nil)
	for state, n := range ledgerStates(c.t, c.ledgerCopy()) {
		c.left[state] += n
	}
}

func (c *matrixCrash) empty() bool {
	for folder := range c.rooms {
		entries, err := os.ReadDir(c.folder(folder))
		must(c.t, err)
		if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return !e.IsDir() }) {
			return false
		}
	}
	return true
}

// make drops a file of which there is no other.
func (c *matrixCrash) make(folder, ext string) {
	c.t.Helper()
	c.number++
	c.drop(folder, fmt.Sprint(c.number, ext), fmt.Sprintf("GIF89a %s %d %s", folder, c.number, strings.Repeat("x", c.rand.IntN(30_000))))
}

func (w *matrixWorld) ledgerCopy() string {
	w.t.Helper()
	to := w.t.TempDir()
	copyState(w.t, w.dir+"/state", to)
	return to + "/ledger.db"
}

// copyState copies the ledger, as far as there is one.
func copyState(t testing.TB, from, to string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		text, err := os.ReadFile(from + "/ledger.db" + suffix)
		if os.IsNotExist(err) {
			continue
		}
		must(t, err)
		must(t, os.WriteFile(to+"/ledger.db"+suffix, text, 0o600))
	}
}

// finish lets a last daemon bring all to its end, and holds what came of it against the promise.
func (c *matrixCrash) finish() {
	c.t.Helper()
	p := c.start("run", "--once")
	if code := p.within(20 * time.Minute); code != 0 {
		c.t.Fatalf("exit code %d\n%s", code, firstAndLast(c.log.String()))
	}
	if states := ledgerStates(c.t, c.dir+"/state/ledger.db"); len(states) > 0 {
		c.t.Errorf("not at their end: %v", states)
	}
	c.wantNoneAgain()
	query(c.t, c.dir+"/state/ledger.db", func(rows *sql.Rows) {
		var id int64
		var key string
		must(c.t, rows.Scan(&id, &key))
		c.t.Errorf("delivery %d was posted again in doubt: %s", id, key)
	}, "SELECT id, key FROM delivery WHERE maybe_twice")
	done := 0
	for folder := range c.rooms {
		done += len(files(c.t, c.folder(folder)))
	}
	if done != c.number {
		c.t.Errorf("%d of %d files are there", done, c.number)
	}
}

// keepLog writes down what the daemons of a test that failed logged, for a person to look into.
func (c *matrixCrash) keepLog() {
	if !c.t.Failed() {
		return
	}
	file, err := os.CreateTemp("", "kaizala-drop-matrix-crash-*.log")
	must(c.t, err)
	defer file.Close()
	_, _ = file.WriteString(c.log.String())
	c.t.Logf("what the daemons logged is in %s", file.Name())
}

// TestMatrixOldState: state_dir is put back from a copy that knows of files which were posted since, as being uploaded or not even that,
// and the daemon was killed before it moved them. None of them is shown twice.
func TestMatrixOldState(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"claimed", "uploaded"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			folders := []string{"a", "b", "c", "d"}
			w := newMatrixWorld(t, dendritetest.Options{}, "", folders...)
			copied, killed := make(chan struct{}), make(chan struct{})
			w.between(func(_ http.ResponseWriter, r *http.Request) bool {
				if state == "claimed" && strings.Contains(r.URL.Path, "/upload") || state == "uploaded" && isSend(r) {
					<-copied
				}
				if !isSend(r) {
					return false
				}
				w.forward.ServeHTTP(httptest.NewRecorder(), r)
				<-killed
				panic(http.ErrAbortHandler)
			})
			var copyOnce, killOnce sync.Once
			copy, kill := func() { copyOnce.Do(func() { close(copied) }) }, func() { killOnce.Do(func() { close(killed) }) }
			t.Cleanup(func() { copy(); kill() }) // before the proxy is closed, which waits for its answers
			for _, folder := range folders {
				w.drop(folder, "x.txt", "content of "+folder)
			}
			p := w.start("run")
			in := map[string]string{"claimed": "claimed", "uploaded": "posting"}[state]
			eventually(t, func() error {
				if got := ledgerStates(t, w.ledgerCopy()); got[in] < len(folders) {
					return fmt.Errorf("the ledger has %v", got)
				}
				return nil
			})
			before := t.TempDir()
			copyState(t, w.dir+"/state", before)
			copy()
			for _, folder := range folders {
				eventually(t, func() error { return wantShown(w, folder, 1) })
			}
			must(t, p.Process.Kill())
			p.wait()
			kill()
			w.between(nil)
			for _, suffix := range []string{"", "-wal", "-shm"} {
				must(t, os.RemoveAll(w.dir+"/state/ledger.db"+suffix))
			}
			copyState(t, before, w.dir+"/state")
			if state == "uploaded" { // a state that lasts too short a time to be copied
				editLedger(t, w.dir+"/state/ledger.db", "UPDATE delivery SET state = 'uploaded', posting_at = NULL, group_id = '', caption = ''")
			}
			last := w.start("run", "--once")
			if code := last.wait(); code != 0 || strings.Count(last.log(), "it is posted already, and the ledger did not know") != len(folders) {
				t.Errorf("exit code %d\n%s", code, last.log())
			}
			for _, folder := range folders {
				w.filed(folder, 1)
				w.wantOnce(folder)
			}
		})
	}
}

func wantShown(w *matrixWorld, folder string, n int) error {
	if got := len(w.shown(folder)); got != n {
		return fmt.Errorf("%s shows %d messages", folder, got)
	}
	return nil
}

// editLedger changes a ledger that nobody has open.
func editLedger(t testing.TB, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), text)
	must(t, err)
}
