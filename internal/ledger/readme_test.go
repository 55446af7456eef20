package ledger

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeQueries asks the queries of the README with the sqlite3 program while the ledger is in use.
func TestReadmeQueries(t *testing.T) {
	program := needs(t, "sqlite3")
	queries := readmeQueries(t)
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
		l.Buried(t.Context(), failed, []string{"/srv/drop/failed/b.jpg"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"scan 3-0.jpg|claimed", "scan 2-0.jpg|refused", "|1", "scan 1-0.jpg|/srv/drop/done/a.jpg",
		"scan 1-0.jpg|filed|/srv/drop/done/a.jpg"}
	if len(queries) != len(want) {
		t.Fatalf("%d queries in the README, want %d", len(queries), len(want))
	}
	for i, q := range queries {
		out, err := exec.Command(program, "-readonly", l.path(), q).CombinedOutput()
		if err != nil || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), want[i]) {
			t.Errorf("%s: %v\n%s", q, err, out)
		}
	}
}

// readmeQueries are the queries that the README gives.
func readmeQueries(t *testing.T) []string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	try(t, err)
	var all []string
	for _, q := range regexp.MustCompile(`(?m)^sqlite3 -readonly ledger\.db "(.*)"`).FindAllStringSubmatch(string(readme), -1) {
		all = append(all, q[1])
	}
	return all
}

// needs finds a program, without which the test is skipped, or fails where all must run.
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
