package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCopyGoes shows that the copy of an older schema is removed when a step was recorded a day after the copy was made, and
// not before.
func TestCopyGoes(t *testing.T) {
	const hour = time.Hour
	for name, c := range map[string]struct {
		age   time.Duration // of the copy
		steps time.Duration // age of the last step; 0: there is none
		kept  bool
	}{
		"made just now":                  {0, time.Minute, true},
		"not a day old":                  {23 * hour, time.Minute, true},
		"by a clock that was ahead":      {-48 * hour, time.Minute, true},
		"nothing recorded":               {100 * hour, 0, true},
		"nothing recorded for some time": {100 * hour, 77 * hour, true},
		"a day of work":                  {25 * hour, time.Minute, false},
		"a day of work long ago":         {100 * hour, 75 * hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := run(t, t.TempDir())
			if c.steps > 0 {
				id := claim(t, l, sample(1, 1))
				try(t, l.Failed(t.Context(), id, "no"))
				try(t, l.FailedFiled(t.Context(), id, []string{""}))
				query(t, l.path(), fmt.Sprintf("UPDATE delivery SET updated_at = '%s'", timeText(time.Now().Add(-c.steps))))
			}
			path := l.copyPath(1)
			try(t, os.WriteFile(path, []byte("a copy"), 0o600))
			made := time.Now().Add(-c.age)
			try(t, os.Chtimes(path, made, made))
			// Prune must read the history before it deletes it.
			if _, err := l.Prune(t.Context(), time.Now().Add(hour)); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(path); (err == nil) != c.kept || err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("kept: %t, %v", err == nil, err)
			}
		})
	}
}

// TestCopyStays shows that the copy stays if the ledger is not sound, and that nothing but copies of older schemas is removed.
func TestCopyStays(t *testing.T) {
	l := run(t, t.TempDir())
	claim(t, l, sample(1, 1))
	long := time.Now().Add(-100 * time.Hour)
	others := []string{l.copyPath(0), l.copyPath(len(migrations())), l.copyPath(1) + ".mine"}
	for _, path := range append(others, l.copyPath(1)) {
		try(t, os.WriteFile(path, []byte("a copy"), 0o600))
		try(t, os.Chtimes(path, long, long))
	}
	query(t, l.path(), "PRAGMA ignore_check_constraints = 1; UPDATE delivery SET maybe_twice = 7")
	if _, err := l.Prune(t.Context(), long); err == nil || !strings.Contains(err.Error(), damaged) ||
		!strings.Contains(err.Error(), l.copyPath(1)) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(l.copyPath(1)); err != nil {
		t.Error(err)
	}
	query(t, l.path(), "UPDATE delivery SET maybe_twice = 1")
	if _, err := l.Prune(t.Context(), long); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(l.copyPath(1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sound again: %v", err)
	}
	for _, path := range others {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	try(t, os.Mkdir(l.copyPath(1), 0o700))
	try(t, os.Chtimes(l.copyPath(1), long, long))
	if _, err := l.Prune(t.Context(), long); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(l.copyPath(1)); err != nil {
		t.Errorf("a folder: %v", err)
	}
}

// TestCopyIsReplaced shows that an update makes its own copy, whatever an earlier update or a kill has left in its place, and
// fails if it cannot.
func TestCopyIsReplaced(t *testing.T) {
	dir, text := layOld(t)
	path := filepath.Join(dir, fileName) + ".v1"
	for _, left := range []string{path, path + ".part", path + ".part-journal"} {
		try(t, os.WriteFile(left, []byte("left over"), 0o644))
	}
	wantNew(t, dir, text)

	for _, inTheWay := range []string{".v1", ".v1.part", ".v1.part-journal"} {
		dir, text := layOld(t)
		try(t, os.MkdirAll(filepath.Join(dir, fileName+inTheWay, "folder"), 0o700))
		_, err := Open(dir)
		if err == nil || !strings.Contains(err.Error(), fileName+inTheWay) || !strings.Contains(err.Error(), "in the way") {
			t.Errorf("%s: %v", inTheWay, err)
		}
		if version, now := dumpOf(t, dir); version != 1 || now != text {
			t.Errorf("%s: schema %d; same rows: %t", inTheWay, version, now == text)
		}
		try(t, os.RemoveAll(filepath.Join(dir, fileName+inTheWay)))
		wantNew(t, dir, text)
	}
}

// TestGoBack shows that the error about a newer ledger names the best copy for this program, and that following it works.
func TestGoBack(t *testing.T) {
	dir, text := layOld(t)
	try(t, open(t, dir).Close())
	path := filepath.Join(dir, fileName)
	refused := func(want string) {
		t.Helper()
		_, err := Open(dir)
		if err == nil || !strings.Contains(err.Error(), "install that version again") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		t.Log(err)
	}
	query(t, path, fmt.Sprintf("PRAGMA user_version = %d", len(migrations())+1))
	refused(`copy "ledger.db.v1", which is how it was at 20`)
	try(t, os.Rename(path, path+".newer"))
	data, err := os.ReadFile(path + ".v1")
	try(t, err)
	try(t, os.WriteFile(path, data, 0o600))
	wantNew(t, dir, text)

	query(t, path, fmt.Sprintf("PRAGMA user_version = %d", len(migrations())+1))
	try(t, os.WriteFile(path+".v2", nil, 0o600))
	refused(`copy "ledger.db.v2", which`)
	try(t, os.Remove(path+".v1"))
	try(t, os.Remove(path+".v2"))
	refused("or put back the copy from before the update")
}
