package inquiry

import (
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/view"
)

// busy is the status of a daemon that has everything at once.
func busy() control.Status {
	ago := func(d time.Duration) time.Time { return at().Add(-d) }
	queue := []view.Queued{
		{Name: "film.mp4", Files: 1, Stage: view.Claimed, Busy: true, Begun: ago(10 * time.Second), Sent: 50_000_000, Size: 200_000_000},
		{Name: "sent.pdf", Files: 1, Stage: view.Claimed, Busy: true, Begun: ago(time.Second), Sent: 9, Size: 9},
		{Name: "post.pdf", Files: 1, Stage: view.Uploaded, Busy: true},
		{Name: "a.jpg", Files: 3, Stage: view.Pending, Behind: view.BehindTurn},
		{Name: "b.pdf", Files: 1, Stage: view.Pending, Behind: view.BehindTurn},
		{Name: "c.pdf", Files: 1, Stage: view.Claimed, Behind: view.BehindItself, Trouble: "no answer", Next: at().Add(2 * time.Minute)},
		{Name: "d.pdf", Files: 1, Stage: view.Claimed, Behind: view.BehindItself, Trouble: "no answer", Next: at().Add(time.Minute)},
	}
	return control.Status{
		Running: true, Version: "v1", PID: 42, Started: ago(27 * time.Hour), At: at(),
		Destinations: []control.Destination{
			{Name: "kaizala", Service: "Kaizala", CallsPerMinute: 98, CallsLeft: 91},
			{Name: "office", Service: "Kaizala", Pause: &view.Pause{Reason: "connection refused", Since: ago(20 * time.Minute), Until: at().Add(time.Minute)}},
		},
		Folders: []control.Folder{
			{Path: "/srv/drop/in", Destination: "kaizala", Up: true, Failed: 1200, FailedNames: []string{"w.xyz", "v.xyz"}, Deliveries: 207, Queue: queue, Last: &control.Entry{At: ago(time.Minute)},
				Held: []control.Reason{
					{Kind: "torn", Reason: "its end is missing", Files: 7, Since: ago(time.Hour), Names: []string{"1.pdf", "2.pdf", "3.pdf", "4.pdf", "5\n.pdf"}, Late: true,
						Fails: at().Add(time.Minute)},
					{Kind: "strange", Reason: "its extension is in no list of types", Files: 1, Since: ago(time.Minute), Names: []string{"README"}, Goes: at().Add(time.Minute)},
					{Kind: "settling", Reason: "it must be quiet for a while", Files: 2, Since: ago(time.Second), Names: []string{"x.pdf", "y.pdf"}},
					{Kind: "folder", Reason: "it is a folder, and recursive = false", Files: 1, Since: ago(time.Hour), Names: []string{"sub"}, Late: true},
				}},
			{Path: "/mnt/my stick", Destination: "kaizala", Trouble: "it is not there", Advice: "plug it in", Next: at().Add(30 * time.Second), Failed: 1, FailedNames: []string{"z.xyz"}},
			{Path: "/srv/drop/office", Destination: "office", Up: true, Last: &control.Entry{At: ago(48 * time.Hour)},
				Pause: &view.Pause{Reason: "403", Since: ago(time.Minute), Until: at()}},
		},
		Orphans: []control.Orphans{{Destination: "old", Folder: "/srv/gone", Deliveries: 1}},
	}
}

func shown(s control.Status, columns int) string {
	var b strings.Builder
	for _, l := range StatusText(s, columns, func(args ...string) string { return "kaizala-drop " + strings.Join(args, " ") }) {
		b.WriteString(strings.TrimRight(l.Text+l.Path, " ") + "\n")
	}
	return b.String()
}

// TestStatusText: what needs a person is first and marked, what holds up the most before all; numbers stand below each other; what waits
// for the same is one line; and nothing is said twice.
func TestStatusText(t *testing.T) {
	const want = `kaizala-drop v1, pid 42, up for 1 d 3 h

! Kaizala has taken no files for 20 min 0 s: connection refused
    it is tried again today at 10:16:00
! '/mnt/my stick' is not served: it is not there
    plug it in; it is tried again today at 10:15:30
! /srv/drop/office: its group has refused for 1 min 0 s: 403
    it is tried again now
! /srv/drop/in: 7 held back for 1 h 0 min: its end is missing: 1.pdf, 2.pdf, 3.pdf, 4.pdf, 5\n.pdf and 2 more; to failed/ from today at 10:16:00 on
    kaizala-drop explain /srv/drop/in/1.pdf
! /srv/drop/in: 1200 files failed: w.xyz, v.xyz and 1198 more
    kaizala-drop history --state failed --folder /srv/drop/in
! '/mnt/my stick': 1 file failed: z.xyz
    kaizala-drop history --state failed --folder /mnt/my stick
! /srv/gone: 1 delivery to "old" cannot go on: the folder or the destination is not configured any more
    configure them again, under these names

kaizala: up, 91 of 98 calls left this minute
STATE     NEW  WAIT  SEND  HELD FAILED  LAST POST   FOLDER
up          2   204     3     8   1200  10:14:00    /srv/drop/in
down        -     -     -     -      1  never       '/mnt/my stick'

office: paused
STATE     NEW  WAIT  SEND  HELD FAILED  LAST POST   FOLDER
paused      -     -     -     -      -  2026-11-26  /srv/drop/office

/srv/drop/in
  sending 25% of 200.0 MB, 5.0 MB/s: film.mp4
  sending     all of 9 bytes sent, waiting for the answer: sent.pdf
  posting     post.pdf
  2 waiting for their turn: a.jpg and 2 more, b.pdf
  2 waiting (no answer), tried again today at 10:16:00: c.pdf, d.pdf
  200 more wait behind these
  1 held back for 1 min 0 s: its extension is in no list of types: README; posted from today at 10:16:00 on
  2 held back for 1 s: it must be quiet for a while: x.pdf, y.pdf
  1 left alone for 1 h 0 min: it is a folder, and recursive = false: sub
`
	if got := shown(busy(), 0); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestStatusTextNarrow: where a table has no room each folder has two lines, with the numbers that are not 0.
func TestStatusTextNarrow(t *testing.T) {
	got := shown(busy(), 40)
	for _, want := range []string{
		"\n/srv/drop/in\n  up, 2 new, 204 waiting, 3 sending, 8 held, 1200 failed, last post 10:14:00\n",
		"\n'/mnt/my stick'\n  down, 1 failed, last post never\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "STATE") {
		t.Errorf("there is a table:\n%s", got)
	}
}

// TestStatusTextWithoutADaemon: why none is asked is said first, as it is, and only of one that does not run how to start it; what only a
// daemon knows is not shown.
func TestStatusTextWithoutADaemon(t *testing.T) {
	for why, want := range map[string]string{
		"":         "! no daemon runs: nothing is posted. This is what the ledger knows\n    to start it: systemctl start kaizala-drop\n\n! /srv: 3 files failed: a, b, c",
		"it naps":  "! it naps. This is what the ledger knows\n\n! /srv: 3 files failed: a, b, c",
		NotRunning: "! no daemon runs: nothing is posted",
	} {
		got := shown(control.Status{At: at(), Unasked: why, Destinations: []control.Destination{{Name: "kaizala"}},
			Folders: []control.Folder{{Path: "/srv", Destination: "kaizala", Deliveries: 5, Failed: 3, FailedNames: []string{"a", "b", "c"}}}}, 0)
		if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "UNDER WAY FAILED  LAST POST   FOLDER\n        5      3  never       /srv\n") {
			t.Errorf("%q: %s", why, got)
		}
	}
}

// TestStatusTextAllWell: that nothing needs a person is said.
func TestStatusTextAllWell(t *testing.T) {
	s := busy()
	s.Destinations, s.Folders, s.Orphans = s.Destinations[:1], nil, nil
	if got := shown(s, 0); !strings.Contains(got, "\n\nNothing needs a person.\n\nkaizala: up") {
		t.Errorf("it says %s", got)
	}
}
