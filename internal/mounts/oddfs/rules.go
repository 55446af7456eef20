//go:build linux

package main

import (
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"syscall"
	"unicode/utf8"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// rules are how oddfs differs from ext4.
type rules struct {
	max, says        int
	noReplace, links bool
	symlinks         bool
	windows, utf8    bool
	pathInodes       bool
	nlink            uint
}

// check gives the error of the file system for a name: ENAMETOOLONG, EINVAL or EILSEQ.
func (r rules) check(name string) fuse.Status {
	switch {
	case len(name) > r.max:
		return fuse.Status(syscall.ENAMETOOLONG)
	case r.utf8 && !utf8.ValidString(name):
		return fuse.Status(syscall.EILSEQ)
	case r.windows && isRefused(name):
		return fuse.Status(syscall.EINVAL)
	}
	return fuse.OK
}

// isRefused reports whether Windows refuses a name: "Naming Files, Paths, and Namespaces" in Microsoft's Win32
// documentation.
func isRefused(name string) bool {
	control := func(r rune) bool { return r < ' ' }
	if strings.ContainsAny(name, `<>:"\|?*`) || strings.ContainsFunc(name, control) || strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
		return true
	}
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	if stem = strings.TrimRight(stem, " "); len(stem) == 4 && (stem[:3] == "COM" || stem[:3] == "LPT") {
		return stem[3] >= '0' && stem[3] <= '9'
	}
	return stem == "CON" || stem == "PRN" || stem == "AUX" || stem == "NUL"
}

// oddFS applies the rules, and the failures that were asked for, before it makes a call of the file system below.
type oddFS struct {
	fuse.RawFileSystem
	rules

	mu     sync.Mutex
	fails  string // the operation that is to fail
	skip   int
	count  int
	errno  syscall.Errno
	hits   int
	inodes map[uint64]uint64 // the inode number that is shown, by node
}

func (o *oddFS) command(line string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if line == "clear" {
		hits := o.hits
		o.fails, o.hits = "", 0
		return fmt.Sprint("ok ", hits)
	}
	var name string
	if n, err := fmt.Sscanf(line, "fail %s %d %d %s", &o.fails, &o.skip, &o.count, &name); n != 4 {
		return fmt.Sprint("cannot read it: ", err)
	}
	for errno := syscall.Errno(1); errno < 200; errno++ {
		if unix.ErrnoName(errno) == name {
			o.errno, o.hits = errno, 0
			return "ok 0"
		}
	}
	return "no such error"
}

// fail gives the failure that was asked for, or OK.
func (o *oddFS) fail(operation string) fuse.Status {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fails != operation && o.fails != "any" || o.hits >= o.count {
		return fuse.OK
	}
	if o.skip > 0 {
		o.skip--
		return fuse.OK
	}
	o.hits++
	return fuse.Status(o.errno)
}

// before gives the error that keeps a call with these names from being made, or OK.
func (o *oddFS) before(operation string, names ...string) fuse.Status {
	if s := o.fail(operation); !s.Ok() {
		return s
	}
	for _, name := range names {
		if s := o.check(name); !s.Ok() {
			return s
		}
	}
	return fuse.OK
}

// show makes up what is told of a file that was found under a name.
func (o *oddFS) show(parent uint64, name string, out *fuse.EntryOut) {
	if o.pathInodes {
		o.mu.Lock()
		h := fnv.New64a()
		fmt.Fprint(h, o.inodes[parent], "/", name) // made of the path, because the number of a node is not always the same
		o.inodes[out.NodeId] = h.Sum64()
		o.mu.Unlock()
	}
	o.attr(out.NodeId, &out.Attr)
}

func (o *oddFS) attr(node uint64, attr *fuse.Attr) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ino, ok := o.inodes[node]; ok && attr.Mode&syscall.S_IFMT == syscall.S_IFREG {
		attr.Ino = ino
	}
	if o.nlink > 0 && attr.Mode&syscall.S_IFMT == syscall.S_IFREG {
		attr.Nlink = uint32(o.nlink)
	}
}
