package inquiry

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/view"
)

// at is the present of these tests.
func at() time.Time { return time.Date(2026, 11, 28, 10, 15, 0, 0, time.Local) }

// TestStories: of each state a file can be in, the first sentence says what a person must know, and something says what to do; whether it
// is safe to delete is never left open.
func TestStories(t *testing.T) {
	folder := config.Folder{Path: "/srv/drop", Done: "/srv/drop/done", Failed: "/srv/drop/failed", Destination: "kaizala", GroupID: "g@2"}
	file := func(change func(*facts)) facts {
		k := facts{now: at(), running: true, path: "/srv/drop/a.pdf", name: "a.pdf", place: placeFolder, folder: folder,
			folders: []config.Folder{folder}, service: "Kaizala", info: file.Info{Identity: file.Identity{Size: 9}}}
		change(&k)
		return k
	}
	gone := func(k *facts) { k.looked = fs.ErrNotExist }
	of := func(state string, change func(*control.Entry)) row {
		e := control.Entry{Folder: "/srv/drop", Name: "a.pdf", State: state, At: at().Add(-time.Hour), Target: "g@2", Kind: "Document", Finished: true,
			Dest: "/srv/drop/" + map[string]string{"filed": "done", "failed": "failed"}[state] + "/a.pdf"}
		change(&e)
		return row{Entry: e, lies: liesThere, at: e.Dest, holds: holdsSame}
	}
	as := func(r row) func(*facts) { return func(k *facts) { gone(k); k.own = &r } }
	but := func(r row, change func(*row)) row { change(&r); return r }
	failedAt := func(h int, from control.Asked) row {
		return of("failed", func(e *control.Entry) {
			e.At, e.Reason, e.Dest, e.Asked = at().Add(time.Duration(-h)*time.Hour), "torn", "", []control.Asked{from}
		})
	}
	back := control.Asked{What: "as-it-is", By: "root (uid 0)", At: at().Add(-30 * time.Minute), State: "done", From: "/srv/drop/failed/a.pdf", To: "/srv/drop/a.pdf"}
	queued := func(q view.Queued) func(*facts) {
		q.Name, q.Files, q.Size = "a.pdf", max(q.Files, 1), 10_000_000
		return func(k *facts) { k.queued = &q }
	}
	plain := func(*control.Entry) {}
	for name, c := range map[string]struct {
		of    func(*facts)
		state string
		says  []string
		not   string // it does not say
	}{
		"delivered": {as(of("filed", func(e *control.Entry) { e.Reference = "r1" })), TellsDelivered,
			[]string{`"a.pdf" was posted today at 09:15:00.`, `group "g@2" as document, with the reference "r1"`, `moved to "/srv/drop/done/a.pdf".`, `safe to delete "/srv/drop/done/a.pdf": it is in the group`}, ""},
		"delivered yesterday, twice perhaps": {as(of("filed", func(e *control.Entry) { e.At = at().AddDate(0, 0, -1); e.MaybeTwice = true })), TellsDelivered,
			[]string{"yesterday at 10:15:00", "may be there twice", "safe to delete"}, ""},
		"delivered and gone":     {as(but(of("filed", plain), func(r *row) { r.lies = liesGone })), TellsDelivered, []string{"not there any more"}, "safe to delete"},
		"delivered and replaced": {as(but(of("filed", plain), func(r *row) { r.lies = liesOther })), TellsDelivered, []string{"What lies there now is another file"}, "safe to delete"},
		"delivered, done/ hangs": {as(but(of("filed", plain), func(r *row) { r.lies = liesDark })), TellsDelivered, []string{"could not be seen"}, "safe to delete"},
		"moved on from done/": {as(but(of("filed", plain), func(r *row) { r.lies, r.at = liesMoved, "/srv/drop/done/b.pdf" })), TellsDelivered,
			[]string{`somebody moved it on: it lies at "/srv/drop/done/b.pdf"`, `safe to delete "/srv/drop/done/b.pdf"`}, "move it into"},
		"renamed since": {as(of("filed", func(e *control.Entry) { e.ClaimedAs = "old.pdf" })), TellsDelivered, []string{`called "old.pdf" when it was taken`}, ""},
		"somebody said that it was posted": {as(of("filed", func(e *control.Entry) {
			e.Asked = []control.Asked{{What: "was-posted", By: "eve (uid 7)", At: at().Add(-time.Minute), State: "done"}}
		})), TellsDelivered, []string{"moved to done/ today at 10:14:00: eve (uid 7) said that it is in the group", "as eve (uid 7) said"}, "was posted today"},
		"failed": {as(of("failed", func(e *control.Entry) { e.Reason = "it is too large" })), TellsFailed,
			[]string{"failed today at 09:15:00: it is too large", "Nothing of it was posted", "kaizala-drop retry /srv/drop/failed/a.pdf", "delete it is to lose it"}, ""},
		"failed, another configuration": {func(k *facts) { as(of("failed", plain))(k); k.options = " --config /x" }, TellsFailed, []string{"kaizala-drop retry --config /x /srv/drop/failed/a.pdf"}, ""},
		"failed and gone":               {as(but(of("failed", plain), func(r *row) { r.lies = liesGone })), TellsFailed, []string{"not there any more"}, "retry"},
		"torn": {as(but(of("failed", plain), func(r *row) { r.help = filing.Note{Advice: "Scan it again.", Same: true, AsItIs: true} })), TellsFailed,
			[]string{"-> Scan it again.", "would only come back here", "retry --as-it-is /srv/drop/failed/a.pdf"}, "retry /srv"},
		"of no use": {as(but(of("failed", plain), func(r *row) { r.help = filing.Note{Advice: "Convert it.", Same: true} })), TellsFailed,
			[]string{"-> Convert it.", "would only come back here."}, "kaizala-drop retry"},
		"moved on from failed/": {as(but(of("failed", plain), func(r *row) { r.lies, r.at = liesMoved, "/srv/other/failed/a.pdf" })), TellsFailed,
			[]string{"put it into the folder again."}, "kaizala-drop retry"},
		"in doubt": {as(but(of("failed", func(e *control.Entry) { e.MaybePosted, e.Reason = true, "it may have been posted: no answer came back" }),
			func(r *row) { r.help = filing.Note{Advice: "Look in the group first.", Unknown: true} })), TellsFailed,
			[]string{"-> Look in the group first.", "--was-posted /srv/drop/failed/a.pdf", "--post-again /srv/drop/failed/a.pdf", "Do not delete it"}, "Nothing of it was posted"},
		"put back": {as(failedAt(1, back)), TellsFailed, []string{`put back by root (uid 0) today at 09:45:00, to be sent as it is: to "/srv/drop/a.pdf"`}, "retry "},
		"put back, and posted": {func(k *facts) {
			as(failedAt(2, back))(k)
			then := of("filed", func(e *control.Entry) { e.Origin = &back })
			k.then = &then
		}, TellsDelivered, []string{`"a.pdf" was posted today at 09:15:00`, "It had failed today at 08:15:00: torn.", "put back by root (uid 0) today at 09:45:00", "safe to delete"}, "retry "},
		"put back, and not taken yet": {func(k *facts) { k.origin, k.before = &back, []row{failedAt(2, back)} }, TellsUnseen,
			[]string{"was not taken yet", "put back by root (uid 0) today at 09:45:00", "It had failed today at 08:15:00: torn."}, "retry "},
		"to be put back": {as(of("failed", func(e *control.Entry) { e.Asked = []control.Asked{{What: "retry", By: "root", State: "asked"}} })), TellsFailed,
			[]string{"that is not done yet", "kaizala-drop retry /srv/drop/failed/a.pdf"}, ""},
		"posted, not filed": {as(of("posted", plain)), TellsPosted, []string{"is posted, and not moved to done/ yet", "moved by itself"}, "safe to delete"},
		"taken, no daemon":  {func(k *facts) { as(of("claimed", plain))(k); k.running = false }, TellsWaiting, []string{"taken, and not posted yet", `for the group "g@2"`, "not in the group yet"}, ""},
		"in doubt, no daemon": {func(k *facts) {
			as(of("posting", func(e *control.Entry) { e.MaybePosted = true }))(k)
			k.running = false
		}, TellsWaiting,
			[]string{"may be in the group already", "may be there already"}, "not in the group yet"},
		"held": {func(k *facts) {
			k.held = &view.Held{Name: "a.pdf", Kind: "torn", Reason: "its end is missing", Since: at().Add(-2 * time.Minute), Next: at().Add(time.Minute), Advice: "copy it in again", Fails: at().Add(time.Hour)}
		}, TellsHeld, []string{"is held back: its end is missing", "for 2 min 0 s", "looked at again today at 10:16:00", "goes to failed/ today at 11:15:00", `for the group "g@2"`, "Copy it in again", "delete it is to lose it"}, ""},
		"of no known type": {func(k *facts) {
			k.held = &view.Held{Kind: "strange", Reason: "its extension is in no list of types", Since: at().Add(-time.Minute), Goes: at().Add(time.Minute)}
		}, TellsHeld, []string{"If it stays as it is, it is posted today at 10:16:00."}, "failed/"},
		"just dropped": {func(k *facts) {
			k.held = &view.Held{Kind: "written", Reason: "it is still being written", Since: at().Add(-time.Second), Next: at().Add(time.Second), Advice: "if the program never ends, stop it"}
		}, TellsHeld, []string{"it has just changed or was just put there", "it goes on today at 10:15:01"}, "stop it"},
		"written for long": {func(k *facts) {
			k.held = &view.Held{Kind: "written", Reason: "it is still being written", Since: at().Add(-time.Hour), Advice: "if the program never ends, stop it"}
		}, TellsHeld, []string{"is still being written", "stop it"}, "just changed"},
		"filed late": {as(but(of("filed", plain), func(r *row) { r.posting = at().Add(-3 * time.Hour) })), TellsDelivered,
			[]string{"was posted, and moved to done/ today at 09:15:00", "begun first today at 07:15:00"}, "was posted today at"},
		"in doubt, of another group": {as(of("failed", func(e *control.Entry) { e.MaybePosted, e.Target = true, "old@2" })), TellsFailed,
			[]string{`If it was posted, it is in the group "old@2"`, `to post it again sends it to the group "g@2"`}, `It is for the group`},
		"posted again, to another group": {func(k *facts) {
			as(of("filed", func(e *control.Entry) { e.MaybeTwice = true }))(k)
			k.before = []row{of("failed", func(e *control.Entry) { e.MaybePosted, e.Target = true, "old@2" })}
		}, TellsDelivered, []string{`It may be in the group "old@2", too`}, "there twice"},
		"the answer is late": {queued(view.Queued{Stage: view.Claimed, Busy: true, Sent: 10_000_000, Begun: at().Add(-time.Minute)}), TellsUploading,
			[]string{"waits for the answer", "today at 10:14:00, 1 min 0 s ago"}, "not its turn"},
		"held, its reason says what to do": {func(k *facts) {
			k.held = &view.Held{Kind: "links", Reason: "it has 2 names: copy it in", Since: at(), Advice: "copy it in"}
		}, TellsHeld, []string{"is held back: it has 2 names.", "Copy it in."}, "names: copy"},
		"a link":       {func(k *facts) { k.held = &view.Held{Kind: "symlink", Reason: "symbolic link", Since: at()} }, TellsHeld, []string{"To delete the link loses nothing"}, "is to lose it"},
		"an empty one": {func(k *facts) { k.held = &view.Held{Kind: "empty", Reason: "it is empty", Since: at()} }, TellsHeld, []string{"nothing in it that could be lost"}, "is to lose it"},
		"a subfolder":  {func(k *facts) { k.held = &view.Held{Kind: "folder", Reason: "it is a folder", Since: at()} }, TellsIgnored, []string{"left alone: it is a folder"}, "is to lose it"},
		"it was just seen": {func(k *facts) {
			k.held = &view.Held{Kind: "settling", Reason: "it was seen, and must be quiet for a while", Since: at()}
		}, TellsHeld, []string{"is held back: it was seen, and must be quiet"}, ""},
		"uploading":         {queued(view.Queued{Stage: view.Claimed, Busy: true, Sent: 2_500_000}), TellsUploading, []string{"2.5 MB of 10.0 MB", "not in the group yet", `for the group "g@2"`}, ""},
		"all of it is sent": {queued(view.Queued{Stage: view.Claimed, Busy: true, Sent: 10_000_000}), TellsUploading, []string{"is sent, and waits for the answer"}, "10.0 MB of"},
		"an outage": {func(k *facts) {
			queued(view.Queued{Stage: view.Uploaded, Behind: view.BehindDestination, Next: at().Add(time.Hour)})(k)
			k.posting.Pause = &view.Pause{Reason: "answered 503", Advice: "Look at the token.", Since: at().Add(-time.Hour)}
		}, TellsWaiting, []string{"waits to be posted", "Kaizala cannot take files now, since today at 09:15:00: answered 503", "tried again today at 11:15:00", "-> Look at the token.", "not in the group yet"}, ""},
		"its turn": {queued(view.Queued{Stage: view.Pending, Behind: view.BehindTurn, Ahead: 7}), TellsWaiting, []string{"complete, and waits to be sent", "not its turn", "Before it in its folder: 7"}, ""},
		"order":    {queued(view.Queued{Stage: view.Uploaded, Behind: view.BehindOrder, Ahead: 2}), TellsWaiting, []string{"2 posts of its folder come before it"}, ""},
		"the group": {func(k *facts) {
			queued(view.Queued{Stage: view.Uploaded, Behind: view.BehindGroup})(k)
			k.lane.Target = "other@2"
		}, TellsWaiting, []string{"its group refuses", `the group "other@2" is there`, "kaizala-drop groups", "group_id"}, ""},
		"the disk":        {queued(view.Queued{Stage: view.Uploaded, Behind: view.BehindDisk}), TellsWaiting, []string{"its file system does not answer"}, ""},
		"done/ is full":   {queued(view.Queued{Stage: view.Posted, Behind: view.BehindFolder, Trouble: "no space left"}), TellsPosted, []string{"is posted", "it cannot be moved: no space left", "moved by itself"}, "not in the group"},
		"of an album":     {queued(view.Queued{Stage: view.Claimed, Behind: view.BehindTurn, Files: 4}), TellsWaiting, []string{"one of 4 pictures"}, ""},
		"in doubt, asked": {queued(view.Queued{Stage: view.Asking, MaybePosted: true, Behind: view.BehindDestination}), TellsWaiting, []string{"may be posted: the answer was lost"}, "not in the group yet"},
		"in doubt, posted again": {queued(view.Queued{Stage: view.Uploaded, MaybePosted: true, Behind: view.BehindItself, Trouble: "timeout"}), TellsWaiting,
			[]string{"may be in the group already: the answer to its post was lost", "What it waits for: its last try failed: timeout", "may be there already"}, "not in the group yet"},
		"in doubt, given up":         {queued(view.Queued{Stage: view.Failing, MaybePosted: true, Reason: "it may have been posted: no answer came back"}), TellsFailed, []string{"Look in the group"}, "not in the group yet"},
		"held upload":                {queued(view.Queued{Stage: view.HeldBack, Behind: view.BehindItself, Reason: "held: 3 uploads failed"}), TellsWaiting, []string{"is held: 3 uploads failed"}, "What it waits for"},
		"renamed while it waits":     {func(k *facts) { queued(view.Queued{Stage: view.Uploaded, Behind: view.BehindGroup})(k); gone(k) }, TellsWaiting, []string{"not there under this name any more"}, ""},
		"ignored":                    {func(k *facts) { k.rule = "*.tmp" }, TellsIgnored, []string{`names as "*.tmp" are temporary`, "another name"}, ""},
		"ignored by us":              {func(k *facts) { k.rule, k.ownRule = "draft*", true }, TellsIgnored, []string{`the configuration says so (ignore = "draft*")`}, ""},
		"ignored and not there":      {func(k *facts) { k.rule = "*.tmp"; gone(k) }, TellsAbsent, []string{`There is no "a.pdf"`, `Names as "*.tmp" are left alone`}, "is left alone:"},
		"below":                      {func(k *facts) { k.place = placeBelow }, TellsIgnored, []string{"recursive = false", `Move it into "/srv/drop"`}, ""},
		"not seen yet":               {func(*facts) {}, TellsUnseen, []string{"was not taken yet", `for the group "g@2"`, "not in the group yet"}, ""},
		"empty, no daemon":           {func(k *facts) { k.running, k.info.Size = false, 0 }, TellsUnseen, []string{"It is empty", "No daemon runs", "systemctl start"}, ""},
		"of a room":                  {func(k *facts) { k.folder.GroupID, k.folder.Room = "", "#scans:here" }, TellsUnseen, []string{`for the room "#scans:here"`, "not in the room yet"}, "group"},
		"not its type":               {func(k *facts) { k.refused = "Kaizala does not take files of its type." }, TellsUnseen, []string{"Kaizala does not take files of its type"}, "Leave it there"},
		"unreadable":                 {func(k *facts) { k.looked = errors.New("permission denied") }, TellsUnseen, []string{"cannot be looked at: permission denied"}, ""},
		"never there":                {gone, TellsAbsent, []string{`There is no "a.pdf", and none was ever taken`, "history --name a.pdf", "explain a.pdf"}, ""},
		"its folder is not there":    {func(k *facts) { gone(k); k.missing = "/srv/drop" }, TellsAbsent, []string{`its folder "/srv/drop" is not there`}, "ever taken"},
		"nor is what that is in":     {func(k *facts) { gone(k); k.missing = "/srv" }, TellsAbsent, []string{`its folder "/srv/drop" is not there`}, "ever taken"},
		"its subfolder is not there": {func(k *facts) { gone(k); k.missing = "/srv/drop/x" }, TellsAbsent, []string{`no folder "/srv/drop/x"`}, "ever taken"},
		"a sick folder": {func(k *facts) {
			gone(k)
			k.door = &view.Door{Trouble: "it cannot be listed", Advice: "mount it", Next: at().Add(10 * time.Second)}
		}, TellsSick, []string{"The folder is not served: it cannot be listed", "Mount it.", "tried again today at 10:15:10"}, ""},
		"outside":              {func(k *facts) { k.place, k.path = placeOutside, "/home/a.pdf" }, TellsOutside, []string{"no folder that is watched", `Watched is "/srv/drop"`}, ""},
		"outside, unseen":      {func(k *facts) { gone(k); k.place, k.path, k.missing = placeOutside, "/home/x/a.pdf", "/home/x" }, TellsAbsent, []string{"as far as can be seen", `no folder "/home/x"`}, ""},
		"of state_dir":         {func(k *facts) { k.place, k.path = placeState, "/var/lib/x/ledger.db" }, TellsOutside, []string{"own memory", "Leave it alone"}, ""},
		"the mark":             {func(k *facts) { k.place, k.path = placeDone, "/srv/drop/done/.kaizala-drop-filed" }, TellsIgnored, []string{"the mark by which", "Leave it there"}, "move it into"},
		"a hidden copy":        {func(k *facts) { k.place, k.path = placeDone, "/srv/drop/done/.kaizala-drop-0123" }, TellsIgnored, []string{"needs while it moves another"}, "move it into"},
		"somebody's in done":   {func(k *facts) { k.place, k.path = placeDone, "/srv/drop/done/x.pdf" }, TellsOutside, []string{"was not moved there by kaizala-drop", "not posted", "Look in the group"}, "safe to delete"},
		"somebody's in failed": {func(k *facts) { k.place, k.path = placeFailed, "/srv/drop/failed/x.pdf" }, TellsOutside, []string{"was not moved there by kaizala-drop", "move it into"}, ""},
		"a copy in done": {func(k *facts) {
			as(of("filed", plain))(k)
			k.looked, k.place, k.path, k.copied = nil, placeDone, "/srv/drop/done/x.pdf", true
		}, TellsOutside,
			[]string{`copy of "/srv/drop/done/a.pdf"`, "post it once more"}, "move it into"},
		"a folder in done":      {func(k *facts) { k.place, k.info.Mode = placeDone, fs.ModeDir }, TellsFolder, []string{"a folder in done/"}, "move it into"},
		"a note":                {func(k *facts) { as(of("failed", plain))(k); k.looked, k.place = nil, placeNote }, TellsNote, []string{"note of kaizala-drop's own", "failed today"}, ""},
		"a note of nothing":     {func(k *facts) { k.place = placeNote }, TellsNote, []string{"not known any more"}, ""},
		"no note":               {func(k *facts) { k.place = placeNote; gone(k) }, TellsAbsent, []string{"There is no"}, ""},
		"the folder":            {func(k *facts) { k.place, k.info.Mode = placeRoot, fs.ModeDir }, TellsFolder, []string{"no file but a watched folder", "kaizala-drop status"}, "not there"},
		"the folder is missing": {func(k *facts) { k.place, k.missing = placeRoot, "/srv"; gone(k) }, TellsFolder, []string{"It is not there.", `no folder "/srv"`, "mount its share"}, ""},
		"done/ itself":          {func(k *facts) { k.place, k.info.Mode = placeDoneRoot, fs.ModeDir }, TellsFolder, []string{"moves what it has posted"}, "not there"},
		"failed/ is not there":  {func(k *facts) { k.place = placeFailedRoot; gone(k) }, TellsFolder, []string{"moves what cannot be posted", "made with the first file"}, ""},
		"others of its name": {func(k *facts) {
			k.others = []row{of("filed", func(e *control.Entry) { e.ID = 2 }), of("filed", func(e *control.Entry) { e.ID = 3 }), of("failed", plain)}
		}, TellsUnseen, []string{`Another file of this name, in "/srv/drop", was posted today at 09:15:00, and went to "/srv/drop/done/a.pdf".`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := file(c.of)
			s := k.story()
			text := strings.Join(StoryText(s), "\n")
			if c.not != "" && strings.Contains(text, c.not) {
				t.Errorf("it says %q: %s", c.not, text)
			}
			for i, line := range strings.Split(text, "\n") {
				if strings.Contains(strings.Join(strings.Split(text, "\n")[i+1:], "\n"), line) {
					t.Errorf("it says twice %q: %s", line, text)
				}
			}
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
