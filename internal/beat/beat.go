// Package beat shows from outside whether the parts of the daemon that must never stand still move.
//
// Each part joins a Board and takes what its Part asks between two of its steps. That a question was taken proves that the part
// moves; one that lies there shows for how long it has not. Nobody waits for anybody.
//
// A part is a loop that does no I/O on folders and makes no calls to a destination, so neither can keep it from moving. The
// ledger's writer is the one part that waits for a disk: that of state_dir.
package beat

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Board knows the parts that are to move. The zero value is ready, and a Board is safe for concurrent use. The parts of a nil
// Board are never asked.
type Board struct {
	mu    sync.Mutex
	parts map[*Part]time.Time // when the question that it may not have taken yet was put; zero: it was never asked
}

// Part is one loop that moves. All of its methods may be called on nil, which is never asked.
type Part struct {
	name  string
	board *Board
	asked chan struct{} // has room for one question
}

// Join adds a part. It must take what comes from Asked until it leaves. The name is plain text for a person.
func (b *Board) Join(name string) *Part {
	if b == nil {
		return nil
	}
	p := &Part{name: name, board: b, asked: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.parts == nil {
		b.parts = map[*Part]time.Time{}
	}
	b.parts[p] = time.Time{}
	return p
}

// Leave says that the part has ended, or is about to.
func (p *Part) Leave() {
	if p == nil {
		return
	}
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	delete(p.board.parts, p)
}

// Asked brings the questions. Who takes one calls Taken.
func (p *Part) Asked() <-chan struct{} {
	if p == nil {
		return nil
	}
	return p.asked
}

// Ask puts a question to each part that has taken its last one.
func (b *Board) Ask(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p := range b.parts {
		select {
		case p.asked <- struct{}{}:
			b.parts[p] = now
		default:
		}
	}
}

// Still is a part that has not moved for so long, as far as it was asked.
type Still struct {
	Part string
	For  time.Duration
}

// Still gives the parts that have not taken their last question, the one that has stood for the longest time first.
func (b *Board) Still(now time.Time) (all []Still) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p, since := range b.parts {
		if len(p.asked) > 0 {
			all = append(all, Still{p.name, now.Sub(since)})
		}
	}
	slices.SortFunc(all, func(x, y Still) int { return cmp.Or(cmp.Compare(y.For, x.For), cmp.Compare(x.Part, y.Part)) })
	return all
}
