package door

import (
	"errors"
	"sync"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/overlap"
)

// registry knows which directories belong to whom: among the doors by their claims, among processes by the holds. It
// does no I/O on the folders, and is safe for concurrent use.
//
// Of two doors that cannot both be up, the one that comes first in the configuration is up. Otherwise a restart could
// send the files of one directory to another group.
type registry struct {
	stateDir string
	files    []string // that the daemon reads

	mu     sync.Mutex
	places map[*door]*place
	holds  map[inode]*hold // one for all doors of this process that lead to the directory
}

// place is what the registry knows of one door.
type place struct {
	rank  int            // the place of the folder in the configuration
	claim *overlap.Claim // nil: the door is not up
	on    inode          // the directory whose hold the door needs; zero: none
}

// inode tells a directory from every other one.
type inode struct{ dev, ino uint64 }

func inodeOf(id file.Identity) inode { return inode{id.Dev, id.Ino} }

var errNotConfigured = errors.New("it is no longer configured")

func newRegistry(stateDir string) *registry {
	return &registry{stateDir: stateDir, places: map[*door]*place{}, holds: map[inode]*hold{}}
}

// configure adds a door, or notes what has changed in its configuration.
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

// mayEnter says why a door with the claim c cannot come up now. nil: it can.
func (r *registry) mayEnter(d *door, c overlap.Claim) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.conflicts(d, c)
	return err
}

// enter lets a door come up with the claim c, and gives the doors that had to go down for it.
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

// conflicts finds the doors that are up and clash with c. If one of them comes earlier in the configuration, the error
// says so; otherwise later has all of them.
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

// hold keeps other processes out of the directory id, and lets go of the directory that d held before. If another
// process has the directory, the error is a Holder.
func (r *registry) hold(d *door, id file.Identity) error {
	err := r.take(d, id)
	if errors.Is(err, errHeld) { // asking takes time, so it is done without the lock
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

// sweep lets go of every hold that no door needs.
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

// leave takes a door down. keepHold keeps its hold, because what was taken up in the folder may not be at its end yet.
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

// forget removes a door and its hold.
func (r *registry) forget(d *door) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.places, d)
	r.sweep()
}
