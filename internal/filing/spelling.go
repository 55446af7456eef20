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

// spelling is one way to write a name: as it is, or changed as far as a file system was found to want it.
type spelling struct {
	form  form
	limit int // bytes that a name, with the end of its note's, may have
}

type form int

const (
	asItIs   form = iota
	portable      // without what Windows, and so exFAT, NTFS and SMB, refuse
	ascii         // and without what is not ASCII
	plain         // of it, only the extension is left
	forms
)

// shorter are the limits that are tried where a file system takes no longer names than another, and does not say so: that of
// eCryptfs, and less.
func shorter() []int { return []int{143, 96, 64, shortest} }

const shortest = 48

// numbered is the n-th choice for a name that leaves room for so many bytes behind it.
func (s spelling) numbered(name string, n, room int) string {
	if s.form == asItIs {
		return numbered(name, n, s.limit-room)
	}
	out := strings.TrimRight(numbered(s.form.of(name), n, s.limit-room), ". ")
	return cmp.Or(out, "_")
}

func (f form) of(name string) string {
	switch f {
	case portable, ascii:
		return undevice(strings.TrimRight(strings.Map(f.rune, strings.ToValidUTF8(name, "_")), ". "))
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

// undevice changes what Windows takes for a device, with whatever extension ("Naming Files, Paths, and Namespaces" of the
// Win32 documentation).
func undevice(name string) string {
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

// layIn is lay, with another spelling as long as the file system refuses the name. Every name finds a place.
func (f *Filer) layIn(dir, name string, room int, taken func(string) (bool, error), put func(string) error) (string, error) {
	asked := nameLimit(dir)
	last := 1 // what an error is about
	for s := firstSpelling(name, asked); ; {
		number := func(n int) string { last = n; return s.numbered(name, n, room) }
		dest, err := lay(dir, number, taken, put)
		next, ok := s.after(err, last, dir, name, asked, room)
		if !ok {
			return dest, err
		}
		s = next
	}
}

// firstSpelling changes nothing: a name that is longer than the file system's own limit may be taken all the same, where
// that counts in other units than bytes.
func firstSpelling(name string, asked int) spelling { return spelling{asItIs, max(asked, len(name))} }

// after is the spelling to try next, if err says that this one, with its n-th number, was refused.
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
			break // nothing is odd about the name
		}
		if next.numbered(name, n, room) != now {
			return next, refuses(dir, now)
		}
	}
	return s, false
}

func (s spelling) shorter(used, asked int) (spelling, bool) {
	for _, limit := range append([]int{asked, asked - reserveRoom}, shorter()...) {
		if limit < used && limit < s.limit {
			s.limit = limit
			return s, true
		}
	}
	was := s.form
	s.form = plain
	return s, was != plain
}

// mayBeTheName reports whether an error can be about a name and its characters. File systems say so with EINVAL, EILSEQ,
// ENOENT (cifs), EPERM, EIO and others.
func mayBeTheName(err error) bool {
	for _, sentinel := range []error{ErrGone, ErrFolderGone, ErrReplaced} {
		if errors.Is(err, sentinel) {
			return false
		}
	}
	return !oneOf(err, unix.EEXIST, unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EXDEV, unix.ENOTDIR, unix.ELOOP)
}

// refuses finds out whether it is the name: a file of that name cannot be made in dir, and one of another name can.
func refuses(dir, name string) bool {
	err := tryName(filepath.Join(dir, name))
	return err != nil && mayBeTheName(err) && tryName(filepath.Join(dir, hiddenTag+rand.Text()[:length]+hiddenEnd)) == nil
}

func tryName(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return and(err, sweepEmpty(path, err))
	}
	_ = f.Close()
	return os.Remove(path)
}

// spellings are all that after can lead to, each once.
func spellings(name string, asked, room int) []spelling {
	var all []spelling
	seen := map[string]bool{}
	for form := range forms {
		first := firstSpelling(name, asked)
		for _, limit := range append([]int{first.limit, asked, asked - reserveRoom}, shorter()...) {
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
