package inquiry

import (
	"cmp"
	"fmt"
	"strings"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/view"
)

// The story of a file that a running daemon has in its hands.

// tellHeld tells of a file that the watcher holds back.
func (k *facts) tellHeld() control.Story {
	h := k.held
	s := control.Story{State: TellsHeld, Title: fmt.Sprintf("%s is held back: %s.", k.base(), h.Reason)}
	s.Lines = append(s.Lines, fmt.Sprintf("It has been for %s, since %s.", span(k.now.Sub(h.Since)), strings.TrimPrefix(moment(h.Since, k.now), "on ")))
	if !h.Next.IsZero() {
		s.Lines = append(s.Lines, "It is looked at again "+moment(h.Next, k.now)+", and when something happens to it.")
	} else {
		s.Lines = append(s.Lines, "It is looked at again when something happens to it, and with the next listing of its folder.")
	}
	if h.Advice != "" {
		s.Advice = append(s.Advice, capital(h.Advice)+".")
	}
	s.Advice = append(s.Advice, "To delete it is to lose it: it is not in the group.")
	s.Lines = append(s.Lines, k.earlier(k.entries)...)
	return k.withDoor(s)
}

// tellQueued tells of a file that the uploader has.
func (k *facts) tellQueued() control.Story {
	q := k.queued
	s := control.Story{State: TellsWaiting}
	switch {
	case q.Stage == view.Claimed && q.Busy:
		s.State, s.Title = TellsUploading, fmt.Sprintf("%s is being uploaded: %s of %s so far.", k.base(), bytes(q.Sent), bytes(q.Size))
	case q.Stage == view.Uploaded && q.Busy:
		s.Title = k.base() + " is just being posted."
	case q.Stage == view.Posted:
		s.State, s.Title = TellsPosted, k.base()+" is posted, and is moved to done/ next."
	case q.Stage == view.Failing:
		s.State, s.Title = TellsFailed, fmt.Sprintf("%s failed, and is moved to failed/ next: %s.", k.base(), q.Reason)
	case q.Stage == view.HeldBack:
		s.Title = k.base() + " waits: " + q.Reason + "."
	case q.Stage == view.Asking:
		s.Title = k.base() + " may be posted: the answer was lost, and the destination is asked whether it is."
	case q.Stage == view.Uploaded:
		s.Title = k.base() + " is uploaded, and waits to be posted."
	default:
		s.Title = k.base() + " is complete, and waits to be sent."
	}
	if q.Files > 1 {
		s.Lines = append(s.Lines, fmt.Sprintf("It is one of %d pictures that go together.", q.Files))
	}
	s.Lines = append(s.Lines, k.waitsFor()...)
	if q.Stage != view.Posted {
		s.Advice = append(s.Advice, "Leave it where it is: it goes on by itself. To delete it is to lose it, for it is not in the group yet.")
	} else {
		s.Advice = append(s.Advice, "Leave it where it is: it is moved by itself.")
	}
	return s
}

// waitsFor says what a file of the uploader's waits for, and until when.
func (k *facts) waitsFor() (lines []string) {
	q := k.queued
	what := ""
	pause := func(of string, p *view.Pause) string {
		if p == nil || p.Reason == "" {
			return of
		}
		return fmt.Sprintf("%s, since %s: %s", of, strings.TrimPrefix(moment(p.Since, k.now), "on "), p.Reason)
	}
	switch q.Behind {
	case view.BehindNothing:
		return nil
	case view.BehindItself:
		what = "its last try failed: " + cmp.Or(q.Trouble, q.Reason)
	case view.BehindOrder:
		what = fmt.Sprintf("%d posts of its folder come before it", q.Ahead)
	case view.BehindTurn:
		what = "it is not its turn yet: others are being sent, or the calls of this minute are used"
	case view.BehindFolder:
		what = pause("files of its folder cannot be moved away", k.lane.Filing)
		if q.Trouble != "" {
			what = "it cannot be moved: " + q.Trouble
		}
	case view.BehindGroup:
		what = pause("its group refuses", k.lane.Group)
	case view.BehindDestination:
		what = pause(k.service+" cannot take files now", k.posting.Pause)
	case view.BehindDisk:
		what = "its file system does not answer: " + k.lane.Hangs
	case view.BehindOther:
		what = "it is on its way to another destination, as was configured when it was taken"
	}
	lines = append(lines, "What it waits for: "+what+".")
	if !q.Next.IsZero() && q.Next.After(k.now) {
		lines = append(lines, "It is tried again "+moment(q.Next, k.now)+".")
	}
	if q.Ahead > 0 && q.Behind != view.BehindOrder {
		lines = append(lines, fmt.Sprintf("Before it in its folder: %d.", q.Ahead))
	}
	return lines
}
