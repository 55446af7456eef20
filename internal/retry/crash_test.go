package retry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
)

const crashEnv = "RETRY_TEST_CRASH"

// crash is what the process that is to die is told.
type crash struct {
	State   string
	Folder  Folder
	Request Request
	Finish  bool // instead of the request: a start of the daemon
	Point   int  // it dies at this one; -1: none
}

const died = 86

func TestMain(m *testing.M) {
	if spec := os.Getenv(crashEnv); spec != "" {
		if err := child(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(spec string) error {
	var c crash
	if err := json.Unmarshal([]byte(spec), &c); err != nil {
		return err
	}
	book, err := ledger.Open(c.State)
	for deadline := time.Now().Add(time.Minute); errors.Is(err, ledger.ErrLocked) && time.Now().Before(deadline); {
		runtime.Gosched() // a process that a test beside this one has just forked holds the lock until it is another program
		book, err = ledger.Open(c.State)
	}
	if err != nil {
		return err
	}
	go book.Run(context.Background()) //nolint:errcheck // it ends with the process
	point := 0
	r := &Retrier{Ledger: book, Filer: filing.New(), Folders: func() []Folder { return []Folder{c.Folder} }, Log: zerolog.Nop()}
	r.passed = func(string) {
		if point == c.Point {
			os.Exit(died)
		}
		point++
	}
	if c.Finish {
		_, err = r.Finish(context.Background())
		return err
	}
	_, err = r.Retry(context.Background(), c.Request)
	return err
}

// dies has a process do what c says, behind the program before if there is one, and reports whether it died.
func dies(t *testing.T, c crash, before ...string) bool {
	t.Helper()
	spec, err := json.Marshal(c)
	must(t, err)
	args := append(slices.Clone(before), os.Args[0])
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "GOCOVERDIR=") }), fmt.Sprintf("%s=%s", crashEnv, spec))
	out, err := cmd.CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if ok && (exit.ExitCode() == died || !exit.Exited() || exit.ExitCode() == 128+9) {
		return true
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// wish is one thing that can be asked, and what lies there when it is done.
type wish struct {
	reason string
	ask    Request
	want   []string
}

func cases() map[string]wish {
	doubt := ledger.MayBePosted + ": no answer came back"
	put := []string{"sub/a (2).pdf=sub/a.pdf", "sub/a.pdf=newer"}
	return map[string]wish{
		"retry":      {"refused", Request{}, put},
		"as it is":   {"truncated: no %%EOF", Request{AsItIs: true}, put},
		"post again": {doubt, Request{PostAgain: true}, put},
		"was posted": {doubt, Request{WasPosted: true}, []string{"done/sub/a.pdf=sub/a.pdf", "sub/a.pdf=newer"}},
	}
}

// begun is an office with a failed file, a newer one of its name in the folder, and no daemon.
func begun(t *testing.T, c wish, far bool) (*office, crash) {
	t.Helper()
	o := newOffice(t, far)
	_, paths := o.fail(c.reason, "sub/a.pdf")
	must(t, os.WriteFile(o.folder.Path+"/sub/a.pdf", []byte("content of newer"), 0o600))
	must(t, o.Ledger.Close())
	c.ask.Path, c.ask.By = paths[0], by
	return o, crash{State: o.state, Folder: o.folder, Request: c.ask, Point: -1}
}

// survives wants what a crash left to hold the file, and nothing that a watcher would take while it lies in failed/, too.
func survives(t *testing.T, o *office, when string) {
	t.Helper()
	copies, visible, failed := 0, 0, 0
	for _, root := range []string{o.root, filepath.Dir(o.folder.Failed)} {
		if root != o.root && isIn(o.root, root) {
			continue
		}
		_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return nil
			}
			content, err := os.ReadFile(path)
			if err != nil || string(content) != "content of sub/a.pdf" {
				return nil
			}
			copies++
			info, err := file.Lstat(path)
			must(t, err)
			hidden := strings.HasPrefix(e.Name(), ".")
			switch {
			case isIn(o.folder.Failed, path) && !hidden:
				failed++
			case !isIn(o.folder.Done, path) && !hidden && info.Links == 1:
				visible++
			}
			return nil
		})
	}
	if copies == 0 || visible > 0 && failed > 0 || visible > 1 {
		t.Errorf("%s: %d copies, %d in the folder, %d in failed/: %q", when, copies, visible, failed, o.lie())
	}
}

// ends wants all to be done once: the file is where it belongs, the ledger says so, and it is taken up as it was asked.
func ends(t *testing.T, o *office, c wish, when string) {
	t.Helper()
	o.open()
	o.want(when, c.want...)
	all, err := o.Ledger.Asked(t.Context(), ledger.Questions{})
	must(t, err)
	done := 0
	for _, a := range all {
		if a.State != ledger.Done {
			t.Errorf("%s: %+v", when, a)
		}
		done++
	}
	if done != 1 {
		t.Errorf("%s: %d questions were done", when, done)
	}
	if c.ask.WasPosted {
		if d := o.get(1); d.State != ledger.Filed {
			t.Errorf("%s: %+v", when, d)
		}
		return
	}
	if is := o.isAsItIs("sub/a (2).pdf"); is != c.ask.AsItIs {
		t.Errorf("%s: as it is: %t", when, is)
	}
	if twice := o.get(o.claim("sub/a (2).pdf")).MaybeTwice; twice != c.ask.PostAgain {
		t.Errorf("%s: maybe twice: %t", when, twice)
	}
}

// thorough reports whether all must be tried: by hand it takes too long, and the race detector sees nothing new in it.
func thorough() bool { return os.Getenv("KAIZALA_DROP_CI") != "" && !raceEnabled }

// TestCrash lets a process die at each point of what it was asked, and then a second one, which does the same or finishes it as a start
// of the daemon does. A third one brings it to its end. Where not all must be tried, they die at few points.
func TestCrash(t *testing.T) {
	stride, step := 3, 4
	if thorough() {
		stride, step = 1, 1
	}
	for name, c := range cases() {
		for _, far := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", far ", far), func(t *testing.T) {
				t.Parallel()
				points := 0
				for first, more := 0, true; more; first += stride {
					for second := -1; second < 6; second += step {
						for _, finish := range []bool{false, true} {
							o, spec := begun(t, c, far)
							spec.Point = first
							more = dies(t, spec)
							when := fmt.Sprintf("died at %d and %d, finish %t", first, second, finish)
							survives(t, o, when)
							if spec.Point = second; second >= 0 {
								spec.Finish = finish
								dies(t, spec)
								survives(t, o, when)
							}
							spec.Point, spec.Finish = -1, finish && first > 0
							dies(t, spec)
							if first == 0 && finish { // it was not even asked, perhaps
								spec.Finish = false
								dies(t, spec)
							}
							ends(t, o, c, when)
							points++
						}
						if t.Failed() {
							return
						}
					}
				}
				if points < 20/stride {
					t.Errorf("only %d ways were tried", points)
				}
			})
		}
	}
}

// TestKilled kills a process with the system calls that change something on the disk, one by one or, where not all must be tried, some of
// each kind, and brings it to its end.
func TestKilled(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil && os.Getenv("KAIZALA_DROP_CI") != "" {
		t.Fatal(err)
	} else if err != nil {
		t.Skipf("%v: apt-get install strace", err)
	}
	step, least := 8, 4
	if thorough() {
		step, least = 1, 8
	}
	for name, c := range cases() {
		if name != "as it is" && name != "was posted" {
			continue // like these to the disk
		}
		for _, far := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", far ", far), func(t *testing.T) {
				t.Parallel()
				kills := 0
				for call := range strings.FieldsSeq("renameat2 linkat unlinkat mkdirat fsync fdatasync pwrite64 write ftruncate fchmod fchown utimensat copy_file_range") {
					for n, more := 1, true; more; n += step {
						o, spec := begun(t, c, far)
						trace := filepath.Join(t.TempDir(), "trace")
						more = dies(t, spec, strace, "-f", "-qq", "-o", trace, "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n))
						when := fmt.Sprint("killed at ", call, " ", n)
						survives(t, o, when)
						if (n+kills)%2 == 0 {
							spec.Finish = true
							dies(t, spec)
							spec.Finish = false
						}
						dies(t, spec)
						ends(t, o, c, when)
						if more {
							kills++
						}
						if t.Failed() {
							return
						}
					}
				}
				if t.Logf("%d kills", kills); kills < least {
					t.Errorf("only %d kills", kills)
				}
			})
		}
	}
}
