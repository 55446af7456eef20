// Package ledgertest checks that a memory of deliveries behaves as package ledger demands, be it the ledger or a fake of a test.
package ledgertest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/media"
)

// Memory is what the uploader demands of a ledger.
type Memory interface {
	Unfinished(ctx context.Context, destination string) ([]ledger.Delivery, error)
	Claim(ctx context.Context, d ledger.Delivery) (id int64, err error)
	Uploaded(ctx context.Context, id int64, resource string, sums [][]byte) error
	Posting(ctx context.Context, id int64, group, caption string, again bool) error
	Posted(ctx context.Context, id int64, reference string) error
	Filed(ctx context.Context, id int64, dests []string) error
	Failed(ctx context.Context, id int64, reason string) error
	FailedFiled(ctx context.Context, id int64, dests []string) error
	Waits(ctx context.Context, id int64, attempts int, reason string) error
	NotPosted(ctx context.Context, id int64, attempts int, reason string) error
	Recognised(ctx context.Context, id int64, position int, name string, as file.Identity) error
	Withdraw(ctx context.Context, id int64) error
}

// Transition is a step, the states in which it is allowed, and the state to which it leads.
type Transition struct {
	Step string
	From string // states, separated by spaces
	To   string // "": the state stays
}

// Transitions are all transitions. Apart from the states of package ledger there are two ends: "filed as failed" and
// "withdrawn".
func Transitions() []Transition {
	return []Transition{
		{"Uploaded", "claimed uploaded posting", "uploaded"},
		{"Posting", "uploaded", "posting"},
		{"Posting again", "uploaded posting", "posting"},
		{"NotPosted", "posting", "uploaded"},
		{"Posted", "posting", "posted"},
		{"Filed", "posted", "filed"},
		{"Failed", "claimed uploaded posting failed", "failed"},
		{"FailedFiled", "failed", "filed as failed"},
		{"Waits", "claimed uploaded posting posted failed", ""},
		{"Recognised", "claimed uploaded posting posted failed", ""},
		{"Withdraw", "claimed uploaded", "withdrawn"},
	}
}

// ways are the steps that lead from the claim to each state.
func ways() map[string][]string {
	return map[string][]string{
		"claimed":         nil,
		"uploaded":        {"Uploaded"},
		"posting":         {"Uploaded", "Posting"},
		"posted":          {"Uploaded", "Posting", "Posted"},
		"filed":           {"Uploaded", "Posting", "Posted", "Filed"},
		"failed":          {"Failed"},
		"filed as failed": {"Failed", "FailedFiled"},
		"withdrawn":       {"Withdraw"},
	}
}

// isEnd reports whether nothing is left to do in a state.
func isEnd(state string) bool {
	return slices.Contains([]string{"filed", "filed as failed", "withdrawn"}, state)
}

// take takes one step of a delivery of two files.
func take(ctx context.Context, m Memory, id int64, step string) error {
	dests := []string{"/srv/drop/done/a.jpg", ""}
	switch step {
	case "Uploaded":
		one, two := sha256.Sum256([]byte("one")), sha256.Sum256([]byte("two"))
		return m.Uploaded(ctx, id, "resource", [][]byte{one[:], two[:]})
	case "Posting", "Posting again":
		return m.Posting(ctx, id, "group", "caption", step != "Posting")
	case "NotPosted":
		return m.NotPosted(ctx, id, 1, "429")
	case "Posted":
		return m.Posted(ctx, id, "reference")
	case "Filed":
		return m.Filed(ctx, id, dests)
	case "Failed":
		return m.Failed(ctx, id, "no")
	case "FailedFiled":
		return m.FailedFiled(ctx, id, dests)
	case "Waits":
		return m.Waits(ctx, id, 2, "later")
	case "Recognised":
		return m.Recognised(ctx, id, 1, "renamed.jpg", file.Identity{Dev: 9, Ino: uint64(id), Size: 1, Mtime: 3, Ctime: 4})
	case "Withdraw":
		return m.Withdraw(ctx, id)
	}
	panic("ledgertest: no step is named " + step)
}

// Conform fails the test unless m allows exactly the steps in Transitions. It tries each step in each state. An allowed step
// must lead to the state of the table. Any other step must fail with an error that wraps ledger.ErrState, or ledger.ErrUnknown
// for a withdrawn delivery, and must change nothing.
func Conform(t *testing.T, m Memory) {
	t.Helper()
	number := 0
	for state, way := range ways() {
		for _, step := range Transitions() {
			t.Run(fmt.Sprint(step.Step, " from ", state), func(t *testing.T) {
				number++
				id := claim(t, m, number)
				for _, before := range way {
					must(t, take(t.Context(), m, id, before))
				}
				before := find(t, m, id)
				err := take(t.Context(), m, id, step.Step)
				after := find(t, m, id)
				if slices.Contains(strings.Split(step.From, " "), state) {
					to := step.To
					if to == "" {
						to = state
					}
					must(t, err)
					wantState(t, after, to)
					return
				}
				want := ledger.ErrState
				if state == "withdrawn" {
					want = ledger.ErrUnknown
				}
				if !errors.Is(err, want) {
					t.Errorf("got %v", err)
				}
				if !reflect.DeepEqual(before, after) {
					t.Errorf("the refused step changed the delivery:\n%+v\n%+v", before, after)
				}
			})
		}
	}
	t.Run("a file twice", func(t *testing.T) { claimTwice(t, m, number+1) })
}

// claimTwice fails the test unless a file of an unfinished delivery can belong to no other delivery, whatever its destination.
func claimTwice(t *testing.T, m Memory, number int) {
	id := claim(t, m, number)
	again := sample(number)
	again.Destination = "another"
	_, err := m.Claim(t.Context(), again)
	if claimed, ok := errors.AsType[*ledger.ClaimedError](err); !ok || claimed.Delivery != id {
		t.Errorf("got %v", err)
	}
	must(t, m.Withdraw(t.Context(), id))
	if _, err := m.Claim(t.Context(), again); err != nil {
		t.Errorf("after the other delivery was withdrawn: %v", err)
	}
}

func wantState(t *testing.T, d *ledger.Delivery, state string) {
	t.Helper()
	if isEnd(state) {
		if d != nil {
			t.Errorf("the delivery is not finished: %+v", d)
		}
		return
	}
	if d == nil || string(d.State) != state || d.Destination != "office" || d.Key == "" || len(d.Files) != 2 {
		t.Errorf("got %+v, want a delivery that is %s", d, state)
	}
}

// find is the delivery as Unfinished returns it, without its times, or nil if it is finished.
func find(t *testing.T, m Memory, id int64) *ledger.Delivery {
	t.Helper()
	open, err := m.Unfinished(t.Context(), "office")
	must(t, err)
	i := slices.IndexFunc(open, func(d ledger.Delivery) bool { return d.ID == id })
	if i < 0 {
		return nil
	}
	open[i].UpdatedAt, open[i].PostingAt, open[i].ClaimedAt = time.Time{}, time.Time{}, time.Time{}
	return &open[i]
}

// sample is a delivery of two files; the files of each number are different ones.
func sample(number int) ledger.Delivery {
	id := file.Identity{Dev: 8, Ino: uint64(number), Size: 1, Mtime: 1, Ctime: 2}
	return ledger.Delivery{
		Destination: "office", Key: fmt.Sprint("key ", number), Folder: "/srv/drop",
		Kind: media.Album, SettledAt: time.UnixMilli(1_790_000_000_000),
		Files: []ledger.File{{Name: fmt.Sprint(number, " a.jpg"), ID: id}, {Name: fmt.Sprint(number, " b.jpg"), ID: id}},
	}
}

func claim(t *testing.T, m Memory, number int) int64 {
	t.Helper()
	id, err := m.Claim(t.Context(), sample(number))
	must(t, err)
	return id
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
