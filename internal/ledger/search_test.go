package ledger

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/file"
)

// shelf is a ledger with deliveries in every state, whose names are of every kind.
func shelf(t *testing.T) *Ledger {
	t.Helper()
	l, ctx := run(t, t.TempDir()), t.Context()
	put := func(number int, folder string, names ...string) int64 {
		d := sample(number, len(names))
		d.Folder = folder
		for i, name := range names {
			d.Files[i].Name = name
		}
		return claim(t, l, d)
	}
	end := func(id int64, dests ...string) {
		for _, err := range []error{l.Uploaded(ctx, id, "r", sums(len(dests))), l.Posting(ctx, id, "g", "", false), l.Posted(ctx, id, "ref"), l.Filed(ctx, id, dests)} {
			try(t, err)
		}
	}
	end(put(1, "/a", "scan.pdf"), "/a/done/scan.pdf")
	end(put(2, "/a", "scan.pdf"), "/a/done/scan (2).pdf")
	failed := put(3, "/a", "Übersicht STRASSE.PDF")
	try(t, l.Failed(ctx, failed, "refused"))
	try(t, l.FailedFiled(ctx, failed, []string{"/a/failed/Übersicht STRASSE.PDF"}))
	end(put(4, "/b", "trip/1.jpg", "trip/\xff\xe2/\x80.jpg"), "/b/done/trip/1.jpg", "")
	renamed := put(5, "/b", "old/draft.docx")
	try(t, l.Recognised(ctx, renamed, 0, "new/final.docx", file.Identity{Dev: 1, Ino: 50, Size: 5}))
	put(6, "/b", "100%_[a].pdf")
	return l
}

// TestSearch finds deliveries by each thing that a person may know of them, the latest first.
func TestSearch(t *testing.T) {
	l := shelf(t)
	for _, c := range []struct {
		what  string
		query Query
		want  []int64
	}{
		{"all", Query{}, []int64{6, 5, 4, 3, 2, 1}},
		{"a folder", Query{Folder: "/a"}, []int64{3, 2, 1}},
		{"a folder that is none", Query{Folder: "/a/"}, nil},
		{"a name", Query{Name: "scan.pdf"}, []int64{2, 1}},
		{"a name in another case", Query{Name: "Scan.pdf"}, nil},
		{"the name in done/", Query{Name: "scan (2).pdf"}, []int64{2}},
		{"a base name", Query{Name: "1.jpg"}, []int64{4}},
		{"a path", Query{Name: "trip/1.jpg"}, []int64{4}},
		{"another path", Query{Name: "strip/1.jpg"}, nil},
		{"not UTF-8", Query{Name: "\x80.jpg"}, []int64{4}},
		{"a path that is not UTF-8", Query{Name: "trip/\xff\xe2/\x80.jpg"}, []int64{4}},
		{"the name when it was claimed", Query{Name: "draft.docx"}, []int64{5}},
		{"the path when it was claimed", Query{Name: "old/draft.docx"}, []int64{5}},
		{"the name now", Query{Name: "new/final.docx"}, []int64{5}},
		{"a name and a folder", Query{Name: "scan.pdf", Folder: "/b"}, nil},
		{"part of a name", Query{Part: "SCAN"}, []int64{2, 1}},
		{"part in another case", Query{Part: "übersicht straße"}, nil},
		{"part beyond ASCII", Query{Part: "üBERSICHT strasse.pdf"}, []int64{3}},
		{"part of an old name", Query{Part: "DRAFT"}, []int64{5}},
		{"part of the name in done/", Query{Part: "(2)"}, []int64{2}},
		{"a subfolder", Query{Part: "Trip/"}, []int64{4}},
		{"no pattern", Query{Part: "%_[A]"}, []int64{6}},
		{"no pattern either", Query{Part: "%.pdf"}, nil},
		{"part that is not UTF-8", Query{Part: "\xff\xe2"}, []int64{4}},
		{"where it lies", Query{Dest: "/a/done/scan (2).pdf"}, []int64{2}},
		{"where it lies under its name", Query{Dest: "/b/done/trip/1.jpg"}, []int64{4}},
		{"where nothing lies", Query{Dest: "/a/failed/scan.pdf"}, nil},
		{"a state", Query{State: Failed}, []int64{3}},
		{"a state and a name", Query{State: Filed, Name: "scan.pdf"}, []int64{2, 1}},
		{"since", Query{Since: time.Now().Add(time.Hour)}, nil},
		{"until", Query{Until: time.Now().Add(-time.Hour)}, nil},
		{"between", Query{Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour), State: Claimed}, []int64{6, 5}},
		{"a page", Query{Limit: 2}, []int64{6, 5}},
		{"the next one", Query{Limit: 2, Before: 5}, []int64{4, 3}},
		{"the last one", Query{Limit: 5, Before: 3}, []int64{2, 1}},
	} {
		found, err := l.Search(t.Context(), c.query)
		try(t, err)
		var ids []int64
		for _, d := range found {
			ids = append(ids, d.ID)
			if want := get(t, l, d.ID); !reflect.DeepEqual(d, want) {
				t.Errorf("%s: found\n%+v, and it is\n%+v", c.what, d, want)
			}
		}
		if !slices.Equal(ids, c.want) {
			t.Errorf("%s: %v, want %v", c.what, ids, c.want)
		}
	}
}

// TestSearchUsesIndexes: what is searched for by a name, a path, a folder or among what failed is not looked for in all there is.
func TestSearchUsesIndexes(t *testing.T) {
	l := run(t, t.TempDir())
	for index, q := range map[string]Query{
		"file_base":         {Name: "a"},
		"file_claimed_base": {Name: "s/a"},
		"file_dest_base":    {Dest: "/a"},
		"delivery_folder":   {Folder: "/a"},
		"delivery_failed":   {State: Failed},
	} {
		for _, q.ByTime = range []bool{false, true} {
			if plan := planOf(t, l, q); !strings.Contains(plan, index) {
				t.Errorf("%+v does not use %s:\n%s", q, index, plan)
			}
		}
	}
	for _, q := range []Query{{}, {Since: time.Now()}, {Part: "x"}, {State: Filed, Until: time.Now(), Before: 7, BeforeAt: time.Now()}} {
		q.ByTime = true
		plan := planOf(t, l, q)
		if !strings.Contains(plan, "delivery_finished") || !strings.Contains(plan, "delivery_open") {
			t.Errorf("%+v sorts all there is:\n%s", q, plan)
		}
	}
}

// planOf is how SQLite does a search.
func planOf(t *testing.T, l *Ledger, q Query) string {
	t.Helper()
	query, args := q.query()
	rows, err := l.read.Query("EXPLAIN QUERY PLAN "+query+" LIMIT 9", args...)
	try(t, err)
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var line string
		try(t, rows.Scan(&id, &parent, &unused, &line))
		plan.WriteString(line + "\n")
	}
	return plan.String()
}

// TestSearchByTime: the latest comes first, whenever it was claimed, and pages of any size make the whole, also of what came to its
// end in the same moment.
func TestSearchByTime(t *testing.T) {
	l := run(t, t.TempDir())
	want := []string{}
	try(t, l.w.exec("BEGIN"))
	for i := range 60 {
		finished := any(fmt.Sprintf("2026-01-01T00:00:%02d.000Z", i*7%20))
		state := []string{"filed", "failed"}[i%2]
		if i%5 == 0 {
			finished, state = nil, "claimed"
		}
		updated := fmt.Sprintf("2026-01-01T00:00:%02d.000Z", i*7%20)
		try(t, l.w.exec(`INSERT INTO delivery (folder, action, state, settled_at, claimed_at, updated_at, finished_at) VALUES (?, 'Document', ?, ?, ?, ?, ?)`,
			[]byte([]string{"/a", "/b"}[i%2]), state, updated, updated, updated, finished))
		try(t, l.w.exec("INSERT INTO file (delivery, position, name, base, dev, ino, size, mtime_ns, ctime_ns) VALUES (?, 0, ?, ?, 1, 1, 1, 1, 1)", i+1, []byte("x.pdf"), []byte("x.pdf")))
		want = append(want, fmt.Sprintf("%s %03d", updated, i+1))
	}
	try(t, l.w.exec("COMMIT"))
	slices.Sort(want)
	slices.Reverse(want)
	for _, size := range []int{1, 7, 59, 60, 100} {
		for _, q := range []Query{{}, {Name: "x.pdf"}, {Part: "X"}} {
			var got []string
			for q.ByTime, q.Limit = true, size; ; {
				found, err := l.Search(t.Context(), q)
				try(t, err)
				for _, d := range found {
					got = append(got, fmt.Sprintf("%s %03d", timeText(d.At()), d.ID))
					q.Before, q.BeforeAt = d.ID, d.At()
				}
				if len(found) < size {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d, %+v: %v", size, q, got)
			}
		}
	}
	found, err := l.Search(t.Context(), Query{ByTime: true, State: Failed, Folder: "/b"})
	try(t, err)
	if len(found) != 24 || !slices.IsSortedFunc(found, func(a, b Delivery) int { return b.At().Compare(a.At()) }) {
		t.Errorf("%d have failed: %+v", len(found), found)
	}
}

// FuzzPart: a part of a name is found in whatever case of its letters, and the search never fails.
func FuzzPart(f *testing.F) {
	l := open(f, f.TempDir())
	start(f, l)
	for _, s := range []string{"scan", "ÜBER", "ſKs", "ΣΊΣΥΦΟΣ", "\xff", "%", "İı", "a\nb", "''", "\x9c0"} {
		f.Add(s)
	}
	number := 0
	f.Fuzz(func(t *testing.T, part string) {
		if part == "" || strings.Contains(part, "\x00") {
			return
		}
		number++
		d := sample(number, 1)
		d.Folder, d.Files[0].Name = fmt.Sprint("/", number), "x"+part+"y"
		id := claim(t, l, d)
		for _, p := range []string{part, strings.ToUpper(part), strings.ToLower(part)} {
			if folded(p) != folded(part) {
				continue // another number of letters
			}
			found, err := l.Search(t.Context(), Query{Folder: d.Folder, Part: p})
			try(t, err)
			if len(found) != 1 || found[0].ID != id {
				t.Errorf("%q is not found by %q: %+v", d.Files[0].Name, p, found)
			}
		}
	})
}

// BenchmarkSearch measures questions to a ledger of 100,000 deliveries, of which every fourth has one name.
func BenchmarkSearch(b *testing.B) {
	l := open(b, b.TempDir())
	many(b, l, 100_000)
	for _, c := range []struct {
		name string
		q    Query
	}{
		{"name", Query{Name: "scan 77777.pdf"}},
		{"common name", Query{Name: "scan.pdf", Limit: 20}},
		{"path", Query{Name: "sub/scan 77777.pdf"}},
		{"dest", Query{Dest: "/srv/drop/done/scan 77777.pdf"}},
		{"part", Query{Part: "N 77777.P", Limit: 20}},
		{"part beyond ASCII", Query{Part: "ü 77777", Limit: 20}},
		{"failed", Query{State: Failed, Limit: 20}},
		{"folder", Query{Folder: "/srv/other", Limit: 20}},
		{"since", Query{Since: time.Now().Add(-time.Hour), Limit: 20}},
		{"until", Query{Until: time.Date(2026, 1, 1, 0, 0, 10, 0, time.UTC), Limit: 20}},
		{"page of 1000", Query{}},
		{"latest 20", Query{ByTime: true, Limit: 20}},
		{"latest 20 of a folder", Query{ByTime: true, Folder: "/srv/other", Limit: 20}},
		{"latest 20 that failed", Query{ByTime: true, State: Failed, Limit: 20}},
		{"page of 1000 by time", Query{ByTime: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := l.Search(b.Context(), c.q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// many fills a ledger with n deliveries of one file: of 100 one has failed, and 7 are of another folder.
func many(t testing.TB, l *Ledger, n int) {
	t.Helper()
	try(t, l.w.exec("BEGIN"))
	try(t, l.w.exec(`INSERT INTO delivery (folder, action, state, settled_at, claimed_at, updated_at, finished_at)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT
			CAST(iif(i % 15000 = 7, '/srv/other', '/srv/drop') AS BLOB), 'Document', iif(i % 100 = 1, 'failed', 'filed'), at, at, at, at FROM
			(SELECT i, strftime('%Y-%m-%dT%H:%M:%fZ', '2026-01-01', i || ' seconds') AS at FROM n)`, n))
	try(t, l.w.exec(`INSERT INTO file (delivery, position, name, base, dev, ino, size, mtime_ns, ctime_ns, sha256, dest)
		SELECT id, 0, CAST('sub/' || name AS BLOB), CAST(name AS BLOB), 8, id, id, 1, 2, randomblob(32), CAST('/srv/drop/done/' || name AS BLOB)
		FROM (SELECT id, iif(id % 4 = 0, 'scan.pdf', 'scan ' || id || '.pdf') AS name FROM delivery)`))
	try(t, l.w.exec("COMMIT"))
}
