package inquiry

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/view"
)

// The story of a file that a running daemon has in its hands.

// justWritten is how long what is written to counts as just dropped.
const justWritten = time.Minute

// tellHeld tells of a file that the watcher holds back.
func (k *facts) tellHeld() control.Story {
	h := k.held
	s := control.Story{State: TellsHeld, Title: fmt.Sprintf("%s is held back: %s.", k.base(), reasonWithout(h.Reason, h.Advice))}
	switch h.Kind {
	case "note", "removed note", "folder", "filed":
		s.State, s.Title = TellsIgnored, fmt.Sprintf("%s is left alone: %s.", k.base(), h.Reason)
	}
	advised := h.Advice
	if h.Kind == "written" && k.now.Sub(h.Since) < justWritten { // nothing shows that a program is at it still
		s.Title, advised = k.base()+" is held back: it has just changed or was just put there, and is only to be quiet for the time settle.", ""
		if !h.Next.IsZero() {
			advised = "leave it: it goes on " + strings.TrimPrefix(k.moment(h.Next), "on ") + ", if nothing happens to it until then"
		}
	}
	s.Lines = append(s.Lines, fmt.Sprintf("It has been for %s, since %s.", span(k.now.Sub(h.Since)), strings.TrimPrefix(k.moment(h.Since), "on ")))
	if !h.Next.IsZero() {
		s.Lines = append(s.Lines, "It is looked at again "+k.moment(h.Next)+", and when something happens to it.")
	} else {
		s.Lines = append(s.Lines, "It is looked at again when something happens to it, and with the next listing of its folder.")
	}
	if !h.Fails.IsZero() {
		s.Lines = append(s.Lines, "If it stays as it is, it goes to failed/ "+k.moment(h.Fails)+".")
	}
	if !h.Goes.IsZero() {
		s.Lines = append(s.Lines, "If it stays as it is, it is posted "+k.moment(h.Goes)+".")
	}
	if isAbsent(k.looked) {
		s.Lines = append(s.Lines, "It is not there under this name any more: somebody has just renamed or deleted it.")
	}
	if advised != "" {
		s.Advice = append(s.Advice, capital(advised)+".")
	}
	if lost := losing(h.Kind, k.noun()); lost != "" && !isAbsent(k.looked) {
		s.Advice = append(s.Advice, lost)
		if h.Kind != "symlink" {
			s.Lines = append(s.Lines, k.goesTo())
		}
	}
	s.Lines = append(s.Lines, k.history()...)
	return k.withDoor(s)
}

// losing says what it is to delete what is held back for a kind of reason; "": nothing of it would ever be posted. in is where it is not.
func losing(kind, in string) string {
	switch kind {
	case "folder", "filed", "note", "removed note", "special":
		return ""
	case "symlink":
		return "To delete the link loses nothing: what it leads to stays where it is, and is not in the " + in + "."
	case "empty":
		return "There is nothing in it that could be lost."
	}
	return "To delete it is to lose it: it is not in the " + in + "."
}

// reasonWithout is a reason without the advice at its end, which is said by itself.
func reasonWithout(reason, advice string) string {
	if advice == "" {
		return reason
	}
	return strings.TrimSuffix(reason, ": "+advice)
}

// tellQueued tells of a file that the uploader has.
func (k *facts) tellQueued() control.Story {
	q := k.queued
	s := k.titleOfQueued()
	if q.Files > 1 {
		s.Lines = append(s.Lines, fmt.Sprintf("It is one of %d pictures that go together.", q.Files))
	}
	if k.own != nil && k.own.ID == q.ID && q.MaybePosted {
		s.Lines = append(s.Lines, k.goesToOf(*k.own)...)
	} else {
		s.Lines = append(s.Lines, k.goesTo())
	}
	what, advice := k.waitsFor()
	s.Lines = append(s.Lines, what...)
	if isAbsent(k.looked) && isOpen(*q) {
		s.Lines = append(s.Lines, "It is not there under this name any more: it was renamed or deleted while it waited, which is seen when it is its turn.")
	}
	if !q.Busy && k.running && k.door != nil && !k.door.Up {
		s = k.withDoor(s)
		s.State = TellsWaiting
	}
	s.Advice = append(s.Advice, advice)
	switch {
	case isAbsent(k.looked) && !q.MaybePosted: // nothing is there to be left, or to be deleted
	case q.Stage == view.Posted, q.Stage == view.Failing:
		s.Advice = append(s.Advice, "Leave it where it is: it is moved by itself.")
	default:
		s.Advice = append(s.Advice, k.leaveIt(q.MaybePosted || q.Stage == view.Uploaded && q.Busy))
	}
	if q.Stage == view.Failing && q.MaybePosted {
		s.Advice = append(s.Advice, "Look in the "+k.noun()+" whether it is there, before anything else is done with it.")
	}
	s.Lines = append(s.Lines, k.history()...)
	return s
}

// titleOfQueued says how far a file is that the uploader has.
func (k *facts) titleOfQueued() control.Story {
	q := k.queued
	s := control.Story{State: TellsWaiting}
	switch {
	case isSent(*q):
		s.State, s.Title = TellsUploading, k.base()+" is sent, and waits for the answer."
		if !q.Begun.IsZero() {
			s.Lines = append(s.Lines, "It was begun to be sent "+k.moment(q.Begun)+", "+span(k.now.Sub(q.Begun))+" ago.")
		}
	case q.Stage == view.Claimed && q.Busy:
		s.State, s.Title = TellsUploading, fmt.Sprintf("%s is being uploaded: %s of %s so far.", k.base(), bytes(q.Sent), bytes(q.Size))
	case q.Stage == view.Uploaded && q.Busy:
		s.Title = k.base() + " is just being posted."
	case q.Stage == view.Posted:
		s.State, s.Title = TellsPosted, k.base()+" is posted, and is moved to done/ next."
	case q.Stage == view.Failing:
		s.State, s.Title = TellsFailed, fmt.Sprintf("%s failed, and is moved to failed/ next: %s.", k.base(), q.Reason)
	case q.Stage == view.HeldBack:
		s.Title = k.base() + " is held: " + strings.TrimPrefix(q.Reason, "held: ") + "."
	case q.Stage == view.Asking:
		s.Title = k.base() + " may be posted: the answer was lost, and the destination is asked whether it is."
	case q.MaybePosted:
		s.Title = k.base() + " may be in the " + k.noun() + " already: the answer to its post was lost, and it waits to be posted again."
	case q.Stage == view.Uploaded:
		s.Title = k.base() + " is uploaded, and waits to be posted."
	case q.Stage == view.Leaving:
		s.Title = k.base() + " was changed, renamed or deleted while it waited: it is looked at anew."
	default:
		s.Title = k.base() + " is complete, and waits to be sent."
	}
	return s
}

// isSent reports whether all of an upload has left, and its answer has not come.
func isSent(q view.Queued) bool {
	return q.Stage == view.Claimed && q.Busy && q.Size > 0 && q.Sent >= q.Size
}

// isOpen reports whether a delivery is still to be posted.
func isOpen(q view.Queued) bool {
	switch q.Stage {
	case view.Posted, view.Failing, view.Leaving:
		return false
	}
	return true
}

// waitsFor says what a file of the uploader's waits for, and until when, and what helps.
func (k *facts) waitsFor() (lines []string, advice string) {
	q := k.queued
	what := ""
	pause := func(of string, p *view.Pause) string {
		if p == nil || p.Reason == "" {
			return of
		}
		advice = p.Advice
		return fmt.Sprintf("%s, since %s: %s", of, strings.TrimPrefix(k.moment(p.Since), "on "), p.Reason)
	}
	switch q.Behind {
	case view.BehindNothing:
		return nil, ""
	case view.BehindItself:
		what = "its last try failed: " + cmp.Or(q.Trouble, q.Reason)
		if q.Stage == view.HeldBack {
			what = "" // its title says it
		}
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
		what = pause("its "+k.noun()+" refuses", k.lane.Group)
		advice = cmp.Or(advice, fmt.Sprintf("Look whether %s is there, and whether the account is a member of it and may post: %s. "+
			"If it is another one now, change %s of its folder.", the(k.lane.Target), k.command("groups"), k.setting()))
	case view.BehindDestination:
		what = pause(k.service+" cannot take files now", k.posting.Pause)
	case view.BehindDisk:
		what = "its file system does not answer: " + k.lane.Hangs
	case view.BehindOther:
		what = "it is on its way to another destination, as was configured when it was taken"
	}
	if what != "" {
		lines = append(lines, "What it waits for: "+what+".")
	}
	if !q.Next.IsZero() && q.Next.After(k.now) {
		lines = append(lines, "It is tried again "+k.moment(q.Next)+".")
	}
	if q.Ahead > 0 && q.Behind != view.BehindOrder {
		lines = append(lines, fmt.Sprintf("Before it in its folder: %d.", q.Ahead))
	}
	return lines, advice
}
