package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/mounts"
	"kaizala-drop/internal/sandbox"
)

// soakSize is how much a soak is.
type soakSize struct {
	files     int
	length    time.Duration // in which they are dropped
	troubles, // the mean time from the end of a mount's trouble to its next one
	exits time.Duration // and of a daemon's life
}

func sizeOfSoak(t *testing.T) soakSize {
	if os.Getenv("KAIZALA_DROP_SOAK") != "" {
		return soakSize{2000, 28 * time.Minute, 20 * time.Second, 40 * time.Second}
	}
	takesLong(t)
	if raceEnabled {
		t.Skip("the run without the race detector has it")
	}
	return soakSize{120, 20 * time.Second, 3 * time.Second, 5 * time.Second}
}

// TestSoak: 8 folders on 8 kinds of file systems hang, vanish, come back, fill up and turn read-only at random, the daemon is
// stopped and killed, calls are disturbed, and people rename, touch, chmod, replace and drag back what they dropped. In the end
// each file is in the group once, and once more for each time that it was deliberately dropped again; it lies on the disk as
// often as people made it; and nothing else lies there.
//
// KAIZALA_DROP_SOAK=1 makes it last half an hour, and KAIZALA_DROP_SOAK_SEED=N draws the same lots again: what comes of them is the
// clock's, too.
func TestSoak(t *testing.T) {
	size := sizeOfSoak(t)
	if os.Getenv(soakInside) == "" {
		soakApart(t)
		return
	}
	seed, err := strconv.ParseUint(os.Getenv("KAIZALA_DROP_SOAK_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	t.Logf("seed %d (KAIZALA_DROP_SOAK_SEED)", seed)
	s := newSoak(t, seed, size)
	s.run()
	s.end()
	s.check()
	s.t.Logf("%d files, %d messages; %v", len(s.files), s.sandbox.Stats().Posts, s.tally)
}

// soakInside says that this process has mounts of its own.
const soakInside = "KAIZALA_DROP_SOAK_INSIDE"

// soakApart has the soak run in a mount namespace of its own: a copy of its mounts in another one, which a test that boots a
// systemd makes, would keep what is taken away here in use.
func soakApart(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("unshare"); err != nil || os.Geteuid() != 0 {
		needs(t, "unshare (apt-get install util-linux), as root")
	}
	cmd := exec.Command("unshare", "--mount", os.Args[0], "-test.run=^TestSoak$", "-test.v", "-test.timeout=0")
	cmd.Env = append(os.Environ(), soakInside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // whose end would be the signal
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("the soak: %v", err)
	}
}

// soakWorld is one run. All of it belongs to the test's goroutine: it alone touches the file systems, and none that hangs.
type soakWorld struct {
	*world
	rand   *mathrand.Rand
	size   soakSize
	begun  time.Time
	p      *process
	exitAt time.Time
	mounts []*soakMount
	files  []*soakFile
	bySum  map[string]*soakFile
	asks   chan ask // of calls that let people act before they are answered
	tally  map[string]int
	story  bytes.Buffer // what people did and what befell, and what the daemons logged
}

// soakFile is a file as the one table of them has it. Its bytes are its own.
type soakFile struct {
	of     *soakMount
	sum    string
	names  []string // that it ever had
	bad    bool     // no type that is sent: it goes to failed/
	posts  int      // how often it is to be posted
	copies int      // how often it is to lie on the disk
	doubts int      // how often a daemon ended while it was being posted
}

// soakMount is a file system with a drop folder in it.
type soakMount struct {
	*mounts.Mount
	name    string
	folder  string // what is watched, below Path or Path itself
	done    string // may lie on another of them
	host    *soakMount
	fills   []string // where a filler fills it up
	deep    bool     // folders inside are watched too
	hang    func()   // nil: it cannot hang
	answer  func()
	dies    bool                 // nothing is lost when the program that serves it is killed
	least   int                  // bytes of a file
	dropped map[string]*soakFile // what may lie in the folder still, by its path there
	number  int                  // of names that were made up

	ill  string    // what befell it; "": it is well
	next time.Time // when that ends, or when the next thing befalls it
	cure func()
}

// works reports whether files can be written in its folder.
func (m *soakMount) works() bool { return m.ill == "" || m.ill == "full" }

// soakMounts mounts all eight.
func soakMounts(t *testing.T) []*soakMount {
	small := func() string { return mounts.Tmpfs(t, "size=16m") }
	var all []*soakMount
	add := func(name string, m *mounts.Mount, folder string, fills ...string) *soakMount {
		s := &soakMount{Mount: m, name: name, folder: filepath.Join(m.Path, folder), fills: fills, least: 20, dropped: map[string]*soakFile{}}
		if fills == nil {
			s.fills = []string{m.Path}
		}
		if m.IsServed() {
			s.hang, s.answer = m.Stop, m.Cont
		}
		s.done = filepath.Join(s.folder, "done")
		must(t, os.MkdirAll(s.folder, 0o755))
		all = append(all, s)
		return s
	}
	frozen := func(path string) (hang, answer func()) {
		return func() { mounts.Freeze(t, path) }, func() { mounts.Thaw(t, path) }
	}
	ext4 := add("ext4", mounts.Disk(t), "drop")
	ext4.hang, ext4.answer = frozen(ext4.Path)
	ram := small()
	add("tmpfs", mounts.Bind(t, ram), "", ram)
	base := mounts.Ext4(t)
	overlay := add("overlay", mounts.Bind(t, mounts.OverlayOn(t, base)), "drop", base)
	overlay.hang, overlay.answer = frozen(base)
	add("exfat", mounts.ExFAT(t), "")
	ntfs := add("ntfs", mounts.NTFS(t, "windows_names"), "drop")
	ram = small()
	add("bindfs", mounts.Bindfs(t, ram), "", ram).dies = true
	ram, more := small(), small()
	add("mergerfs", mounts.MergerfsOf(t, ram, more), "", ram, more).dies = true
	ram = small()
	short := add("short143", mounts.OddAt(t, ram, "-max=143", "-noreplace=false"), "drop", ram)
	short.dies = true
	ext4.liesIn(t, short)
	overlay.liesIn(t, ntfs)
	// ntfs-3g (2022.10.3) breaks the name of a file that is renamed on a full disk while its bytes and names nearly fill its
	// record of 1,024 bytes: nobody can move or remove it any more.
	ntfs.least, overlay.least = 1024, 1024
	for i, m := range all {
		m.deep = i%2 == 0
	}
	return all
}

// liesIn gives m a done/ on another mount.
func (m *soakMount) liesIn(t *testing.T, host *soakMount) {
	m.host, m.done = host, host.Path+"/far/done of "+m.name
	must(t, os.Mkdir(host.Path+"/far", 0o755))
}

func newSoak(t *testing.T, seed uint64, size soakSize) *soakWorld {
	s := &soakWorld{
		rand: mathrand.New(mathrand.NewPCG(seed, 2)), size: size, mounts: soakMounts(t),
		bySum: map[string]*soakFile{}, asks: make(chan ask), tally: map[string]int{},
	}
	var names []string
	for _, m := range s.mounts {
		names = append(names, m.name)
	}
	s.world = newWorldOf(t, sandbox.Options{Chaos: soakDisturbances(seed)}, `settle_remote = "300ms"`+"\n", names...)
	s.reconfigure(`settle = "200ms"`, `settle = "100ms"`)
	s.reconfigure("log_format", "shutdown_grace = \"3s\"\nlog_format")
	for _, m := range s.mounts {
		s.reconfigure(fmt.Sprintf("path = %q", s.world.folder(m.name)),
			fmt.Sprintf("path = %q\ndone = %q\nrecursive = %v", m.folder, m.done, m.deep))
	}
	s.between(s.let)
	t.Cleanup(func() {
		if t.Failed() {
			s.keepStory()
		}
	})
	return s
}

// soakDisturbances leave no doubt whether something was posted: what becomes of a file with such a doubt while people rename
// it has no single answer, and is not asked here. Only the end of a daemon in the midst of a post leaves one.
func soakDisturbances(seed uint64) *sandbox.Chaos {
	c := &sandbox.Chaos{Seed: seed}
	add := func(chance float64, call string, r sandbox.Rule) {
		r.Call, r.Chance = call, chance
		c.Rules = append(c.Rules, r)
	}
	for _, call := range []string{"media", "actions"} {
		add(0.10, call, sandbox.Rule{Do: "delay", For: 300 * time.Millisecond})
		add(0.05, call, sandbox.Rule{Do: "slow", For: 200 * time.Millisecond})
		add(0.02, call, sandbox.Rule{Do: "moved"})
		add(0.01, call, sandbox.Rule{Do: "all tokens ended"})
		add(0.01, call, sandbox.Rule{Do: "invalid token"})
		add(0.002, call, sandbox.Rule{Do: "status", Status: 429, RetryAfter: time.Second})
	}
	for _, do := range []string{"lose answer", "reset before", "reset during", "reset after", "cut answer", "nonsense", "status"} {
		add(0.005, "media", sandbox.Rule{Do: do})
	}
	return c
}

// ask is a call's, that is answered once people have acted.
type ask struct {
	sums []string // what it posted; nil: an upload
	done chan bool
}

// let lets people act between what a call did and its answer.
func (s *soakWorld) let(rw http.ResponseWriter, r *http.Request) bool {
	isPost := strings.HasSuffix(r.URL.Path, "/actions")
	if !isPost && r.URL.Path != "/v1/media" {
		return false
	}
	var sums []string
	if isPost {
		answer, before := httptest.NewRecorder(), s.sandbox.Stats().Posts
		s.sandbox.ServeHTTP(answer, r)
		for _, p := range s.sandbox.Posts()[before:] {
			sums = append(sums, p.Media[0].SHA256)
		}
		defer func() {
			maps.Copy(rw.Header(), answer.Header())
			rw.WriteHeader(answer.Code)
			_, _ = rw.Write(answer.Body.Bytes())
		}()
	} else {
		s.sandbox.ServeHTTP(rw, r)
	}
	a := ask{sums, make(chan bool)}
	select {
	case s.asks <- a:
		<-a.done
	case <-r.Context().Done():
	case <-time.After(time.Second): // nobody is there
	}
	return true
}

// run lets everything happen.
func (s *soakWorld) run() {
	s.t.Helper()
	s.begun = time.Now()
	s.startDaemon()
	for _, m := range s.mounts {
		m.next = s.later(s.size.troubles)
	}
	beat := time.NewTicker(25 * time.Millisecond) // the pace of the people
	defer beat.Stop()
	for len(s.files) < s.size.files || time.Since(s.begun) < s.size.length {
		select {
		case <-beat.C:
			s.step()
		case a := <-s.asks:
			s.answer(a)
		case err := <-s.p.exited:
			s.p.exited <- err
			s.t.Fatalf("the daemon ended by itself: %v", err)
		}
	}
}

func (s *soakWorld) later(mean time.Duration) time.Time {
	return time.Now().Add(time.Duration(s.rand.ExpFloat64() * float64(mean)))
}

func (s *soakWorld) step() {
	s.t.Helper()
	now := time.Now()
	for _, m := range s.mounts {
		switch {
		case now.Before(m.next):
		case m.ill != "":
			s.heal(m)
		default:
			s.befall(m)
		}
	}
	if now.After(s.exitAt) {
		s.exit(s.rand.IntN(2) == 0)
		s.startDaemon()
	}
	due := int(float64(s.size.files) * min(1, float64(now.Sub(s.begun))/float64(s.size.length)))
	if behind := due - len(s.files); behind > s.rand.IntN(8) || behind > 0 && due == s.size.files {
		if m, ok := s.pick(func(m *soakMount) bool { return m.works() }); ok {
			for range behind {
				s.drop(m)
			}
		}
	}
	if m, ok := s.pick(func(m *soakMount) bool { return m.works() }); ok && s.rand.IntN(2) == 0 {
		s.act(m)
	}
}

func (s *soakWorld) pick(can func(*soakMount) bool) (*soakMount, bool) {
	var some []*soakMount
	for _, m := range s.mounts {
		if can(m) {
			some = append(some, m)
		}
	}
	if some == nil {
		return nil, false
	}
	return some[s.rand.IntN(len(some))], true
}

// tell notes what was done, to be counted, and to be read if the soak fails.
func (s *soakWorld) tell(what string, m *soakMount, format string, args ...any) {
	s.tally[what]++
	fmt.Fprintf(&s.story, "%s SOAK %s: %s: "+format+"\n", append([]any{time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), m.name, what}, args...)...)
}

// befall has a mount fall ill, if it can just now.
func (s *soakWorld) befall(m *soakMount) {
	s.t.Helper()
	kinds := []string{"full", "vanish", "read-only"}
	if m.hang != nil {
		kinds = append(kinds, "hang")
	}
	if m.dies {
		kinds = append(kinds, "die")
	}
	what := kinds[s.rand.IntN(len(kinds))]
	switch what {
	case "full":
		s.fillUp(m)
		m.cure = func() { s.removeFillers(m) }
	case "vanish":
		if slices.ContainsFunc(s.mounts, func(m *soakMount) bool { return m.ill == "hang" }) {
			return // a move between the two keeps this one in use until the other one answers
		}
		m.Detach()
		m.cure = m.Again
	case "die":
		m.Kill()
		m.cure = func() { m.Detach(); m.Again() }
	case "hang":
		m.hang()
		m.cure = m.answer
	case "read-only":
		if err := s.remount(m, unix.MS_RDONLY); err != nil { // while somebody has a file open for writing, it cannot be
			return
		}
		m.cure = func() { must(s.t, s.remount(m, 0)) }
	}
	m.ill = what
	m.next = time.Now().Add(100*time.Millisecond + time.Duration(s.rand.Int64N(int64(s.size.troubles/4))))
	if s.rand.IntN(12) == 0 && s.size.troubles > 10*time.Second { // longer than what counts as hanging
		m.next = m.next.Add(17 * time.Second)
	}
	s.tell(what, m, "until %s", m.next.UTC().Format("15:04:05.000"))
}

func (s *soakWorld) remount(m *soakMount, flag uintptr) error {
	return unix.Mount("", m.Path, "", unix.MS_REMOUNT|unix.MS_BIND|flag, "")
}

func (s *soakWorld) heal(m *soakMount) {
	s.t.Helper()
	if m.ill != "" {
		m.cure()
		s.tell("well", m, "no more %s", m.ill)
	}
	m.ill, m.cure, m.next = "", nil, s.later(s.size.troubles)
}

// fillUp leaves no byte free.
func (s *soakWorld) fillUp(m *soakMount) {
	s.t.Helper()
	for _, dir := range m.fills {
		f, err := os.Create(dir + "/.filler")
		if err != nil {
			continue // the daemon's files fill it already
		}
		for _, piece := range []int{1 << 20, 64 << 10, 4 << 10, 512} {
			for err = nil; err == nil; {
				_, err = f.Write(make([]byte, piece))
			}
		}
		f.Close()
		if !errors.Is(err, unix.ENOSPC) {
			s.t.Fatalf("filling %s: %v", m.name, err)
		}
	}
}

func (s *soakWorld) removeFillers(m *soakMount) {
	s.t.Helper()
	for _, dir := range m.fills {
		if err := os.Remove(dir + "/.filler"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.t.Fatal(err)
		}
	}
}

func (s *soakWorld) startDaemon() {
	s.t.Helper()
	s.p = s.start("run", "--config", s.config)
	s.t.Cleanup(s.answerAll) // before it is waited for: nothing ends what is frozen
	s.exitAt = s.later(s.size.exits)
}

func (s *soakWorld) answerAll() {
	for _, m := range s.mounts {
		if m.ill == "hang" {
			s.heal(m)
		}
	}
}

// exit ends the daemon, and notes which files it leaves in doubt: those that the ledger has as being posted.
func (s *soakWorld) exit(kill bool) {
	s.t.Helper()
	what, signal := "stopped", syscall.SIGTERM
	if kill {
		what, signal = "killed", syscall.SIGKILL
	}
	fmt.Fprintf(&s.story, "%s SOAK daemon: %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), what)
	s.tally[what]++
	must(s.t, s.p.Process.Signal(signal))
	late := time.After(2 * time.Minute)
	for ended := false; !ended; {
		select {
		case err := <-s.p.exited:
			s.p.exited <- err
			ended = true
		case a := <-s.asks:
			close(a.done)
		case <-time.After(time.Second): // the kernel may hold a process that hangs
			s.answerAll()
		case <-late:
			s.t.Fatal("the daemon has not ended within two minutes")
		}
	}
	if code := s.p.ProcessState.ExitCode(); !kill && code != 0 {
		s.t.Errorf("exit code %d of a stop", code)
	}
	s.story.WriteString(s.p.log())
	book := (&crashWorld{world: s.world}).ledgerCopy()
	query(s.t, book, func(rows *sql.Rows) {
		var sum []byte
		must(s.t, rows.Scan(&sum))
		if f := s.bySum[hex.EncodeToString(sum)]; f != nil {
			f.doubts++
			s.tell("in doubt", f.of, "%q", f.names)
		}
	}, "SELECT sha256 FROM file JOIN delivery ON id = delivery WHERE state = 'posting' AND finished_at IS NULL")
}

// drop drops a new file: written under a hidden name, so that it comes whole.
func (s *soakWorld) drop(m *soakMount) {
	s.t.Helper()
	f := &soakFile{of: m, posts: 1, copies: 1, bad: s.rand.IntN(20) == 0}
	content := make([]byte, m.least+s.rand.IntN(20_000))
	_, _ = rand.Read(content)
	f.sum = digest(string(content))
	if s.bring(m, f, content) {
		s.files = append(s.files, f)
		s.bySum[f.sum] = f
		if f.bad {
			f.posts = 0
		}
		s.tell("drop", m, "%q, sum %.12s", f.names, f.sum)
	}
}

// bring writes content into the folder of m, under a name that is free, and reports whether it did: a full disk takes nothing.
func (s *soakWorld) bring(m *soakMount, f *soakFile, content []byte) bool {
	s.t.Helper()
	hidden := filepath.Join(m.folder, ".dropped")
	if err := os.WriteFile(hidden, content, 0o644); err != nil {
		s.wellAllBut(m, err, unix.ENOSPC)
		_ = os.Remove(hidden)
		return false
	}
	if !s.renameTo(m, f, hidden) {
		must(s.t, os.Remove(hidden))
		return false
	}
	return true
}

// wellAllBut fails the test for an error that people can have for no reason but one: then nothing was done.
func (s *soakWorld) wellAllBut(m *soakMount, err error, reasons ...unix.Errno) {
	s.t.Helper()
	if !slices.ContainsFunc(reasons, func(e unix.Errno) bool { return errors.Is(err, e) }) {
		s.t.Fatalf("%s, which is %q: %v", m.name, m.ill, err)
	}
}

// renameTo gives a file in the folder of m a new name there, and reports whether it did.
func (s *soakWorld) renameTo(m *soakMount, f *soakFile, from string) bool {
	s.t.Helper()
	for range 3 { // no file system takes every name
		name := s.newName(m, f)
		path := filepath.Join(m.folder, name)
		if dir := filepath.Dir(path); os.MkdirAll(dir, 0o755) != nil {
			continue
		}
		err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EINVAL) && isFree(path) { // nobody but this goroutine, and a daemon that puts back, makes names here
			err = os.Rename(from, path)
		}
		switch {
		case err == nil:
			f.names = append(f.names, name)
			m.dropped[name] = f
			return true
		case errors.Is(err, fs.ErrNotExist) && !isFree(filepath.Dir(path)):
			return false // it is gone
		}
		s.wellAllBut(m, err, unix.EINVAL, unix.ENAMETOOLONG, unix.EEXIST, unix.ENOSPC, unix.EPERM, unix.ENOENT, unix.EXDEV)
	}
	return false
}

func isFree(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// newName makes a name up, now and then one that was there before.
func (s *soakWorld) newName(m *soakMount, f *soakFile) string {
	m.number++
	n := m.number
	ext := []string{".pdf", ".jpg", ".PDF", ".mp4"}[s.rand.IntN(4)]
	if f.bad {
		ext = ".txt"
	}
	name := fmt.Sprintf("invoice %d", n)
	switch s.rand.IntN(10) {
	case 0:
		name = "scan"
	case 1:
		name = fmt.Sprintf("Scan 10:15 %d?", n)
	case 2:
		name = fmt.Sprintf("%d %s", n, strings.Repeat("long", 34))
	case 3:
		name = fmt.Sprintf("%d %s", n, strings.Repeat("longer", 38))
	case 4:
		name = fmt.Sprintf("Übergrößenträger %d. Teil", n)
	}
	if m.deep && s.rand.IntN(3) == 0 {
		name = fmt.Sprintf("sub %d/%s", s.rand.IntN(3), name)
	}
	return name + ext
}

// answer lets people act on what was just posted, or on anything while an upload waits for its answer.
func (s *soakWorld) answer(a ask) {
	defer close(a.done)
	if a.sums == nil {
		if m, ok := s.pick(func(m *soakMount) bool { return m.works() && len(m.dropped) > 0 }); ok && s.rand.IntN(3) == 0 {
			s.act(m)
		}
		return
	}
	for _, sum := range a.sums {
		f := s.bySum[sum]
		if f == nil {
			s.t.Errorf("something was posted that nobody dropped: %s", sum)
			continue
		}
		if name, ok := lastOf(f); ok && f.of.works() && s.rand.IntN(3) == 0 {
			s.disturb(f.of, name, f)
		}
	}
}

// lastOf is where f may lie in its folder.
func lastOf(f *soakFile) (string, bool) {
	for name, other := range f.of.dropped {
		if other == f {
			return name, true
		}
	}
	return "", false
}

// act is what people do in a folder, now with what is under way and now with what is filed.
func (s *soakWorld) act(m *soakMount) {
	s.t.Helper()
	switch s.rand.IntN(12) {
	case 0:
		s.dragOut(m)
	case 1:
		s.renameFolder(m)
	default:
		names := slices.Sorted(maps.Keys(m.dropped))
		if len(names) > 0 {
			name := names[s.rand.IntN(len(names))]
			s.disturb(m, name, m.dropped[name])
		}
	}
}

// disturb does something to a file in its folder that leaves it the file that it is: posted once, whenever it happens.
func (s *soakWorld) disturb(m *soakMount, name string, f *soakFile) {
	s.t.Helper()
	path := filepath.Join(m.folder, name)
	if isFree(path) {
		delete(m.dropped, name) // it was filed
		return
	}
	switch s.rand.IntN(6) {
	case 0, 1:
		at := time.Now().Add(-time.Duration(s.rand.Int64N(int64(24 * time.Hour))))
		if err := os.Chtimes(path, at, at); err == nil {
			s.tell("touch", m, "%q", name)
		}
	case 2:
		if err := os.Chmod(path, fs.FileMode(0o600|s.rand.IntN(64))); err == nil {
			s.tell("chmod", m, "%q", name)
		}
	case 3:
		s.replace(m, name, path)
	default:
		if s.renameTo(m, f, path) {
			delete(m.dropped, name)
			s.tell("rename", m, "%q to %q", name, f.names[len(f.names)-1])
		}
	}
}

// replace puts a copy into the place of a file: another inode with the same bytes. The two change places in one step, or the
// file could be moved to done/ just before, and the copy would be a second drop. Where a move copies, the original may be in
// done/ already while it still lies in the folder, and what replaces it then is a second drop too: so not there.
func (s *soakWorld) replace(m *soakMount, name, path string) {
	s.t.Helper()
	if m.host != nil || m.name == "mergerfs" {
		return
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return // it was filed
	}
	hidden := filepath.Join(m.folder, ".copy")
	if err := os.WriteFile(hidden, content, 0o644); err == nil {
		err = unix.Renameat2(unix.AT_FDCWD, hidden, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE)
		if err == nil {
			s.tell("replace", m, "%q", name)
		}
	}
	if err := os.Remove(hidden); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
}

// renameFolder renames a folder with all that lies in it: one that was dropped, or done/. A done/ without its mark, for which
// a full disk had no room, would not be known again, as docs/how-it-works.md says.
func (s *soakWorld) renameFolder(m *soakMount) {
	s.t.Helper()
	m.number++
	from, to := "done", fmt.Sprintf("archive %d", m.number)
	isDone := m.host == nil && s.rand.IntN(4) == 0
	if !isDone {
		from, to = fmt.Sprintf("sub %d", s.rand.IntN(3)), fmt.Sprintf("moved %d", m.number)
	} else if info, err := os.Stat(filepath.Join(m.folder, from, filing.Mark)); err != nil || info.Size() == 0 {
		return
	}
	if os.Rename(filepath.Join(m.folder, from), filepath.Join(m.folder, to)) != nil {
		return
	}
	s.tell("rename folder", m, "%q to %q", from, to)
	for name, f := range maps.Clone(m.dropped) {
		if below, ok := strings.CutPrefix(name, from+"/"); ok {
			delete(m.dropped, name)
			m.dropped[to+"/"+below] = f
			f.names = append(f.names, to+"/"+below)
		}
	}
}

// dragOut moves a file of done/ back into the folder, or copies it there: a deliberate second drop. It is one for sure once
// the ledger has the first one as filed: a crash in the moment between the move and that leaves a daemon that finds the file
// in the folder, and takes it for one whose move did not happen.
func (s *soakWorld) dragOut(m *soakMount) {
	s.t.Helper()
	if m.ill != "" || m.host != nil && m.host.ill != "" {
		return
	}
	path, f := s.aFiledOne(m)
	if f == nil {
		return
	}
	content, err := os.ReadFile(path)
	if err != nil || digest(string(content)) != f.sum {
		return // it lies elsewhere since somebody renamed done/
	}
	if s.rand.IntN(3) == 0 {
		if s.bring(m, f, content) {
			f.posts, f.copies = f.posts+1, f.copies+1
			s.tell("copy out", m, "%q as %q", path, f.names[len(f.names)-1])
		}
		return
	}
	if m.host != nil { // as mv(1) does it between two devices
		if s.bring(m, f, content) {
			f.posts++
			must(s.t, os.Remove(path))
			s.tell("drag out, far", m, "%q as %q", path, f.names[len(f.names)-1])
		}
	} else if s.renameTo(m, f, path) {
		f.posts++
		s.tell("drag out", m, "%q as %q", path, f.names[len(f.names)-1])
	}
}

// aFiledOne gives a file that the ledger has as filed from m, and that was not yet dropped again.
func (s *soakWorld) aFiledOne(m *soakMount) (path string, f *soakFile) {
	db, err := sql.Open("sqlite", "file:"+s.dir+"/state/ledger.db?mode=ro")
	must(s.t, err)
	defer db.Close()
	rows, err := db.QueryContext(context.Background(), `SELECT dest, sha256 FROM file JOIN delivery ON id = delivery
		WHERE folder = ? AND state = 'filed' AND finished_at IS NOT NULL AND dest IS NOT NULL ORDER BY random()`, []byte(m.folder))
	if err != nil {
		return "", nil // it is just being opened by the daemon
	}
	defer rows.Close()
	for rows.Next() {
		var sum []byte
		must(s.t, rows.Scan(&path, &sum))
		if f := s.bySum[hex.EncodeToString(sum)]; f != nil && f.posts == 1 {
			return path, f
		}
	}
	return "", nil
}

// end heals everything, and waits until nothing is under way any more.
func (s *soakWorld) end() {
	s.t.Helper()
	for _, m := range s.mounts {
		s.heal(m)
	}
	fmt.Fprintln(&s.story, "SOAK: all is healed")
	patience := 7 * time.Minute // no pause is longer than five
	if s.size.length < time.Minute {
		patience = 2 * time.Minute // nor than the troubles, by far
	}
	look := time.NewTicker(500 * time.Millisecond)
	defer look.Stop()
	for last, since := "", time.Now(); ; {
		select {
		case a := <-s.asks:
			close(a.done)
			continue
		case <-look.C:
		}
		left := s.left()
		if left == "" {
			break
		}
		if left != last {
			last, since = left, time.Now()
		}
		if time.Since(since) > patience {
			s.t.Errorf("not at their end: %s", left)
			break
		}
	}
	s.exit(false)
}

// left says what is not at its end: in the folders or in the ledger.
func (s *soakWorld) left() string {
	var left []string
	for _, m := range s.mounts {
		for name := range m.dropped {
			if isFree(filepath.Join(m.folder, name)) {
				delete(m.dropped, name)
			} else {
				left = append(left, m.name+"/"+name)
			}
		}
	}
	query(s.t, "file:"+s.dir+"/state/ledger.db?mode=ro", func(rows *sql.Rows) {
		var name, state, reason string
		must(s.t, rows.Scan(&name, &state, &reason))
		if state != "posted" || !slices.Contains(s.copied(), filepath.Base(name)) {
			left = append(left, fmt.Sprintf("%q in the ledger: %s", name, reason))
		}
	}, "SELECT name, state, reason FROM delivery JOIN file ON id = delivery WHERE finished_at IS NULL")
	return strings.Join(left, "\n")
}

// pointer is the name of what remembers where the copy of a file lies until all of its move is done.
const pointer = ".kaizala-drop-*.at.tmp"

// copied names the copies of files whose daemon was killed after it had removed the original, and before it was done with the move. It
// cannot be told from a person's rename, so the next daemon looks for that for longer than this test lasts.
func (s *soakWorld) copied() (names []string) {
	for _, m := range s.mounts {
		pointers, err := filepath.Glob(filepath.Join(m.Path, "far", "*", pointer))
		must(s.t, err)
		for _, path := range pointers {
			text, err := os.ReadFile(path)
			must(s.t, err)
			names = append(names, string(text))
		}
	}
	if len(names) > s.tally["killed"] {
		return nil
	}
	return names
}

// lying is what was found on the disks.
type lying struct {
	at    map[string][]string // by sum: where, "MOUNT: PATH"
	notes map[string]bool     // of what, likewise
}

// check holds what came of everything against the promises.
func (s *soakWorld) check() {
	s.t.Helper()
	lies, posts, failed := s.lying(), map[string]int{}, s.failedInDoubt()
	for _, p := range s.sandbox.Posts() {
		for _, m := range p.Media {
			if f := s.bySum[m.SHA256]; f == nil || p.GroupID != f.of.name+"@2" {
				s.t.Errorf("%q was posted to %s: nobody dropped that there", m.Name, p.GroupID)
			}
			posts[m.SHA256]++
		}
	}
	repeated := 0
	for _, f := range s.files {
		n, at := posts[f.sum], lies.at[f.sum]
		inFailed := len(at) - len(slices.DeleteFunc(slices.Clone(at), func(p string) bool { return strings.Contains(p, "/failed/") }))
		least, most, mayFail := f.posts, f.posts+f.doubts, failed[f.sum]
		if mayFail > 0 { // an answer may be lost with a daemon that ends, as docs/how-it-works.md says: then a person looks
			least -= mayFail
		}
		if f.bad {
			mayFail = f.copies
		}
		if n < least || n > most || len(at) != f.copies || inFailed != mayFail || f.doubts == 0 && failed[f.sum] > 0 {
			s.t.Errorf("%s, %q: posted %d times, want %d to %d; lies in %q, want %d places, %d of them in failed/\n%s",
				f.of.name, f.names, n, least, most, at, f.copies, mayFail, s.storyOf(f))
		}
		repeated += max(0, n-f.posts)
		for _, p := range at {
			if strings.Contains(p, "/failed/") && !lies.notes[p] {
				s.t.Errorf("%s has no note", p)
			}
			delete(lies.notes, p)
		}
	}
	for note := range lies.notes {
		s.t.Errorf("there is a note of %s, and nothing that it is about", note)
	}
	s.nothingBelow()
	s.t.Logf("%d messages too many after a daemon ended in the midst of a post, %d such files in failed/", repeated, len(failed))
}

// failedInDoubt counts, by sum, the deliveries that failed because nobody knows whether they were posted.
func (s *soakWorld) failedInDoubt() map[string]int {
	failed := map[string]int{}
	query(s.t, s.dir+"/state/ledger.db", func(rows *sql.Rows) {
		var sum []byte
		must(s.t, rows.Scan(&sum))
		failed[hex.EncodeToString(sum)]++
	}, "SELECT sha256 FROM file JOIN delivery ON id = delivery WHERE state = 'failed' AND reason LIKE '%may have been posted%'")
	return failed
}

// lying lists what lies on all mounts, and complains of what should not.
func (s *soakWorld) lying() lying {
	s.t.Helper()
	all := lying{map[string][]string{}, map[string]bool{}}
	for _, m := range s.mounts {
		err := filepath.WalkDir(m.Path, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() == filing.Mark {
				return err
			}
			content, err := os.ReadFile(path)
			below, _ := filepath.Rel(m.Path, path)
			at, sum := m.name+": /"+below, digest(string(content))
			note, isNote := strings.CutSuffix(at, ".reason.txt")
			first, _, _ := strings.Cut(strings.TrimPrefix(below, "drop/"), "/")
			filed := first == "done" || first == "failed" || first == "far" || strings.HasPrefix(first, "archive ")
			switch {
			case isNote && first == "failed":
				all.notes[note] = true
			case first == "far" && slices.Contains(s.copied(), string(content)): // a pointer
			case s.bySum[sum] == nil || !filed || strings.HasPrefix(d.Name(), "."):
				s.t.Errorf("%s should not be there (%d bytes)", at, len(content))
			default:
				all.at[sum] = append(all.at[sum], at)
			}
			return err
		})
		must(s.t, err)
	}
	return all
}

// nothingBelow makes sure that no file was brought below a mount while that was away.
func (s *soakWorld) nothingBelow() {
	s.t.Helper()
	probes := 0
	for _, m := range s.mounts {
		m.Detach()
		for name := range files(s.t, m.Path) {
			if strings.HasPrefix(name, ".kaizala-drop-probe-") { // of a daemon that was killed in the midst of it
				if probes++; probes <= s.tally["killed"] {
					continue
				}
			}
			s.t.Errorf("%q lies below the mount of %s", name, m.name)
		}
	}
}

// storyOf is what was done to a file, and what the daemons said of it.
func (s *soakWorld) storyOf(f *soakFile) string {
	var told []string
	for line := range strings.Lines(s.story.String()) {
		about := strings.Contains(line, f.sum[:12])
		for _, name := range f.names {
			about = about || strings.Contains(line, filepath.Base(name)) && (strings.Contains(line, f.of.folder) || strings.Contains(line, " "+f.of.name+":"))
		}
		if about {
			told = append(told, line[:min(len(line), 500)])
		}
	}
	return strings.Join(told[:min(len(told), 40)], "\n")
}

// keepStory writes down what happened, for a person to look into.
func (s *soakWorld) keepStory() {
	file, err := os.CreateTemp("", "kaizala-drop-soak-*.log")
	if err != nil {
		return
	}
	defer file.Close()
	if s.p != nil && s.p.ProcessState == nil {
		s.story.WriteString(s.p.log())
	}
	_, _ = s.story.WriteTo(file)
	s.t.Logf("what happened is in %s", file.Name())
}
