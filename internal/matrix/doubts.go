package matrix

import (
	"sync"
	"time"
)

// doubts is what is known of when a room shows what may have been sent to it. Times are this machine's. It is safe for concurrent
// use.
type doubts struct {
	began time.Time // no post of this process is older

	mu      sync.Mutex
	last    map[string]time.Time // by the delivery's key: when the answer to its last post was lost
	beacons map[string]beacon    // by room: the last one
}

// beacon is an event that was sent to see when it is shown.
type beacon struct {
	id   string
	sent time.Time
	seen bool
}

func newDoubts() *doubts {
	return &doubts{began: time.Now(), last: map[string]time.Time{}, beacons: map[string]beacon{}}
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

// put notes the last beacon of a room.
func (d *doubts) put(room string, b beacon) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.beacons[room] = b
}

// after gives the last beacon of a room if it was sent after everything that this process, or one before, may have sent of the delivery.
func (d *doubts) after(key, room string) (b beacon, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, tried := d.last[key]
	if !tried {
		last = d.began
	}
	b = d.beacons[room]
	return b, b.id != "" && !b.sent.Before(last)
}
