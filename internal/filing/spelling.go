package filing

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// spelling is one way to write a name: unchanged, or changed as far as a file system demands it.
type spelling struct {
	form  form
	limit int // bytes that a name may have, together with the ending of its note's name
}

// form says which characters of a name are replaced.
type form int

const (
	asItIs   form = iota
	portable      // without the characters and names that Windows refuses, and so do exFAT, NTFS and SMB
	ascii         // portable, and ASCII only
	plain         // "file-", a number and the extension
	forms         // how many there are
)

// shortLimits are the limits to try, in bytes, when a file system refuses names shorter than its statfs(2) says. 143 is the limit
// of eCryptfs.
func shortLimits() []int { return []int{143, 96, 64, shortestLimit} }

const shortestLimit = 48

// numbered is the n-th choice for a name in this spelling; room bytes more fit behind it.
func (s spelling) numbered(name string, n, room int) string {
	if s.form == asItIs {
		return numbered(name, n, s.limit-room)
	}
	out := strings.TrimRight(numbered(s.form.of(name), n, s.limit-room), ". ")
	return cmp.Or(out, "_")
}

// of is name in this form.
func (f form) of(name string) string {
	switch f {
	case portable, ascii:
		return avoidDevice(strings.TrimRight(strings.Map(f.rune, strings.ToValidUTF8(name, "_")), ". "))
	case plain:
		sum := sha256.Sum256([]byte(name))
		ext := extension(ascii.of(name))
		if len(ext) > 6 {
			ext = ""
		}
		return fmt.Sprintf("file-%x%s", sum[:4], ext)
	}
	return name
}

func (f form) rune(r rune) rune {
	switch {
	case r < ' ' || r == 0x7f || strings.ContainsRune(`<>:"\|?*`, r):
		return '-'
	case f == ascii && r >= utf8.RuneSelf:
		return '_'
	case !unicode.IsPrint(r) && !unicode.Is(unicode.Cf, r) && !unicode.IsSpace(r):
		return '_'
	}
	return r
}

// avoidDevice changes a name that Windows takes for a device, with or without an extension ("Naming Files, Paths, and
// Namespaces" in the Win32 documentation).
func avoidDevice(name string) string {
	stem, rest, _ := strings.Cut(name, ".")
	upper := strings.ToUpper(strings.TrimRight(stem, " "))
	switch upper {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
	default:
		digit, is := strings.CutPrefix(upper, "COM")
		if !is {
			digit, is = strings.CutPrefix(upper, "LPT")
		}
		if !is || utf8.RuneCountInString(digit) != 1 || !strings.Contains("0123456789¹²³", digit) {
			return name
		}
	}
	if len(stem) == len(name) {
		return stem + "_"
	}
	return stem + "_." + rest
}

// tryNames is tryNumbers with each spelling of name in turn, as long as the file system refuses the name itself.
func (f *Filer) tryNames(dir, name string, room int, taken func(string) (bool, error), put func(string) error) (string, error) {
	asked := nameLimit(dir)
	last := 1 // the number with which put was called last
	for s := firstSpelling(name, asked); ; {
		number := func(n int) string { last = n; return s.numbered(name, n, room) }
		dest, err := tryNumbers(dir, number, taken, put)
		next, ok := s.after(err, last, dir, name, asked, room)
		if !ok {
			return dest, err
		}
		s = next
	}
}

// firstSpelling changes nothing, even if name is longer than the limit asked: a file system that does not count in bytes may
// accept it.
func firstSpelling(name string, asked int) spelling { return spelling{asItIs, max(asked, len(name))} }

// after returns the spelling to try next, and true, if err says that the file system refused the n-th choice of this spelling.
func (s spelling) after(err error, n int, dir, name string, asked, room int) (spelling, bool) {
	if err == nil || !mayBeTheName(err) {
		return s, false
	}
	now := s.numbered(name, n, room)
	if errors.Is(err, unix.ENAMETOOLONG) {
		next, ok := s.shorter(len(now)+room, asked)
		return next, ok && (errors.Is(err, errReserved) || refuses(dir, now+strings.Repeat("x", room)))
	}
	for next := s; next.form+1 < forms; {
		next.form++
		if next.form == plain && !oneOf(err, unix.EINVAL, unix.EILSEQ) {
			break // the error does not say that characters of the name are refused
		}
		if next.numbered(name, n, room) != now {
			return next, refuses(dir, now)
		}
	}
	return s, false
}

// shorter returns a spelling whose names are shorter than used bytes, if there is one.
func (s spelling) shorter(used, asked int) (spelling, bool) {
	for _, limit := range append([]int{asked, asked - reserveRoom}, shortLimits()...) {
		if limit < used && limit < s.limit {
			s.limit = limit
			return s, true
		}
	}
	was := s.form
	s.form = plain
	return s, was != plain
}

// mayBeTheName reports whether err may mean that a name is refused. File systems report that as EINVAL, EILSEQ, ENOENT (cifs),
// EPERM, EIO and others.
func mayBeTheName(err error) bool {
	for _, sentinel := range []error{ErrGone, ErrFolderGone, ErrReplaced} {
		if errors.Is(err, sentinel) {
			return false
		}
	}
	return !oneOf(err, unix.EEXIST, unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EXDEV, unix.ENOTDIR, unix.ELOOP)
}

// refuses finds out whether dir refuses the name: a file of that name cannot be made in dir, but one of another name can.
func refuses(dir, name string) bool {
	err := makeAndRemove(filepath.Join(dir, name))
	return err != nil && mayBeTheName(err) && makeAndRemove(filepath.Join(dir, hiddenTag+rand.Text()[:tagLength]+hiddenEnd)) == nil
}

func makeAndRemove(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return andThen(err, sweepEmpty(path, err))
	}
	_ = f.Close()
	return os.Remove(path)
}

// spellings are all spellings to which after can lead, each once.
func spellings(name string, asked, room int) []spelling {
	var all []spelling
	seen := map[string]bool{}
	for form := range forms {
		first := firstSpelling(name, asked)
		for _, limit := range append([]int{first.limit, asked, asked - reserveRoom}, shortLimits()...) {
			s := spelling{form, min(limit, first.limit)}
			key := s.numbered(name, 1, room) + "/" + s.numbered(name, maxNumber, room)
			if !seen[key] {
				all = append(all, s)
			}
			seen[key] = true
		}
	}
	return all
}
