package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/matrix"
	"kaizala-drop/internal/sandbox"
)

// runMain makes the test binary be the program: the tests run the real thing as a process, with the race detector in it
// when they have it.
const runMain = "KAIZALA_DROP_TEST_RUNS_MAIN"

// fixedToken is what the tests themselves call the sandbox with.
const fixedToken = "fixed"

// atOnce is how many tests run at a time: most of them wait. At their full sizes they work more.
func atOnce() int {
	if os.Getenv("KAIZALA_DROP_CI") != "" {
		return 4
	}
	return 8
}

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
	}
	os.Setenv("no_proxy", "127.0.0.1")                  // for curl and lftp, whatever this machine has
	_ = flag.Set("test.parallel", fmt.Sprint(atOnce())) // as long as the command line says nothing else
	testscript.Main(suite{m}, map[string]func(){"kaizala-drop": main, "zoo-writer": zooWriter})
}

// programDir names the folder for the program that buildProgram builds: everybody may enter it.
const programDir = "KAIZALA_DROP_TEST_PROGRAM"

// suite is all tests, with that folder.
type suite struct{ *testing.M }

func (s suite) Run() (code int) {
	dir, err := os.MkdirTemp("", "kaizala-drop-program")
	if err == nil {
		defer os.RemoveAll(dir)
		err = errors.Join(os.Chmod(dir, 0o755), os.Setenv(programDir, dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return s.M.Run()
}

// thorough reports whether all must be tried: by hand it takes too long, and the race detector sees nothing new in it.
func thorough() bool { return os.Getenv("KAIZALA_DROP_CI") != "" && !raceEnabled }

// takesLong leaves a test that mostly waits to CI: who runs all of them by hand is to have the result within three minutes.
func takesLong(t *testing.T) {
	t.Helper()
	if os.Getenv("KAIZALA_DROP_CI") == "" {
		t.Skip("it takes long: set KAIZALA_DROP_CI=1 to run it")
	}
}

// world is a sandbox, drop folders and a configuration, for one test.
type world struct {
	t       testing.TB
	dir     string
	config  string
	sandbox *sandbox.Server
	url     string

	mu        sync.Mutex
	intercept func(w http.ResponseWriter, r *http.Request) (handled bool)
}

// between lets a test answer a request in the sandbox's stead.
func (w *world) between(f func(w http.ResponseWriter, r *http.Request) (handled bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.intercept = f
}

// ServeHTTP is the sandbox, and what a test put before it.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	intercept := w.intercept
	w.mu.Unlock()
	if intercept == nil || !intercept(rw, r) {
		w.sandbox.ServeHTTP(rw, r)
	}
}

// newWorld makes a world with these drop folders, each with the group "NAME@2". settings are lines for [defaults].
func newWorld(t testing.TB, settings string, folders ...string) *world {
	t.Helper()
	return newWorldOf(t, sandbox.Options{}, settings, folders...)
}

// newWorldOf is newWorld with a sandbox of these options.
func newWorldOf(t testing.TB, o sandbox.Options, settings string, folders ...string) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, dir: dir, config: dir + "/config.toml"}
	o.Dir, o.AccessToken = dir+"/sandbox", fixedToken
	for _, name := range folders {
		o.Groups = append(o.Groups, sandbox.Group{ID: name + "@2"})
		must(t, os.MkdirAll(w.folder(name), 0o755))
	}
	s, err := sandbox.New(o)
	must(t, err)
	w.sandbox = s
	server := httptest.NewUnstartedServer(w)
	server.Config.ConnState = s.ConnState
	server.Start()
	t.Cleanup(func() { s.Close(); server.Close() })
	w.url = server.URL
	w.configure(settings, folders...)
	return w
}

func (w *world) folder(name string) string { return filepath.Join(w.dir, name) }

// configure writes the configuration.
func (w *world) configure(settings string, folders ...string) {
	w.t.Helper()
	var b strings.Builder
	if !strings.Contains(settings, "truncated_after") { // also the time that files of unknown types are given
		settings = "truncated_after = \"1s\"\n" + settings
	}
	fmt.Fprintf(&b, "state_dir = %q\nlog_format = \"json\"\n[kaizala]\nendpoint = %q\napplication_id = \"a\"\napplication_secret = \"b\"\n"+
		"refresh_token = \"c\"\ncalls_per_minute = 0\n[defaults]\nsettle = \"200ms\"\nrescan = \"1s\"\nverify_ending = false\n%s\n", w.dir+"/state", w.url, settings)
	for _, name := range folders {
		fmt.Fprintf(&b, "[[folder]]\npath = %q\ngroup_id = %q\n", w.folder(name), name+"@2")
	}
	must(w.t, os.WriteFile(w.config, []byte(b.String()), 0o600))
}

// process is the program at work.
type process struct {
	*exec.Cmd
	t      testing.TB
	exited chan error
	text   sharedLog
}

func (p *process) log() string { return p.text.String() }

// sharedLog is what several write to.
type sharedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *sharedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *sharedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start starts the program; it is killed at the end of the test if it still runs.
func (w *world) start(args ...string) *process {
	w.t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), runMain+"=1")
	return startProcess(w.t, cmd)
}

func startProcess(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: cmd, t: t, exited: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = &p.text, &p.text
	must(t, cmd.Start())
	go func() { p.exited <- cmd.Wait() }()
	t.Cleanup(func() {
		select {
		case err := <-p.exited:
			p.exited <- err
		default:
			_ = cmd.Process.Kill()
			p.exited <- <-p.exited
		}
		if t.Failed() {
			t.Logf("logged, but for each delivery:\n%s", firstAndLast(p.log()))
		}
	})
	return p
}

// firstAndLast is what of a log is worth printing: one of thousands of files has a line for each.
func firstAndLast(log string) string {
	const most, long = 50, 1000
	var lines []string
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"message":"delivered"`) {
			lines = append(lines, line[:min(len(line), long)])
		}
	}
	if left := len(lines) - 2*most; left > 0 {
		lines = slices.Replace(lines, most, len(lines)-most, fmt.Sprintf("... %d lines ...\n", left))
	}
	return strings.Join(lines, "")
}

// daemon starts "run" and waits until it watches.
func (w *world) daemon() *process {
	w.t.Helper()
	p := w.start("run", "--config", w.config)
	p.waitFor(`"message":"watching"`)
	return p
}

// waitFor waits until text was logged.
func (p *process) waitFor(text string) {
	p.t.Helper()
	eventually(p.t, func() error {
		if !strings.Contains(p.log(), text) {
			return fmt.Errorf("%q was not logged", text)
		}
		return nil
	})
}

// stop asks the program to end and returns its exit code.
func (p *process) stop() int {
	p.t.Helper()
	must(p.t, p.Process.Signal(syscall.SIGTERM))
	return p.wait()
}

func (p *process) wait() int {
	p.t.Helper()
	return p.within(2 * time.Minute)
}

// within returns the exit code of a program that may take long to come to its end.
func (p *process) within(patience time.Duration) int {
	p.t.Helper()
	select {
	case err := <-p.exited:
		p.exited <- err
		return p.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("the program did not end within %v", patience)
		return -1
	}
}

// eventually waits until check is content, as long as what it says changes now and then, and fails with what it said
// last. A check that takes long is made less often, so that it does not hold up what it waits for.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	const patience = 2 * time.Minute
	for last, since := "", time.Now(); ; {
		begun := time.Now()
		err := check()
		switch {
		case err == nil:
			return
		case err.Error() != last:
			last, since = err.Error(), time.Now()
		case time.Since(since) > patience:
			t.Fatalf("it did not come to this: %v", err)
		}
		<-time.After(max(20*time.Millisecond, min(10*time.Since(begun), time.Second)))
	}
}

// posted waits until n messages have arrived.
func (w *world) posted(n int) {
	w.t.Helper()
	eventually(w.t, func() error {
		if got := w.sandbox.Stats().Posts; got < n {
			return fmt.Errorf("%d of %d messages have arrived", got, n)
		}
		return nil
	})
}

// files lists the files below a folder, relative to it, but for sockets.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || d.Type() == fs.ModeSocket || d.Name() == filing.Mark {
			return err
		}
		content, err := os.ReadFile(path)
		if to, linkErr := os.Readlink(path); linkErr == nil { // of a name that is reserved
			content, err = []byte("link to "+to), nil
		}
		if errors.Is(err, fs.ErrNotExist) { // it was moved meanwhile
			return nil
		}
		name, _ := filepath.Rel(dir, path)
		found[name] = string(content)
		return err
	})
	must(t, err)
	return found
}

// filed waits until exactly n files lie in done/ of a drop folder and none in the folder itself.
func (w *world) filed(folder string, n int) {
	w.t.Helper()
	eventually(w.t, func() error {
		if got := w.sandbox.Stats().Posts; got < n { // cheaper than to look at the folder
			return fmt.Errorf("%d of %d messages have arrived", got, n)
		}
		total, done := 0, 0
		_ = filepath.WalkDir(w.folder(folder), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && d.Name() != filing.Mark {
				total++
				if strings.HasPrefix(path, w.folder(folder)+"/done/") {
					done++
				}
			}
			return nil
		})
		if done != n || total != n {
			return fmt.Errorf("%d files in done/ of %d, %d in all; want %d", done, w.sandbox.Stats().Posts, total, n)
		}
		return nil
	})
}

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// buildProgram gives the program as it is shipped: static, and without the race detector. It is built once for all tests. By hand it
// is as the tests themselves, because every package would be compiled a second time to have it static.
func buildProgram(t testing.TB) string {
	t.Helper()
	path, err := built()
	must(t, err)
	return path
}

var built = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(os.Getenv(programDir), "kaizala-drop")
	args := []string{"build", "-o", path}
	if matrix.CanEncrypt {
		args = append(args, "-tags", "goolm")
	}
	cmd := exec.Command("go", append(args, ".")...)
	if os.Getenv("KAIZALA_DROP_CI") != "" {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// query asks a ledger, and hands each row over. One that a kill kept from being made has none.
func query(t testing.TB, path string, each func(*sql.Rows), text string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer db.Close()
	rows, err := db.QueryContext(context.Background(), text)
	if err != nil && strings.Contains(err.Error(), "no such table") {
		return
	}
	if err != nil {
		entries, dirErr := os.ReadDir(filepath.Dir(strings.TrimPrefix(path, "file:")))
		t.Fatalf("%s: %v; there are %v, %v", path, err, entries, dirErr)
	}
	defer rows.Close()
	for rows.Next() {
		each(rows)
	}
	must(t, rows.Err())
}
