package main

import (
	"database/sql"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kaizala-drop/internal/sandbox"
)

// soak is a flag of the tests (go test ./cmd/kaizala-drop -run TestChaosSoak -soak 10m): rounds are made for so long.
var soak = flag.Duration("soak", 0, "how long the chaos soak lasts; 0: one round")

// soakChaos disturbs 30 % of the calls, in every way that the sandbox knows.
func soakChaos(seed uint64) *sandbox.Chaos {
	c := &sandbox.Chaos{Seed: seed}
	add := func(chance float64, r sandbox.Rule) {
		r.Chance = chance
		c.Rules = append(c.Rules, r)
	}
	add(0.08, sandbox.Rule{Do: "delay", For: 50 * time.Millisecond})
	add(0.07, sandbox.Rule{Do: "slow", For: 40 * time.Millisecond})
	add(0.06, sandbox.Rule{Do: "moved"})
	add(0.05, sandbox.Rule{Do: "moved", Full: true})
	add(0.04, sandbox.Rule{Do: "all tokens ended"})
	for _, do := range []string{"lose answer", "reset before", "reset during", "reset after", "cut answer"} {
		add(0.006, sandbox.Rule{Do: do})
	}
	for _, body := range []string{"html", "cut", "empty", "array"} {
		add(0.002, sandbox.Rule{Do: "nonsense", Body: body})
		add(0.002, sandbox.Rule{Do: "nonsense after", Body: body})
	}
	for _, body := range []string{"json", "html", "none"} {
		add(0.003, sandbox.Rule{Do: "status", Status: 500, Body: body})
		add(0.003, sandbox.Rule{Do: "status", Status: 503, Body: body})
	}
	add(0.01, sandbox.Rule{Do: "invalid token"})
	add(0.01, sandbox.Rule{Do: "invalid token", Status: 403})
	add(0.001, sandbox.Rule{Do: "status", Status: 429, RetryAfter: time.Second})
	add(0.001, sandbox.Rule{Do: "status", Status: 429, RetryAfter: time.Second, AsDate: true})
	add(0.002, sandbox.Rule{Do: "hang"})
	add(0.01, sandbox.Rule{Do: "early", Status: 401})
	return c
}

// TestChaosSoak: whatever the service does, and with restarts in between, every file is posted and filed; none twice, but
// where an answer was lost and when_unknown says so.
func TestChaosSoak(t *testing.T) {
	t.Parallel()
	each := 60
	if thorough() {
		each = 500 // 2,000 files
	}
	for begun, seed := time.Now(), uint64(1); ; seed++ {
		soakRound(t, seed, each)
		if t.Failed() || time.Since(begun) >= *soak {
			return
		}
	}
}

func soakRound(t *testing.T, seed uint64, each int) {
	folders := []string{"one", "albums", "hold three", "hold four"}
	w := newWorldOf(t, sandbox.Options{Chaos: soakChaos(seed)}, "", folders...)
	for _, f := range folders[2:] {
		w.reconfigure(fmt.Sprintf("group_id = %q", f+"@2"), fmt.Sprintf("group_id = %q\nwhen_unknown = \"hold\"", f+"@2"))
	}
	w.reconfigure(`group_id = "albums@2"`, `group_id = "albums@2"`+"\nalbum = \"window\"\nalbum_window = \"200ms\"\nalbum_max = 5")
	w.reconfigure("[defaults]", "stall_timeout = \"1s\"\n[defaults]")
	begun, random := time.Now(), rand.New(rand.NewPCG(seed, 1))
	content := map[string]string{}
	p := w.daemon()
	for i := range each {
		for _, f := range folders {
			name := fmt.Sprint(i, map[bool]string{false: ".pdf", true: ".jpg"}[f == "albums"])
			content[f+"/"+name] = fmt.Sprint(f, i, strings.Repeat("x", random.IntN(20_000)))
			w.drop(f, name, content[f+"/"+name])
		}
		if i == each/3 {
			w.posted(each / 4)
			p.stop()
			p = w.daemon()
		}
		if i == 2*each/3 {
			w.posted(each / 2)
			must(t, p.Process.Signal(syscall.SIGKILL))
			p.wait()
			p = w.daemon()
		}
	}
	eventually(t, func() error {
		left := 0
		for _, f := range folders {
			entries, err := os.ReadDir(w.folder(f))
			must(t, err)
			left += len(slices.DeleteFunc(entries, os.DirEntry.IsDir))
		}
		if left > 0 {
			return fmt.Errorf("%d files are left, %d calls", left, w.sandbox.Stats().Calls)
		}
		return nil
	})
	p.stop()
	took := time.Since(begun)
	w.checkSoak(folders, content)
	disturbed, total := w.sandbox.Disturbed(), 0
	for _, what := range sandbox.Disturbances() {
		total += disturbed[what]
		if disturbed[what] == 0 && each >= 500 {
			t.Errorf("nothing was disturbed by %q", what)
		}
	}
	calls := w.sandbox.Stats().Calls
	if total*100 < calls*25 {
		t.Errorf("only %d of %d calls were disturbed", total, calls)
	}
	t.Logf("seed %d: %d files, %d calls, %d %% of them disturbed: %v; %v", seed, len(content), calls, 100*total/calls,
		disturbed, took.Round(time.Second))
}

// checkSoak holds what came of the files against the promise.
func (w *world) checkSoak(folders []string, content map[string]string) {
	w.t.Helper()
	posted, albums := map[string]int{}, 0 // posted: by digest
	for _, p := range w.sandbox.Posts() {
		if len(p.Media) > 1 {
			albums++
		}
		for _, m := range p.Media {
			posted[m.SHA256]++
		}
	}
	if albums == 0 {
		w.t.Error("there was no album")
	}
	marked, unfinished := map[string]bool{}, 0 // by "folder/name"
	query(w.t, w.dir+"/state/ledger.db", func(rows *sql.Rows) {
		var folder, name string
		must(w.t, rows.Scan(&folder, &name))
		marked[filepath.Base(folder)+"/"+name] = true
	}, "SELECT h.folder, h.name FROM history h JOIN delivery d USING (id) WHERE d.maybe_twice")
	query(w.t, w.dir+"/state/ledger.db", func(*sql.Rows) { unfinished++ }, "SELECT 1 FROM delivery WHERE finished_at IS NULL")
	if unfinished > 0 {
		w.t.Errorf("%d deliveries are not at their end", unfinished)
	}
	found := map[string]map[string]string{}
	for _, f := range folders {
		found[f] = files(w.t, w.folder(f))
	}
	doubts, held := 0, 0
	for _, key := range slices.Sorted(maps.Keys(content)) {
		folder, name := filepath.Split(key)
		folder = filepath.Clean(folder)
		n, lies := posted[digest(content[key])], found[folder]
		note := lies["failed/"+name+".reason.txt"]
		holds := strings.HasPrefix(folder, "hold")
		switch {
		case lies["done/"+name] == content[key] && (n == 1 || n > 1 && marked[key] && !holds):
			doubts += n - 1
		case holds && lies["failed/"+name] == content[key] && n <= 1 && strings.Contains(note, "may have been posted"):
			held++
			delete(lies, "failed/"+name+".reason.txt")
		default:
			w.t.Errorf("%s: posted %d times, marked: %v, in done/: %v, note: %q", key, n, marked[key], lies["done/"+name] != "", note)
		}
		delete(lies, "done/"+name)
		delete(lies, "failed/"+name)
	}
	for f, left := range found {
		for name := range left {
			w.t.Errorf("%s/%s should not be there", f, name)
		}
	}
	w.t.Logf("%d albums; %d files posted once more, %d marked, %d held", albums, doubts, len(marked), held)
}
