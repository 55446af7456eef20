package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// spot is a directory as the kernel would find it, links resolved: itself first, then all it lies in, up to the root.
type spot []ancestor

type ancestor struct {
	path string
	info fs.FileInfo // nil for what is not there, or not for us to see: then only its name tells it from others
}

// locate follows path as far as it exists.
func locate(path string) spot {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		parent := filepath.Dir(path)
		if parent == path {
			return spot{{path: path}}
		}
		up := locate(parent)
		return append(spot{{path: filepath.Join(up[0].path, filepath.Base(path))}}, up...)
	}
	var s spot
	for {
		info, err := os.Stat(resolved)
		if err != nil {
			info = nil
		}
		s = append(s, ancestor{resolved, info})
		parent := filepath.Dir(resolved)
		if parent == resolved {
			return s
		}
		resolved = parent
	}
}

// same compares device and inode, so that neither a link nor a bind mount hides that two are one.
func (a ancestor) same(b ancestor) bool {
	if a.info != nil && b.info != nil {
		return os.SameFile(a.info, b.info)
	}
	return a.path == b.path
}

func (s spot) same(other spot) bool { return s[0].same(other[0]) }

// in tells whether s is other or lies inside it.
func (s spot) in(other spot) bool { return slices.ContainsFunc(s, other[0].same) }

// claim is what a folder has to itself.
type claim struct {
	index   int
	path    string
	deep    bool // takes files of directories inside it, too
	watched spot
	outs    []outlet
}

// outlet is a place that files are moved to: done or failed.
type outlet struct {
	name, path string
	spot       spot
}

// puts tells whether a spot lies where the folder itself puts files: from there it takes none.
func (c claim) puts(s spot) bool {
	return slices.ContainsFunc(c.outs, func(o outlet) bool { return s.in(o.spot) })
}

// claimOf locates what a folder names, and looks at its own directories among themselves.
func (r *reader) claimOf(index int, f Folder) claim {
	c := claim{
		index:   index,
		path:    f.Path,
		deep:    f.Recursive,
		watched: locate(f.Path),
		outs:    []outlet{{"done", f.Done, locate(f.Done)}, {"failed", f.Failed, locate(f.Failed)}},
	}
	for _, out := range c.outs {
		line := r.folderLine(index, out.name)
		switch {
		case c.watched.same(out.spot):
			r.problem(line, "%s is the watched folder %q itself, so its files would be posted again: choose another directory",
				out.name, c.path)
		case c.watched.in(out.spot):
			r.problem(line, "%s %q contains the watched folder %q: choose another directory", out.name, out.path, c.path)
		case out.spot[0].info != nil && !out.spot[0].info.IsDir():
			r.problem(line, "%s %q is not a directory: choose another name", out.name, out.path)
		}
	}
	if c.outs[0].spot.same(c.outs[1].spot) {
		r.problem(r.folderLine(index, "failed"), "failed is the same directory as done, %q: choose two", c.outs[0].path)
	}
	return c
}

// overlaps compares every folder with every other, and with the daemon's own directory.
func (r *reader) overlaps(claims []claim, stateDir string) {
	var apart []claim
	for _, c := range claims {
		if i := slices.IndexFunc(apart, func(other claim) bool { return c.watched.same(other.watched) }); i >= 0 {
			r.problem(r.folderLine(c.index, "path"), "path %q is the same directory as %q (line %d): give each folder its own",
				c.path, apart[i].path, r.folderLine(apart[i].index, "path"))
			continue
		}
		for _, other := range apart {
			r.intrudes(c, other)
			r.intrudes(other, c)
		}
		apart = append(apart, c)
	}
	if stateDir != "" {
		r.stateApart(claims, stateDir)
	}
}

func (r *reader) stateApart(claims []claim, stateDir string) {
	state := locate(stateDir)
	for _, c := range claims {
		if state.same(c.watched) || c.deep && state.in(c.watched) && !c.puts(state) {
			r.problem(r.lines.of(keyPath{"state_dir"}), "state_dir %q lies in the watched folder %q, whose files are posted or "+
				"filed away: choose another directory", stateDir, c.path)
		}
	}
}

// intrudes reports where a reaches into what b has to itself. One problem is enough.
func (r *reader) intrudes(a, b claim) {
	for _, out := range b.outs {
		if a.watched.same(out.spot) {
			r.problem(r.folderLine(b.index, out.name), "%s of the folder %q is the watched folder %q, so its files would be posted "+
				"again: choose another directory", out.name, b.path, a.path)
			return
		}
		if a.watched.in(out.spot) && !b.watched.in(out.spot) {
			r.problem(r.folderLine(a.index, "path"), "path %q lies inside %s of the folder %q (line %d): choose another directory",
				a.path, out.name, b.path, r.folderLine(b.index, out.name))
			return
		}
	}
	if !b.deep {
		return
	}
	if a.watched.in(b.watched) {
		r.problem(r.folderLine(a.index, "path"), "path %q lies inside %q (line %d), which takes files of directories inside it: "+
			"choose another directory, or change recursive or album there", a.path, b.path, r.folderLine(b.index, "path"))
		return
	}
	for _, out := range a.outs {
		if out.spot.in(b.watched) && !out.spot.same(b.watched) && !b.puts(out.spot) {
			r.problem(r.folderLine(a.index, out.name), "%s of the folder %q lies inside %q (line %d), which takes files of directories "+
				"inside it and would post them again: choose another directory", out.name, a.path, b.path, r.folderLine(b.index, "path"))
		}
	}
}
