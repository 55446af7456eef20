package inquiry

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/view"
)

// queue shows what is under way in a folder, and counts what waits for the same.
func (t *statusText) queue(f control.Folder) (lines []string) {
	waiting, order := map[string]*waits{}, []string{}
	for _, q := range f.Queue {
		if isSending(q) {
			lines = append(lines, t.sending(q))
			continue
		}
		why := waitsFor(q, noun(f.Target))
		if waiting[why] == nil {
			waiting[why], order = &waits{}, append(order, why)
		}
		waiting[why].add(q)
	}
	for _, why := range order {
		w, again := waiting[why], ""
		if w.next.After(t.At) {
			again = ", tried again " + moment(w.next, t.At)
		}
		lines = append(lines, fmt.Sprintf("%d %s%s: %s", w.n, why, again, someNames(w.names, w.n)))
	}
	if more := f.Deliveries - len(f.Queue); more > 0 && t.Running {
		lines = append(lines, fmt.Sprintf("%d more wait behind these", more))
	}
	return lines
}

// waits are deliveries that wait for the same.
type waits struct {
	n     int
	names []string  // of the first
	next  time.Time // when the first of them is tried again, if that is not said of what they wait for
}

func (w *waits) add(q view.Queued) {
	w.n++
	if len(w.names) < namesMost {
		w.names = append(w.names, label(q))
	}
	ofItsOwn := q.Behind == view.BehindItself || q.Stage == view.HeldBack || q.Stage == view.Posted || q.Stage == view.Failing
	if ofItsOwn && !q.Next.IsZero() && (w.next.IsZero() || q.Next.Before(w.next)) {
		w.next = q.Next
	}
}

// sending shows an upload or a post that is under way. What comes first has the same width everywhere, the name has the rest.
func (t *statusText) sending(q view.Queued) string {
	const hundred = 100
	switch {
	case q.Stage == view.Uploaded:
		return "posting     " + label(q)
	case isSent(q):
		return fmt.Sprintf("sending     all of %s sent, waiting for the answer: %s", bytes(q.Size), label(q))
	case q.Size > 0:
		return fmt.Sprintf("sending %2d%% of %s%s: %s", hundred*q.Sent/q.Size, bytes(q.Size), rate(q, t.At), label(q))
	}
	return "sending     " + label(q)
}

// waitsFor says in a few words what a delivery waits for. target is what people call what it is posted to.
func waitsFor(q view.Queued, target string) string {
	if not := unsure(q, target); not != "" {
		return not
	}
	switch {
	case q.Stage == view.Posted && q.Behind == view.BehindNothing:
		return "posted, being moved to done/"
	case q.Stage == view.Failing && q.Behind == view.BehindNothing:
		return "failed, being moved to failed/"
	case q.Stage == view.Posted:
		return "posted, and cannot be moved to done/ (" + cmp.Or(q.Trouble, "see above") + ")"
	case q.Stage == view.Failing:
		return "failed, and cannot be moved to failed/ (" + cmp.Or(q.Trouble, "see above") + ")"
	case q.Stage == view.HeldBack, q.Behind == view.BehindItself:
		return "waiting (" + cmp.Or(q.Trouble, q.Reason) + ")"
	}
	switch q.Behind {
	case view.BehindFolder:
		return "waiting until files can be moved away"
	case view.BehindGroup:
		return "waiting for the " + target
	case view.BehindDestination:
		return "waiting for the destination"
	case view.BehindDisk:
		return "waiting for the file system"
	case view.BehindOther:
		return "on the way to another destination"
	}
	return "waiting for their turn"
}

// label is what a delivery is called.
func label(q view.Queued) string {
	if q.Files > 1 {
		return fmt.Sprintf("%s and %d more", q.Name, q.Files-1)
	}
	return q.Name
}

// rate says how fast an upload is.
func rate(q view.Queued, now time.Time) string {
	if took := now.Sub(q.Begun); took >= time.Second && q.Sent > 0 {
		return fmt.Sprintf(", %s/s", bytes(int64(float64(q.Sent)/took.Seconds())))
	}
	return ""
}

// someNames lists names, and how many there are beside them.
func someNames(names []string, of int) string {
	list := strings.Join(names, ", ")
	if more := of - len(names); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}
