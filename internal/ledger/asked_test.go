package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/file"
)

// bury makes a delivery that failed and lies in failed/, and tells it.
func bury(t testing.TB, l *Ledger, number, n int, reason string) Delivery {
	t.Helper()
	id := claim(t, l, sample(number, n))
	dests := make([]string, n)
	for i := range dests {
		dests[i] = fmt.Sprintf("/srv/drop/failed/%d-%d.jpg", number, i)
	}
	for _, err := range []error{
		l.Uploaded(t.Context(), id, "r", sums(n)), l.Posting(t.Context(), id, "g", "", false),
		l.Failed(t.Context(), id, reason), l.FailedFiled(t.Context(), id, dests),
	} {
		try(t, err)
	}
	return get(t, l, id)
}

func askOf(t testing.TB, l *Ledger, d Delivery, position int, what What) Asked {
	t.Helper()
	a := Asked{Delivery: d.ID, Position: position, What: what, By: "root (uid 0)", Path: d.Files[position].Dest, File: d.Files[position].ID}
	id, err := l.Ask(t.Context(), a)
	try(t, err)
	return asked(t, l, Questions{ID: id})[0]
}

func asked(t testing.TB, l *Ledger, q Questions) []Asked {
	t.Helper()
	all, err := l.Asked(t.Context(), q)
	try(t, err)
	return all
}

// TestAsked: what is asked is written down with who asked, and is found by each thing that leads to it.
func TestAsked(t *testing.T) {
	l := run(t, t.TempDir())
	d := bury(t, l, 1, 2, "refused")
	a := askOf(t, l, d, 1, Retry)
	want := Asked{ID: a.ID, Delivery: d.ID, Position: 1, What: Retry, By: "root (uid 0)", State: Pending, Path: d.Files[1].Dest,
		File: d.Files[1].ID, Folder: "/srv/drop", Name: "scan 1-1.jpg", At: a.At}
	want.File.Ctime = 0
	if since := time.Since(a.At); a != want || since < -time.Second || since > time.Minute {
		t.Errorf("got %+v\nwant %+v", a, want)
	}
	for _, q := range []Questions{{}, {Delivery: d.ID}, {Path: d.Files[1].Dest}, {Pending: true}} {
		if all := asked(t, l, q); !slices.Equal(all, []Asked{want}) {
			t.Errorf("%+v finds %+v", q, all)
		}
	}
	now := file.Identity{Dev: 3, Ino: 1 << 63, Size: 1, Mtime: 9}
	try(t, l.AskDone(t.Context(), a.ID, "/srv/drop/scan 1-1.jpg", now))
	done := asked(t, l, Questions{Delivery: d.ID})[0]
	if done.State != Done || done.Dest != "/srv/drop/scan 1-1.jpg" || done.File != now || done.DoneAt.IsZero() || len(asked(t, l, Questions{Pending: true})) != 0 {
		t.Errorf("%+v", done)
	}
	after := get(t, l, d.ID)
	if after.State != Failed || after.Files[1].Dest != "" || after.Files[0].Dest != d.Files[0].Dest {
		t.Errorf("the delivery is %+v", after)
	}
	void := askOf(t, l, d, 0, PostAgain)
	try(t, l.AskVoid(t.Context(), void.ID, "gone"))
	if got := asked(t, l, Questions{ID: void.ID})[0]; got.State != Void || got.Reason != "gone" {
		t.Errorf("%+v", got)
	}
}

// TestAskGuards: nothing is asked of what has not failed, nor twice at once, nor done twice.
func TestAskGuards(t *testing.T) {
	l, ctx := run(t, t.TempDir()), t.Context()
	failed, open, moving := bury(t, l, 1, 1, "no"), claim(t, l, sample(2, 1)), claim(t, l, sample(3, 1))
	try(t, l.Failed(ctx, moving, "no"))
	for name, c := range map[string]struct {
		a    Asked
		want error
	}{
		"under way":    {Asked{Delivery: open, What: Retry}, ErrState},
		"not moved":    {Asked{Delivery: moving, What: Retry}, ErrState},
		"unknown":      {Asked{Delivery: 99, What: Retry}, ErrUnknown},
		"no such file": {Asked{Delivery: failed.ID, Position: 1, What: Retry}, ErrUnknown},
	} {
		if _, err := l.Ask(ctx, c.a); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := l.Ask(ctx, Asked{Delivery: failed.ID, What: "burn"}); err == nil {
		t.Error("anything can be asked")
	}
	a := askOf(t, l, failed, 0, Retry)
	if _, err := l.Ask(ctx, Asked{Delivery: failed.ID, What: Retry}); err == nil || !strings.Contains(err.Error(), fmt.Sprint("question ", a.ID)) {
		t.Errorf("asked twice: %v", err)
	}
	try(t, l.AskDone(ctx, a.ID, "/x", file.Identity{}))
	for _, err := range []error{l.AskDone(ctx, a.ID, "/y", file.Identity{}), l.AskVoid(ctx, a.ID, ""), l.AskDone(ctx, 99, "/x", file.Identity{})} {
		if !errors.Is(err, ErrState) {
			t.Errorf("done twice: %v", err)
		}
	}
	if got := asked(t, l, Questions{ID: a.ID})[0]; got.Dest != "/x" {
		t.Errorf("%+v", got)
	}
}

// TestWasPosted: a delivery is filed when each of its files was said to be posted, and says who said so.
func TestWasPosted(t *testing.T) {
	l := run(t, t.TempDir())
	d := bury(t, l, 1, 2, MayBePosted)
	if !d.MayBePosted() {
		t.Fatalf("%+v", d)
	}
	for i, want := range []State{Failed, Filed} {
		a := askOf(t, l, d, i, WasPosted)
		try(t, l.AskDone(t.Context(), a.ID, fmt.Sprintf("/srv/drop/done/%d (2).jpg", i), file.Identity{Ino: 7}))
		now := get(t, l, d.ID)
		if now.State != want || now.Files[i].Dest != fmt.Sprintf("/srv/drop/done/%d (2).jpg", i) || !now.Finished {
			t.Errorf("after %d: %+v", i, now)
		}
		if want == Filed && (now.Reason != "was posted, says root (uid 0)" || now.Resource != "" || now.MayBePosted()) {
			t.Errorf("filed: %+v", now)
		}
	}
	found, err := l.Search(t.Context(), Query{Name: "1 (2).jpg"})
	try(t, err)
	if len(found) != 1 {
		t.Errorf("not found where it was moved: %+v", found)
	}
	try(t, l.Close())
	try(t, open(t, l.dir).Close()) // it is sound
}

// TestTakenUp: a file that is put back is taken up by the delivery that claims it: once, in its state, in its folder. What is
// sent as it is, is so until then, and what is posted again may be posted twice. A delivery that is forgotten did not take it up.
func TestTakenUp(t *testing.T) {
	l, ctx := run(t, t.TempDir()), t.Context()
	d := bury(t, l, 1, 1, MayBePosted)
	as := d.Files[0].ID
	a := askOf(t, l, d, 0, PostAgainAsItIs)
	is := func(folder string, f file.Identity, want bool) {
		t.Helper()
		got, err := l.SentAsItIs(ctx, folder, f)
		try(t, err)
		if got != want {
			t.Errorf("%s, %+v: as it is: %t", folder, f, got)
		}
	}
	is("/srv/drop", as, true) // a rename is seen before it is written down
	back := as
	back.Ino, back.Ctime, back.Dev, back.Mtime = 77, 99, 6, 500
	try(t, l.AskDone(ctx, a.ID, "/srv/drop/scan 1-0.jpg", back))
	is("/srv/drop", as, false)
	others := []file.Identity{
		{Ino: 78, Size: back.Size, Mtime: back.Mtime}, {Ino: 77, Size: back.Size + 1, Mtime: back.Mtime}, {Ino: 77, Size: back.Size, Mtime: back.Mtime + 1},
	}
	claims := func(folder string, f file.Identity) Delivery {
		t.Helper()
		return get(t, l, claim(t, l, Delivery{Folder: folder, Kind: "Image", SettledAt: time.Now(), Files: []File{{Name: "scan 1-0.jpg", ID: f}}}))
	}
	for _, other := range others {
		is("/srv/drop", other, false)
		if claims("/srv/drop", other).MaybeTwice {
			t.Errorf("%+v is taken for what was put back", other)
		}
	}
	is("/other", back, false)
	claims("/other", back)
	is("/srv/drop", back, true)
	remounted := back
	remounted.Dev, remounted.Ctime = 1, 1
	is("/srv/drop", remounted, true)
	first := claims("/srv/drop", back)
	is("/srv/drop", back, false)
	if got := asked(t, l, Questions{Became: first.ID}); !first.MaybeTwice || len(got) != 1 || got[0].ID != a.ID {
		t.Errorf("%+v took up %+v", first, got)
	}
	try(t, l.Withdraw(ctx, first.ID))
	is("/srv/drop", back, true)
	if again := claims("/srv/drop", back); !again.MaybeTwice {
		t.Errorf("%+v", again)
	}
}

// TestTakenUpWhileItIsMoved: a copy can be claimed before its inode is written down. Another file of the same size and time is not
// taken for it, be it one that was put back before or a new one.
func TestTakenUpWhileItIsMoved(t *testing.T) {
	l, ctx := run(t, t.TempDir()), t.Context()
	first, second := bury(t, l, 1, 1, MayBePosted), bury(t, l, 2, 1, MayBePosted)
	size, mtime := first.Files[0].ID.Size, first.Files[0].ID.Mtime
	try(t, l.ask(ctx, func(w *writer) error { return w.exec("UPDATE file SET size = ?, mtime_ns = ?", size, mtime) }))
	as := func(ino uint64) file.Identity { return file.Identity{Ino: ino, Size: size, Mtime: mtime} }
	first.Files[0].ID, second.Files[0].ID = as(first.Files[0].ID.Ino), as(second.Files[0].ID.Ino)
	done, open := askOf(t, l, first, 0, PostAgain), askOf(t, l, second, 0, PostAgain)
	try(t, l.AskDone(ctx, done.ID, "/srv/drop/scan 1-0.jpg", as(4000)))
	claims := func(name string, ino uint64, later time.Duration) int64 {
		id := as(ino)
		id.Mtime += int64(later)
		return claim(t, l, Delivery{Folder: "/srv/drop", SettledAt: time.Now(), Files: []File{{Name: name, ID: id}}})
	}
	for _, c := range []struct {
		name  string
		ino   uint64
		later time.Duration
		takes int64 // question; 0: none
	}{
		{"scan 1-0.jpg", 4000, 0, done.ID}, {"scan 3-0.jpg", 4001, 0, 0}, {"scan 2-0.pdf", 4002, 0, 0}, {"scan 2-0.jpg", 4003, 3 * time.Second, 0},
		{"scan 2-0 (2).jpg", 4004, time.Second, open.ID}, {"scan 2-0.jpg", 4005, time.Second, 0},
	} {
		id := claims(c.name, c.ino, c.later)
		got := asked(t, l, Questions{Became: id})
		if is := get(t, l, id).MaybeTwice; len(got) > 1 || (len(got) == 1) != (c.takes != 0) || len(got) == 1 && got[0].ID != c.takes || is != (c.takes != 0) {
			t.Errorf("%s, inode %d, takes up %+v; maybe twice: %t", c.name, c.ino, got, is)
		}
	}
}

// TestNamedLike knows a name that a file system has changed.
func TestNamedLike(t *testing.T) {
	long := strings.Repeat("long ", 40)
	for _, c := range []struct {
		path, name string
		want       bool
	}{
		{"/f/a.pdf", "a.pdf", true}, {"/f/a.pdf", "sub/a (12).pdf", true}, {"/f/10:15 Uhr.pdf", "10-15 Uhr.pdf", true}, {"/f/Büro.pdf", "Bro.PDF", true},
		{"/f/" + long + "x.pdf", long + ".pdf", true}, {"/f/0001.pdf", "0002.pdf", false}, {"/f/a.pdf", "a.jpg", false}, {"/f/日本.pdf", "中国.pdf", false},
		{"/f/日本.pdf", "日本.pdf", true}, {"/f/\xff.pdf", "\xfe.pdf", true}, {"/f/scan 12.pdf", "scan 1.pdf", false},
	} {
		if got := isNamedLike(c.path, c.name); got != c.want {
			t.Errorf("%.30q, %.30q: %t", c.path, c.name, got)
		}
	}
}

// TestPruneKeepsWhatIsAsked: a delivery stays as long as a question about it is open, or was answered of late.
func TestPruneKeepsWhatIsAsked(t *testing.T) {
	l, ctx := run(t, t.TempDir()), t.Context()
	d, other := bury(t, l, 1, 1, "no"), bury(t, l, 2, 1, "no")
	a := askOf(t, l, d, 0, AsItIs)
	prune := func(before time.Time, want int) {
		t.Helper()
		if n, err := l.Prune(ctx, before); n != want || err != nil {
			t.Errorf("%d pruned, want %d, %v", n, want, err)
		}
	}
	prune(time.Now().Add(time.Hour), 1)
	if _, err := l.Get(ctx, other.ID); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	try(t, l.AskDone(ctx, a.ID, "/x", d.Files[0].ID))
	try(t, l.ask(ctx, func(w *writer) error { return w.exec("UPDATE delivery SET finished_at = '2020'") }))
	prune(time.Now().Add(-time.Hour), 0)
	prune(time.Now().Add(time.Hour), 1)
	if n := count(t, l, "SELECT count(*) FROM asked"); n != 0 {
		t.Errorf("%d questions are left of it", n)
	}
}

// TestOlderSchemas brings over a ledger of each older schema, with names of every kind: they are found, and the copy is there.
func TestOlderSchemas(t *testing.T) {
	for version := 1; version < len(migrations()); version++ {
		dir := t.TempDir()
		path := filepath.Join(dir, fileName)
		try(t, os.WriteFile(path, nil, 0o600))
		for i, name := range []string{"scan.pdf", "a/b/scan.pdf", "\xff/\xe2/\x80.pdf", "a/a/a/", "x"} {
			if i == 0 {
				query(t, path, fmt.Sprintf("PRAGMA journal_mode = WAL; BEGIN; %s; PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
					strings.Join(migrations()[:version], ""), applicationID, version))
			}
			query(t, path, fmt.Sprintf(`INSERT INTO delivery (folder, action, state, settled_at, claimed_at, updated_at, finished_at)
				VALUES (x'2f61', 'Image', 'filed', %[1]s, %[1]s, %[1]s, %[1]s);
				INSERT INTO file (delivery, position, name, dev, ino, size, mtime_ns, ctime_ns, dest) VALUES (last_insert_rowid(), 0, x'%[2]x', 1, 2, 3, 4, 5, x'%[3]x')`,
				"'2026-01-01T00:00:00.000Z'", name, fmt.Sprintf("/d/%s (2)", name)))
		}
		if version > 1 {
			query(t, path, "UPDATE file SET claimed_as = CAST('old/' || delivery || '.pdf' AS BLOB)")
		}
		l := run(t, dir)
		if l.Kept() != l.copyPath(version) {
			t.Errorf("schema %d: kept %q", version, l.Kept())
		}
		search := map[string]int{"scan.pdf": 2, "a/b/scan.pdf": 1, "\x80.pdf": 1, "scan.pdf (2)": 2, "\x80.pdf (2)": 1, "x": 1, "x (2)": 1}
		if version > 1 {
			search["3.pdf"], search["old/3.pdf"] = 1, 1
		}
		for name, want := range search {
			found, err := l.Search(t.Context(), Query{Name: name})
			try(t, err)
			if len(found) != want {
				t.Errorf("schema %d: %q finds %d, want %d", version, name, len(found), want)
			}
		}
		if found, err := l.Search(t.Context(), Query{Dest: "/d/a/b/scan.pdf (2)"}); err != nil || len(found) != 1 {
			t.Errorf("schema %d: %v, %v", version, found, err)
		}
	}
}

// BenchmarkUpdate measures how long the last change of the schema takes for 100,000 deliveries.
func BenchmarkUpdate(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		l := open(b, b.TempDir())
		many(b, l, 100_000)
		_, err := l.w.conn.ExecContext(b.Context(), `DROP TABLE asked; DROP INDEX file_base; DROP INDEX file_claimed_base; DROP INDEX file_dest_base;
			DROP INDEX delivery_folder; DROP INDEX delivery_failed; ALTER TABLE file DROP COLUMN base; ALTER TABLE file DROP COLUMN claimed_base;
			ALTER TABLE file DROP COLUMN dest_base; PRAGMA user_version = 3`)
		try(b, err)
		try(b, l.Close())
		b.StartTimer()
		l, err = Open(l.dir)
		try(b, err)
		b.StopTimer()
		try(b, l.Close())
		b.StartTimer()
	}
}
