package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/sandbox"
)

// The zoo: the programs that really bring files to drop folders, each let loose on a folder of one daemon, whole and
// killed half way. All work at the same time, for as long as the slowest takes.

// visitor is a writer that brings a file.
type visitor struct {
	name  string
	file  string   // what it brings, as food knows it
	needs []string // programs and servers
	bring func(v *visit) error
	// Optional.
	abroad   bool                                         // its source is on another file system
	settings string                                       // of its folder
	after    func(t *testing.T, v *visit, p sandbox.Post) // more to see to than that the whole was posted once
}

// visit is one writer at one folder.
type visit struct {
	context.Context
	z        *zoo
	name     string // of the folder
	dir      string // the drop folder
	path     string // where the file is to lie
	cage     string // a folder outside
	source   string // the whole file, in the cage, with an old mtime
	content  []byte // of the whole file; nil: only its writer knows
	settings string // of the folder
	output   string // of the writer, if its check wants it

	done chan struct{} // closed when the writer has ended
	err  error         // its error, then
}

// zoo is one daemon, and the servers that its folders are reached through.
type zoo struct {
	*world
	daemon  *process
	servers servers
	visits  []*visit
}

// newZoo makes a world with a folder for each visitor, and starts nothing yet.
func newZoo(t *testing.T, visitors []visitor) *zoo {
	t.Helper()
	var folders []string
	for _, v := range visitors {
		folders = append(folders, folderOf(v.name))
	}
	z := &zoo{world: newWorld(t, "", folders...)}
	must(t, os.Chmod(z.dir, 0o755))
	must(t, os.Chmod(filepath.Dir(z.dir), 0o755)) // the FTP servers' user passes through
	for i, v := range visitors {
		z.add(folders[i], v)
	}
	return z
}

// folderOf makes a name of a folder from one of a writer, that needs no quoting anywhere.
func folderOf(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" ,:/()", r) {
			return '_'
		}
		return r
	}, name)
}

func (z *zoo) add(folder string, who visitor) {
	z.t.Helper()
	v := &visit{z: z, name: folder, settings: who.settings, dir: z.folder(folder), cage: z.folder("cages/" + folder), done: make(chan struct{})}
	if who.abroad {
		v.cage = abroad(z.t, v.dir)
	}
	v.path, v.source = filepath.Join(v.dir, who.file), filepath.Join(v.cage, who.file)
	must(z.t, os.Chmod(v.dir, 0o777))
	must(z.t, os.MkdirAll(v.cage, 0o755))
	v.content = food(z.t, folder+"/"+who.file)
	must(z.t, os.WriteFile(v.source, v.content, 0o644))
	old := time.Now().Add(-1000 * time.Hour)
	must(z.t, os.Chtimes(v.source, old, old))
	z.visits = append(z.visits, v)
}

// abroad makes a folder on another file system than home's.
func abroad(t testing.TB, home string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "kaizala-drop-zoo")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	here, err := file.Lstat(home)
	must(t, err)
	there, err := file.Lstat(dir)
	must(t, err)
	if here.Dev == there.Dev {
		needs(t, "a second file system at /dev/shm")
	}
	return dir
}

// open starts the daemon.
func (z *zoo) open() {
	z.t.Helper()
	var folders strings.Builder
	for _, v := range z.visits {
		fmt.Fprintf(&folders, "[[folder]]\npath = %q\ngroup_id = %q\n%s\n", v.dir, v.name+"@2", v.settings)
	}
	config := fmt.Sprintf("state_dir = %q\nlog_format = \"json\"\n[kaizala]\nendpoint = %q\naccess_token = %q\ncalls_per_minute = 0\n"+
		"[defaults]\nsettle = \"1s\"\ntruncated_after = \"20s\"\nrescan = \"1s\"\n%s", z.dir+"/state", z.url, fixedToken, folders.String())
	must(z.t, os.WriteFile(z.config, []byte(config), 0o600))
	z.daemon = z.start("run", "--config", z.config)
	eventually(z.t, func() error {
		if n := strings.Count(z.daemon.log(), `"message":"watching"`); n < len(z.visits) {
			return fmt.Errorf("%d of %d folders are watched", n, len(z.visits))
		}
		return nil
	})
}

// let has a writer come after a while, in its own goroutine.
func (z *zoo) let(v *visit, bring func(v *visit) error, after time.Duration) {
	ctx, cancel := context.WithTimeout(z.t.Context(), 5*time.Minute)
	v.Context = ctx
	go func() {
		defer cancel()
		defer close(v.done)
		select {
		case <-time.After(after):
			v.err = bring(v)
		case <-ctx.Done():
			v.err = ctx.Err()
		}
	}()
}

// posts lists what was posted from the folder of v.
func (v *visit) posts() (posts []sandbox.Post) {
	for _, p := range v.z.sandbox.Posts() {
		if p.GroupID == v.name+"@2" {
			posts = append(posts, p)
		}
	}
	return posts
}

// logged gives what the daemon said about the folder with that text in it.
func (v *visit) logged(text string) (lines []string) {
	for line := range strings.Lines(v.z.daemon.log()) {
		if strings.Contains(line, fmt.Sprintf(`"folder":%q`, v.dir)) && strings.Contains(line, text) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// tellLog shows what the daemon had to say about the folder, if the test fails.
func (v *visit) tellLog(t *testing.T) {
	t.Cleanup(func() {
		if t.Failed() {
			for _, line := range v.logged("") {
				t.Log(line)
			}
		}
	})
}

// delivered waits until the whole file was posted and filed, and nothing else.
func (v *visit) delivered(t *testing.T) sandbox.Post {
	t.Helper()
	eventually(t, func() error {
		if len(v.posts()) == 0 {
			return errors.New("nothing was posted")
		}
		_, err := os.Lstat(filepath.Join(v.dir, "done", filepath.Base(v.path)))
		return err
	})
	if v.content == nil {
		var err error
		v.content, err = os.ReadFile(filepath.Join(v.dir, "done", filepath.Base(v.path)))
		must(t, err)
	}
	posts := v.posts()
	if len(posts) != 1 {
		t.Fatalf("%d messages, want 1", len(posts))
	}
	if p := posts[0].Media[0]; p.SHA256 != digest(string(v.content)) {
		t.Errorf("%d bytes were posted that are not the file's %d", p.Size, len(v.content))
	}
	got := files(t, v.dir)
	for name, content := range got {
		if name != "done/"+filepath.Base(v.path) {
			t.Errorf("%s was left behind", name)
		} else if content != string(v.content) {
			t.Errorf("%s is not the file", name)
		}
	}
	return posts[0]
}

// run runs a program to its end. It is killed with the visit.
func (v *visit) run(name string, args ...string) error {
	return v.finish(exec.CommandContext(v, name, args...))
}

// finish runs cmd to its end and keeps what it printed.
func (v *visit) finish(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	v.output = string(out)
	if err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Args[0]), err, out)
	}
	return nil
}

// missing tells which of the programs are not there.
func missing(programs []string) (names []string) {
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			names = append(names, p)
		}
	}
	return names
}

// grown waits until at least so many bytes of a file that matches glob were written, and gives its path.
func (v *visit) grown(glob string, bytes int64) (path string, err error) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		found, err := filepath.Glob(filepath.Join(v.dir, glob))
		if err != nil {
			return "", err
		}
		for _, path := range found {
			if written(path) >= bytes {
				return path, nil
			}
		}
		select {
		case <-tick.C:
		case <-v.Done():
			return "", fmt.Errorf("%s did not grow to %d bytes", glob, bytes)
		}
	}
}

// written counts the bytes of a file that are there: neither its holes nor what is only reserved. -1: there is no file.
func written(path string) (n int64) {
	f, err := os.Open(path)
	if err != nil {
		return -1
	}
	defer f.Close()
	for hole := int64(0); ; {
		data, err := unix.Seek(int(f.Fd()), hole, unix.SEEK_DATA)
		if err != nil {
			return n // nothing more
		}
		if hole, err = unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE); err != nil {
			return n
		}
		n += hole - data
	}
}

// everyThird leaves the others to CI.
func everyThird(all []killing) (some []killing) {
	for i := 0; i < len(all); i += 3 {
		some = append(some, all[i])
	}
	return some
}

// TestZoo has everybody come, one soon after the other: all at the same instant would measure the machine.
func TestZoo(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as the slowest scanner, which stalls for 30 s")
	}
	const interval = 120 * time.Millisecond
	alive, dead := visitors(), killings()
	if !thorough() {
		t.Parallel() // it waits for most of its time
		dead = everyThird(dead)
	} // else a hundred folders take most of the inotify instances that a user may have
	all := slices.Clone(alive)
	for _, k := range dead {
		all = append(all, k.visitor())
	}
	z := newZoo(t, all)
	z.startServers()
	z.open()
	for i, v := range z.visits {
		if unserved(all[i].needs) == "" {
			z.let(v, all[i].bring, time.Duration(i)*interval)
		}
	}
	t.Run("everybody", func(t *testing.T) {
		for i, who := range all {
			t.Run(who.name, func(t *testing.T) {
				t.Parallel()
				v := z.visits[i]
				if lacks := unserved(who.needs); lacks != "" {
					needs(t, lacks)
				}
				v.tellLog(t)
				<-v.done
				if v.err != nil {
					t.Fatal(v.err)
				}
				if i >= len(alive) {
					dead[i-len(alive)].end(t, v)
					return
				}
				post := v.delivered(t)
				if who.after != nil {
					who.after(t, v, post)
				}
			})
		}
	})
	for i, v := range z.visits { // once, however long the others took
		want := 0
		if (i < len(alive) || dead[i-len(alive)].passes) && unserved(all[i].needs) == "" {
			want = 1
		}
		if got := len(v.posts()); got != want {
			t.Errorf("%s: %d messages in the end, want %d", all[i].name, got, want)
		}
	}
}
