package ledger

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"kaizala-drop/internal/file"
)

// TestRecognised shows that a file of an album that is renamed several times has its present name and the name of its claim,
// and that nothing else of the delivery changes.
func TestRecognised(t *testing.T) {
	dir := t.TempDir()
	l, ctx := run(t, dir), t.Context()
	d := sample(1, 3)
	d.Files[1].Name = "sub/\xc3\x28\n.jpg"
	id := claim(t, l, d)
	try(t, l.Uploaded(ctx, id, "res", sums(3)))
	try(t, l.Posting(ctx, id, "g", "c", false))
	try(t, l.Waits(ctx, id, 2, "offline"))
	want := get(t, l, id)
	as := file.Identity{Dev: 1<<64 - 1, Ino: 1 << 63, Size: 1 << 62, Mtime: -1, Ctime: -1 << 63}
	for i, step := range []struct{ name, claimedAs string }{
		{"sub/\xc3\x28\n.jpg", ""}, // touched only
		{"b\xff.jpg", "sub/\xc3\x28\n.jpg"},
		{"dir/c.jpg", "sub/\xc3\x28\n.jpg"},
		{"sub/\xc3\x28\n.jpg", ""}, // renamed back
		{"d.jpg", "sub/\xc3\x28\n.jpg"},
		{"d.jpg", "sub/\xc3\x28\n.jpg"},
	} {
		as.Ctime = int64(i)
		try(t, l.Recognised(ctx, id, 1, step.name, as))
		f := &want.Files[1]
		f.Name, f.ClaimedAs, f.ID = step.name, step.claimedAs, as
		got := get(t, l, id)
		got.UpdatedAt = want.UpdatedAt
		if !reflect.DeepEqual(got, want) {
			t.Errorf("as %q:\n got %+v\nwant %+v", step.name, got, want)
		}
	}
	try(t, l.Close())
	l = run(t, dir)
	if got := get(t, l, id); !reflect.DeepEqual(got.Files, want.Files) {
		t.Errorf("opened again: %+v", got.Files)
	}
	for _, name := range []string{"d.jpg", "sub/\xc3\x28\n.jpg"} {
		if n := count(t, l, "SELECT count(*) FROM history WHERE ? IN (name, claimed_as)", name); n != 1 {
			t.Errorf("%d lines by the name %q, want 1", n, name)
		}
	}
}

// TestRecognisedRefuses shows that Recognised refuses an empty name and a file that the delivery does not have, and changes
// nothing.
func TestRecognisedRefuses(t *testing.T) {
	l, ctx := run(t, t.TempDir()), t.Context()
	id := claim(t, l, sample(1, 2))
	before := get(t, l, id)
	for name, err := range map[string]error{
		"no name":               l.Recognised(ctx, id, 0, "", file.Identity{}),
		"no such file":          l.Recognised(ctx, id, 2, "x", file.Identity{}),
		"a negative position":   l.Recognised(ctx, id, -1, "x", file.Identity{}),
		"a delivery unheard of": l.Recognised(ctx, id+1, 0, "x", file.Identity{}),
	} {
		if err == nil || !strings.Contains(err.Error(), "delivery ") || errors.Is(err, ErrUnknown) != (name == "a delivery unheard of") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := get(t, l, id); !reflect.DeepEqual(before, after) {
		t.Errorf("left a trace:\n%+v\n%+v", before, after)
	}
}

// TestClaimAfterRecognised shows that a recognised file cannot be claimed with its new identity, and that its old one is free.
func TestClaimAfterRecognised(t *testing.T) {
	l, ctx := run(t, t.TempDir()), t.Context()
	first := claim(t, l, sample(1, 1))
	moved := sample(1, 1)
	moved.Files[0].Name, moved.Files[0].ID = "new.jpg", file.Identity{Dev: 9, Ino: 1 << 63, Size: 7, Mtime: 8, Ctime: 9}
	f := moved.Files[0]
	try(t, l.Recognised(ctx, first, 0, f.Name, f.ID))
	if _, err := l.Claim(ctx, moved); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("delivery %d has it already", first)) {
		t.Errorf("claimed twice: %v", err)
	}
	claim(t, l, sample(1, 1)) // another file under the old name
}

// TestRecognisedAfterAnotherClaim shows that a file may be recognised although another delivery has claimed it, and belongs to
// the first one when the other is withdrawn.
func TestRecognisedAfterAnotherClaim(t *testing.T) {
	l, ctx := run(t, t.TempDir()), t.Context()
	first := claim(t, l, sample(1, 1))
	moved := sample(1, 1)
	moved.Files[0].Name = "new.jpg"
	f := moved.Files[0]
	second := claim(t, l, moved)
	try(t, l.Recognised(ctx, first, 0, f.Name, f.ID))
	try(t, l.Withdraw(ctx, second))
	if _, err := l.Claim(ctx, moved); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("delivery %d has it already", first)) {
		t.Errorf("%v", err)
	}
}

// TestFiledAfterRecognised shows that a filed file is known in done/ by the identity with which it was recognised.
func TestFiledAfterRecognised(t *testing.T) {
	l, ctx := run(t, t.TempDir()), t.Context()
	id := claim(t, l, sample(1, 2))
	do := steps(ctx, l, id)
	for _, step := range []string{"uploaded", "posting", "posted", "recognised", "filed"} {
		try(t, do[step]())
	}
	filed := sample(2, 1)
	filed.Folder, filed.Files[0].Name = "/", "b" // the path that steps files it under
	filed.Files[0].ID = get(t, l, id).Files[1].ID
	if _, err := l.Claim(ctx, filed); !errors.Is(err, ErrFiled) {
		t.Errorf("%v", err)
	}
}
