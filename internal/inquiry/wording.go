package inquiry

import (
	"strings"
	"time"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/view"
)

// What a status says of files of which not all is certain, and of those that are about to be given up.

// unsure says in a few words what is not certain of a delivery that waits; "": nothing.
func unsure(q view.Queued) string {
	switch {
	case q.Gone:
		return "renamed or deleted while they waited, which is seen when it is their turn"
	case q.MaybePosted && isOpen(q):
		return "may be in the group already (the answer was lost), waiting to be posted again"
	}
	return ""
}

// goesAway says when what is held back is given up.
func goesAway(r control.Reason, now time.Time) string {
	if r.Fails.IsZero() {
		return ""
	}
	return "; to failed/ from " + strings.TrimPrefix(moment(r.Fails, now), "on ") + " on"
}
