package inquiry

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/view"
)

// at is the present of these tests.
func at() time.Time { return time.Date(2026, 11, 28, 10, 15, 0, 0, time.Local) }

// TestStories: of each state a file can be in, the first sentence says what a person must know, and something says what to do; whether it
// is safe to delete is never left open.
func TestStories(t *testing.T) {
	folder := config.Folder{Path: "/srv/drop", Done: "/srv/drop/done", Failed: "/srv/drop/failed", Destination: "kaizala"}
	file := func(change func(*facts)) facts {
		k := facts{now: at(), running: true, path: "/srv/drop/a.pdf", name: "a.pdf", place: placeFolder, folder: folder,
			folders: []config.Folder{folder}, service: "Kaizala", taken: true, size: 9}
		change(&k)
		return k
	}
	gone := func(k *facts) { k.looked = fs.ErrNotExist }
	row := func(state string, change func(*control.Entry)) control.Entry {
		e := control.Entry{Folder: "/srv/drop", Name: "a.pdf", State: state, At: at().Add(-time.Hour), Target: "g@2", Kind: "Document", Finished: true,
			Dest: "/srv/drop/" + map[string]string{"filed": "done", "failed": "failed"}[state] + "/a.pdf"}
		change(&e)
		return e
	}
	as := func(e control.Entry) func(*facts) { return func(k *facts) { gone(k); k.entries = []control.Entry{e} } }
	queued := func(q view.Queued) func(*facts) {
		q.Name, q.Files, q.Size = "a.pdf", max(q.Files, 1), 10_000_000
		return func(k *facts) { k.queued = &q }
	}
	plain := func(*control.Entry) {}
	for name, c := range map[string]struct {
		of    func(*facts)
		state string
		says  []string
	}{
		"delivered": {as(row("filed", func(e *control.Entry) { e.Reference = "r1" })), TellsDelivered,
			[]string{`"a.pdf" was posted today at 09:15:00.`, `group "g@2" as document, with the reference "r1"`, `moved to "/srv/drop/done/a.pdf"`, "safe to delete"}},
		"delivered yesterday, twice perhaps": {as(row("filed", func(e *control.Entry) { e.At = at().AddDate(0, 0, -1); e.MaybeTwice = true })), TellsDelivered,
			[]string{"yesterday at 10:15:00", "may be there twice", "safe to delete"}},
		"renamed since": {as(row("filed", func(e *control.Entry) { e.ClaimedAs = "old.pdf" })), TellsDelivered, []string{`called "old.pdf" when it was taken`}},
		"failed":        {as(row("failed", func(e *control.Entry) { e.Reason = "it is too large" })), TellsFailed, []string{"failed today at 09:15:00: it is too large", "Nothing of it was posted", "kaizala-drop retry /srv/drop/failed/a.pdf", "delete it is to lose it"}},
		"in doubt": {as(row("failed", func(e *control.Entry) { e.MaybePosted, e.Reason = true, "no answer" })), TellsFailed,
			[]string{"--was-posted /srv/drop/failed/a.pdf", "--post-again /srv/drop/failed/a.pdf", "Do not delete it"}},
		"posted, not filed": {as(row("posted", plain)), TellsPosted, []string{"is posted, and not moved to done/ yet", "moved by itself"}},
		"held": {func(k *facts) {
			k.held = &view.Held{Name: "a.pdf", Kind: "torn", Reason: "its end is missing", Since: at().Add(-2 * time.Minute), Next: at().Add(time.Minute), Advice: "copy it in again"}
		}, TellsHeld, []string{"is held back: its end is missing", "for 2 min 0 s", "looked at again today at 10:16:00", "Copy it in again", "delete it is to lose it"}},
		"uploading": {queued(view.Queued{Stage: view.Claimed, Busy: true, Sent: 2_500_000}), TellsUploading, []string{"2.5 MB of 10.0 MB", "not in the group yet"}},
		"an outage": {func(k *facts) {
			queued(view.Queued{Stage: view.Uploaded, Behind: view.BehindDestination, Next: at().Add(time.Hour)})(k)
			k.posting.Pause = &view.Pause{Reason: "answered 503", Since: at().Add(-time.Hour)}
		}, TellsWaiting, []string{"waits to be posted", "Kaizala cannot take files now, since today at 09:15:00: answered 503", "tried again today at 11:15:00", "not in the group yet"}},
		"its turn":         {queued(view.Queued{Stage: view.Pending, Behind: view.BehindTurn, Ahead: 7}), TellsWaiting, []string{"complete, and waits to be sent", "not its turn", "Before it in its folder: 7"}},
		"order":            {queued(view.Queued{Stage: view.Uploaded, Behind: view.BehindOrder, Ahead: 2}), TellsWaiting, []string{"2 posts of its folder come before it"}},
		"the group":        {queued(view.Queued{Stage: view.Uploaded, Behind: view.BehindGroup}), TellsWaiting, []string{"its group refuses"}},
		"the disk":         {queued(view.Queued{Stage: view.Uploaded, Behind: view.BehindDisk}), TellsWaiting, []string{"its file system does not answer"}},
		"done/ is full":    {queued(view.Queued{Stage: view.Posted, Behind: view.BehindFolder, Trouble: "no space left"}), TellsPosted, []string{"is posted", "it cannot be moved: no space left", "moved by itself"}},
		"of an album":      {queued(view.Queued{Stage: view.Claimed, Behind: view.BehindTurn, Files: 4}), TellsWaiting, []string{"one of 4 pictures"}},
		"in doubt, asked":  {queued(view.Queued{Stage: view.Asking, Behind: view.BehindDestination}), TellsWaiting, []string{"may be posted: the answer was lost"}},
		"held upload":      {queued(view.Queued{Stage: view.HeldBack, Behind: view.BehindItself, Reason: "held: 3 uploads failed"}), TellsWaiting, []string{"held: 3 uploads failed"}},
		"ignored":          {func(k *facts) { k.rule = "*.tmp" }, TellsIgnored, []string{`names as "*.tmp" are temporary`, "another name"}},
		"ignored by us":    {func(k *facts) { k.rule, k.ownRule = "draft*", true }, TellsIgnored, []string{`the configuration says so (ignore = "draft*")`}},
		"below":            {func(k *facts) { k.place = placeBelow }, TellsIgnored, []string{"recursive = false", `Move it into "/srv/drop"`}},
		"not seen yet":     {func(*facts) {}, TellsUnseen, []string{"was not taken yet", "not in the group yet"}},
		"empty, no daemon": {func(k *facts) { k.running, k.size = false, 0 }, TellsUnseen, []string{"It is empty", "The daemon does not run", "systemctl start"}},
		"not its type":     {func(k *facts) { k.taken = false }, TellsUnseen, []string{"Kaizala does not take files of its type"}},
		"unreadable":       {func(k *facts) { k.looked = errors.New("permission denied") }, TellsUnseen, []string{"cannot be looked at: permission denied"}},
		"never there":      {gone, TellsAbsent, []string{`There is no "a.pdf", and none was ever taken`, "history --name a.pdf"}},
		"a sick folder": {func(k *facts) {
			gone(k)
			k.door = &view.Door{Trouble: "it cannot be listed", Advice: "mount it", Next: at().Add(10 * time.Second)}
		}, TellsSick, []string{"Its folder is not served: it cannot be listed", "Mount it.", "tried again today at 10:15:10"}},
		"a bare name":        {func(k *facts) { k.place, k.name, k.entries = placeName, "a.pdf", []control.Entry{row("filed", plain)} }, TellsDelivered, []string{"was posted today"}},
		"an unknown name":    {func(k *facts) { k.place, k.name = placeName, "z.pdf" }, TellsAbsent, []string{`Nothing is known of a file called "z.pdf"`}},
		"outside":            {func(k *facts) { k.place, k.path = placeOutside, "/home/a.pdf" }, TellsOutside, []string{"no folder that is watched", `Watched is "/srv/drop"`}},
		"somebody's in done": {func(k *facts) { k.place, k.path = placeDone, "/srv/drop/done/x.pdf" }, TellsOutside, []string{"was not moved there by kaizala-drop", "not posted"}},
		"gone from done":     {func(k *facts) { as(row("filed", plain))(k); k.place = placeDone }, TellsDelivered, []string{"not there any more"}},
		"a note":             {func(k *facts) { as(row("failed", plain))(k); k.place = placeNote }, TellsNote, []string{"note of kaizala-drop's own", "failed today"}},
		"the folder":         {func(k *facts) { k.place = placeRoot }, TellsFolder, []string{"no file but a folder"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := file(c.of)
			s := k.tell()
			text := strings.Join(StoryText(s), "\n")
			if s.State != c.state || s.Title == "" {
				t.Errorf("it is %q: %s", s.State, text)
			}
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("it does not say %q: %s", want, text)
				}
			}
		})
	}
}
