package watcher

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// BuiltinIgnore lists the names that are never candidates, as globs with one * at the most, at the start or the end,
// that compare without regard to case: what desktops,
// NAS boxes, browsers, editors and transfer programs leave beside the files that people mean. Names that begin with a
// dot are never candidates either, files and folders alike.
func BuiltinIgnore() []string {
	return []string{
		".*", // rsync's and vsftpd's temporary names, .DS_Store, ._*, .nfs*, .fuse_hidden*, .~lock.*#
		"~$*", "*~",
		"thumbs.db", "desktop.ini", "@eadir", "#recycle", "lost+found", "__macosx",
		"*.tmp", "*.part", "*.partial", "*.crdownload", "*.download", "*.opdownload", "*.filepart", "*.aria2", "*.lftp-pget-status",
		"*.swp", "*.swx",
	}
}

// filter tells which names below a folder are left alone.
type filter struct {
	root     string
	exact    map[string]bool // the built-in list, taken apart: it is asked of every name that is seen
	prefixes []string
	suffixes []string
	own      []string
	exclude  map[string]bool // absolute paths
}

func newFilter(folder Folder) filter {
	f := filter{root: folder.Path, own: folder.Ignore, exact: map[string]bool{}, exclude: map[string]bool{}}
	for _, glob := range BuiltinIgnore() {
		switch before, after, isGlob := strings.Cut(glob, "*"); {
		case !isGlob:
			f.exact[glob] = true
		case before == "":
			f.suffixes = append(f.suffixes, after)
		default:
			f.prefixes = append(f.prefixes, before)
		}
	}
	for _, path := range folder.Exclude {
		f.exclude[path] = true
	}
	return f
}

// skips reports whether name, relative to the folder, is left alone. The folder's own globs match the last part of the
// name or the whole of it; a bad one matches nothing (the configuration refuses it).
func (f filter) skips(name string) bool {
	base := filepath.Base(name)
	lower := strings.ToLower(base)
	if f.exact[lower] ||
		slices.ContainsFunc(f.prefixes, func(p string) bool { return strings.HasPrefix(lower, p) }) ||
		slices.ContainsFunc(f.suffixes, func(s string) bool { return strings.HasSuffix(lower, s) }) {
		return true
	}
	for _, glob := range f.own {
		if ok, _ := path.Match(glob, base); ok {
			return true
		}
		if ok, _ := path.Match(glob, name); ok {
			return true
		}
	}
	return len(f.exclude) > 0 && f.exclude[filepath.Join(f.root, name)]
}
