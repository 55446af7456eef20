package filing

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/text"
)

const (
	maxName      = 255     // bytes: NAME_MAX of about every file system
	maxExtension = 64      // bytes, with the dot; what is longer is no extension
	maxNumber    = 1 << 30 // of files of one name
	maxLost      = 1000    // races for a number
)

// numbered is the n-th choice for a name, in at most limit bytes: the name itself, then with a number before its last
// extension. "a.pdf" becomes "a (2).pdf", "a.tar.gz" "a.tar (2).gz", "a" and ".a" "a (2)" and ".a (2)". The stem gives
// way where there is no room, whole runes at a time.
func numbered(name string, n, limit int) string {
	ext, suffix := extension(name), ""
	if len(ext) > limit/2 {
		ext = "" // where names are that short
	}
	stem := name[:len(name)-len(ext)]
	if n > 1 {
		suffix = " (" + strconv.Itoa(n) + ")"
	}
	return text.Cut(stem, limit-len(suffix)-len(ext)) + suffix + ext
}

// extension is the last one, with its dot. The dot of a hidden file does not start one.
func extension(name string) string {
	ext := filepath.Ext(name)
	if len(ext) == len(name) || len(ext) > maxExtension {
		return ""
	}
	return ext
}

// lay calls put with a path in dir that is not taken, the first of those that name gives, and with another one as long as
// put's error is EEXIST. It returns where put succeeded.
func lay(dir string, name func(n int) string, taken func(path string) (bool, error), put func(path string) error) (string, error) {
	number := 1
	path := func(n int) string { return filepath.Join(dir, name(n)) }
	for range maxLost {
		var err error
		if number, err = firstFree(number, func(n int) (bool, error) { return taken(path(n)) }); err != nil {
			return "", err
		}
		err = put(path(number))
		if err == nil {
			return path(number), nil
		}
		if !errors.Is(err, unix.EEXIST) {
			return "", err
		}
		number++
	}
	return "", fmt.Errorf("others took %d names for it before it could be moved", maxLost)
}

// firstFree finds from, or a number above it that is free while the one before is taken: in about 2*log2(n) looks, by
// doubling the stride and then bisecting. Where numbers are missing among the taken ones it may find one of those.
func firstFree(from int, taken func(int) (bool, error)) (int, error) {
	low, high := from-1, from
	for stride := 1; ; stride *= 2 {
		is, err := taken(high)
		if err != nil {
			return 0, step("find a free name", err)
		}
		if !is {
			break
		}
		if high > maxNumber {
			return 0, fmt.Errorf("%d files of this name lie there already", maxNumber)
		}
		low, high = high, high+stride
	}
	for high-low > 1 {
		middle := low + (high-low)/2
		is, err := taken(middle)
		if err != nil {
			return 0, step("find a free name", err)
		}
		if is {
			low = middle
		} else {
			high = middle
		}
	}
	return high, nil
}

// exists reports whether anything lies at path.
func exists(path string) (bool, error) {
	_, err := file.Lstat(path)
	if absent(err) {
		return false, nil
	}
	return err == nil, err
}
