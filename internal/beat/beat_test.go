package beat

import (
	"slices"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func wantStill(t *testing.T, b *Board, now time.Time, want ...Still) {
	t.Helper()
	if got := b.Still(now); !slices.Equal(got, want) {
		t.Errorf("still are %v, want %v", got, want)
	}
}

// TestWhoDoesNotMoveIsNamed: a part that takes its questions moves, one that does not is named with how long it has not, also
// when it is asked again meanwhile, and when it goes on or leaves that is over.
func TestWhoDoesNotMoveIsNamed(t *testing.T) {
	b := &Board{}
	quick, slow, gone := b.Join("quick"), b.Join("slow"), b.Join("gone")
	wantStill(t, b, noon) // nobody was asked
	b.Ask(noon)
	<-quick.Asked()
	wantStill(t, b, noon.Add(time.Second), Still{"gone", time.Second}, Still{"slow", time.Second})
	b.Ask(noon.Add(time.Minute))
	wantStill(t, b, noon.Add(time.Minute), Still{"gone", time.Minute}, Still{"slow", time.Minute}, Still{"quick", 0})
	gone.Leave()
	<-quick.Asked()
	<-slow.Asked()
	wantStill(t, b, noon.Add(time.Hour))
	b.Ask(noon.Add(time.Hour))
	wantStill(t, b, noon.Add(time.Hour+time.Second), Still{"quick", time.Second}, Still{"slow", time.Second})
}

// TestWithoutBoard: where nobody asks, a part works all the same.
func TestWithoutBoard(t *testing.T) {
	var b *Board
	p := b.Join("alone")
	select {
	case <-p.Asked():
		t.Error("it was asked")
	default:
	}
	p.Taken()
	p.Leave()
}

// TestPartsComeAndGo: parts join, move and leave while they are asked, and in the end nobody is said to stand still.
func TestPartsComeAndGo(t *testing.T) {
	b := &Board{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				p := b.Join("part")
				select {
				case <-p.Asked():
					p.Taken()
				default:
				}
				p.Leave()
			}
		})
	}
	for range 1000 {
		b.Ask(time.Now())
		b.Still(time.Now())
	}
	all.Wait()
	wantStill(t, b, time.Now())
}
