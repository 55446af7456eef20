package door

import (
	"errors"
	"sync"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/overlap"
)

// registry is who has which directories: the doors among themselves by what they claim, other processes by the holds. It
// does no I/O on the folders, and may be used by all goroutines at once.
//
// Of two doors that cannot both be in, the one that comes first in the configuration is: a restart must not send the
// files of one directory to another group.
type registry struct {
	stateDir string

	mu     sync.Mutex
	places map[*door]*place
	holds  map[inode]*hold // one for all doors of this process that lead to the directory
}

// place is what a door has.
type place struct {
	rank  int            // its place in the configuration
	claim *overlap.Claim // nil: it is not in
	on    inode          // the hold that it wants kept; zero: none
}

// inode names a directory.
type inode struct{ dev, ino uint64 }

func inodeOf(id file.Identity) inode { return inode{id.Dev, id.Ino} }

var errNotConfigured = errors.New("it is no longer configured")

func newRegistry(stateDir string) *registry {
	return &registry{stateDir: stateDir, places: map[*door]*place{}, holds: map[inode]*hold{}}
}

// configure gives a door its place, or what changed of it.
func (r *registry) configure(d *door, f config.Folder, rank int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.places[d]
	if p == nil {
		p = &place{}
		r.places[d] = p
	}
	p.rank = rank
	if p.claim != nil {
		p.claim.Deep = f.Recursive
	}
}

// mayEnter says why a door cannot be let in with what it claims.
func (r *registry) mayEnter(d *door, c overlap.Claim) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.conflicts(d, c)
	return err
}

// enter lets a door in with what it claims, and gives the doors that had to go out for it.
func (r *registry) enter(d *door, c overlap.Claim) (out []*door, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out, err = r.conflicts(d, c)
	if err != nil {
		return nil, err
	}
	for _, other := range out {
		r.places[other].claim = nil
	}
	r.places[d].claim = &c
	return out, nil
}

// conflicts finds who is in and cannot be beside c: those that come later in the configuration, or the error is the first
// one that comes earlier.
func (r *registry) conflicts(d *door, c overlap.Claim) (later []*door, err error) {
	p := r.places[d]
	if p == nil {
		return nil, errNotConfigured
	}
	for other, q := range r.places {
		if other == d || q.claim == nil {
			continue
		}
		found := overlap.Between(c, *q.claim)
		switch {
		case len(found) == 0:
		case q.rank < p.rank:
			return nil, errors.New(found[0].Text(""))
		default:
			later = append(later, other)
		}
	}
	return later, nil
}

// hold keeps other processes out of the directory id, and lets go of the one that d held before. If another process is in,
// the error is a Holder.
func (r *registry) hold(d *door, id file.Identity) error {
	err := r.take(d, id)
	if errors.Is(err, errHeld) { // asking takes time: not with the lock
		who, _ := whoHolds(id)
		return who
	}
	return err
}

func (r *registry) take(d *door, id file.Identity) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, on := r.places[d], inodeOf(id)
	if p == nil {
		return errNotConfigured
	}
	if r.holds[on] == nil {
		h, err := take(id, r.stateDir)
		if err != nil {
			return err
		}
		r.holds[on] = h
	}
	p.on = on
	r.sweep()
	return nil
}

// sweep lets go of what no door wants kept.
func (r *registry) sweep() {
	wanted := map[inode]bool{}
	for _, p := range r.places {
		wanted[p.on] = true
	}
	for on, h := range r.holds {
		if !wanted[on] {
			h.letGo()
			delete(r.holds, on)
		}
	}
}

// leave puts a door out. Its hold stays if what was taken up in the folder may not be at its end yet.
func (r *registry) leave(d *door, keepHold bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.places[d]
	if p == nil {
		return
	}
	p.claim = nil
	if !keepHold {
		p.on = inode{}
		r.sweep()
	}
}

// forget ends a door.
func (r *registry) forget(d *door) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.places, d)
	r.sweep()
}
