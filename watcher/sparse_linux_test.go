package watcher

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// draft is a file that a test writes and then looks at.
type draft struct {
	*testing.T
	*os.File
	content []byte
}

// fill writes the content between two percentages.
func (d *draft) fill(from, to int) {
	d.Helper()
	n := len(d.content)
	_, err := d.WriteAt(d.content[n*from/100:n*to/100], int64(n*from/100))
	must(d.T, err)
}

func (d *draft) allocate() {
	d.Helper()
	must(d.T, unix.Fallocate(int(d.Fd()), 0, 0, int64(len(d.content))))
}

// mapped calls use with a mapping of the whole file.
func (d *draft) mapped(use func(m []byte)) {
	d.Helper()
	m, err := unix.Mmap(int(d.Fd()), 0, len(d.content), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(d.T, err)
	use(m)
	must(d.T, unix.Munmap(m))
}

// sync writes everything to the disk.
func (d *draft) sync() { d.Helper(); must(d.T, d.Sync()) }

// read brings the whole file into the page cache, as a virus scanner does.
func (d *draft) read() {
	d.Helper()
	_, err := os.ReadFile(d.Name())
	must(d.T, err)
}

// isSparse reports whether something of f was never written.
func isSparse(f *os.File) bool {
	some, _ := holesIn(f)
	return some
}

// TestIsSparse shows that files with holes are told from whole ones, for many ways of writing, before and after
// everything is on the disk.
func TestIsSparse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		write  func(d *draft)
		sparse bool
	}{
		"written":                             {func(d *draft) { d.fill(0, 100) }, false},
		"written from its end":                {func(d *draft) { d.fill(50, 100); d.fill(0, 50) }, false},
		"set to its size, filled":             {func(d *draft) { must(d.T, d.Truncate(int64(len(d.content)))); d.fill(0, 100) }, false},
		"allocated, filled":                   {func(d *draft) { d.allocate(); d.fill(0, 100) }, false},
		"allocated, filled, the middle last":  {func(d *draft) { d.allocate(); d.fill(0, 10); d.fill(90, 100); d.sync(); d.fill(10, 90) }, false},
		"allocated, read, filled":             {func(d *draft) { d.allocate(); d.read(); d.fill(0, 100) }, false},
		"allocated, filled through a mapping": {func(d *draft) { d.allocate(); d.mapped(func(m []byte) { copy(m, d.content) }) }, false},
		"set to its size":                     {func(d *draft) { must(d.T, d.Truncate(int64(len(d.content)))) }, true},
		"set to its size, half filled":        {func(d *draft) { must(d.T, d.Truncate(int64(len(d.content)))); d.fill(0, 50) }, true},
		"allocated":                           {func(d *draft) { d.allocate() }, true},
		"allocated, half filled":              {func(d *draft) { d.allocate(); d.fill(0, 50) }, true},
		"allocated, but for the middle":       {func(d *draft) { d.allocate(); d.fill(0, 10); d.fill(90, 100) }, true},
		"allocated, but for the middle, read": {func(d *draft) { d.allocate(); d.fill(0, 10); d.fill(90, 100); d.read() }, true},
		"allocated, both ends through a mapping": {func(d *draft) {
			d.allocate()
			d.mapped(func(m []byte) { copy(m, d.content[:len(m)/10]); copy(m[len(m)*9/10:], d.content[len(m)*9/10:]) })
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, dir := range []string{t.TempDir(), memory(t)} {
				for _, size := range []int{5 << 20, 1<<20 + 1} {
					f, err := os.Create(filepath.Join(dir, name))
					must(t, err)
					d := &draft{t, f, bytes.Repeat([]byte{0x55}, size)}
					c.write(d)
					d.is(c.sparse, f.Name(), "not yet on the disk")
					d.sync()
					d.is(c.sparse, f.Name(), "on the disk")
					d.read()
					d.is(c.sparse, f.Name(), "on the disk and read")
					d.copied(c.sparse)
					must(t, f.Close())
				}
			}
		})
	}
}

// copied checks that cp copies a whole file as a whole one. What cp makes of holes is its own affair.
func (d *draft) copied(sparse bool) {
	d.Helper()
	if sparse {
		return
	}
	out, err := exec.Command("cp", d.Name(), d.Name()+" copy").CombinedOutput()
	if err != nil {
		d.Fatalf("%v: %s", err, out)
	}
	d.is(false, d.Name()+" copy", "copied")
}

// is fails the test unless the file at path is sparse or not as wanted, and reads as before.
func (d *draft) is(sparse bool, path, state string) {
	d.Helper()
	f, err := os.Open(path)
	must(d.T, err)
	defer f.Close()
	if got := isSparse(f); got != sparse {
		d.Errorf("%s, %s: sparse is %v", path, state, got)
	}
	head := make([]byte, 8)
	if n, err := f.ReadAt(head, 0); n != len(head) || err != nil {
		d.Errorf("%s: %d bytes can be read: %v", path, n, err)
	}
}

// memory is a folder on a file system in memory.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "watcher")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestIsSparseInManyPieces shows that holes are found in a file with more extents than one answer of the kernel has.
func TestIsSparseInManyPieces(t *testing.T) {
	const pieces, piece = 500, 64 << 10
	f, err := os.Create(filepath.Join(t.TempDir(), "a"))
	must(t, err)
	defer f.Close()
	must(t, unix.Fallocate(int(f.Fd()), 0, 0, pieces*piece))
	content := bytes.Repeat([]byte{0x55}, piece)
	write := func(from int) {
		for i := from; i < pieces; i += 2 {
			_, err := f.WriteAt(content, int64(i)*piece)
			must(t, err)
		}
		must(t, f.Sync())
	}
	write(0)
	if !isSparse(f) {
		t.Error("every other piece is missing, and it counts as whole")
	}
	write(1)
	if isSparse(f) {
		t.Error("it is whole, and counts as sparse")
	}
}
