package inquiry

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

const (
	// lookTime is how long a look at a file may take: its file system may hang.
	lookTime = 2 * time.Second
	// looksMost is how many looks there are at once below one folder: each that hangs keeps a thread.
	looksMost = 8
	// silentFor is how long a folder is not looked at after a look that hung.
	silentFor = 5 * time.Second
	// namesSought is how many names of a folder are looked through for one.
	namesSought = 20_000
)

// errSilent says that a file system did not answer in time.
var errSilent = errors.New("its file system does not answer")

// stopped says that nobody waits for a look any more.
type stopped = atomic.Bool

// disk looks at files, below each folder for itself, with a bound on the time and on what may hang. It is safe for concurrent use.
type disk struct {
	most int // names of a folder that are looked through; 0: namesSought

	mu     sync.Mutex
	places map[string]*looks
}

// sought is how many names of a folder are looked through.
func (d *disk) sought() int { return cmp.Or(d.most, namesSought) }

// looks are those under way below one folder.
type looks struct {
	busy  chan struct{}
	until atomic.Int64 // Unix time in nanoseconds until which it is not looked at
}

func (d *disk) looks(folder string) *looks {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.places == nil {
		d.places = map[string]*looks{}
	}
	if d.places[folder] == nil {
		d.places[folder] = &looks{busy: make(chan struct{}, looksMost)}
	}
	return d.places[folder]
}

// ask runs a look below folder, "" being all that is in none. It returns errSilent when that takes too long: the look may go on then.
func ask[T any](d *disk, folder string, look func(stop *stopped) (T, error)) (got T, err error) {
	l := d.looks(folder)
	if time.Now().UnixNano() < l.until.Load() {
		return got, errSilent
	}
	late := time.NewTimer(lookTime)
	defer late.Stop()
	type result struct {
		got T
		err error
	}
	done, stop := make(chan result, 1), &stopped{}
	select {
	case l.busy <- struct{}{}:
		go func() {
			defer func() { <-l.busy }()
			got, err := look(stop)
			done <- result{got, err}
		}()
	case <-late.C:
		l.until.Store(time.Now().Add(silentFor).UnixNano())
		return got, errSilent
	}
	select {
	case r := <-done:
		return r.got, r.err
	case <-late.C:
		stop.Store(true)
		l.until.Store(time.Now().Add(silentFor).UnixNano())
		return got, errSilent
	}
}

// lstat looks at one path.
func (d *disk) lstat(folder, path string) (file.Info, error) {
	return ask(d, folder, func(*stopped) (file.Info, error) { return file.Lstat(path) })
}

// real is path with the links on the way to it resolved; what is not there stays as it is.
func (d *disk) real(path string) string {
	got, err := ask(d, "", func(*stopped) (string, error) { return filepath.EvalSymlinks(filepath.Dir(path)) })
	if err != nil {
		return path
	}
	return filepath.Join(got, filepath.Base(path))
}

// missing gives the first folder on the way to path that is not there; "": all are.
func (d *disk) missing(folder, path string) string {
	got, _ := ask(d, folder, func(*stopped) (missing string, _ error) {
		for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
			if _, err := os.Stat(dir); !isAbsent(err) || dir == "/" {
				return missing, nil
			}
			missing = dir
		}
	})
	return got
}

// listing are the names in a folder.
type listing struct {
	names map[string]bool
	cut   bool // there may be more
}

// list gives the names in a folder, not more than are sought.
func (d *disk) list(folder, dir string) (listing, error) {
	return ask(d, folder, func(stop *stopped) (listing, error) {
		l := listing{names: map[string]bool{}}
		err := each(dir, stop, func(e fs.DirEntry) bool {
			l.names[e.Name()] = true
			l.cut = len(l.names) >= d.sought()
			return !l.cut
		})
		return l, err
	})
}

// find gives the paths below dir whose last part is base, but not those below the folders in but. all says that all of it was looked
// through.
func (d *disk) find(folder, dir, base string, but ...string) (paths []string, all bool) {
	type found struct {
		paths []string
		all   bool
	}
	got, err := ask(d, folder, func(stop *stopped) (f found, _ error) {
		seen, dirs := 0, []string{dir}
		for f.all = true; len(dirs) > 0; {
			next := dirs[0]
			dirs = dirs[1:]
			err := each(next, stop, func(e fs.DirEntry) bool {
				path := filepath.Join(next, e.Name())
				if e.Name() == base && path != filepath.Join(dir, base) {
					f.paths = append(f.paths, path)
				}
				if e.IsDir() && !slices.Contains(but, path) {
					dirs = append(dirs, path)
				}
				seen++
				return seen < d.sought()
			})
			if seen >= d.sought() || stop.Load() || err != nil && !isAbsent(err) {
				f.all = false
				return f, nil
			}
		}
		return f, nil
	})
	return got.paths, got.all && err == nil
}

// each calls yield with what is in a folder until it returns false.
func each(dir string, stop *stopped, yield func(fs.DirEntry) bool) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	for !stop.Load() {
		some, err := f.ReadDir(500)
		for _, e := range some {
			if !yield(e) {
				return nil
			}
		}
		if len(some) == 0 || err != nil {
			return errorBut(err)
		}
	}
	return nil
}

func errorBut(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// isAbsent reports whether err says that nothing lies at a path: a folder on the way to it may be missing, or be no folder.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}
