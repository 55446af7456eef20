package ledger

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestOpenMakesItsFolder shows that Open makes state_dir and its files readable for their owner only.
func TestOpenMakesItsFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "state")
	l := run(t, dir)
	claim(t, l, sample(1, 1))
	for path, want := range map[string]os.FileMode{
		dir: 0o700, l.path(): 0o600, l.path() + "-wal": 0o600, filepath.Join(dir, "lock"): 0o600, l.madePath(): 0o600,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// TestOpenOddNames shows that the ledger works in a folder with any name.
func TestOpenOddNames(t *testing.T) {
	for _, name := range []string{
		"a b", "q?mode=memory", "h#ash", "%41%zz", "ü\xff", "a&b=c;'\"", "a\\b", "file:x", "new\nline",
	} {
		dir := filepath.Join(t.TempDir(), name)
		l := run(t, dir)
		id := claim(t, l, sample(1, 1))
		try(t, l.Close())
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 3 {
			t.Errorf("%q holds %v, %v", name, entries, err)
		}
		get(t, run(t, dir), id)
	}
}

// TestOpenEmptyFile shows that Open accepts an empty file as a new ledger.
func TestOpenEmptyFile(t *testing.T) {
	dir := t.TempDir()
	try(t, os.WriteFile(filepath.Join(dir, fileName), nil, 0o600))
	claim(t, run(t, dir), sample(1, 1))
}

// TestLeaving shows that the lock stays after Close once Leaving was called, and that the error of the next Open says what the
// process hangs on.
func TestLeaving(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	l.Leaving("folder /srv/scans: move\nof a file")
	try(t, l.Close())
	_, err := Open(dir)
	if want := fmt.Sprintf(`(pid %d), which is ending, and hangs on folder /srv/scans: move\nof a file`, os.Getpid()); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestHolder shows that the message fits the state of the process that has the lock.
func TestHolder(t *testing.T) {
	for _, test := range []struct {
		status  string
		leaving bool
		want    bool
	}{
		{"Name:\tx\nState:\tS (sleeping)\nSigPnd:\t0000000000000100\n", true, false},
		{"Name:\tx\nState:\tZ (zombie)\n", false, true},
		{"Name:\tx\nState:\tD (disk sleep)\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\n", false, false}, // it may only wait for its disk
		{"Name:\tx\nState:\tD (disk sleep)\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000100\n", false, true},
		{"Name:\tx\nState:\tD (disk sleep)\nSigPnd:\t0000000000000100\n", false, true},
		{"Name:\tx\nState:\tD (disk sleep)\n", true, true},
		{"", true, false},
	} {
		if got := isDead(test.status, test.leaving); got != test.want {
			t.Errorf("%q, leaving %v: got %v", test.status, test.leaving, got)
		}
	}
	for want, h := range map[string]holder{
		"stop that one":                      {},
		"(pid 7): stop that one":             {pid: 7},
		"has ended, but the kernel":          {pid: 7, dead: true},
		"it hangs on the move. Nothing":      {pid: 7, dead: true, hanging: "the move"},
		"is ending, and hangs on the mov":    {pid: 7, hanging: "the move"},
		"a state_dir and folders of its own": {pid: 7},
	} {
		if got := h.String(); !strings.Contains(got, want) {
			t.Errorf("%+v: got %q, want %q", h, got, want)
		}
	}
}

// TestSecondOpener shows that a second Open fails with ErrLocked and the pid, if that is known, until the first ledger is
// closed.
func TestSecondOpener(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	_, err := Open(dir)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("(pid %d)", os.Getpid())) {
		t.Errorf("%v", err)
	}
	if !InUse(dir) || InUse(t.TempDir()) {
		t.Error("who is in use is not, or the other way round")
	}
	try(t, os.Truncate(filepath.Join(dir, "lock"), 0))
	if _, err = Open(dir); !errors.Is(err, ErrLocked) || strings.Contains(err.Error(), "pid") {
		t.Errorf("pid unknown: %v", err)
	}
	try(t, l.Close())
	if InUse(dir) {
		t.Error("it is in use after it was closed")
	}
	open(t, dir)
}

// closed makes a ledger with many rows in dir, closes it, and returns the path of its file.
func closed(t *testing.T, dir string) string {
	t.Helper()
	l := run(t, dir)
	var wg sync.WaitGroup
	for c := range 20 {
		wg.Go(func() {
			for i := range 10 {
				claim(t, l, sample(c*10+i, 3))
			}
		})
	}
	wg.Wait()
	try(t, l.Close())
	return l.path()
}

func query(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	try(t, err)
	defer db.Close()
	_, err = db.Exec(text)
	try(t, err)
}

// TestOpenRefuses shows that Open refuses whatever else lies in the ledger's place, and does not change it.
func TestOpenRefuses(t *testing.T) {
	write := func(t *testing.T, path string, data []byte) { try(t, os.WriteFile(path, data, 0o600)) }
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string)
		want    string
	}{
		"newer": {func(t *testing.T, dir string) { query(t, closed(t, dir), "PRAGMA user_version = 99") },
			"written by a newer kaizala-drop (schema 99, this one knows 4)"},
		"foreign": {func(t *testing.T, dir string) {
			query(t, filepath.Join(dir, fileName), "CREATE TABLE delivery (a); INSERT INTO delivery VALUES (1)")
		}, "of another program"},
		"garbage": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, fileName), bytes.Repeat([]byte("no ledger "), 1000))
		}, "not a ledger"},
		"few bytes": {func(t *testing.T, dir string) { write(t, filepath.Join(dir, fileName), []byte("hello")) },
			"not a ledger"},
		"torn": {func(t *testing.T, dir string) {
			path := closed(t, dir)
			info, err := os.Stat(path)
			try(t, err)
			try(t, os.Truncate(path, info.Size()/2))
		}, "damaged"},
		"torn in the first page": {func(t *testing.T, dir string) { try(t, os.Truncate(closed(t, dir), 1000)) },
			"ledger"},
		"schema overwritten": {func(t *testing.T, dir string) {
			path := closed(t, dir)
			data, err := os.ReadFile(path)
			try(t, err)
			for i := range 3900 {
				data[196+i] = byte(rand.Uint32())
			}
			write(t, path, data)
		}, "damaged"},
		"-wal without its file": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, fileName+"-wal"), []byte("the latest steps"))
		}, "put the file back"},
		"-wal beside an empty file": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, fileName), nil)
			write(t, filepath.Join(dir, fileName+"-wal"), []byte("the latest steps"))
		}, "put the file back"},
		"deleted": {func(t *testing.T, dir string) { try(t, os.Remove(closed(t, dir))) }, "start without a memory"},
		"emptied": {func(t *testing.T, dir string) { try(t, os.Truncate(closed(t, dir), 0)) }, "start without a memory"},
		"deleted, and its mark is empty": {func(t *testing.T, dir string) {
			try(t, os.Remove(closed(t, dir)))
			try(t, os.Truncate(filepath.Join(dir, madeName), 0))
		}, "start without a memory"},
		"replaced by an empty database": {func(t *testing.T, dir string) {
			path := closed(t, dir)
			try(t, os.Remove(path))
			query(t, path, "VACUUM")
			if info, err := os.Stat(path); err != nil || info.Size() == 0 {
				query(t, path, "CREATE TABLE a (b); DROP TABLE a")
			}
		}, "start without a memory"},
		"directory": {func(t *testing.T, dir string) { try(t, os.Mkdir(filepath.Join(dir, fileName), 0o700)) },
			"is a directory"},
		"directory as lock": {func(t *testing.T, dir string) { try(t, os.Mkdir(filepath.Join(dir, "lock"), 0o700)) },
			"cannot write in state_dir"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.prepare(t, dir)
			before := contents(t, dir)
			l, err := Open(dir)
			if err == nil {
				l.Close()
				t.Fatal("opened")
			}
			t.Log(err)
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("no %q and %q in it", c.want, dir)
			}
			if after := contents(t, dir); !maps.Equal(before, after) {
				t.Error("something was changed")
			}
			if f, err := acquire(dir); err == nil {
				unlock(f)
			} else if name != "directory as lock" {
				t.Errorf("the lock is still held: %v", err)
			}
		})
	}
}

// TestStartWithoutAMemory shows that following the error about a deleted ledger works.
func TestStartWithoutAMemory(t *testing.T) {
	dir := t.TempDir()
	try(t, os.Remove(closed(t, dir)))
	_, err := Open(dir)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("remove %q", filepath.Join(dir, madeName))) {
		t.Fatalf("%v", err)
	}
	try(t, os.Remove(filepath.Join(dir, madeName)))
	claim(t, run(t, dir), sample(1, 1))
}

// TestMarkOfAnOlderLedger shows that a ledger of a version that made no ledger.made gets one, and that an Open that fails
// makes none.
func TestMarkOfAnOlderLedger(t *testing.T) {
	dir := t.TempDir()
	path := closed(t, dir)
	mark := filepath.Join(dir, madeName)
	try(t, os.Remove(mark))
	query(t, path, "PRAGMA user_version = 99")
	if _, err := Open(dir); err == nil {
		t.Fatal("opened")
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("marked by a failed Open")
	}
	query(t, path, fmt.Sprintf("PRAGMA user_version = %d", len(migrations())))
	try(t, open(t, dir).Close())
	try(t, os.Remove(path))
	if _, err := Open(dir); err == nil {
		t.Error("no mark was left")
	}
}

// contents reads what a refused Open must leave alone: the file, and its -wal if that is not empty.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{fileName, fileName + "-wal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil && len(data) > 0 {
			all[name] = string(data)
		}
	}
	return all
}

// TestOpenWhereAFileIs shows that the error of Open says that a file lies in the place of the folder.
func TestOpenWhereAFileIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	try(t, os.WriteFile(path, nil, 0o600))
	for _, dir := range []string{path, filepath.Join(path, "below")} {
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "not a directory") {
			t.Errorf("%s: %v", dir, err)
		} else {
			t.Log(err)
		}
	}
}

// TestDamageAfterACrash shows that Open notices damage in a page that opening alone does not read.
func TestDamageAfterACrash(t *testing.T) {
	from, dir := t.TempDir(), t.TempDir()
	closed(t, from)
	l := run(t, from)
	claim(t, l, sample(1_000_000, 1)) // leaves a commit in the -wal
	for _, name := range []string{fileName, fileName + "-wal"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		try(t, err)
		if name == fileName {
			const page = 4096
			copy(data[len(data)/2/page*page:], bytes.Repeat([]byte{0xff}, page))
		}
		try(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	_, err := Open(dir)
	if err == nil || !strings.Contains(err.Error(), "damaged: put back a backup") {
		t.Fatalf("%v", err)
	}
	t.Log(err)
}

// TestDamage shows that Open refuses a ledger with flipped bytes, or that all it says of deliveries is right: how many there
// are, their states, their files. Only values that no index repeats may be wrong.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	mixed(t, dir)
	data, err := os.ReadFile(filepath.Join(dir, fileName))
	try(t, err)
	want := skeletons(t, dir)
	rounds, refused, opened := 120, 0, 0
	if testing.Short() {
		rounds = 30
	}
	for round := range rounds {
		bad, at, n := bytes.Clone(data), rand.IntN(len(data)), []int{1, 4, 64}[round%3]
		for i := at; i < min(at+n, len(bad)); i++ {
			bad[i] ^= byte(1 + rand.IntN(255))
		}
		dir := t.TempDir()
		try(t, os.WriteFile(filepath.Join(dir, fileName), bad, 0o600))
		l, err := Open(dir)
		if err != nil {
			if refused++; !strings.Contains(err.Error(), dir) {
				t.Error(err)
			}
			continue
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if got := skeletons(t, dir); !maps.Equal(got, want) {
			for id := range maps.Keys(want) {
				if got[id] != want[id] {
					t.Errorf("%d bytes from %d of %d: delivery %d is %q, was %q", n, at, len(data), id, got[id], want[id])
					break
				}
			}
		}
		opened++
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	t.Logf("%d refused, %d opened", refused, opened)
}

// mixed makes a ledger with deliveries in every situation.
func mixed(t *testing.T, dir string) {
	t.Helper()
	l := run(t, dir)
	var wg sync.WaitGroup
	for c := range 20 {
		wg.Go(func() {
			for i, s := range situations() {
				id, err := l.Claim(t.Context(), sample(c*100+i, 2))
				do := steps(t.Context(), l, id)
				for _, step := range s.steps {
					err = errors.Join(err, do[step]())
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	try(t, l.Close())
}

// skeletons are the values of each delivery in a ledger that must be right.
func skeletons(t *testing.T, dir string) map[int64]string {
	t.Helper()
	l := open(t, dir)
	defer l.Close()
	all := map[int64]string{}
	for _, query := range []string{
		"SELECT id, state || coalesce(finished_at, '') FROM delivery",
		"SELECT id, 'unfinished' FROM delivery WHERE finished_at IS NULL",
		"SELECT delivery, group_concat(position || ':' || ino) FROM file GROUP BY delivery",
		"SELECT delivery, 'ino' || ino FROM file WHERE ino > 0 ORDER BY ino, delivery, position",
	} {
		rows, err := l.read.Query(query)
		try(t, err)
		for rows.Next() {
			var id int64
			var text string
			try(t, rows.Scan(&id, &text))
			all[id] += " " + text
		}
		try(t, rows.Err())
		rows.Close()
	}
	return all
}
