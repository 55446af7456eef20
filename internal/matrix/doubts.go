package matrix

import (
	"sync"
	"time"
)

// doubts is what is known of when a room shows what may have been sent to it. Times are this machine's. It is safe for concurrent
// use.
type doubts struct {
	began time.Time // no post of this process is older

	mu    sync.Mutex
	last  map[string]time.Time // by the delivery's key: when the answer to its last post was lost
	marks map[string]time.Time // by room: when the last mark that was seen was sent
}

func newDoubts() *doubts {
	return &doubts{began: time.Now(), last: map[string]time.Time{}, marks: map[string]time.Time{}}
}

// add notes that the answer to a post was lost now.
func (d *doubts) add(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last[key] = time.Now()
}

// settle forgets a post about which nothing is in doubt any more.
func (d *doubts) settle(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.last, key)
}

// seen notes that the room shows a mark that was sent at that time.
func (d *doubts) seen(room string, sent time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.marks[room] = sent
}

// areOver reports whether the room shows everything that can have been sent of the delivery: a mark was sent after its last post, or,
// if this process made none, in this process.
func (d *doubts) areOver(key, room string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, ok := d.last[key]
	if !ok {
		last = d.began
	}
	return d.marks[room].After(last)
}
