package filing

import (
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// syncs turns many requests to sync a directory into few syncs. A sync that has begun may have missed a change made
// since, so whoever comes while one runs waits for the next, together with all who come until that one begins.
type syncs struct {
	fsync func(*os.File) error

	mu     sync.Mutex
	latest map[dirID]*round // the one that runs or, if somebody waits for it, the one after
}

type dirID struct{ dev, ino uint64 }

// round is one sync for all who joined before it began.
type round struct {
	begun bool // under syncs.mu
	err   error
	done  chan struct{} // closed once err is set
}

func newSyncs(fsync func(*os.File) error) *syncs {
	return &syncs{fsync: fsync, latest: map[dirID]*round{}}
}

// sync returns once every change made in dir before the call is on disk.
func (s *syncs) sync(dir *os.File) error {
	info, err := dir.Stat()
	if err != nil {
		return step("sync the folder "+quote(dir.Name()), err)
	}
	st := sys(info)
	id := dirID{uint64(st.Dev), st.Ino} //nolint:unconvert // int32 on Darwin
	r, before := s.join(id)
	if r == nil {
		<-before.done
		return before.err
	}
	if before != nil {
		<-before.done
	}
	// Those who are about to ask come first: a sync keeps its processor for as long as it takes, so they would not get to
	// join this one, and with few processors each would have one of its own.
	runtime.Gosched()
	s.begin(r)
	if err := s.fsync(dir); err != nil && !oneOf(err, unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP) {
		r.err = step("sync the folder "+quote(dir.Name()), err) // any other error: a file system that cannot sync folders
	}
	s.end(id, r)
	return r.err
}

// Sync returns once every change made in the folder dir before the call is on disk.
func (f *Filer) Sync(dir string) error {
	d, err := openDir(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return f.syncs.sync(d)
}

// join returns a round to lead, and the one to wait for before it; or no round to lead, and the one to wait for instead.
func (s *syncs) join(id dirID) (lead, before *round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before = s.latest[id]
	if before != nil && !before.begun {
		return nil, before
	}
	lead = &round{done: make(chan struct{})}
	s.latest[id] = lead
	return lead, before
}

func (s *syncs) begin(r *round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.begun = true
}

func (s *syncs) end(id dirID, r *round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest[id] == r {
		delete(s.latest, id)
	}
	close(r.done)
}
