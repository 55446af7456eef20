package ledger

import (
	"fmt"
	"testing"
	"time"

	"kaizala-drop/internal/file"
)

// TestLike: a file that was moved away is found by its inode, by its modification time as a coarser file system keeps it, and by what was
// sent of it, whatever it is called now; one of another size, and one that was not moved, are not.
func TestLike(t *testing.T) {
	l := run(t, t.TempDir())
	a, b := bury(t, l, 1, 2, "refused"), bury(t, l, 2, 2, "refused")
	claim(t, l, sample(3, 1))
	is := a.Files[1].ID
	const far = int64(time.Hour)
	for name, c := range map[string]struct {
		f    file.Identity
		sum  []byte
		want string
	}{
		"its inode":          {is, nil, fmt.Sprint([]int64{a.ID})},
		"its time":           {file.Identity{Ino: 999, Size: is.Size, Mtime: is.Mtime + int64(time.Second)}, nil, fmt.Sprint([]int64{b.ID, a.ID})},
		"its sum":            {file.Identity{Ino: 999, Size: is.Size, Mtime: is.Mtime + far}, a.Files[1].SHA256, fmt.Sprint([]int64{b.ID, a.ID})},
		"nothing of it":      {file.Identity{Ino: 999, Size: is.Size, Mtime: is.Mtime + far}, nil, "[]"},
		"its inode, longer":  {file.Identity{Ino: is.Ino, Size: is.Size + 1, Mtime: is.Mtime}, nil, "[]"},
		"its inode, touched": {file.Identity{Ino: is.Ino, Size: is.Size, Mtime: is.Mtime + far}, nil, "[]"},
	} {
		found, err := l.Like(t.Context(), c.f, c.sum)
		ids := []int64{}
		for _, d := range found {
			ids = append(ids, d.ID)
		}
		if got := fmt.Sprint(ids); err != nil || got != c.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
	}
}

// TestAskedOf: of deliveries it is found what was asked of them, and what they took up after it was asked for.
func TestAskedOf(t *testing.T) {
	l, ctx := run(t, t.TempDir()), t.Context()
	d, other := bury(t, l, 1, 1, "refused"), bury(t, l, 2, 1, "refused")
	a := askOf(t, l, d, 0, Retry)
	askOf(t, l, other, 0, WasPosted)
	back := file.Identity{Dev: 1, Ino: 77, Size: d.Files[0].ID.Size, Mtime: 5}
	try(t, l.AskDone(ctx, a.ID, "/srv/drop/back.pdf", back))
	again := sample(3, 1)
	again.Files[0].Name, again.Files[0].ID = "back.pdf", back
	took := claim(t, l, again)
	for name, ids := range map[string][]int64{"it": {d.ID}, "what took it up": {took}, "both": {took, d.ID}} {
		all, err := l.AskedOf(ctx, ids...)
		if err != nil || len(all) != 1 || all[0].ID != a.ID || all[0].Became != took {
			t.Errorf("%s: %+v, %v", name, all, err)
		}
	}
	if all, err := l.AskedOf(ctx); err != nil || all != nil {
		t.Errorf("of nothing %+v, %v", all, err)
	}
	if all := asked(t, l, Questions{To: "/srv/drop/back.pdf"}); len(all) != 1 || all[0].ID != a.ID {
		t.Errorf("by where it was put: %+v", all)
	}
}
