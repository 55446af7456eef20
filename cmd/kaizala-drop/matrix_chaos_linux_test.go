package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kaizala-drop/internal/matrix/dendritetest"
	"kaizala-drop/internal/sandbox"
)

// TestMatrixChaos: people and programs drop files into six folders, whole, slowly, under another name first, renamed and replaced, while
// what is between the daemon and the homeserver resets, stalls, loses, cuts and falsifies a seventh of the calls, and the daemon is stopped
// and killed. In the end each file is in its room once, byte for byte, and in done/, and nothing is in failed/. A folder of Kaizala's
// beside them, that has its own troubles, comes to its end as well.
func TestMatrixChaos(t *testing.T) {
	t.Parallel()
	takesLong(t)
	if raceEnabled {
		t.Skip("the run without the race detector has it")
	}
	for begun, seed := time.Now(), firstSeed(t)+1; ; seed++ {
		c := newMatrixChaos(t, seed)
		c.run(24)
		c.check()
		if t.Failed() || time.Since(begun) >= *soak {
			return
		}
	}
}

// matrixChaos is one round.
type matrixChaos struct {
	*matrixWorld
	kaizala *world
	proxy   *sandbox.Proxy
	rand    *rand.Rand
	seed    uint64
	number  int
	begun   time.Time
	p       *process
	log     strings.Builder // of the daemons that have ended

	mu      sync.Mutex
	dropped map[string]string // folder, by the sum of what was dropped
	gone    map[string]bool   // what was replaced, maybe before it was seen, by its sum
}

func newMatrixChaos(t *testing.T, seed uint64) *matrixChaos {
	c := &matrixChaos{rand: rand.New(rand.NewPCG(seed, 3)), seed: seed, dropped: map[string]string{}, gone: map[string]bool{}}
	c.matrixWorld = newMatrixWorld(t, dendritetest.Options{}, "truncated_after = \"20s\"\n"+
		"hold: when_unknown = \"hold\"\nalbum: album = \"window\"\nalbum: album_max = 4\nalbum: caption = \""+crashCaption+"\"\n",
		"near", "hold", "album", "beside", "slow")
	c.share("beside", "album")
	c.reconfigure("truncated_after = \"1s\"\n", "")
	c.reconfigure("type = \"matrix\"\n", "type = \"matrix\"\nstall_timeout = \"1s\"\n")
	c.reconfigure(`shown_within = "0s"`, `shown_within = "3s"`) // the homeserver may still work on a call that was given up
	c.kaizala = newWorldOf(t, sandbox.Options{Chaos: soakDisturbances(seed)}, "", "office")
	text, err := os.ReadFile(c.kaizala.config)
	must(t, err)
	_, account, _ := strings.Cut(string(text), "[kaizala]")
	account, _, _ = strings.Cut(account, "[defaults]")
	c.reconfigure("[defaults]", "[kaizala]"+account+"[defaults]")
	text, err = os.ReadFile(c.config)
	must(t, err)
	must(t, os.WriteFile(c.config, fmt.Appendf(text, "[[folder]]\npath = %q\ngroup_id = \"office@2\"\nverify_ending = false\n", c.kaizala.folder("office")), 0o600))
	c.proxy, err = sandbox.NewProxy(matrixDisturbances(seed), func(r *http.Request) string { return r.URL.Path }, http.HandlerFunc(c.throttles))
	must(t, err)
	c.between(func(rw http.ResponseWriter, r *http.Request) bool { c.proxy.ServeHTTP(rw, r); return true })
	return c
}

// matrixDisturbances are those that anything between two hosts may be guilty of.
func matrixDisturbances(seed uint64) sandbox.Chaos {
	c := sandbox.Chaos{Seed: seed}
	add := func(chance float64, r sandbox.Rule) {
		r.Chance = chance
		c.Rules = append(c.Rules, r)
	}
	add(0.03, sandbox.Rule{Do: "delay", For: 50 * time.Millisecond})
	add(0.02, sandbox.Rule{Do: "slow", For: 40 * time.Millisecond})
	for _, do := range []string{"lose answer", "reset before", "reset during", "reset after", "cut answer"} {
		add(0.012, sandbox.Rule{Do: do})
	}
	for _, body := range []string{"html", "cut", "empty", "array"} {
		add(0.002, sandbox.Rule{Do: "nonsense", Body: body})
		add(0.002, sandbox.Rule{Do: "nonsense after", Body: body})
	}
	for _, body := range []string{"json", "html", "none"} {
		for _, status := range []int{403, 404, 500, 502, 503, 504} {
			add(0.001, sandbox.Rule{Do: "status", Status: status, Body: body})
		}
	}
	add(0.003, sandbox.Rule{Do: "early"})
	add(0.001, sandbox.Rule{Do: "hang"})
	add(0.001, sandbox.Rule{Do: "status", Status: 429, RetryAfter: time.Second, Body: "html"})
	add(0.001, sandbox.Rule{Do: "status", Status: 429, RetryAfter: time.Second, AsDate: true})
	return c
}

// throttles is the homeserver, which now and then says, in its own words, that these were too many calls.
func (c *matrixChaos) throttles(rw http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	now := c.rand.IntN(300) == 0
	c.mu.Unlock()
	if !now {
		c.forward.ServeHTTP(rw, r)
		return
	}
	rw.WriteHeader(http.StatusTooManyRequests)
	_ = json.NewEncoder(rw).Encode(map[string]any{"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": 300})
}

// run drops files in so many turns, and waits until none of them is left.
func (c *matrixChaos) run(turns int) {
	c.t.Helper()
	c.begun, c.p = time.Now(), c.daemon()
	for i := range turns {
		for _, f := range []string{"near", "hold", "album", "album", "album", "beside"} {
			c.dropSomehow(f)
		}
		c.dropSlowly("slow")
		c.kaizala.drop("office", fmt.Sprint(i, ".pdf"), fmt.Sprint("office ", i))
		switch i {
		case turns / 3:
			c.ends(syscall.SIGTERM)
		case 2 * turns / 3:
			c.ends(syscall.SIGKILL)
		}
	}
	eventually(c.t, func() error {
		var left []string
		for _, folder := range append(slices.Collect(maps.Keys(c.rooms)), c.kaizala.folder("office")) {
			if !filepath.IsAbs(folder) {
				folder = c.folder(folder)
			}
			entries, err := os.ReadDir(folder)
			must(c.t, err)
			for _, e := range slices.DeleteFunc(entries, os.DirEntry.IsDir) {
				left = append(left, filepath.Base(folder)+"/"+e.Name())
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("%d files are left, %q among them", len(left), left[0])
		}
		return nil
	})
	if code := c.p.stop(); code != 0 {
		c.t.Errorf("exit code %d", code)
	}
	c.log.WriteString(c.p.log())
}

// ends ends the daemon, and starts another one.
func (c *matrixChaos) ends(by syscall.Signal) {
	c.t.Helper()
	must(c.t, c.p.Process.Signal(by))
	c.p.wait()
	c.log.WriteString(c.p.log())
	c.p = c.daemon()
}

// fresh gives what nobody has dropped yet into a folder, and a name for it.
func (c *matrixChaos) fresh(folder, ext string) (name, content string) {
	c.number++
	name = fmt.Sprint(c.number, ext)
	c.mu.Lock()
	size := c.rand.IntN(20_000)
	c.mu.Unlock()
	content = fmt.Sprintf("GIF89a %s %d %s", folder, c.number, strings.Repeat("x", size))
	if ext == ".pdf" {
		content = fmt.Sprintf("%%PDF-1.4\n%s %d %s\nstartxref\n9\n%%%%EOF\n", folder, c.number, strings.Repeat("x", size))
	}
	c.dropped[digest(content)] = folder
	return name, content
}

// dropSomehow drops a file as a program does that renames it in, and sometimes as a person, who gives it another name then, or saves another
// version over it.
func (c *matrixChaos) dropSomehow(folder string) {
	c.t.Helper()
	name, content := c.fresh(folder, map[bool]string{true: ".gif", false: ".txt"}[folder == "album"])
	c.drop(folder, name, content)
	if folder == "album" {
		return
	}
	path := filepath.Join(c.folder(folder), name)
	switch c.number % 5 {
	case 0: // it may be posted and moved by now
		_ = os.Rename(path, filepath.Join(c.folder(folder), "renamed "+name))
	case 1:
		if _, err := os.Lstat(path); err == nil {
			c.gone[digest(content)] = true
			_, newer := c.fresh(folder, ".txt")
			c.drop(folder, name, newer)
		}
	}
}

// dropSlowly writes a file piece by piece: under a name that is left alone until it is whole, or in its place, where it has no end until then.
func (c *matrixChaos) dropSlowly(folder string) {
	c.t.Helper()
	name, content := c.fresh(folder, ".pdf")
	path := filepath.Join(c.folder(folder), name)
	to := path
	if c.number%2 == 0 {
		to += ".part"
	}
	f, err := os.Create(to)
	must(c.t, err)
	pace := time.NewTicker(20 * time.Millisecond) // of the writer
	defer pace.Stop()
	for len(content) > 0 {
		n := min(len(content), 8000)
		_, err := f.WriteString(content[:n])
		must(c.t, err)
		content = content[n:]
		<-pace.C
	}
	must(c.t, f.Close())
	if to != path {
		must(c.t, os.Rename(to, path))
	}
}

// check holds what came of it against the promise.
func (c *matrixChaos) check() {
	c.t.Helper()
	took := time.Since(c.begun)
	lies, shown := map[string][]string{}, map[string][]string{} // where, by sum
	seen := map[string]bool{}
	for folder, room := range c.rooms {
		for name, content := range files(c.t, c.folder(folder)) {
			lies[digest(content)] = append(lies[digest(content)], folder+"/"+name)
		}
		if seen[room] {
			continue
		}
		seen[room] = true
		for _, e := range c.shown(folder) {
			shown[c.sumOf(e)] = append(shown[c.sumOf(e)], room)
		}
	}
	for sum, folder := range c.dropped {
		in, at := shown[sum], lies[sum]
		isOnce := slices.Equal(in, []string{c.rooms[folder]})
		isFiled := len(at) == 1 && strings.HasPrefix(at[0], folder+"/done/")
		if gone := c.gone[sum]; !gone && (!isOnce || !isFiled) || gone && (len(in) > 1 || len(at) > 1) {
			c.t.Errorf("of %s, replaced: %v: shown in %q, lies in %q", folder, gone, in, at)
		}
		delete(shown, sum)
		delete(lies, sum)
	}
	for _, what := range []map[string][]string{shown, lies} {
		for sum, at := range what {
			c.t.Errorf("nobody dropped %s, and it is in %q", sum, at)
		}
	}
	c.checkLedger()
	c.wantAlbums("album", crashCaption)
	c.checkKaizala()
	c.tell(took)
}

// checkLedger: nothing is open, and nothing had to be posted in doubt.
func (c *matrixChaos) checkLedger() {
	c.t.Helper()
	if open := ledgerStates(c.t, c.dir+"/state/ledger.db"); len(open) > 0 {
		c.t.Errorf("not at their end: %v", open)
	}
	query(c.t, c.dir+"/state/ledger.db", func(rows *sql.Rows) {
		var folder string
		must(c.t, rows.Scan(&folder))
		if folder != c.kaizala.folder("office") {
			c.t.Errorf("something of %s was posted again in doubt", folder)
		}
	}, "SELECT CAST(folder AS TEXT) FROM delivery WHERE maybe_twice")
}

// checkKaizala: each file is in the group, once but for the one whose post the kill has hit.
func (c *matrixChaos) checkKaizala() {
	c.t.Helper()
	posted := map[string]int{}
	for _, p := range c.kaizala.sandbox.Posts() {
		posted[p.Media[0].SHA256]++
	}
	done, more := files(c.t, c.kaizala.folder("office")), 0
	for name, content := range done {
		n := posted[digest(content)]
		if more += n - 1; n == 0 || !strings.HasPrefix(name, "done/") {
			c.t.Errorf("office: %s is posted %d times", name, n)
		}
	}
	if len(posted) != len(done) || more > 1 {
		c.t.Errorf("office: %d files are posted, %d times too often, and %d lie in done/", len(posted), more, len(done))
	}
}

// tell makes sure that there was chaos, and tells of it.
func (c *matrixChaos) tell(took time.Duration) {
	c.t.Helper()
	disturbed, total := c.proxy.Disturbed(), 0
	for _, n := range disturbed {
		total += n
	}
	if total < 50 {
		c.t.Errorf("only %d calls were disturbed", total)
	}
	c.t.Logf("seed %d: %d files, %d calls disturbed: %v; %v", c.seed, c.number, total, disturbed, took.Round(time.Second))
	if c.t.Failed() {
		text := c.log.String()
		c.t.Logf("the daemons logged:\n%s", text[max(0, len(text)-30_000):])
	}
}
