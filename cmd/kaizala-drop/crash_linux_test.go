package main

import (
	"database/sql"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

// TestCrashMatrix kills the daemon at every boundary between two steps and at random moments, again and again over a
// stream of files, and then looks whether the promise was kept: every file posted, none twice but where an answer may
// have been lost, and each filed once. While there is no daemon, and while there is one, people rename the files that are
// under way and the folders above them, touch them, put copies over them, and new files under their names.
func TestCrashMatrix(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		needs(t, "strace")
	}
	rounds, worlds := 1, 1
	if thorough() {
		rounds, worlds = 12, 2 // for 300 kills and more
	}
	var mu sync.Mutex
	kills, left, acts := map[string]int{}, map[string]int{}, map[act]int{}
	t.Run("worlds", func(t *testing.T) {
		for seed := range worlds {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				c := newCrashWorld(t, firstSeed(t)+uint64(seed))
				for range rounds {
					for _, k := range c.killers() {
						c.round(k)
					}
				}
				c.finish()
				mu.Lock()
				defer mu.Unlock()
				for name, n := range c.kills {
					kills[name] += n
				}
				for state, n := range c.left {
					left[state] += n
				}
				for a, n := range c.acts {
					acts[a] += n
				}
			})
		}
	})
	total := 0
	for _, name := range slices.Sorted(maps.Keys(kills)) {
		t.Logf("%4d kills %s", kills[name], name)
		total += kills[name]
	}
	t.Logf("%4d in all; deliveries that they left: %v", total, left)
	if rounds > 10 && total < 300 {
		t.Errorf("%d kills are too few to tell", total)
	}
	for _, state := range []string{"claimed", "uploaded", "posting", "posted", "failed"} {
		if left[state] == 0 && rounds > 10 {
			t.Errorf("no kill left a delivery that is %s: the matrix has a hole", state)
		}
	}
	logActs(t, acts)
	if rounds > 10 {
		wantActs(t, acts, []string{"claimed"}, []string{"folder renamed"}) // later states, whole folders meet too seldom
		wantActs(t, acts, []string{"claimed", "uploaded", "posting", "posted"},
			[]string{"renamed", "touched", "chmod-ed", "other inode", "names swapped", "another put in", "renamed touched"})
		wantActs(t, acts, []string{"failed", whilePosting, whileRunning}, []string{"renamed", "touched", "chmod-ed", "other inode"})
	}
}

// firstSeed is 0, or what KAIZALA_DROP_SEED says: other kills, and other acts.
func firstSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("KAIZALA_DROP_SEED")
	if text == "" {
		return 0
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	must(t, err)
	return seed
}

// crashWorld is a world whose daemon does not live long.
type crashWorld struct {
	*world
	rand    *rand.Rand
	hands   sync.Mutex          // held by who lays hands on files: what follows up to log
	number  int                 // of files
	content map[string]string   // by "folder/name"
	bad     map[string]bool     // those that go to failed/
	former  map[string][]string // keys that a file had before
	acts    map[act]int
	calm    bool                       // nobody lays hands on files any more
	making  func(folder string) string // where files for a folder are made: a folder on its device
	reached func(folder string) string // where people reach a folder
	kills   map[string]int             // by where
	left    map[string]int             // deliveries that kills left unfinished, by state
	log     sharedLog                  // of all daemons, and of all that was done to files
	mu      sync.Mutex
	onCall  func(rw http.ResponseWriter, r *http.Request) bool
}

const tooLarge = 60_000 // bytes: answered with 413

// crashFolders: "near" posts again after a lost answer, "hold" does not, "far" has its done/ on another device, "album" posts
// images together; "trip" has whole folders dropped in, does not post again, and has its done/ on another device.
func crashFolders() []string { return []string{"near", "hold", "far", "album", "trip"} }

// holds reports whether a folder of that name does not post again after a lost answer.
func holds(folder string) bool { return folder == "hold" || folder == "trip" }

// isFar reports whether done/ and failed/ of a folder of that name lie below dir/shm/NAME.
func isFar(folder string) bool { return folder == "far" || folder == "trip" }

func newCrashWorld(t *testing.T, seed uint64) *crashWorld {
	c := &crashWorld{
		world: newWorld(t, "", crashFolders()...), rand: rand.New(rand.NewPCG(seed, 1)),
		content: map[string]string{}, bad: map[string]bool{}, kills: map[string]int{}, left: map[string]int{},
		former: map[string][]string{}, acts: map[act]int{},
	}
	c.making, c.reached = func(string) string { return c.dir }, c.folder
	shm, err := os.MkdirTemp("/dev/shm", "kaizala-drop-crash")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(shm) })
	c.reconfigure(`settle = "200ms"`, `settle = "50ms"`)
	for _, folder := range crashFolders() {
		settings := fmt.Sprintf("group_id = %q\nalbum_window = \"50ms\"\nalbum_max = 4", folder+"@2")
		if album := map[string]string{"album": "window", "trip": "subfolder"}[folder]; album != "" {
			settings += fmt.Sprintf("\nalbum = %q", album)
		}
		if holds(folder) {
			settings += "\nwhen_unknown = \"hold\""
		}
		if isFar(folder) {
			must(t, os.Mkdir(shm+"/"+folder, 0o755))
			settings += fmt.Sprintf("\ndone = \"%s/%s/done\"\nfailed = \"%[1]s/%[2]s/failed\"", shm, folder)
		}
		c.reconfigure(fmt.Sprintf("group_id = %q", folder+"@2"), settings)
	}
	must(t, os.Symlink(shm, c.dir+"/shm"))
	c.between(c.serve)
	return c
}

func (c *crashWorld) serve(rw http.ResponseWriter, r *http.Request) bool {
	c.mu.Lock()
	onCall := c.onCall
	c.mu.Unlock()
	if onCall == nil || !onCall(rw, r) {
		c.answer(rw, r)
	}
	return true
}

// answer is the service's, whoever is killed meanwhile.
func (c *crashWorld) answer(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/media" && r.ContentLength > tooLarge {
		rw.WriteHeader(http.StatusRequestEntityTooLarge)
		fmt.Fprint(rw, `{"message":"too large","errorCode":"RequestTooLarge"}`)
		return
	}
	c.during(rw, r)
}

func (c *crashWorld) set(onCall func(rw http.ResponseWriter, r *http.Request) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onCall = onCall
}

// killer kills one daemon. It gives the command to start, and is told of the process then.
type killer struct {
	name  string
	wrap  []string // put before the program
	start func(c *crashWorld, kill func())
}

func (c *crashWorld) killers() []killer {
	var all []killer
	for _, path := range []string{"/v1/media", "/actions"} {
		for _, at := range []string{"before it is read", "in the middle of it", "before its answer", "after its answer"} {
			all = append(all, killer{name: "at " + path + ", " + at, start: atCall(path, at, 1+c.rand.IntN(3))})
		}
	}
	// Each of these is the entry of a system call, so the one before it was the last: between the pages of a commit, before
	// and after its sync, between copy, note, rename, sync and removal of a move.
	for _, call := range []struct {
		name string
		most int // at the nth of one thread, up to this
	}{{"pwrite64", 60}, {"fdatasync", 12}, {"renameat2", 4}, {"fsync", 6}, {"linkat", 3}, {"unlinkat", 4}, {"write", 40}} {
		wrap := []string{
			"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call.name,
			"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call.name, 1+c.rand.IntN(call.most)),
		}
		all = append(all, killer{name: "at " + call.name, wrap: wrap})
	}
	after := time.Duration(c.rand.IntN(400)) * time.Millisecond
	return append(all, killer{name: "at random", start: func(_ *crashWorld, kill func()) { time.AfterFunc(after, kill) }})
}

// atCall kills at the nth call to a path that ends like this.
func atCall(path, at string, nth int) func(c *crashWorld, kill func()) {
	return func(c *crashWorld, kill func()) {
		c.set(killAt(at, nth, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, path) }, c.answer, kill))
	}
}

// killAt gives what kills at the nth call that is meant, before the service has acted or after it. answer is the service.
func killAt(
	at string, nth int, isMeant func(r *http.Request) bool, answer func(rw http.ResponseWriter, r *http.Request), kill func(),
) func(rw http.ResponseWriter, r *http.Request) (handled bool) {
	var left atomic.Int64
	left.Store(int64(nth))
	return func(rw http.ResponseWriter, r *http.Request) bool {
		if !isMeant(r) || left.Add(-1) != 0 {
			return false
		}
		switch at {
		case "before it is read":
			kill()
		case "in the middle of it":
			_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
			kill()
		case "before its answer":
			answer(httptest.NewRecorder(), r)
			kill()
		case "after its answer":
			answer(rw, r)
			_ = http.NewResponseController(rw).Flush()
			kill()
			return true
		}
		panic(http.ErrAbortHandler)
	}
}

// round drops files, starts a daemon, and waits until it was killed. One that has nothing left to do is killed as well.
func (c *crashWorld) round(k killer) {
	c.t.Helper()
	for range 2 {
		for _, folder := range []string{"near", "hold", "far", "album", "album"} {
			c.drop(c.makeOne(folder, c.dir), folder)
		}
		trip := fmt.Sprint("trip ", c.number)
		must(c.t, os.Mkdir(filepath.Join(c.dir, trip), 0o755))
		c.makeOne("trip", filepath.Join(c.dir, trip))
		c.makeOne("trip", filepath.Join(c.dir, trip))
		c.drop(trip, "trip")
	}
	args := append(slices.Clone(k.wrap), os.Args[0], "run", "--config", c.config)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), runMain+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // strace is not killed alone: the daemon would live on
	cmd.Stdout, cmd.Stderr = &c.log, &c.log
	must(c.t, cmd.Start())
	kill := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if k.start != nil {
		k.start(c, kill)
	}
	c.kills[untilKilled(c.t, cmd, k.name, c.empty, kill, &c.log)]++
	c.set(nil)
	for state, n := range c.unfinished() {
		c.left[state] += n
	}
	c.disturb()
}

// untilKilled waits until a daemon was killed, and gives by what: name, or that it had nothing left to do, for which it is killed, too.
func untilKilled(t testing.TB, cmd *exec.Cmd, name string, isEmpty func() bool, kill func(), log *sharedLog) string {
	t.Helper()
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	idle := time.NewTicker(20 * time.Millisecond)
	defer idle.Stop()
	enough := time.After(5 * time.Minute)
	for {
		select {
		case err := <-exited:
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
				t.Fatalf("the daemon ended by itself: %v\n%s", err, firstAndLast(log.String()))
			}
			fmt.Fprintln(log, "killed", name)
			return name
		case <-idle.C:
			if !isEmpty() {
				continue
			}
			name = "with nothing left to do"
			kill()
		case <-enough:
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGQUIT) // and so tell what it does
			<-exited
			t.Fatalf("the daemon has not come to the end in five minutes:\n%s", log.String()[max(0, len(log.String())-40_000):])
		}
	}
}

func (c *crashWorld) empty() bool {
	for _, folder := range crashFolders() {
		entries, err := os.ReadDir(c.folder(folder))
		must(c.t, err)
		if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return !e.IsDir() || folder == "trip" }) {
			return false
		}
	}
	return true
}

// makeOne makes a file for a folder in dir; one in eight is bad.
func (c *crashWorld) makeOne(folder, dir string) (name string) {
	c.t.Helper()
	c.hands.Lock()
	defer c.hands.Unlock()
	c.number++
	ext := ".pdf"
	if folder == "album" || folder == "trip" {
		ext = ".jpg"
	}
	name, content := fmt.Sprint(c.number, ext), fmt.Sprintf("%s %d %s", folder, c.number, strings.Repeat("x", c.rand.IntN(30_000)))
	switch c.rand.IntN(16) {
	case 0:
		name += ".txt"
		c.bad[folder+"/"+name] = true
	case 1:
		content += strings.Repeat("too large", tooLarge/9)
		c.bad[folder+"/"+name] = true
	}
	c.content[folder+"/"+name] = content
	must(c.t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	return name
}

// drop moves a file or a whole folder in.
func (c *crashWorld) drop(name, folder string) {
	c.t.Helper()
	must(c.t, os.Rename(filepath.Join(c.dir, name), filepath.Join(c.folder(folder), name)))
}

// unfinished counts the unfinished deliveries by state, in a copy of the ledger: opening the ledger itself would mend
// what the next daemon is to mend.
func (c *crashWorld) unfinished() map[string]int {
	c.t.Helper()
	return ledgerStates(c.t, c.ledgerCopy())
}

// ledgerCopy copies the ledger, as far as there is one, and gives the copy's path.
func (c *crashWorld) ledgerCopy() string {
	c.t.Helper()
	dir := c.t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		text, err := os.ReadFile(c.dir + "/state/ledger.db" + suffix)
		if os.IsNotExist(err) {
			continue
		}
		must(c.t, err)
		must(c.t, os.WriteFile(dir+"/ledger.db"+suffix, text, 0o600))
	}
	return dir + "/ledger.db"
}

func ledgerStates(t testing.TB, path string) map[string]int {
	t.Helper()
	states := map[string]int{}
	query(t, path, func(rows *sql.Rows) {
		var state string
		must(t, rows.Scan(&state))
		states[state]++
	}, "SELECT state FROM delivery WHERE finished_at IS NULL")
	return states
}

// finish lets a last daemon bring all to its end, and holds what came of it against the promise.
func (c *crashWorld) finish() {
	c.t.Helper()
	c.hands.Lock()
	c.calm = true
	c.hands.Unlock()
	p := c.start("run", "--config", c.config, "--once")
	if code := p.within(10 * time.Minute); code > 1 { // on a slow machine little is delivered between two kills, and much is left
		c.t.Fatalf("exit code %d", code)
	}
	book := c.dir + "/state/ledger.db"
	if states := ledgerStates(c.t, book); len(states) > 0 {
		c.t.Errorf("not at their end: %v", states)
	}
	if !c.empty() {
		c.t.Error("something is left in the folders")
	}
	posted, repeats, albums := map[string]int{}, 0, 0 // posted: by digest
	for _, post := range c.sandbox.Posts() {
		if posted[post.Media[0].SHA256] > 0 {
			repeats++
		}
		if len(post.Media) > 1 {
			albums++
		}
		for _, m := range post.Media {
			posted[m.SHA256]++
		}
	}
	marked := map[string]bool{} // by "folder/name"
	query(c.t, book, func(rows *sql.Rows) {
		var folder, name string
		must(c.t, rows.Scan(&folder, &name))
		marked[filepath.Base(folder)+"/"+filepath.Base(name)] = true
	}, "SELECT h.folder, h.name FROM history h JOIN delivery d USING (id) WHERE d.maybe_twice")
	held := 0
	wrong := func(key, format string, args ...any) {
		c.t.Helper()
		c.t.Errorf("%s: "+format+"\n%s", append(append([]any{key}, args...), c.story(key))...)
	}
	lie := c.whereAllLies()
	for key, content := range c.content {
		n, failed := posted[digest(content)], strings.HasPrefix(lie[key], "failed/")
		folder, name := filepath.Split(key)
		note := lie[folder+name+".reason.txt"]
		switch {
		case c.bad[key]:
			if n != 0 || !failed || note == "" {
				wrong(key, "it is bad, was posted %d times, lies in %q, its note in %q", n, lie[key], note)
			}
		case holds(filepath.Clean(folder)) && failed:
			held++
			if n > 1 || note == "" {
				wrong(key, "it was held, posted %d times, its note in %q", n, note)
			}
		case n > 1 && marked[key] && !holds(filepath.Clean(folder)) && !failed && lie[key] != "":
		case n != 1 || failed || lie[key] == "":
			wrong(key, "posted %d times (marked: %v), lies in %q", n, marked[key], lie[key])
		}
	}
	if repeats > c.left["posting"] { // each had its kill between the action and its answer
		c.t.Errorf("%d messages too many, but kills left only %d deliveries in doubt", repeats, c.left["posting"])
	}
	if albums == 0 {
		c.t.Error("there was no album")
	}
	c.t.Logf("%d files, %d albums, %d messages too many, %d files marked as maybe twice, %d held",
		len(c.content), albums, repeats, len(marked), held)
}

// whereAllLies finds each file by its content: "done/..." or "failed/..." by "folder/name". It complains of every file
// that should not be there.
func (c *crashWorld) whereAllLies() map[string]string {
	c.t.Helper()
	lie, numbered := map[string]string{}, regexp.MustCompile(` \(\d+\)\.`)
	for _, folder := range crashFolders() {
		found := files(c.t, c.folder(folder))
		if isFar(folder) {
			maps.Copy(found, files(c.t, c.dir+"/shm/"+folder))
		}
		for path, content := range found {
			name := filepath.Base(path)
			if isFar(folder) { // its name may have been taken by the copy of one that was renamed, which is gone now
				name = numbered.ReplaceAllString(name, ".")
			}
			key := folder + "/" + name
			original, isNote := strings.CutSuffix(key, ".reason.txt")
			switch {
			case c.content[key] == content && strings.Contains(path, "/") && lie[key] == "":
				lie[key] = path
			case isNote && c.content[original] != "" && strings.HasPrefix(path, "failed/"):
				lie[key] = path
			default:
				c.t.Errorf("%s/%s should not be there (%d bytes)", folder, path, len(content))
			}
		}
	}
	return lie
}

// story is what the daemons logged of one file, and where they were killed meanwhile.
func (c *crashWorld) story(key string) string {
	var told []string
	folder, _ := filepath.Split(key)
	for line := range strings.Lines(c.log.String()) {
		about := slices.ContainsFunc(append(c.former[key], key), func(name string) bool {
			name = filepath.Base(name)
			return strings.Contains(line, `"`+name+`"`) || strings.Contains(line, "/"+name+`"`)
		}) && (strings.Contains(line, "/"+filepath.Clean(folder)+`"`) || strings.HasPrefix(line, "hand on"))
		killed := strings.HasPrefix(line, "killed ")
		if last := len(told) - 1; killed && last >= 0 && strings.HasPrefix(told[last], "killed ") {
			told[last] = line
		} else if about || killed && last >= 0 {
			told = append(told, line)
		}
	}
	return strings.Join(told[max(0, len(told)-20):], "")
}
