package ledger

import (
	"compress/gzip"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// oldLedger is the ledger of schema 1 that testdata/README.md describes.
func oldLedger(t *testing.T) images {
	t.Helper()
	unpack := func(name string) []byte {
		f, err := os.Open(filepath.Join("testdata", name+".gz"))
		try(t, err)
		defer f.Close()
		unzipped, err := gzip.NewReader(f)
		try(t, err)
		data, err := io.ReadAll(unzipped)
		try(t, err)
		return data
	}
	return images{unpack(fileName), unpack(fileName + "-wal")}
}

// dumpQueries ask for all content of a ledger of schema 1.
func dumpQueries() []string {
	return []string{
		`SELECT concat_ws('|', id, hex(folder), action, state, hex(reason), attempts, group_id, hex(caption), resource, reference,
			maybe_twice, settled_at, claimed_at, updated_at, finished_at) FROM delivery ORDER BY id`,
		`SELECT concat_ws('|', delivery, position, hex(name), dev, ino, size, mtime_ns, ctime_ns, hex(sha256), hex(dest))
			FROM file ORDER BY delivery, position`,
		`SELECT concat_ws('|', id, at, hex(folder), hex(name), action, state, hex(reason), hex(dest)) FROM history`,
		`SELECT concat_ws('|', id, since, hex(folder), hex(names), state, attempts, hex(reason)) FROM waiting`,
		`SELECT concat_ws('|', name, seq) FROM sqlite_sequence`,
	}
}

// dump reads a copy of a ledger, because SQLite leaves traces where it reads. wal may be missing.
func dump(t *testing.T, path, wal string) (version int, text string) {
	t.Helper()
	to := filepath.Join(t.TempDir(), fileName)
	data, err := os.ReadFile(path)
	try(t, err)
	try(t, os.WriteFile(to, data, 0o600))
	if data, err = os.ReadFile(wal); err == nil {
		try(t, os.WriteFile(to+"-wal", data, 0o600))
	} else if !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", to)
	try(t, err)
	defer db.Close()
	try(t, db.QueryRow("PRAGMA user_version").Scan(&version))
	var found string
	try(t, db.QueryRow("PRAGMA integrity_check").Scan(&found))
	if found != "ok" {
		t.Fatalf("%s: %s", path, found)
	}
	var b strings.Builder
	for _, query := range dumpQueries() {
		rows, err := db.Query(query)
		try(t, err)
		for rows.Next() {
			var line string
			try(t, rows.Scan(&line))
			fmt.Fprintln(&b, line)
		}
		try(t, rows.Err())
		rows.Close()
	}
	return version, b.String()
}

func dumpOf(t *testing.T, dir string) (version int, text string) {
	t.Helper()
	path := filepath.Join(dir, fileName)
	return dump(t, path, path+"-wal")
}

// layOld puts the old ledger into a folder as it was found, and returns its content as text.
func layOld(t *testing.T) (dir, text string) {
	t.Helper()
	dir = oldLedger(t).lay(t)
	try(t, os.WriteFile(filepath.Join(dir, madeName), nil, 0o600))
	version, text := dumpOf(t, dir)
	if version != 1 || strings.Count(text, "\n") != 48+96+96+36+1 {
		t.Fatalf("schema %d, %d lines", version, strings.Count(text, "\n"))
	}
	return dir, text
}

// wantNew opens a ledger whose content was text in schema 1. It fails the test unless all of it is there in the present
// schema, with the copy beside it.
func wantNew(t *testing.T, dir, text string) (kept string) {
	t.Helper()
	l, err := Open(dir)
	try(t, err)
	defer l.Close()
	version, now := dumpOf(t, dir)
	if version != len(migrations()) || now != text {
		t.Errorf("schema %d; same rows: %t", version, now == text)
	}
	wantCopy(t, dir, text)
	return l.Kept()
}

// wantCopy fails the test unless there is a whole copy of schema 1 and no other copy.
func wantCopy(t *testing.T, dir, text string) {
	t.Helper()
	path := filepath.Join(dir, fileName) + ".v1"
	if version, kept := dump(t, path, ""); version != 1 || kept != text {
		t.Errorf("the copy has schema %d; same rows: %t", version, kept == text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the copy: %v, %v", info.Mode(), err)
	}
	if copies, err := filepath.Glob(filepath.Join(dir, fileName+".v*")); err != nil || len(copies) != 1 {
		t.Errorf("%v, %v", copies, err)
	}
}

// TestOldLedger shows that the rows of a ledger that the program at c2556a5 wrote are unchanged after the update, and in the
// copy.
func TestOldLedger(t *testing.T) {
	dir, text := layOld(t)
	if kept := wantNew(t, dir, text); kept != filepath.Join(dir, fileName+".v1") {
		t.Errorf("the copy is said to be %q", kept)
	}
	if kept := wantNew(t, dir, text); kept != "" { // a second start changes nothing
		t.Errorf("it was brought up to date once more: %q", kept)
	}
	l := run(t, dir)
	if n := count(t, l, "SELECT count(*) FROM file WHERE claimed_as IS NOT NULL"); n != 0 {
		t.Errorf("%d files have another name than they were claimed under", n)
	}
	open, err := l.Unfinished(t.Context(), "")
	try(t, err)
	states := map[State]int{}
	for _, d := range open {
		states[d.State]++
		if d.Destination != "kaizala" || d.Key != "" || !d.PostingAt.IsZero() || d.Folder != "/srv/dr\xf6p" || !d.SettledAt.Equal(time.UnixMilli(1_790_000_000_007)) || len(d.Files) != 1 && len(d.Files) != 3 {
			t.Errorf("%+v", d)
		}
		for i, f := range d.Files {
			if !strings.HasSuffix(f.Name, fmt.Sprintf(" \xff'\n\" %d.jpg", i)) || f.ClaimedAs != "" || f.ID.Dev < 1<<63 ||
				f.ID.Ino < 1<<63 || f.ID.Mtime != int64(-1-i) || (f.SHA256 == nil) != (d.Resource == "") {
				t.Errorf("file %d of %d: %+v", i, d.ID, f)
			}
		}
	}
	// Each state has four deliveries: an album and a single file, in the ledger's file and in the -wal.
	want := map[State]int{Claimed: 8, Uploaded: 8, Posting: 8, Posted: 4, Failed: 8}
	if fmt.Sprint(states) != fmt.Sprint(want) {
		t.Errorf("open are %v, want %v", states, want)
	}
}

// TestOldLedgerGoesOn shows that each old delivery allows just the steps of its state.
func TestOldLedgerGoesOn(t *testing.T) {
	for step, from := range allowed() {
		dir, _ := layOld(t)
		l := run(t, dir)
		all, err := l.load(t.Context(), "true")
		try(t, err)
		taken := 0
		for _, d := range all {
			can := !d.Finished && slices.Contains(strings.Fields(from), string(d.State))
			err := stepsOf(t.Context(), l, d.ID, len(d.Files))[step]()
			if can && err != nil || !can && !errors.Is(err, ErrState) {
				t.Errorf("%s of one that is %s, finished %t: %v", step, d.State, d.Finished, err)
			}
			if can {
				taken++
			}
		}
		if taken == 0 || len(all) != 48 {
			t.Errorf("%s was taken by %d of %d", step, taken, len(all))
		}
		if id := claim(t, l, sample(1, 1)); id != 53 {
			t.Errorf("the next delivery is %d: the ids of withdrawn ones are used again", id)
		}
		try(t, l.Close())
		try(t, open(t, dir).Close())
	}
}

// TestOldLedgerClaims shows that a file which the old program had claimed cannot be claimed again, and that one which it had
// filed is known.
func TestOldLedgerClaims(t *testing.T) {
	dir, _ := layOld(t)
	l := run(t, dir)
	all, err := l.load(t.Context(), "true")
	try(t, err)
	for _, d := range all {
		for _, f := range d.Files {
			if f.Dest != "" {
				f.Name = strings.TrimPrefix(f.Dest, d.Folder+"/")
			} else if d.Finished {
				continue
			}
			again := Delivery{Folder: d.Folder, Kind: d.Kind, SettledAt: time.Now(), Files: []File{f}}
			if _, err := l.Claim(t.Context(), again); err == nil || errors.Is(err, ErrFiled) != d.Finished {
				t.Errorf("%q of %d: %v", f.Name, d.ID, err)
			}
		}
	}
}

// TestOldLedgerQueries shows that the queries of docs/ledger.md work on an updated ledger in the sqlite3 program.
func TestOldLedgerQueries(t *testing.T) {
	program := needs(t, "sqlite3")
	dir, _ := layOld(t)
	l := run(t, dir)
	try(t, l.Recognised(t.Context(), 1, 0, "scan.pdf", get(t, l, 1).Files[0].ID))
	want := []string{"36\n", "24\n", "1\n", "24\n", "1\n", "0\n"}
	queries := documentedQueries(t)
	if len(queries) != len(want) {
		t.Fatalf("%d queries in docs/ledger.md, want %d", len(queries), len(want))
	}
	for i, q := range queries {
		out, err := exec.Command(program, "-readonly", l.path(), "SELECT count(*) FROM ("+q+")").CombinedOutput()
		if err != nil || string(out) != want[i] {
			t.Errorf("%s: %v\n%s, want %s", q, err, out, want[i])
		}
	}
}
