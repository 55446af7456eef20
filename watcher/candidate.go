package watcher

import "time"

// candidate is what a settler knows of one name.
type candidate struct {
	name      string
	last      observation
	looked    bool          // last is valid
	changed   time.Time     // when a change was last observed
	calmSince time.Time     // when it was quiet last, or a change was observed that may have been of its bytes
	pause     time.Duration // the longest time without one since the last look
	tornSince time.Time     // since when it has not changed, and only its looking cut off held it back
	order     uint64        // of that change
	due       time.Time     // when to look again
	place     int           // in waiting, or notWaiting
	handed    bool          // handed over with last.Identity
	reason    string        // why it is held back
	failed    bool          // because it could not be looked at
	hold      time.Duration // the time to the next look while it is held back, else 0
	round     uint64        // in which it was last seen
	since     time.Time     // when it came to be known, or was last handed over and then changed or given back
	origin    origin        // of the file that lies under the name
	crowd     kind          // of the reason why it is held back, else ""
}

const notWaiting = -1

// startAnew begins anew with a file that was handed over.
func (c *candidate) startAnew(now time.Time) {
	if c.handed {
		c.handed, c.since = false, now
	}
}

// dueQueue is a heap of candidates by due time, then by the order of their changes.
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
