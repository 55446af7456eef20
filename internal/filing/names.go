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
	maxExtension = 64      // bytes, with the dot; a longer ending is no extension
	maxNumber    = 1 << 30 // the highest number that a name can get
	maxLost      = 1000    // how often another program may take a name first
)

// numbered is the n-th choice for a name, in at most limit bytes: first the name itself, then the name with the number n before
// its last extension. "a.pdf" becomes "a (2).pdf", "a.tar.gz" becomes "a.tar (2).gz", "a" becomes "a (2)", and ".a" becomes
// ".a (2)". If the limit is exceeded, the stem is cut at a rune boundary.
func numbered(name string, n, limit int) string {
	ext, suffix := extension(name), ""
	if len(ext) > limit/2 {
		ext = "" // the limit leaves too little room for the stem
	}
	stem := name[:len(name)-len(ext)]
	if n > 1 {
		suffix = " (" + strconv.Itoa(n) + ")"
	}
	return text.Cut(stem, limit-len(suffix)-len(ext)) + suffix + ext
}

// extension is the last extension of name with its dot, or "". The dot that begins a hidden name begins no extension.
func extension(name string) string {
	ext := filepath.Ext(name)
	if len(ext) == len(name) || len(ext) > maxExtension {
		return ""
	}
	return ext
}

// tryNumbers calls put with the first path in dir, by the names that name gives for 1, 2, ..., that is not taken. While put fails
// with EEXIST, tryNumbers goes on with the next free one. It returns the path with which put succeeded.
func tryNumbers(
	dir string, name func(n int) string, taken func(path string) (bool, error), put func(path string) error,
) (string, error) {
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
	return "", fmt.Errorf("others took %d names in %s just before this file could get them: find out which program does that",
		maxLost, quote(dir))
}

// firstFree finds a number that is free: from itself, or one above it whose predecessor is taken. It doubles the stride and then
// bisects, in about 2*log2(n) calls of taken. If numbers are missing among the taken ones, it may return a missing one.
func firstFree(from int, taken func(int) (bool, error)) (int, error) {
	low, high := from-1, from
	for stride := 1; ; stride *= 2 {
		is, err := taken(high)
		if err != nil {
			return 0, failedTo("find a free name", err)
		}
		if !is {
			break
		}
		if high > maxNumber {
			return 0, fmt.Errorf("%d files of this name lie there already: move some of them away", maxNumber)
		}
		low, high = high, high+stride
	}
	for high-low > 1 {
		middle := low + (high-low)/2
		is, err := taken(middle)
		if err != nil {
			return 0, failedTo("find a free name", err)
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
