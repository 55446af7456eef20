package watcher

import (
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/text"
)

// companion is how a program names a file that it keeps beside another file while it works on that.
type companion struct {
	before, after string // what stands around the other file's name
	cut           int    // how many letters the companion leaves out at the beginning of the other file's name
	reason        string // why the other file is held back, with %q for the companion
	kind          kind
}

// A lock file may have been left behind by a program that crashed, or on a share that went away. It counts no longer
// when it was last written more than lockLasts ago and the kernel knows that no program has it or its document open.
// Where the kernel cannot know that, it must be older than lockLastsUnseen.
const (
	lockLasts       = 12 * time.Hour
	lockLastsUnseen = 72 * time.Hour
)

// axelState ends the name of a companion as well, but is too common to be ignored wherever it stands (builtinIgnore).
const axelState = ".st"

// companions lists the companions that are known. Microsoft Office leaves out one or two letters of longer names.
func companions() []companion {
	const (
		open  = "it is open in a program: its lock file %q lies beside it"
		fetch = "another program is still fetching it, or was stopped half way: its file %q lies beside it"
	)
	return []companion{
		{"~$", "", 0, open, kindLocked}, {"~$", "", 1, open, kindLocked}, {"~$", "", 2, open, kindLocked},
		{".~lock.", "#", 0, open, kindLocked}, // LibreOffice
		{".~", "", 0, open, kindLocked},       // WPS Office
		{"", ".part", 0, fetch, kindFetched},  // Firefox
		{"", ".crdownload", 0, fetch, kindFetched},
		{"", ".opdownload", 0, fetch, kindFetched},
		{"", ".filepart", 0, fetch, kindFetched}, // WinSCP
		{"", ".aria2", 0, fetch, kindFetched},
		{"", ".lftp-pget-status", 0, fetch, kindFetched},
		{"", axelState, 0, fetch, kindFetched},
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

// isOne reports whether name may be that of such a companion.
func (c companion) isOne(name string) bool {
	return strings.HasPrefix(name, c.before) && strings.HasSuffix(name, c.after)
}

// companionsOf yields each companion that holds name back, with the name of the file that lies there. A state file of
// axel is itself held back as long as the file it belongs to lies there: moved to failed/ it would no longer hold that
// file back, and axel would write it again.
func (s *scout) companionsOf(name string) iter.Seq2[companion, string] {
	return func(yield func(companion, string) bool) {
		dir, base := filepath.Split(name)
		beside := s.beside.directory(filepath.Join(s.folder.Path, dir), s.companions)
		for _, c := range s.companions {
			if lock := c.of(base); beside.has(lock) && !yield(c, lock) {
				return
			}
		}
		if of, ok := strings.CutSuffix(base, axelState); ok && beside.lies(of) {
			yield(companion{reason: "a program notes in it how much it has fetched of %q", kind: kindFetched}, of)
		}
	}
}

// held gives the obstacle that lies beside name, which is opened as f. stale names a lock file that counts no longer.
func (s *scout) held(f *os.File, name string) (hold obstacle, stale string) {
	for c, beside := range s.companionsOf(name) {
		if c.kind == kindLocked && s.isStale(f, filepath.Join(filepath.Dir(name), beside)) {
			stale = beside
			continue
		}
		return obstacle{reason: fmt.Sprintf(c.reason, text.Printable(beside)), recheck: recheckCompanion, kind: c.kind}, ""
	}
	return obstacle{}, stale
}

// isStale reports whether the lock file at name was left behind. Its age counts from its last writing, because a
// program writes it when it opens the document.
func (s *scout) isStale(document *os.File, name string) bool {
	info, err := file.Lstat(filepath.Join(s.folder.Path, name))
	if err != nil || !info.Mode.IsRegular() {
		return false
	}
	age := time.Since(time.Unix(0, info.Mtime))
	if age < lockLasts {
		return false
	}
	if age >= lockLastsUnseen && s.remote != "" {
		return true
	}
	lock, _, err := file.Open(s.folder.Path, name)
	if err != nil {
		return age >= lockLastsUnseen
	}
	defer lock.Close()
	for _, f := range []*os.File{document, lock} {
		open, err := openAtAll(f)
		if open || err != nil && age < lockLastsUnseen {
			return false
		}
	}
	return s.remote == "" || age >= lockLastsUnseen
}

// neighbours knows the companions that lie in each directory, for the length of one answer.
type neighbours map[string]*neighbourhood

// neighbourhood is one directory.
type neighbourhood struct {
	path  string
	size  int64           // of the directory, in bytes
	asked int64           // how many files it was asked about
	found map[string]bool // all companions in it; nil: the directory was not read
}

// worthReading is how many bytes of a directory can be read in about the time in which all companions of one file are
// looked for one by one.
const worthReading = 4 << 10

// directory is the neighbourhood at path, which is about to be asked about one more file. It is read as soon as it was
// asked about so many files that reading it would have cost no more. So one file in a directory of 100,000 does not pay
// for all of them, and 100,000 files do not each pay for all companions.
func (n neighbours) directory(path string, companions []companion) *neighbourhood {
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
		d.read(companions)
	}
	return d
}

// read reads the directory. If that fails, companions are looked for one by one.
func (d *neighbourhood) read(companions []companion) {
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
	for _, name := range names {
		if slices.ContainsFunc(companions, func(c companion) bool { return c.isOne(name) }) {
			d.found[name] = true
		}
	}
}

// has reports whether a companion of that name lies there.
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
