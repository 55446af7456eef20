package inquiry

import (
	"strings"
	"time"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/view"
)

// What a status says of files of which not all is certain, and of those that are about to be given up.

// unsure says in a few words what is not certain of a delivery that waits; "": nothing.
func unsure(q view.Queued, target string) string {
	switch {
	case q.Gone:
		return "renamed or deleted while they waited, which is seen when it is their turn"
	case q.MaybePosted && isOpen(q):
		return "may be in the " + target + " already (the answer was lost), waiting to be posted again"
	}
	return ""
}

// goesAway says when what is held back is given up, or posted all the same.
func goesAway(r control.Reason, now time.Time) string {
	from := func(t time.Time) string { return " from " + strings.TrimPrefix(moment(t, now), "on ") + " on" }
	switch {
	case !r.Fails.IsZero():
		return "; to failed/" + from(r.Fails)
	case !r.Goes.IsZero():
		return "; posted" + from(r.Goes)
	}
	return ""
}
