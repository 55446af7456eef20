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

// reservationText is the content of a file that reserves a name. It shows after a crash for which file the name was reserved.
func reservationText(tag string) string { return "kaizala-drop is moving a file here: " + tag + "\n" }

// reservationTag is the tag of the file at path, for which a name is to be reserved. A hidden name holds the tag.
func reservationTag(path string, id file.Identity) string {
	name := filepath.Base(path)
	tag, is := strings.CutPrefix(strings.TrimSuffix(name, hiddenEnd), hiddenTag)
	if !is {
		tag = tagOf(name, id)
	}
	return tag
}

// reserveRoom is how many bytes longer the name is that ntfs-3g (2022.10.3) gives a file before it renames another one over it.
// ntfs-3g does not check whether that name is too long: it keeps the replaced file under a name of that length modulo 256.
const reserveRoom = len(".ntfs-3g-0123456789") + 5

// errReserved is the error of a name that is too long to be reserved.
var errReserved = fmt.Errorf("%w: longer than can be renamed over safely", unix.ENAMETOOLONG)

// renameOverReserved makes a reservation at the path to, then renames the file over it. The file never has two names.
func (f *Filer) renameOverReserved(from, to string) (err error) {
	if len(utf16.Encode([]rune(filepath.Base(to)))) > maxName-reserveRoom && inventsInodes(filepath.Dir(to)) {
		return errReserved
	}
	info, err := file.Lstat(from)
	if err != nil {
		return err
	}
	tag := reservationTag(from, info.Identity)
	f.rememberReservation(to, tag)
	defer func() {
		if err == nil || errors.Is(err, unix.EEXIST) || isAbsent(to) {
			f.rememberReservation(to, "")
		}
	}()
	if err := makeReservation(to, tag); err != nil {
		return err
	}
	ours, err := file.Lstat(to)
	if err != nil {
		return andThen(err, os.Remove(to))
	}
	if err := f.calls.replace(from, to); err != nil {
		return andThen(err, f.removeOwn(to, func(id file.Identity) bool { return isFile(id, ours.Identity) }))
	}
	return nil
}

// makeReservation takes a free name, or fails with EEXIST. The reservation is a symbolic link, which has its text from the moment
// at which it exists, so that a crash leaves no reservation without its tag. Where the file system has no symbolic links, it is a
// file, which gets its text a moment later.
func makeReservation(path, tag string) error {
	err := os.Symlink(reservationLink(tag), path)
	if err == nil || errors.Is(err, unix.EEXIST) {
		return err
	}
	if isReservationLink(path, tag) { // the link was made although the call failed
		return andThen(err, os.Remove(path))
	}
	place, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return andThen(err, sweepEmpty(path, err))
	}
	_, _ = place.WriteString(reservationText(tag)) // on a full disk the file stays empty
	_ = place.Close()
	return nil
}

// reservationLink is the target of a symbolic link that reserves a name. Nothing exists there, and the text is short enough to
// need no block of a disk.
func reservationLink(tag string) string { return hiddenTag + tag + hiddenEnd }

func isReservationLink(path, tag string) bool {
	to, err := os.Readlink(path)
	return err == nil && to == reservationLink(tag)
}

// sweepEmpty removes an empty file that was made although the call failed with err.
func sweepEmpty(path string, err error) error {
	if info, lookErr := file.Lstat(path); errors.Is(err, unix.EEXIST) || lookErr != nil || !info.Mode.IsRegular() || info.Size > 0 {
		return nil
	}
	return os.Remove(path)
}

// rememberReservation remembers the tag of the file for which path is reserved; "" forgets it. The reservation itself holds the
// tag too, unless the mount died before the tag was written.
func (f *Filer) rememberReservation(path, tag string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reserved[path] = tag; tag == "" {
		delete(f.reserved, path)
	}
}

func (f *Filer) reservedFor(path string) (tag string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reserved[path]
}

// isReservation reports whether a reservation lies at path for the file with this tag.
func (f *Filer) isReservation(path, tag string) bool {
	if isReservationLink(path, tag) {
		return true
	}
	info, err := file.Lstat(path)
	if err != nil || !info.Mode.IsRegular() {
		return false
	}
	if info.Size == 0 {
		return f.reservedFor(path) == tag
	}
	if info.Size != int64(len(reservationText(tag))) {
		return false
	}
	text, err := os.ReadFile(path)
	return err == nil && string(text) == reservationText(tag)
}
