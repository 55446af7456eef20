package watcher

import "time"

// candidate is what a settler knows of one name.
type candidate struct {
	name      string
	last      observation
	looked    bool          // last is valid
	changed   time.Time     // when the last change was observed
	calmSince time.Time     // when the file was last quiet, or its bytes may last have changed
	pause     time.Duration // the longest time without a change since the last look
	tornSince time.Time     // since when the file has not changed, and nothing but looking cut off held it back
	order     uint64        // the place of its last change among all changes
	due       time.Time     // when to look again
	place     int           // its index in settler.waiting, or notWaiting
	handed    bool          // it was handed over as last.Identity
	reason    string        // why it is held back
	failed    bool          // it is held back because it could not be looked at
	hold      time.Duration // the time to the next look while it is held back, else 0
	round     uint64        // the listing in which it was last seen
	since     time.Time     // when it came to be known; or, if it was handed over, when it then changed or was given back
	origin    origin        // how the file came to its name
	crowd     kind          // the kind for which it is counted as held back, else ""
}

const notWaiting = -1

// startAnew makes a file that was handed over one that is not.
func (c *candidate) startAnew(now time.Time) {
	if c.handed {
		c.handed, c.since = false, now
	}
}

// dueQueue is a heap of candidates, ordered by due time and then by the order of their changes (container/heap).
type dueQueue []*candidate

func (q dueQueue) Len() int { return len(q) }
func (q dueQueue) Less(i, j int) bool {
	if q[i].due.Equal(q[j].due) {
		return q[i].order < q[j].order
	}
	return q[i].due.Before(q[j].due)
}
func (q dueQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}
func (q *dueQueue) Push(x any) {
	c := x.(*candidate)
	c.place = len(*q)
	*q = append(*q, c)
}
func (q *dueQueue) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	c.place = notWaiting
	return c
}
