package ledger

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocumentedQueries shows that the queries of docs/ledger.md work in the sqlite3 program while the ledger is in use.
func TestDocumentedQueries(t *testing.T) {
	program := needs(t, "sqlite3")
	queries := documentedQueries(t)
	l := run(t, t.TempDir())
	renamed := sample(1, 1)
	renamed.Files[0].Name = "scan.pdf"
	filed, failed, _ := claim(t, l, renamed), claim(t, l, sample(2, 1)), claim(t, l, sample(3, 1))
	for _, err := range []error{
		l.Recognised(t.Context(), filed, 0, "scan 1-0.jpg", renamed.Files[0].ID),
		l.Uploaded(t.Context(), filed, "r", sums(1)),
		l.Posting(t.Context(), filed, "g", "", false),
		l.Posting(t.Context(), filed, "g", "", true),
		l.Posted(t.Context(), filed, "ref"),
		l.Filed(t.Context(), filed, []string{"/srv/drop/done/a.jpg"}),
		l.Failed(t.Context(), failed, "refused"),
		l.FailedFiled(t.Context(), failed, []string{"/srv/drop/failed/b.jpg"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	askOf(t, l, get(t, l, failed), 0, Retry)
	want := []string{"scan 3-0.jpg|claimed", "scan 2-0.jpg|refused", "|1", "scan 1-0.jpg|/srv/drop/done/a.jpg",
		"scan 1-0.jpg|filed|/srv/drop/done/a.jpg", "|root (uid 0)|retry|asked|/srv/drop/failed/b.jpg"}
	if len(queries) != len(want) {
		t.Fatalf("%d queries in docs/ledger.md, want %d", len(queries), len(want))
	}
	for i, q := range queries {
		out, err := exec.Command(program, "-readonly", l.path(), q).CombinedOutput()
		if err != nil || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), want[i]) {
			t.Errorf("%s: %v\n%s", q, err, out)
		}
	}
}

// TestDocumentedViews shows that the views have the columns that docs/ledger.md lists, in the same order, because programs
// rely on them.
func TestDocumentedViews(t *testing.T) {
	l := run(t, t.TempDir())
	for _, view := range []string{"waiting", "history"} {
		rows, err := l.read.Query("SELECT * FROM " + view)
		try(t, err)
		columns, err := rows.Columns()
		try(t, errors.Join(err, rows.Close()))
		if want := documentedColumns(t, view); !slices.Equal(columns, want) || len(want) == 0 {
			t.Errorf("%s has the columns %q, and docs/ledger.md says %q", view, columns, want)
		}
	}
}

// documentedColumns are the columns of a view in docs/ledger.md, in the table below the line that begins with its name.
func documentedColumns(t *testing.T, view string) (columns []string) {
	t.Helper()
	_, table, _ := strings.Cut(documented(t), "\n`"+view+"`: ")
	_, table, _ = strings.Cut(table, "\n| --- | --- |\n")
	for line := range strings.Lines(table) {
		row := regexp.MustCompile("^\\| `([a-z_]+)` \\|").FindStringSubmatch(line)
		if row == nil {
			break
		}
		columns = append(columns, row[1])
	}
	return columns
}

// documentedQueries are the queries in docs/ledger.md.
func documentedQueries(t *testing.T) (all []string) {
	t.Helper()
	for _, q := range regexp.MustCompile(`(?m)^sqlite3 -readonly ledger\.db "(.*)"`).FindAllStringSubmatch(documented(t), -1) {
		all = append(all, q[1])
	}
	return all
}

func documented(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/ledger.md")
	try(t, err)
	return string(page)
}

// needs finds a program. Without it the test is skipped, or fails where all tests must run.
func needs(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil && os.Getenv("KAIZALA_DROP_CI") != "" {
		t.Fatal(err)
	} else if err != nil {
		t.Skipf("%v: apt-get install %s", err, program)
	}
	return path
}
