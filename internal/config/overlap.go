package config

import (
	"fmt"
	"slices"

	"kaizala-drop/internal/overlap"
)

// claim is what the folder of that index has to itself, by the names that are written.
type claim struct {
	overlap.Claim
	index int
}

// claimOf looks at a folder's own directories among themselves.
func (r *reader) claimOf(index int, f Folder) claim {
	c := claim{overlap.ClaimOf(f.Path, f.Done, f.Failed, f.Recursive, overlap.Named), index}
	for _, found := range c.Own() {
		r.problem(r.folderLine(index, found.Setting), "%s", found.Text(""))
	}
	return c
}

// overlaps compares every folder with every other, and with the daemon's own directory.
func (r *reader) overlaps(claims []claim, stateDir string, files []string) {
	var apart []claim
	for _, c := range claims {
		same := func(other claim) bool { return c.Watched.Same(other.Watched) }
		if i := slices.IndexFunc(apart, same); i >= 0 { // once, rather than with all that lies in both
			r.between(c, apart[i])
			continue
		}
		for _, other := range apart {
			r.between(c, other)
		}
		apart = append(apart, c)
	}
	for _, c := range claims {
		r.apart(c, stateDir, files)
	}
}

// apart compares a folder with what is the daemon's alone.
func (r *reader) apart(c claim, stateDir string, files []string) {
	if stateDir != "" {
		if found, ok := c.State(stateDir, overlap.Named(stateDir)); ok {
			line := r.lines.Line(keyPath{found.Setting})
			if found.Setting == "path" {
				line = r.folderLine(c.index, found.Setting)
			}
			r.problem(line, "%s", found.Text(""))
		}
	}
	for _, file := range files {
		if found, ok := c.Holds(file, overlap.Named(file)); ok {
			r.problem(r.folderLine(c.index, found.Setting), "%s", found.Text(""))
		}
	}
}

func (r *reader) between(a, b claim) {
	for _, found := range overlap.Between(a.Claim, b.Claim) {
		blamed, other := a.index, b.index
		if found.Second {
			blamed, other = other, blamed
		}
		where := ""
		if found.Other != "" {
			where = fmt.Sprintf(" (line %d)", r.folderLine(other, found.Other))
		}
		r.problem(r.folderLine(blamed, found.Setting), "%s", found.Text(where))
	}
}
