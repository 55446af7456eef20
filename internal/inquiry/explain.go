package inquiry

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/view"
)

// lookTime is how long a look at a file may take: its file system may hang.
const lookTime = 2 * time.Second

// entriesMost is how many earlier deliveries a story knows of.
const entriesMost = 20

// Explain tells what is known of the file at path, which is absolute, or of files of a name, if path is a name without a folder.
func (d *Desk) Explain(ctx context.Context, path string) (control.Story, error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return control.Story{}, &control.Refusal{Text: "explain takes the path of a file, or a name"}
	}
	known, err := d.facts(ctx, path)
	if err != nil {
		return control.Story{}, err
	}
	s := known.tell()
	s.Path, s.Running, s.Unasked, s.Held, s.Queued, s.Entries = path, d.Live != nil, d.unasked(), known.held, known.queued, known.entries
	return s, nil
}

// facts is all that is known of a file, from which its story is told.
type facts struct {
	now     time.Time
	running bool
	unasked string // why no daemon is asked
	path    string // as it was asked for
	name    string // relative to the folder; of a bare name, that
	place   place
	folder  config.Folder // zero: none
	folders []config.Folder

	looked  error // why it could not be looked at; nil: it is there; fs.ErrNotExist: it is not
	mode    fs.FileMode
	size    int64
	rule    string // for which it is left alone
	ownRule bool   // that is one of the configuration's
	taken   bool   // its type is one that the destination takes
	service string

	door    *view.Door
	silent  bool // a part of the daemon did not answer
	watched view.Watched
	held    *view.Held
	posting view.Posting
	lane    view.Lane
	queued  *view.Queued
	entries []control.Entry // the latest first
}

// place is where a file lies, or would lie.
type place int

const (
	placeOutside place = iota // in no watched folder
	placeName                 // only a name was asked for
	placeFolder               // where files are taken from
	placeBelow                // in a subfolder, and recursive = false
	placeDone
	placeFailed
	placeNote // a note beside a file in failed/
	placeRoot // the watched folder itself, done/ or failed/
)

// noteEnd is how the name of a note ends.
const noteEnd = ".reason.txt"

func (d *Desk) facts(ctx context.Context, path string) (k facts, err error) {
	c := d.Config()
	k = facts{now: d.Now(), running: d.Live != nil, unasked: d.unasked(), path: path, name: path, place: placeName, folders: c.Folders}
	if filepath.IsAbs(path) {
		k.path = filepath.Clean(path)
		k.locate()
		k.look()
	}
	if k.folder.Path != "" {
		k.service, k.taken = d.Rules.Service(k.folder.Destination), d.Rules.Takes(k.folder, k.name)
		k.rule, k.ownRule = d.Rules.LeftAlone(k.folder, k.name, k.mode.IsDir())
		d.askLive(ctx, &k)
	}
	return k, d.search(ctx, &k)
}

// locate finds the folder that the path belongs to, and what the place is there. A path that leads there by links is followed.
func (k *facts) locate() {
	for _, path := range []string{k.path, real(k.path)} {
		for _, f := range k.folders {
			if at, name, ok := placeIn(f, path); ok {
				k.folder, k.place, k.name = f, at, name
				if at == placeDone || at == placeFailed || at == placeNote {
					k.path = path
				}
				return
			}
		}
	}
	k.place, k.name = placeOutside, filepath.Base(k.path)
}

// real is path with the links on the way to it resolved; what is not there stays as it is.
func real(path string) string {
	done := make(chan string, 1)
	go func() {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			dir = filepath.Dir(path)
		}
		done <- filepath.Join(dir, filepath.Base(path))
	}()
	select {
	case path = <-done:
	case <-time.After(lookTime):
	}
	return path
}

// placeIn tells what path is for a folder. name is what it is called there.
func placeIn(f config.Folder, path string) (at place, name string, ok bool) {
	if path == f.Path || path == f.Done || path == f.Failed {
		return placeRoot, ".", true
	}
	if name, ok := below(f.Failed, path); ok {
		if about, isNote := strings.CutSuffix(name, noteEnd); isNote {
			return placeNote, about, true
		}
		return placeFailed, name, true
	}
	if name, ok := below(f.Done, path); ok {
		return placeDone, name, true
	}
	name, ok = below(f.Path, path)
	if ok && strings.Contains(name, "/") && !f.Recursive {
		return placeBelow, name, true
	}
	return placeFolder, name, ok
}

func below(dir, path string) (name string, ok bool) {
	name, err := filepath.Rel(dir, path)
	return name, err == nil && name != "." && filepath.IsLocal(name)
}

// errSilent says that a file system did not answer in time.
var errSilent = errors.New("its file system does not answer")

// look looks at the file.
func (k *facts) look() {
	type found struct {
		info fs.FileInfo
		err  error
	}
	done, path := make(chan found, 1), k.path
	go func() {
		info, err := os.Lstat(path)
		done <- found{info, err}
	}()
	select {
	case f := <-done:
		if k.looked = f.err; f.err == nil {
			k.mode, k.size = f.info.Mode(), f.info.Size()
		}
	case <-time.After(lookTime):
		k.looked = errSilent
	}
}

// askLive asks the running daemon for what it holds of the file.
func (d *Desk) askLive(ctx context.Context, k *facts) {
	if d.Live == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, partsTime)
	defer cancel()
	if doors, ok := d.Live.Doors(ctx); ok {
		for i := range doors {
			if doors[i].Folder == k.folder.Path {
				k.door = &doors[i]
			}
		}
	} else {
		k.silent = true
	}
	if k.place != placeFolder && k.place != placeBelow {
		return
	}
	var ok bool
	if k.posting, ok = d.Live.Posting(ctx, k.folder.Destination, k.folder.Path, k.name); !ok {
		k.silent = true
	}
	for _, l := range k.posting.Lanes {
		k.lane = l
		if len(l.Queue) > 0 {
			k.queued = &l.Queue[0]
		}
	}
	if k.watched, ok = d.Live.Watched(ctx, k.folder.Path, k.name); !ok && (k.door == nil || k.door.Up) {
		k.silent = true
	}
	if len(k.watched.Held) > 0 {
		k.held = &k.watched.Held[0]
	}
}

// search asks the ledger for what became of the file, and of files of its name.
func (d *Desk) search(ctx context.Context, k *facts) error {
	base := filepath.Base(k.name)
	queries := []ledger.Query{{Name: base, Limit: entriesMost}}
	switch k.place {
	case placeDone, placeFailed:
		queries = []ledger.Query{{Dest: k.path, Limit: entriesMost}}
	case placeNote:
		queries = []ledger.Query{{Dest: strings.TrimSuffix(k.path, noteEnd), Limit: entriesMost}}
	case placeFolder, placeBelow:
		queries = []ledger.Query{{Folder: k.folder.Path, Name: k.name, Limit: entriesMost}}
	case placeRoot:
		return nil
	}
	for _, q := range queries {
		found, err := d.Ledger.Search(ctx, q)
		if err != nil {
			return err
		}
		for _, one := range found {
			k.entries = append(k.entries, entryOf(one, q.Dest, base))
		}
	}
	return nil
}
