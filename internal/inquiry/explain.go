package inquiry

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/view"
)

// Explain tells what is known of the file at path, which is absolute, or of files of a name, if path is a name without a folder.
func (d *Desk) Explain(ctx context.Context, path string, z control.Zone) (control.Story, error) {
	switch {
	case path == "" || strings.ContainsRune(path, 0):
		return control.Story{}, &control.Refusal{Text: "explain takes the path of a file, or a name"}
	case !strings.HasPrefix(path, "/") && strings.Contains(path, "/"), path == ".", path == "..":
		return control.Story{}, &control.Refusal{Text: "explain takes an absolute path, or a name without a folder, not " + quote(path)}
	case !strings.HasPrefix(path, "/"):
		return d.explainName(ctx, path, z)
	}
	asking, cancel := context.WithTimeout(ctx, partsTime)
	defer cancel()
	k, err := d.facts(ctx, asking, path, z)
	if err != nil {
		return control.Story{}, err
	}
	s := k.story()
	s.Path = path
	return s, nil
}

// facts is all that is known of a file, from which its story is told.
type facts struct {
	now      time.Time
	zone     control.Zone
	running  bool
	unasked  string // why no daemon is asked
	options  string // of the commands that are advised
	path     string // where the file lies, or would lie
	name     string // relative to the folder
	place    place
	folder   config.Folder // zero: none
	folders  []config.Folder
	stateDir string

	looked  error // why it could not be looked at; nil: it is there; see isAbsent
	info    file.Info
	missing string // the first folder on the way to it that is not there
	rule    string // for which it is left alone
	ownRule bool   // that is one of the configuration's
	refused string // why its folder takes no files of its name; "": it takes them
	service string

	door    *view.Door
	silent  bool // a part of the daemon did not answer
	watched view.Watched
	held    *view.Held
	posting view.Posting
	lane    view.Lane
	queued  *view.Queued

	asked   string         // the path that was asked for, if what lay there lies at path now
	own     *row           // of this very file
	renamed bool           // it is posted under another name, and not moved away yet
	copied  bool           // it is only a copy of the file of own
	origin  *control.Asked // this put it into its folder
	before  []row          // how it fared before, the latest first
	then    *row           // how it fared after it was put back
	others  []row          // of other files of its name, the latest first
}

// place is where a file lies, or would lie.
type place int

const (
	placeOutside place = iota // in no watched folder
	placeFolder               // where files are taken from
	placeBelow                // in a subfolder, and recursive = false
	placeDone
	placeFailed
	placeNote     // a note beside a file in failed/
	placeRoot     // the watched folder itself
	placeDoneRoot // done/ itself
	placeFailedRoot
	placeState // state_dir, or something in it
)

// facts finds out what is known of a path. The parts are asked with asking.
func (d *Desk) facts(ctx, asking context.Context, path string, z control.Zone) (k facts, err error) {
	c := d.Config()
	k = facts{
		now: d.Now(), zone: z, running: d.Live != nil, unasked: d.unasked(), options: d.Options, path: filepath.Clean(path), folders: c.Folders, stateDir: c.StateDir,
	}
	if !k.locate(k.path) {
		if real := d.disk.real(k.path); k.locate(real) {
			k.path = real
		}
	}
	if k.info, k.looked = d.disk.lstat(k.folder.Path, k.path); isAbsent(k.looked) {
		k.missing = d.disk.missing(k.folder.Path, k.path)
	}
	if k.folder.Path != "" {
		k.service, k.refused = d.Rules.Service(k.folder.Destination), d.Rules.Refuses(k.folder, k.name)
		k.rule, k.ownRule = d.Rules.LeftAlone(k.folder, k.name, k.info.Mode.IsDir())
		d.askLive(asking, &k)
	}
	if err := d.remember(ctx, &k); err != nil {
		return k, err
	}
	if to, gone := k.wentBack(); gone {
		return d.followed(ctx, asking, k, to)
	}
	return k, nil
}

// followed gives the facts of the file that was put back from k.path to a path, if it is there still.
func (d *Desk) followed(ctx, asking context.Context, k facts, to string) (facts, error) {
	is, err := d.facts(ctx, asking, to, k.zone)
	if isAbsent(is.looked) && is.queued == nil && is.held == nil {
		return k, err
	}
	is.asked = k.path
	return is, err
}

// wentBack tells where the file is that lay in failed/, and was put back and not taken up yet.
func (k *facts) wentBack() (to string, is bool) {
	last := k.then
	if last == nil {
		last = k.own
	}
	if k.place != placeFailed && k.place != placeNote || last == nil || k.place == placeFailed && !isAbsent(k.looked) {
		return "", false
	}
	a, ok := last.putBack()
	return a.To, ok && a.Became == 0 && a.To != "" && a.To != k.path
}

// locate finds the folder that a path belongs to, and what the place is there. It reports false if it is in none.
func (k *facts) locate(path string) bool {
	for _, f := range k.folders {
		if at, name, ok := placeIn(f, path); ok {
			k.folder, k.place, k.name = f, at, name
			return true
		}
	}
	k.place, k.name = placeOutside, filepath.Base(path)
	if _, in := below(k.stateDir, path); k.stateDir != "" && (in || path == k.stateDir) {
		k.place = placeState
		return true
	}
	return false
}

// placeIn tells what path is for a folder. name is what it is called there.
func placeIn(f config.Folder, path string) (at place, name string, ok bool) {
	switch path {
	case f.Path:
		return placeRoot, ".", true
	case f.Done:
		return placeDoneRoot, ".", true
	case f.Failed:
		return placeFailedRoot, ".", true
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

// noteEnd is how the name of a note ends.
const noteEnd = ".reason.txt"

func below(dir, path string) (name string, ok bool) {
	name, err := filepath.Rel(dir, path)
	return name, dir != "" && err == nil && name != "." && filepath.IsLocal(name)
}

// askLive asks the running daemon for what it holds of the file.
func (d *Desk) askLive(ctx context.Context, k *facts) {
	if d.Live == nil {
		return
	}
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
	if k.posting, ok = d.Live.Posting(ctx, k.folder.Destination, k.folder.Path, k.name, false); !ok {
		k.silent = true
	}
	for _, l := range k.posting.Lanes {
		k.lane = l
		if len(l.Queue) > 0 {
			k.queued = &l.Queue[0]
		}
	}
	if k.watched, ok = d.Live.Watched(ctx, k.folder.Path, k.name, false); !ok && (k.door == nil || k.door.Up) {
		k.silent = true
	}
	if len(k.watched.Held) > 0 {
		k.held = &k.watched.Held[0]
	}
}
