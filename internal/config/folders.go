package config

import (
	"path/filepath"
	"slices"
)

// folders reads every [[folder]] on top of base, and looks at how they lie to one another.
func (r *reader) folders(root map[string]any, base Folder, c Config) []Folder {
	tables, ok := r.folderTables(root)
	if !ok {
		return nil
	}
	if len(tables) == 0 {
		r.problem(0, "no folder is watched: add a [[folder]] with its path, and its group_id or room")
		return nil
	}
	all := make([]Folder, len(tables))
	var claims []claim
	for i, table := range tables {
		all[i] = r.folder(i, table, base)
		r.chooseDestination(i, &all[i], table, c.Destinations)
		if all[i].Path != "" {
			claims = append(claims, r.claimOf(i, all[i]))
		}
	}
	r.overlaps(claims, c.StateDir, r.files)
	return all
}

// folderTables takes [[folder]], and folder = [{...}] as well. It is not ok if there is something else of that name.
func (r *reader) folderTables(root map[string]any) (tables []map[string]any, ok bool) {
	switch value := root[folderSection].(type) {
	case nil:
		return nil, true
	case []map[string]any:
		return value, true
	case []any:
		for _, item := range value {
			if table, ok := item.(map[string]any); ok {
				tables = append(tables, table)
			}
		}
		if len(tables) == len(value) {
			return tables, true
		}
	}
	r.problem(r.lines.Line(keyPath{folderSection}), "folder must be written [[folder]], with double brackets, and its keys below it")
	return nil, false
}

// folder reads one. Its path stays empty if there is something wrong with it, and only then: what the disk says of it is
// nobody's mistake.
func (r *reader) folder(index int, table map[string]any, base Folder) Folder {
	f := base
	f.Ignore, f.Only = slices.Clone(base.Ignore), slices.Clone(base.Only)
	path := keyPath{folderSection}.Item(index)
	overlay(r, path, table, folderSettings(), &f)
	if _, ok := table["path"]; !ok {
		r.problem(r.lines.Line(path), "this [[folder]] has no path: add it (the directory to watch)")
	}
	r.patternsBelow(index, f)
	if f.Album == "subfolder" { // the subfolders are what it is about
		f.Recursive, f.RemoveEmptied, f.Caption.dropped = true, true, true
	}
	// What a longer quiet time is good for, it is good for on a network too.
	f.SettleRemote = max(f.SettleRemote, f.Settle)
	f.Done, f.Failed = beside(f.Path, f.Done), beside(f.Path, f.Failed)
	return f
}

func beside(folder, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(folder, path)
}

// folderLine is where a folder's setting is said: in its own table or in [defaults].
func (r *reader) folderLine(index int, name string) int {
	own := keyPath{folderSection}.Item(index)
	if line := r.lines[own.Child(name).Key()].Line; line > 0 {
		return line
	}
	if line := r.lines[keyPath{defaultsSection, name}.Key()].Line; line > 0 {
		return line
	}
	return r.lines.Line(own)
}
