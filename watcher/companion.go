package watcher

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kaizala-drop/internal/file"
)

// companion is how a program names a file that it keeps beside another one while it works on that.
type companion struct {
	before, after string // what stands around the other's name
	cut           int    // how many letters of that are left out, from its begin
	reason        string // why the other is held back, with %q for the companion
}

// axelState ends the name of a companion too, but is too common to be ignored wherever it stands (BuiltinIgnore).
const axelState = ".st"

// companions lists those that are known. Microsoft Office leaves out one or two letters of longer names.
func companions() []companion {
	const (
		open  = "it is open in a program: its lock file %q lies beside it"
		fetch = "another program is still fetching it, or was stopped half way: its file %q lies beside it"
	)
	return []companion{
		{"~$", "", 0, open}, {"~$", "", 1, open}, {"~$", "", 2, open},
		{".~lock.", "#", 0, open}, // LibreOffice
		{".~", "", 0, open},       // WPS Office
		{"", ".part", 0, fetch},   // Firefox
		{"", ".crdownload", 0, fetch},
		{"", ".opdownload", 0, fetch},
		{"", ".filepart", 0, fetch}, // WinSCP
		{"", ".aria2", 0, fetch},
		{"", ".lftp-pget-status", 0, fetch},
		{"", axelState, 0, fetch},
	}
}

// of gives the name of the companion of the file base.
func (c companion) of(base string) string {
	if c.cut > 0 {
		letters := []rune(base)
		base = string(letters[min(c.cut, len(letters)):])
	}
	return c.before + base + c.after
}

// isOne reports whether name can be one of a companion.
func (c companion) isOne(name string) bool {
	return strings.HasPrefix(name, c.before) && strings.HasSuffix(name, c.after)
}

// companion gives the reason why name is held back on account of what lies beside it, or "". axel's state is held back
// too as long as its file lies there: moved to failed/, it would not hold that back, and axel would write it again.
func (s *scout) companion(name string) string {
	dir, base := filepath.Split(name)
	beside := s.beside.directory(filepath.Join(s.folder.Path, dir))
	for _, c := range companions() {
		if lock := c.of(base); beside.has(lock) {
			return fmt.Sprintf(c.reason, file.Printable(lock))
		}
	}
	if of, ok := strings.CutSuffix(base, axelState); ok && beside.lies(of) {
		return fmt.Sprintf("a program notes in it how much it has fetched of %q", file.Printable(of))
	}
	return ""
}

// neighbours knows what lies beside the files that are looked into for one answer, by directory.
type neighbours map[string]*neighbourhood

// neighbourhood is one directory.
type neighbourhood struct {
	path  string
	size  int64           // of the directory, in bytes
	asked int64           // how many files it was asked about
	found map[string]bool // all companions in it; nil: it was not read
}

// worthReading is how many bytes of a directory are read in about the time in which all companions of a file are looked
// for one by one.
const worthReading = 4 << 10

// directory is the one at path, about to be asked about one more file. Once it was asked about so many that to read it
// would have cost no more, it is read: a single file in a directory of 100,000 does not pay for all, and neither do
// 100,000 for each of their companions.
func (n neighbours) directory(path string) *neighbourhood {
	d, ok := n[path]
	if !ok {
		d = &neighbourhood{path: path, size: math.MaxInt64}
		if info, err := file.Stat(path); err == nil {
			d.size = info.Size
		}
		n[path] = d
	}
	d.asked++
	if d.found == nil && d.asked*worthReading >= d.size {
		d.read()
	}
	return d
}

// read reads the directory. If it cannot be read, its files are looked for one by one.
func (d *neighbourhood) read() {
	d.size = math.MaxInt64
	f, err := os.Open(d.path)
	if err != nil {
		return
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return
	}
	d.found = map[string]bool{}
	all := companions()
	for _, name := range names {
		if slices.ContainsFunc(all, func(c companion) bool { return c.isOne(name) }) {
			d.found[name] = true
		}
	}
}

// has reports whether a companion with that name lies there.
func (d *neighbourhood) has(name string) bool {
	if d.found != nil {
		return d.found[name]
	}
	return d.lies(name)
}

func (d *neighbourhood) lies(name string) bool {
	_, err := file.Lstat(filepath.Join(d.path, name))
	return err == nil
}
