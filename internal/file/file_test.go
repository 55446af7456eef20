package file_test

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOpenGivesTheFileItself shows that a file of any legal name is opened, and that the info is that of the opened
// file.
func TestOpenGivesTheFileItself(t *testing.T) {
	for _, name := range []string{"a.pdf", "sub/b.pdf", "-rf", "new\nline", "\xff\xfe", "...", strings.Repeat("x", 255)} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte("content"), 0o640))
		f, info, err := file.Open(dir, name)
		must(t, err)
		content, err := io.ReadAll(f)
		must(t, err)
		must(t, f.Close())
		seen, err := file.Lstat(path)
		must(t, err)
		if string(content) != "content" || info != seen || info.Size != 7 || info.Mode != 0o640 || info.Links != 1 {
			t.Errorf("%q: read %q, opened %+v, looked at %+v", name, content, info, seen)
		}
	}
}

// TestOpenRefuses shows that links, folders, FIFOs, sockets and names that lead out of the folder are not opened. The
// test would hang on the FIFO if Open opened it.
func TestOpenRefuses(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(outside+"/secret.pdf", []byte("secret"), 0o600))
	must(t, os.Symlink(outside+"/secret.pdf", dir+"/link.pdf"))
	must(t, os.Symlink(outside, dir+"/linked"))
	must(t, os.Mkdir(dir+"/folder.pdf", 0o755))
	must(t, os.Mkdir(dir+"/inside", 0o755))
	must(t, os.Symlink("inside", dir+"/alias"))
	must(t, os.WriteFile(dir+"/inside/a.pdf", []byte("x"), 0o600))
	must(t, unix.Mkfifo(dir+"/fifo.pdf", 0o600))
	socket, err := net.Listen("unix", dir+"/socket.pdf")
	must(t, err)
	defer socket.Close()
	for name, want := range map[string]error{
		"link.pdf":                          nil, // ErrNotRegular or ELOOP, depending on the kernel
		"linked/secret.pdf":                 unix.ELOOP,
		"alias/a.pdf":                       unix.ELOOP,
		"folder.pdf":                        file.ErrNotRegular,
		"fifo.pdf":                          file.ErrNotRegular,
		"socket.pdf":                        file.ErrNotRegular,
		"missing.pdf":                       fs.ErrNotExist,
		"../" + filepath.Base(dir) + "/x":   nil,
		"/etc/passwd":                       nil,
		"":                                  nil,
		"nul\x00.pdf":                       unix.EINVAL,
		strings.Repeat("x", 256):            unix.ENAMETOOLONG,
		"inside/../../" + "anything/at/all": nil,
	} {
		f, _, err := file.Open(dir, name)
		if err == nil {
			f.Close()
			t.Errorf("Open(%q) opened it", name)
			continue
		}
		var path *fs.PathError
		if !errors.As(err, &path) || (want != nil && !errors.Is(err, want)) {
			t.Errorf("Open(%q) = %v, want a *fs.PathError with %v", name, err, want)
		}
	}
}

// TestLstatTellsKinds shows that type, permission bits and link count are those that Go's own Lstat gives.
func TestLstatTellsKinds(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/file", []byte("x"), 0o600))
	must(t, os.Link(dir+"/file", dir+"/second name"))
	must(t, os.Symlink("file", dir+"/link"))
	must(t, unix.Mkfifo(dir+"/fifo", 0o600))
	must(t, os.Mkdir(dir+"/dir", 0o700))
	must(t, os.Chmod(dir+"/dir", 0o2770|fs.ModeSetgid))
	for name, want := range map[string]fs.FileMode{
		"file": 0, "link": fs.ModeSymlink, "fifo": fs.ModeNamedPipe, "dir": fs.ModeDir, "/dev/null": fs.ModeDevice | fs.ModeCharDevice,
	} {
		path := name
		if !filepath.IsAbs(name) {
			path = filepath.Join(dir, name)
		}
		info, err := file.Lstat(path)
		must(t, err)
		goInfo, err := os.Lstat(path)
		must(t, err)
		if info.Mode.Type() != want || info.Mode != goInfo.Mode() {
			t.Errorf("%s: mode %s, want type %s; Go says %s", name, info.Mode, want, goInfo.Mode())
		}
	}
	if info, err := file.Lstat(dir + "/file"); err != nil || info.Links != 2 {
		t.Errorf("links: %+v, %v", info, err)
	}
}

// TestIdentityTellsStatesApart shows that a change of a file gives another identity of the same file, and a replacement
// another file.
func TestIdentityTellsStatesApart(t *testing.T) {
	path := t.TempDir() + "/a"
	must(t, os.WriteFile(path, []byte("one"), 0o600))
	first, err := file.Lstat(path)
	must(t, err)
	must(t, os.Chmod(path, 0o644))
	second, err := file.Lstat(path)
	must(t, err)
	if first.Identity == second.Identity || !first.SameFile(second.Identity) {
		t.Errorf("a chmod made %+v of %+v", second, first)
	}
	must(t, os.WriteFile(path+".new", []byte("two"), 0o600))
	must(t, os.Rename(path+".new", path))
	third, err := file.Lstat(path)
	must(t, err)
	if third.SameFile(first.Identity) {
		t.Errorf("another file counts as the same: %+v, %+v", first, third)
	}
}
