package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
)

// The real program is asked to take failed files back, and killed meanwhile, again and again.

// wishes are the ways in which files fail, by the folder in which they do, and what is asked of them then.
func wishes() map[string][]string {
	return map[string][]string{
		"plain": {},               // refused
		"torn":  {"--as-it-is"},   // without its end
		"again": {"--post-again"}, // the action was lost on its way
		"was":   {"--was-posted"}, // the answer was lost
	}
}

// retryWorld is a world in which files have failed. Each wish has a folder, and one with done/ and failed/ on another file system.
type retryWorld struct {
	*world
	program string
	socket  string
	far     string // where the far done/ and failed/ are
	folders []string
	content map[string]string // by "folder/name"
	as      map[string]string // name in done/, if that is another one, by "folder/name"
	kills   map[string]int

	mu   sync.Mutex
	gate chan struct{} // closed: uploads may come
}

// newRetryWorld has two folders for each wish.
func newRetryWorld(t *testing.T) *retryWorld {
	t.Helper()
	var folders []string
	for wish := range wishes() {
		folders = append(folders, wish, wish+"-far")
	}
	slices.Sort(folders)
	return newRetryWorldOf(t, folders...)
}

// newRetryWorldOf has these folders. The name of each begins with the wish, and ends with "-far" for one of that kind.
func newRetryWorldOf(t *testing.T, folders ...string) *retryWorld {
	t.Helper()
	far, err := os.MkdirTemp("/dev/shm", "kaizala-drop-retry")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(far) })
	c := &retryWorld{
		world: newWorld(t, `truncated_after = "1h"`, folders...), program: retryProgram(t), far: far, folders: folders,
		content: map[string]string{}, as: map[string]string{}, kills: map[string]int{},
	}
	c.socket = filepath.Join(c.dir, "c.sock")
	c.gate = make(chan struct{})
	close(c.gate)
	c.reconfigure("[kaizala]", fmt.Sprintf("[control]\nsocket = %q\n[kaizala]", c.socket))
	c.reconfigure(`settle = "200ms"`, `settle = "50ms"`)
	c.reconfigure("verify_ending = false", "verify_ending = true")
	for _, folder := range folders {
		if strings.HasSuffix(folder, "-far") {
			must(t, os.Mkdir(filepath.Join(far, folder), 0o755))
			group := fmt.Sprintf("group_id = %q", folder+"@2")
			c.reconfigure(group, fmt.Sprintf("%s\ndone = \"%s/%s/done\"\nfailed = \"%[2]s/%[3]s/failed\"", group, far, folder))
		}
	}
	c.between(c.serve)
	return c
}

// retryProgram is the program as it is shipped, or the tests as testscript has them run the program: with the race detector.
func retryProgram(t *testing.T) string {
	if !raceEnabled {
		return buildProgram(t)
	}
	path, err := exec.LookPath("kaizala-drop")
	must(t, err)
	return path
}

// serve has uploads wait for the gate.
func (c *retryWorld) serve(_ http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != "/v1/media" {
		return false
	}
	c.mu.Lock()
	gate := c.gate
	c.mu.Unlock()
	select {
	case <-gate:
		return false
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

// shut keeps uploads from coming through until open is called.
func (c *retryWorld) shut() (open func()) {
	gate := make(chan struct{})
	c.mu.Lock()
	c.gate = gate
	c.mu.Unlock()
	return sync.OnceFunc(func() { close(gate) })
}

// filedIn is where done or failed of a folder is.
func (c *retryWorld) filedIn(folder, dir string) string {
	if strings.HasSuffix(folder, "-far") {
		return filepath.Join(c.far, folder, dir)
	}
	return filepath.Join(c.folder(folder), dir)
}

func (c *retryWorld) run() *process {
	c.t.Helper()
	p := startProcess(c.t, exec.Command(c.program, "run", "--config", c.config))
	eventually(c.t, func() error {
		if n := strings.Count(p.log(), `"message":"watching"`); n < len(c.folders) {
			return fmt.Errorf("it watches %d folders: %s", n, firstAndLast(p.log()))
		}
		return nil
	})
	return p
}

// fail has n files of each folder fail, as the daemon leaves them, and gives their paths by folder.
func (c *retryWorld) fail(n int) map[string][]string {
	c.t.Helper()
	book, err := ledger.Open(c.dir + "/state")
	must(c.t, err)
	ctx, stop := context.WithCancel(c.t.Context())
	writing := start(func() error { return book.Run(ctx) })
	filer, failed := filing.New(), map[string][]string{}
	for _, folder := range c.folders {
		for i := range n {
			name, end := fmt.Sprintf("%04d.pdf", i), "\ntrailer\n%%EOF\n"
			if strings.HasPrefix(folder, "torn") {
				end = ""
			}
			failed[folder] = append(failed[folder], c.failOne(book, filer, folder, name, fmt.Sprintf("%%PDF-1.4\n%s %s%s", folder, name, end)))
		}
	}
	stop()
	<-writing
	must(c.t, book.Close())
	return failed
}

// failOne has one file fail, and gives where it lies.
func (c *retryWorld) failOne(book *ledger.Ledger, filer *filing.Filer, folder, name, text string) string {
	c.t.Helper()
	ctx, path := c.t.Context(), filepath.Join(c.folder(folder), name)
	c.content[folder+"/"+name] = text
	must(c.t, os.WriteFile(path, []byte(text), 0o644))
	info, err := file.Lstat(path)
	must(c.t, err)
	id, err := book.Claim(ctx, ledger.Delivery{Destination: "kaizala", Folder: c.folder(folder), Kind: "Document", SettledAt: time.Now(),
		Files: []ledger.File{{Name: name, ID: info.Identity}}})
	must(c.t, err)
	wish, _, _ := strings.Cut(folder, "-")
	reason := map[string]string{"plain": "refused", "torn": "truncated: no %%EOF", "again": ledger.MayBePosted, "was": ledger.MayBePosted}[wish]
	if reason == ledger.MayBePosted {
		sum := sha256.Sum256([]byte(text))
		must(c.t, book.Uploaded(ctx, id, "resource", [][]byte{sum[:]}))
		must(c.t, book.Posting(ctx, id, folder+"@2", "", false))
	}
	must(c.t, book.Failed(ctx, id, reason))
	dest, err := filer.Fail(filing.Move{Folder: c.folder(folder), Name: name, Want: info.Identity, Dir: c.filedIn(folder, "failed")}, filing.Note{Reason: reason, When: time.Now()})
	must(c.t, err)
	must(c.t, book.FailedFiled(ctx, id, []string{dest}))
	return dest
}

// command is retry of a failed file as it is to be, behind the program before if there is one.
func (c *retryWorld) command(folder, path string, before ...string) *exec.Cmd {
	wish, _, _ := strings.Cut(folder, "-")
	args := slices.Concat(before, []string{c.program, "retry", "--config", c.config}, wishes()[wish], []string{path})
	return exec.Command(args[0], args[1:]...)
}

// killed runs a command that is to be killed at the nth call of a kind, and reports whether it was.
func (c *retryWorld) killed(folder, path, call string, n int) bool {
	c.t.Helper()
	cmd := c.command(folder, path, "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n))
	out, err := cmd.CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if ok && (!exit.Exited() || exit.ExitCode() == 128+int(unix.SIGKILL)) {
		c.kills[call]++
		return true
	}
	if err != nil {
		c.t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return false
}

// survives wants the file to be there after a kill, and not to be both in its folder, where the next daemon takes it, and in failed/.
func (c *retryWorld) survives(folder, path, when string) {
	c.t.Helper()
	want, whole, visible, lies := c.content[folder+"/"+filepath.Base(path)], 0, 0, []string{}
	for _, dir := range []string{c.folder(folder), c.filedIn(folder, "failed"), c.filedIn(folder, "done")} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil || string(text) != want {
				continue
			}
			whole++
			lies = append(lies, filepath.Join(dir, e.Name()))
			info, err := file.Lstat(filepath.Join(dir, e.Name()))
			must(c.t, err)
			twoNames := dir == c.folder(folder) && info.Links > 1 // a copy whose original is not removed: nobody takes that
			if !strings.HasPrefix(e.Name(), ".") && dir != c.filedIn(folder, "done") && !twoNames {
				visible++
			}
		}
	}
	if whole == 0 || visible > 1 {
		c.t.Errorf("%s, %s: %q hold it", path, when, lies)
	}
}

// asked has a failed file taken back at last, whatever came between.
func (c *retryWorld) asked(folder, path, when string) {
	c.t.Helper()
	if out, err := c.command(folder, path).CombinedOutput(); err != nil {
		c.t.Errorf("%s: asked again: %v\n%s", when, err, out)
	}
}

// delivered waits until a file that was taken back lies in done/. A kill while it is posted would leave an answer unknown, and another
// post is right then.
func (c *retryWorld) delivered(folder, path string) {
	c.t.Helper()
	done := filepath.Join(c.filedIn(folder, "done"), filepath.Base(path))
	eventually(c.t, func() error {
		_, err := os.Lstat(done)
		return err
	})
}

// changing are the calls that change something on the disk, or tell somebody of it.
const changing = "renameat2 linkat unlinkat mkdirat fsync fdatasync pwrite64 ftruncate utimensat fchmod fchown sendfile copy_file_range write"

// calls is how many kinds of calls that are: a folder with as many files has one for each.
const calls = 14

// newKillWorld has all folders where all must be tried, and by hand a few. A program that is killed is built without the race detector,
// with which it starts too slowly: such a test shows nothing new there.
func newKillWorld(t *testing.T) (c *retryWorld, all bool) {
	if raceEnabled {
		t.Skip("the program that is killed is built without the race detector")
	}
	if !thorough() {
		return newRetryWorldOf(t, "plain", "torn-far", "was"), false
	}
	return newRetryWorld(t), true
}

// ends wants every file to be posted once, to lie in done/ and nowhere else, and to be taken back once, as the ledger says.
func (c *retryWorld) ends(failed map[string][]string) {
	c.t.Helper()
	p := c.run()
	eventually(c.t, func() error {
		for folder, paths := range failed {
			if done, _ := filepath.Glob(c.filedIn(folder, "done") + "/*.pdf"); len(done) < len(paths) {
				return fmt.Errorf("%d of %d files of %s are done", len(done), len(paths), folder)
			}
		}
		return nil
	})
	if code := p.stop(); code != 0 {
		c.t.Errorf("exit code %d", code)
	}
	posts := map[string]int{}
	for _, post := range c.sandbox.Posts() {
		for _, m := range post.Media {
			posts[m.SHA256]++
		}
	}
	for folder, paths := range failed {
		lies := files(c.t, c.folder(folder))
		if far := filepath.Join(c.far, folder); strings.HasSuffix(folder, "-far") {
			maps.Copy(lies, files(c.t, far))
		}
		for _, path := range paths {
			name := filepath.Base(path)
			want := c.content[folder+"/"+name]
			once := 1
			if strings.HasPrefix(folder, "was") { // somebody says that it was
				once = 0
			}
			if as := c.as[folder+"/"+name]; as != "" {
				name = as
			}
			if n := posts[digest(want)]; n != once || lies["done/"+name] != want {
				c.t.Errorf("%s/%s was posted %d times, and lies as it was in done/: %t", folder, name, n, lies["done/"+name] == want)
			}
			delete(lies, "done/"+name)
		}
		for name, text := range lies {
			// A kill while a posted file was moved to done/: its copy has two names for as long as its original may be found renamed.
			if strings.HasPrefix(name, "done/") && filing.IsOwnName(filepath.Base(name)) && posts[digest(text)] == 1 {
				continue
			}
			c.t.Errorf("%s/%s should not be there", folder, name)
		}
	}
	query(c.t, c.dir+"/state/ledger.db", func(rows *sql.Rows) {
		var folder, name string
		var done, open int
		must(c.t, rows.Scan(&folder, &name, &done, &open))
		if done != 1 || open != 0 {
			c.t.Errorf("%s/%s was taken back %d times, and is still to be %d times", folder, name, done, open)
		}
	}, `SELECT CAST(d.folder AS TEXT), CAST(f.name AS TEXT), (SELECT count(*) FROM asked a WHERE a.delivery = d.id AND a.state = 'done'),
		(SELECT count(*) FROM asked a WHERE a.delivery = d.id AND a.state = 'asked') FROM delivery d JOIN file f ON f.delivery = d.id
		WHERE d.reason LIKE 'was posted, says %' OR d.state = 'failed'`)
}

// tell logs the kills, and wants enough of them.
func (c *retryWorld) tell(least int) {
	c.t.Helper()
	total := 0
	for call, n := range c.kills {
		c.t.Logf("%4d kills at %s", n, call)
		total += n
	}
	if total < least {
		c.t.Errorf("%d kills are too few to tell", total)
	}
}

// TestRetryIsKilled: while no daemon runs the command does it, and is killed at each call that changes something, once or twice, and
// repeated until it is through. Then the daemon starts. No file is lost, and none is posted twice.
func TestRetryIsKilled(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		needs(t, "strace")
	}
	c, all := newKillWorld(t)
	n, most := calls, 1
	if all {
		n, most = 2*calls, 2
	}
	failed := c.fail(n)
	for folder, paths := range failed {
		left := slices.Clone(paths)
		for call := range strings.FieldsSeq(changing) {
			for at, tried, more := 1, 0, true; more && tried < most && len(left) > 0; at, tried = at+3, tried+1 {
				path := left[0]
				left = left[1:]
				when := fmt.Sprintf("killed at %s %d", call, at)
				more = c.killed(folder, path, call, at)
				c.survives(folder, path, when)
				if tried%2 == 1 {
					c.killed(folder, path, "fdatasync", 1+tried%3)
					c.survives(folder, path, when+" and at fdatasync")
				}
				c.asked(folder, path, when)
				c.survives(folder, path, when+" and asked again")
			}
		}
		for _, path := range left {
			c.asked(folder, path, "not killed")
		}
	}
	c.ends(failed)
	c.tell(n)
}

// TestRetryKillsTheDaemon: the daemon does what the command asks, and is killed at each call that changes something; it starts again,
// and the command is repeated. No file is lost, and none is posted twice.
func TestRetryKillsTheDaemon(t *testing.T) {
	t.Parallel()
	takesLong(t)
	if _, err := exec.LookPath("strace"); err != nil {
		needs(t, "strace")
	}
	c, _ := newKillWorld(t)
	failed := c.fail(calls)
	p := c.run()
	for i, folder := range c.folders {
		for j, call := range strings.Fields(changing) {
			path, at := failed[folder][j], 1+3*(i/2%2) // of two wishes one each, near and far
			open := c.shut()
			killed := c.daemonKilled(p, folder, path, call, at)
			when := fmt.Sprintf("the daemon was killed at %s %d", call, at)
			if killed {
				c.survives(folder, path, when)
			}
			open()
			if killed {
				p = c.run()
			}
			c.asked(folder, path, when)
			c.delivered(folder, path)
		}
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	c.ends(failed)
	c.tell(calls)
}

// daemonKilled has the daemon killed at the nth call of a kind that one of its threads makes, while it does what the command asks, and
// reports whether it was. Whoever asked is told in either case.
func (c *retryWorld) daemonKilled(p *process, folder, path, call string, n int) bool {
	c.t.Helper()
	tracer := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n), "-p", fmt.Sprint(p.Process.Pid))
	must(c.t, tracer.Start())
	ended := make(chan error, 1)
	go func() { ended <- tracer.Wait() }()
	eventually(c.t, func() error {
		select {
		case <-p.exited: // it made such a call before it was asked
			p.exited <- nil
			return nil
		default:
		}
		return traced(p.Process.Pid)
	})
	out, err := c.command(folder, path).CombinedOutput()
	_ = tracer.Process.Signal(unix.SIGINT) // it lets go of one that lives
	select {
	case <-ended:
	case <-time.After(10 * time.Second): // strace may wait for a thread that died while it attached to it
		_ = tracer.Process.Kill()
		<-ended
	}
	killed := err != nil || isDying(p.Process.Pid) // by what came next, perhaps
	if !killed {
		return false
	}
	select {
	case <-p.exited:
		p.exited <- nil
	case <-time.After(time.Minute):
		c.t.Fatalf("the daemon lives, and the command failed: %v\n%s", err, out)
	}
	c.kills[call]++
	return true
}

// isDying reports whether a process was killed, although nobody has been told yet.
func isDying(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err != nil || strings.Contains(string(status), "\nState:\tZ") || !strings.Contains(string(status), "\nVmSize:")
}

// traced is an error while a thread of a process is not traced.
func traced(pid int) error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) == 0 {
		return err
	}
	for _, thread := range threads {
		if status, err := os.ReadFile(thread); err == nil && strings.Contains(string(status), "\nTracerPid:\t0\n") {
			return errors.New("not all threads are traced")
		}
	}
	return nil
}
