// Package hang shows from outside which calls on a file system have not returned, and since when.
//
// A call on a dead share, a frozen disk or a stopped file system program may never return, and the goroutine that made
// it can be neither asked nor stopped. So each goroutine notes what it is about to do, and another one looks at the
// notes.
package hang

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"kaizala-drop/internal/text"
)

// Bound is how long a call may take before it counts as hanging. A disk that spins up, or a share that wakes its
// server, answers sooner.
const Bound = 15 * time.Second

// Call is one call that has not returned.
type Call struct {
	What  string // a verb, to be followed by the path: "read", "move"
	Path  string
	Since time.Time     // when it began
	Extra time.Duration // how much longer than Bound it may take
}

// HangsAt is the time from which the call counts as hanging.
func (c Call) HangsAt() time.Time { return c.Since.Add(Bound + c.Extra) }

// String names the call, fit to print: read "/srv/a.pdf".
func (c Call) String() string { return fmt.Sprintf("%s %q", c.What, text.Printable(c.Path)) }

// Calls are the calls of one piece of work that have not returned. The zero value is ready. Calls is safe for
// concurrent use.
type Calls struct {
	mu   sync.Mutex
	open []*Call
}

// Do makes one call and returns its error.
func (c *Calls) Do(what, path string, call func() error) error { return c.DoLong(what, path, 0, call) }

// DoLong is Do for a call that may take extra time, because of how much it has to do.
func (c *Calls) DoLong(what, path string, extra time.Duration, call func() error) error {
	begun := &Call{What: what, Path: path, Since: time.Now(), Extra: extra}
	c.Begin(begun)
	defer c.End(begun)
	return call()
}

// Begin notes a call that begins. The caller sets Since, and must not change the call before End.
func (c *Calls) Begin(call *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, call)
}

// End notes that the call has returned.
func (c *Calls) End(call *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.open, call); i >= 0 {
		c.open = slices.Delete(c.open, i, i+1)
	}
}

// First gives the call that will count as hanging first, or has for the longest time. ok is false while no call is
// under way.
func (c *Calls) First() (first Call, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range c.open {
		if !ok || call.HangsAt().Before(first.HangsAt()) {
			first, ok = *call, true
		}
	}
	return first, ok
}

// Hanging gives a call that counts as hanging at the time now. ok is false if there is none.
func (c *Calls) Hanging(now time.Time) (call Call, ok bool) {
	call, ok = c.First()
	return call, ok && !now.Before(call.HangsAt())
}

// Error says which calls were left behind without having returned.
type Error struct{ Calls []Call }

func (e *Error) Error() string {
	texts := make([]string, len(e.Calls))
	for i, call := range e.Calls {
		texts[i] = call.String()
	}
	return strings.Join(texts, ", ") + ": no answer from the file system"
}
