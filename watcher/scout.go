package watcher

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/hang"
)

// request asks the scout to look.
type request struct {
	names []string // look at each of these; a subfolder is watched, then listed
	whole bool     // then list the whole folder, and make sure that all of it is watched
	due   []string // then look at these, and into them
}

// answer is what the scout found.
type answer struct {
	whole    bool      // the request asked for a whole listing
	root     file.Info // of the folder, if whole
	missing  error     // why the folder could not be listed, if whole
	anomaly  bool      // a watched subfolder has gone from its place, so the whole must be listed again
	remote   string    // the name of the file system if changes there bring no event; "" = local
	watchErr error     // why a part of the folder could not be watched
	leaseErr error     // why the kernel does not tell who is writing
	partial  []error   // subfolders that could not be listed
	seen     []sighting
	ignored  map[string]*tally // the names that are left alone, by rule, if whole
}

// tally counts the names that one rule leaves alone.
type tally struct {
	n     int
	first []string // some of the names
}

// tallyMost is how many names are kept of each rule.
const tallyMost = 5

func (a *answer) ignore(rule, name string) {
	if a.ignored == nil || rule == "" {
		return
	}
	t := a.ignored[rule]
	if t == nil {
		t = &tally{}
		a.ignored[rule] = t
	}
	if t.n++; len(t.first) < tallyMost {
		t.first = append(t.first, name)
	}
}

// sighting is one name below the folder, and what the scout found there.
type sighting struct {
	name string
	look observation
	gone bool // nothing lies there
	dir  bool // a folder; if the watched folder is recursive, it has been listed as well
	// filed says that the folder is a done/ or failed/ under some other name, and is left alone.
	filed bool
	err   error // why it could not be looked at

	nameless bool   // it is left alone, and its name is nothing but an extension
	note     note   // whether the file is a note of the daemon's own
	stale    string // a lock file beside it that counts no longer
}

// scout does all I/O of one watched folder: it watches, lists and looks. It may hang on a dead share for as long as
// that takes. It owns the set of watched folders.
type scout struct {
	folder     Folder
	notify     *fsnotify.Watcher // nil: there is none, and the folder is only listed
	filter     filter
	watched    map[string]file.Identity // absolute path -> the folder that was watched there
	torn       map[string]tornFile      // what was found torn, so that it is not read again while it is unchanged
	beside     neighbours               // for the length of one answer
	companions []companion              // all companions that are known
	remote     string
	linkless   bool        // on a file system of the folder, a link count says nothing
	calls      *hang.Calls // the calls that may hang
}

func newScout(f Folder, notify *fsnotify.Watcher) *scout {
	return &scout{
		folder: f, notify: notify, filter: newFilter(f), companions: companions(), watched: map[string]file.Identity{},
		torn: map[string]tornFile{}, beside: neighbours{}, calls: &hang.Calls{},
	}
}

// run answers each request until requests is closed or ctx ends. It is the only sender of answers.
func (s *scout) run(ctx context.Context, requests <-chan request, answers chan<- answer) {
	for r := range requests {
		a := s.answer(ctx, r)
		select {
		case answers <- a:
		case <-ctx.Done():
			return
		}
	}
}

func (s *scout) answer(ctx context.Context, r request) answer {
	a := answer{whole: r.whole}
	for _, name := range r.names {
		s.visit(ctx, name, false, &a)
	}
	if r.whole {
		s.list(ctx, &a)
	}
	clear(s.beside)
	for _, name := range r.due {
		s.visit(ctx, name, true, &a)
	}
	a.remote = s.remote
	return a
}

// list lists the whole folder and watches everything that is not watched yet. A watch can die silently, because its
// file system was unmounted, so each watch is asked for again: that costs a system call, and changes nothing where the
// watch is alive.
func (s *scout) list(ctx context.Context, a *answer) {
	var root file.Info
	err := s.calls.Do("look at", s.folder.Path, func() (err error) { root, err = s.rootInfo(); return err })
	if err != nil {
		a.missing = err
		s.forgetBelow(s.folder.Path)
		return
	}
	a.root, s.remote, s.linkless = root, "", false
	s.prune()
	a.ignored = map[string]*tally{}
	before := len(a.seen)
	s.enter(ctx, ".", root, a)
	// Files go in the order in which they were written, as far as that can be known now, or else as people count.
	slices.SortStableFunc(a.seen[before:], func(x, y sighting) int {
		return cmp.Or(cmp.Compare(x.look.Mtime, y.look.Mtime), compareNames(x.name, y.name))
	})
}

// prune ends the watches of subfolders that are no longer where they were watched. It must run before anything is
// watched anew: the kernel gives a renamed folder the watch that the folder has already, and ending that watch
// afterwards would leave the new name blind.
func (s *scout) prune() {
	for path, id := range s.watched {
		if path == s.folder.Path { // watch takes care of the folder itself
			continue
		}
		if info, err := s.lstat(path); err != nil || !info.Mode.IsDir() || !info.SameFile(id) {
			s.forgetBelow(path)
		}
	}
}

// lstat looks at path. Where a link count tells nothing it is 1: on network and FUSE file systems it is what their makers
// please, and NTFS counts the short name of DOS as one of two.
func (s *scout) lstat(path string) (info file.Info, err error) {
	err = s.calls.Do("look at", path, func() (err error) { info, err = file.Lstat(path); return err })
	if s.remote != "" || s.linkless {
		info.Links = min(info.Links, 1)
	}
	return info, err
}

// rootInfo looks at the watched folder itself, which may be given through a symbolic link.
func (s *scout) rootInfo() (file.Info, error) {
	info, err := file.Stat(s.folder.Path)
	if err == nil && !info.Mode.IsDir() {
		err = &fs.PathError{Op: "list", Path: s.folder.Path, Err: errors.New("it is not a folder")}
	}
	return info, err
}

// listingExtra is how much longer than hang.Bound reading a folder of 100,000 files on a slow share may take.
const listingExtra = 45 * time.Second

// enter watches the folder dir (relative), and then lists it: whatever is put there in between is seen at least once.
func (s *scout) enter(ctx context.Context, dir string, info file.Info, a *answer) {
	path := filepath.Join(s.folder.Path, dir)
	var entries []os.DirEntry
	err := s.calls.DoLong("list", path, listingExtra, func() (err error) {
		s.watch(path, info, a)
		entries, err = os.ReadDir(path)
		return err
	})
	if err != nil && dir == "." {
		a.missing = err
		return
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.partial = append(a.partial, err)
	}
	for _, entry := range entries {
		if ctx.Err() != nil {
			return
		}
		s.visit(ctx, filepath.Join(dir, entry.Name()), false, a)
	}
}

// visit looks at name, and into it if it is a file and into is set. A folder is entered if it is to be watched.
func (s *scout) visit(ctx context.Context, name string, into bool, a *answer) {
	if rule, filed := s.filter.rule(name, false); filed || rule != "" {
		a.ignore(rule, name)
		if s.folder.isNameless(name) {
			a.seen = append(a.seen, sighting{name: name, nameless: true})
		}
		return
	}
	path := filepath.Join(s.folder.Path, name)
	info, err := s.lstat(path)
	if err == nil && info.Mode.IsDir() {
		if rule, _ := s.filter.rule(name, true); rule != "" {
			a.ignore(rule, name)
			return
		}
	}
	found := sighting{name: name, look: observation{Info: info}}
	if err == nil && into && s.mayOpen(info) {
		found.look.examined = true
		err = s.calls.Do("look into", path, func() error { return s.examine(name, &found, a) })
	}
	if err == nil && found.note == ownNote && s.removeNote(name, info.Identity) {
		found.gone = true
		a.seen = append(a.seen, found)
		return
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		delete(s.torn, name)
		a.seen = append(a.seen, sighting{name: name, gone: true})
		if _, watched := s.watched[path]; watched {
			s.forgetBelow(path)
			a.anomaly = true
		}
	case err != nil:
		a.seen = append(a.seen, sighting{name: name, err: err})
	case info.Mode.IsDir():
		found.dir = true
		enter := s.folder.Recursive && !s.excluded(info)
		found.filed = enter && s.isMarked(path)
		a.seen = append(a.seen, found)
		if enter && !found.filed {
			s.enter(ctx, name, info, a)
		}
	default:
		a.seen = append(a.seen, found)
	}
}

// mayOpen reports whether a file may be looked into. A file that will not be sent is not opened.
func (s *scout) mayOpen(info file.Info) bool {
	return info.Mode.IsRegular() && info.Size > 0 && (info.Links == 1 || s.folder.AllowHardlinks)
}

// excluded reports whether the folder dir is done/ or failed/ under another name. A path may lead there through a
// symbolic link or a bind mount while another path does not.
func (s *scout) excluded(dir file.Info) bool {
	return slices.ContainsFunc(s.folder.Exclude, func(path string) bool {
		var info file.Info
		err := s.calls.Do("look at", path, func() (err error) { info, err = file.Stat(path); return err })
		return err == nil && info.SameFile(dir.Identity)
	})
}

// isMarked reports whether the folder at path is a done/ or failed/ that was renamed or moved here.
func (s *scout) isMarked(path string) (marked bool) {
	mark := filepath.Join(path, s.folder.Mark)
	err := s.calls.Do("look at", mark, func() (err error) { _, err = file.Lstat(mark); return err })
	return s.folder.Mark != "" && err == nil
}
