package filing

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

// placeText is what lies under a name that is reserved for a file, so that it is told apart after a crash.
func placeText(tag string) string { return "kaizala-drop is moving a file here: " + tag + "\n" }

// placeTag is of the file that a name is reserved for; what has a hidden name has it there.
func placeTag(path string, id file.Identity) string {
	name := filepath.Base(path)
	tag, is := strings.CutPrefix(strings.TrimSuffix(name, hiddenEnd), hiddenTag)
	if !is {
		tag = tagOf(name, id)
	}
	return tag
}

// reserveRoom is how much longer the name is that ntfs-3g (2022.10.3) gives a file before it renames another over it. It does
// not look whether that is too long, and keeps the replaced file under what is left of it modulo 256.
const reserveRoom = len(".ntfs-3g-0123456789") + 5

// errReserved is about a name that has to be reserved, and is too long for that.
var errReserved = fmt.Errorf("%w: longer than can be renamed over safely", unix.ENAMETOOLONG)

// renameReserved takes the name with a file of our own, then renames over that: the file never has two names.
func (f *Filer) renameReserved(from, to string) (err error) {
	if len(utf16.Encode([]rune(filepath.Base(to)))) > maxName-reserveRoom && isMadeUp(filepath.Dir(to)) {
		return errReserved
	}
	info, err := file.Lstat(from)
	if err != nil {
		return err
	}
	tag := placeTag(from, info.Identity)
	f.notePlace(to, tag)
	defer func() {
		if err == nil || errors.Is(err, unix.EEXIST) || isAbsent(to) {
			f.notePlace(to, "")
		}
	}()
	if err := makePlace(to, tag); err != nil {
		return err
	}
	ours, err := file.Lstat(to)
	if err != nil {
		return and(err, os.Remove(to))
	}
	if err := f.calls.replace(from, to); err != nil {
		return and(err, f.unmake(to, func(id file.Identity) bool { return isFile(id, ours.Identity) }))
	}
	return nil
}

// makePlace takes a name that is free: EEXIST if it is not. A symbolic link has its text as soon as it is there, so that a kill
// leaves nothing that is not told apart. Where there are none it is a file, which has its text a moment later.
func makePlace(path, tag string) error {
	err := os.Symlink(placeLink(tag), path)
	if err == nil || errors.Is(err, unix.EEXIST) {
		return err
	}
	if isPlaceLink(path, tag) { // it was made, whatever was said of it
		return and(err, os.Remove(path))
	}
	place, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return and(err, sweepEmpty(path, err))
	}
	_, _ = place.WriteString(placeText(tag)) // on a full disk it stays empty
	_ = place.Close()
	return nil
}

// placeLink is to what a symbolic link points that reserves a name: nothing. It is short enough to need no block of a disk.
func placeLink(tag string) string { return hiddenTag + tag + hiddenEnd }

func isPlaceLink(path, tag string) bool {
	to, err := os.Readlink(path)
	return err == nil && to == placeLink(tag)
}

// sweepEmpty removes what was made although the answer was an error: a file without a byte, under a name that was free.
func sweepEmpty(path string, err error) error {
	if info, lookErr := file.Lstat(path); errors.Is(err, unix.EEXIST) || lookErr != nil || !info.Mode.IsRegular() || info.Size > 0 {
		return nil
	}
	return os.Remove(path)
}

// notePlace notes for which file a name is reserved; "" for none. What lies there tells it too, but not where a mount died
// before that was written.
func (f *Filer) notePlace(path, tag string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.places[path] = tag; tag == "" {
		delete(f.places, path)
	}
}

func (f *Filer) placeAt(path string) (tag string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.places[path]
}

// isPlace reports whether a name was reserved for a file, and a crash came before the file.
func (f *Filer) isPlace(path, tag string) bool {
	if isPlaceLink(path, tag) {
		return true
	}
	info, err := file.Lstat(path)
	if err != nil || !info.Mode.IsRegular() {
		return false
	}
	if info.Size == 0 {
		return f.placeAt(path) == tag
	}
	if info.Size != int64(len(placeText(tag))) {
		return false
	}
	text, err := os.ReadFile(path)
	return err == nil && string(text) == placeText(tag)
}
