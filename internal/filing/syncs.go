package filing

import (
	"os"
	"runtime"
	"sync"

	"kaizala-drop/internal/durable"
)

// syncs turns many requests to sync a folder into few calls of fsync(2). A sync that has begun may miss later changes, so all
// callers that come while one runs share the next one.
type syncs struct {
	fsync func(*os.File) error

	mu     sync.Mutex
	latest map[dirID]*round // the round that runs or, if there is one, the round that waits for it
}

type dirID struct{ dev, ino uint64 }

// round is one sync for all callers that joined before it began.
type round struct {
	begun bool // guarded by syncs.mu
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
		return failedTo("sync the folder "+quote(dir.Name()), err)
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
	// Callers that are about to ask run first. A sync occupies a processor until it returns, so with few processors they could
	// not join this round, and each would make a sync of its own.
	runtime.Gosched()
	s.begin(r)
	if err := s.fsync(dir); err != nil && !durable.CannotSyncFolders(err) {
		r.err = failedTo("sync the folder "+quote(dir.Name()), err)
	}
	s.end(id, r)
	return r.err
}

// Sync returns once every change made in the folder dir, an absolute path, before the call is on disk. Calls at the same time
// share their syncs. It is safe for concurrent use.
func (f *Filer) Sync(dir string) error {
	d, err := openDir(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return f.syncs.sync(d)
}

// join returns either a round for the caller to lead, and the round to wait for before that (nil: none); or nil, and the round
// to wait for instead.
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
