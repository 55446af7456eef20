package inquiry

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/text"
)

// A name without a folder is looked for everywhere: in each watched folder as it is now, in done/ and failed/, and in the ledger. All
// that is found is told, what needs most care first.

// toldMost is how many files of one name are told of.
const toldMost = 12

// foundFile is one file of the name.
type foundFile struct {
	story control.Story
	when  time.Time
}

func (d *Desk) explainName(ctx context.Context, name string, z control.Zone) (control.Story, error) {
	asking, cancel := context.WithTimeout(ctx, partsTime)
	defer cancel()
	paths, whole := d.places(asking, name)
	rows, err := d.search(ctx, ledger.Query{Name: name}, isNamed(name))
	if err != nil {
		return control.Story{}, err
	}
	var all []foundFile
	var told []row
	seen := map[string]bool{}
	tell := func(path string) error {
		if seen[path] || len(all) >= 2*toldMost {
			return nil
		}
		seen[path] = true
		k, err := d.facts(ctx, asking, path, z)
		if err != nil || isAbsent(k.looked) && k.own == nil && k.held == nil && k.queued == nil {
			return err
		}
		seen[k.path] = true
		told = slices.Concat(told, k.before, present(k.own), present(k.then))
		k.others = nil // each is told by itself
		all = append(all, foundFile{k.story(), k.when()})
		return nil
	}
	for _, path := range paths {
		if err := tell(path); err != nil {
			return control.Story{}, err
		}
	}
	for _, r := range rows {
		if slices.ContainsFunc(told, func(o row) bool { return o.ID == r.ID && o.Name == r.Name }) {
			continue
		}
		if err := tell(cmp.Or(r.Dest, r.lay(), filepath.Join(r.Folder, r.Name))); err != nil {
			return control.Story{}, err
		}
	}
	if len(all) == 0 { // it had the name for a while only
		for _, f := range d.Config().Folders {
			if err := tell(filepath.Join(f.Path, name)); err != nil {
				return control.Story{}, err
			}
		}
	}
	return d.tellName(name, all, whole), nil
}

// lay is where a file lay that was put back; "": it was not.
func (r row) lay() string {
	a, _ := r.putBack()
	return a.From
}

func present(r *row) []row {
	if r == nil {
		return nil
	}
	return []row{*r}
}

// places gives the paths at which files of a name lie, or are known to the running parts. whole says that every folder was looked
// through.
func (d *Desk) places(ctx context.Context, name string) (paths []string, whole bool) {
	type found struct {
		paths []string
		whole bool
	}
	c := d.Config()
	answers := make([]chan found, len(c.Folders))
	for i, f := range c.Folders {
		answers[i] = make(chan found, 1)
		go func() {
			paths, whole := d.placesIn(ctx, f, name)
			answers[i] <- found{paths, whole}
		}()
	}
	whole = true
	for _, answer := range answers {
		f := <-answer
		paths, whole = append(paths, f.paths...), whole && f.whole
	}
	return paths, whole
}

func (d *Desk) placesIn(ctx context.Context, f config.Folder, name string) (paths []string, whole bool) {
	add := func(path string) {
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	if whole = true; d.Live != nil {
		posting, postingOK := d.Live.Posting(ctx, f.Destination, f.Path, name, true)
		for _, l := range posting.Lanes {
			for _, q := range l.Queue {
				for _, n := range q.Names {
					if filepath.Base(n) == name {
						add(filepath.Join(f.Path, n))
					}
				}
			}
		}
		watched, watchedOK := d.Live.Watched(ctx, f.Path, name, true)
		whole = postingOK && (watchedOK || ctx.Err() == nil) // a folder that is not served has no watcher
		for _, h := range watched.Held {
			add(filepath.Join(f.Path, h.Name))
		}
	}
	for _, dir := range []string{f.Path, f.Failed, f.Done} {
		if _, err := d.disk.lstat(f.Path, filepath.Join(dir, name)); err == nil {
			add(filepath.Join(dir, name))
		} else if !isAbsent(err) {
			whole = false
		}
		below, all := d.disk.find(f.Path, dir, name, f.Done, f.Failed)
		for _, path := range below {
			add(path)
		}
		whole = whole && all
	}
	return paths, whole
}

// tellName puts the stories of all files of a name together.
func (d *Desk) tellName(name string, all []foundFile, whole bool) control.Story {
	slices.SortStableFunc(all, func(a, b foundFile) int {
		return cmp.Or(care(a.story.State)-care(b.story.State), b.when.Compare(a.when))
	})
	history := "kaizala-drop history" + d.Options + " --name " + text.Quoted(name)
	s := control.Story{Path: name, Running: d.Live != nil, Unasked: d.unasked()}
	switch len(all) {
	case 0:
		s.State, s.Title = TellsAbsent, "Nothing is known of a file called "+quote(name)+"."
		s.Advice = []string{"Give its whole path, or look for a part of its name: " + history}
	case 1:
		s = all[0].story
		if at := quote(s.Path); !strings.Contains(strings.Join(append(slices.Clone(s.Lines), s.Title), "\n"), at) {
			s.Lines = append([]string{"It is about " + at + "."}, s.Lines...)
		}
	default:
		s.State, s.Title = all[0].story.State, fmt.Sprintf("%d files called %s are known.", len(all), quote(name))
		for _, f := range all[:min(len(all), toldMost)] {
			s.Files = append(s.Files, f.story)
		}
		if len(all) > toldMost {
			s.Advice = append(s.Advice, "There are more: "+history)
		}
	}
	if !whole {
		s.Lines = append(s.Lines, "Not every folder could be looked through to its end: there may be more of this name.")
	}
	return s
}

// care orders states: what a person must know first is the least.
func care(state string) int {
	order := []string{
		TellsUploading, TellsWaiting, TellsHeld, TellsSick, TellsUnseen, TellsPosted, TellsFailed, TellsIgnored, TellsFolder, TellsDelivered,
	}
	if i := slices.Index(order, state); i >= 0 {
		return i
	}
	return len(order)
}

// when is the time that a story is about.
func (k *facts) when() time.Time {
	switch {
	case k.queued != nil:
		return k.queued.Since
	case k.held != nil:
		return k.held.Since
	case k.then != nil:
		return k.then.At
	case k.own != nil:
		return k.own.At
	}
	return time.Time{}
}
