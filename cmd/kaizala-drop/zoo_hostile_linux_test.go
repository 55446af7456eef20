package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

// TestNotFiles drops what is no file to be sent. None of it is ever opened or moved, each is reported once, and the
// daemon goes on.
func TestNotFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "drop")
	drop, secret := w.folder("drop"), w.dir+"/secret.pdf"
	must(t, os.WriteFile(secret, food(t, "secret.pdf"), 0o600))
	must(t, os.WriteFile(w.dir+"/foreign.pdf", food(t, "foreign.pdf"), 0o600))
	p := w.daemon()

	must(t, os.Symlink(secret, drop+"/link.pdf"))
	must(t, os.Symlink("/etc/passwd", drop+"/passwd.pdf"))
	must(t, os.Symlink("nowhere", drop+"/dangling.pdf"))
	must(t, os.Link(w.dir+"/foreign.pdf", drop+"/hard.pdf"))
	must(t, unix.Mkfifo(drop+"/fifo.pdf", 0o600))
	must(t, os.Mkdir(drop+"/a.pdf", 0o755))
	socket, err := net.Listen("unix", drop+"/socket.pdf")
	must(t, err)
	defer socket.Close()
	reasons := map[string]string{
		"link.pdf": "symbolic link", "passwd.pdf": "symbolic link", "dangling.pdf": "symbolic link", "hard.pdf": "hard link",
		"fifo.pdf": "FIFO", "a.pdf": "folder", "socket.pdf": "socket",
	}
	watched := []string{secret, drop + "/hard.pdf", drop + "/fifo.pdf", drop + "/a.pdf"}
	if os.Geteuid() == 0 {
		must(t, unix.Mknod(drop+"/device.pdf", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5)))) // endless zeros
		reasons["device.pdf"] = "device"
		watched = append(watched, drop+"/device.pdf")
	}
	opened := watchFor(t, unix.IN_OPEN|unix.IN_ACCESS, watched...)
	before := map[string]file.Info{}
	for name := range reasons {
		before[name], err = file.Lstat(filepath.Join(drop, name))
		must(t, err)
	}

	const good = 12 // one after the other they take longer than two listings
	for i := range good {
		name := fmt.Sprintf("good %d.png", i)
		must(t, os.WriteFile(filepath.Join(drop, name), sample(t, ".png"), 0o644))
		eventually(t, func() error { _, err := os.Lstat(drop + "/done/" + name); return err })
	}
	for name, reason := range reasons {
		if now, err := file.Lstat(filepath.Join(drop, name)); err != nil || now != before[name] {
			t.Errorf("%s was %+v and is %+v, %v", name, before[name], now, err)
		}
		if lines := p.logged(name); len(lines) != 1 || !strings.Contains(lines[0], reason) {
			t.Errorf("%s was reported %d times, want once with %q: %s", name, len(lines), reason, lines)
		}
	}
	for _, name := range opened() {
		t.Errorf("%s was opened", name)
	}
	if n := w.sandbox.Stats().Posts; n != good {
		t.Errorf("%d messages, want %d", n, good)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// logged gives the lines about a file.
func (p *process) logged(name string) (lines []string) {
	for line := range strings.Lines(p.log()) {
		if strings.Contains(line, fmt.Sprintf(`"file":%q`, name)) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// watchFor tells to which of the paths something was done, by anybody, since it was called. To look at a path (stat) is
// neither to open nor to read it.
func watchFor(t *testing.T, mask uint32, paths ...string) (done func() []string) {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	names := map[int32]string{}
	for _, path := range paths {
		wd, err := unix.InotifyAddWatch(fd, path, mask)
		must(t, err)
		names[int32(wd)] = path
	}
	return func() (found []string) {
		buf := make([]byte, 64<<10)
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		must(t, err)
		for at := 0; at < n; at += unix.SizeofInotifyEvent {
			wd := int32(uint32(buf[at]) | uint32(buf[at+1])<<8)
			found = append(found, names[wd])
			at += int(buf[at+12]) | int(buf[at+13])<<8 // its name
		}
		return found
	}
}

// TestSwappedBeforeTheUpload has files settle while no upload can begin, and puts something else in their places.
func TestSwappedBeforeTheUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "drop")
	drop, secret, foreign := w.folder("drop"), w.dir+"/secret.pdf", w.dir+"/foreign.pdf"
	content := food(t, "secret.pdf")
	must(t, os.WriteFile(secret, content, 0o600))
	must(t, os.WriteFile(foreign, content, 0o600))
	opened := watchFor(t, unix.IN_OPEN|unix.IN_ACCESS, secret)
	read := watchFor(t, unix.IN_ACCESS, foreign) // that it is another file than the one that settled shows once it is open
	arrived, goOn := make(chan bool, 100), make(chan bool)
	w.between(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/media" {
			arrived <- true
			<-goOn
		}
		return false
	})
	p := w.daemon()
	for i := range 4 { // as many as may be under way at once
		must(t, os.WriteFile(fmt.Sprintf("%s/first %d.png", drop, i), sample(t, ".png"), 0o644))
	}
	for range 4 {
		<-arrived
	}
	victims := map[string]string{"link.pdf": "symbolic link", "fifo.pdf": "FIFO", "folder.pdf": "folder", "hard.pdf": "hard link"}
	for name := range victims {
		must(t, os.WriteFile(filepath.Join(drop, name), content, 0o644)) // of the same size
	}
	// What is refused needs no upload. It came last, so the others have settled when it is in failed/.
	must(t, os.WriteFile(drop+"/last.txt", []byte("x"), 0o644))
	eventually(t, func() error { _, err := os.Lstat(drop + "/failed/last.txt.reason.txt"); return err })

	must(t, os.Symlink(secret, drop+"/.link"))
	must(t, os.Rename(drop+"/.link", drop+"/link.pdf"))
	must(t, os.Link(foreign, drop+"/.hard"))
	must(t, os.Rename(drop+"/.hard", drop+"/hard.pdf"))
	must(t, unix.Mkfifo(drop+"/.fifo", 0o600))
	must(t, os.Rename(drop+"/.fifo", drop+"/fifo.pdf"))
	must(t, os.Remove(drop+"/folder.pdf"))
	must(t, os.Mkdir(drop+"/folder.pdf", 0o755))
	close(goOn)

	for name, reason := range victims {
		eventually(t, func() error {
			lines := p.logged(name)
			if !strings.Contains(strings.Join(lines, "\n"), reason) {
				return fmt.Errorf("%s was not reported as %q: %s", name, reason, lines)
			}
			return nil
		})
	}
	must(t, os.WriteFile(drop+"/good.png", sample(t, ".png"), 0o644))
	w.posted(5)
	for _, post := range w.sandbox.Posts() {
		if _, swapped := victims[post.Media[0].Name]; swapped {
			t.Errorf("%s was posted", post.Media[0].Name)
		}
	}
	for _, name := range append(opened(), read()...) {
		t.Errorf("%s was opened and read", name)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestReplacedUnderWay puts another file of the same name in the place of one that is being uploaded, and of one that
// is being posted.
func TestReplacedUnderWay(t *testing.T) {
	t.Parallel()
	for step, want := range map[string][]string{
		"/v1/media":                 {"second"}, // what was sent of the first was not what lay there any more
		"/v1/groups/drop@2/actions": {"first", "second"},
	} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t, "", "drop")
			contents := map[string]string{"first": string(food(t, "first.pdf")), "second": string(food(t, "second.pdf"))}
			path := w.folder("drop") + "/scan.pdf"
			put := func(which string) {
				must(t, os.WriteFile(w.dir+"/"+which, []byte(contents[which]), 0o644))
				must(t, os.Rename(w.dir+"/"+which, path))
			}
			var once sync.Once
			w.between(func(_ http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == step {
					once.Do(func() { put("second") })
				}
				return false
			})
			p := w.daemon()
			put("first")
			w.filed("drop", 1)
			w.posted(len(want))
			if got := files(t, w.folder("drop")); got["done/scan.pdf"] != contents["second"] {
				t.Errorf("done/ does not hold the second file but %q", keysOf(got, ""))
			}
			posts := w.sandbox.Posts()
			for i, post := range posts {
				if i < len(want) && post.Media[0].SHA256 != digest(contents[want[i]]) {
					t.Errorf("message %d is not the %s file", i, want[i])
				}
			}
			if len(posts) != len(want) {
				t.Errorf("%d messages, want %d", len(posts), len(want))
			}
			p.stop()
		})
	}
}

// TestRewrittenWhileUploaded rewrites files in all the ways there are while the sandbox is slow to take them. Whatever it
// received, only the final content is posted, and once.
func TestRewrittenWhileUploaded(t *testing.T) {
	t.Parallel()
	tries := 40
	if thorough() {
		tries = 200
	}
	w := newWorld(t, "", "drop")
	narrow(t, w)
	w.configure("", "drop")
	r := &rewriting{world: w, files: map[string]*rewritten{}}
	w.between(r.slowly)
	p := w.daemon()

	var all sync.WaitGroup
	at := make(chan struct{}, 40) // so many at once
	for i := range tries {
		at <- struct{}{}
		f := r.file(i)
		all.Go(func() {
			defer func() { <-at }()
			f.play(t)
		})
	}
	all.Wait()
	w.filed("drop", tries)
	got := map[string]int{}
	for _, post := range w.sandbox.Posts() {
		m := post.Media[0]
		got[m.Name]++
		if f := r.files[m.Name]; m.SHA256 != digest(string(f.after)) {
			t.Errorf("%s, rewritten %s: what was posted is not its final content (its first: %t)", m.Name, f.way.name,
				m.SHA256 == digest(string(f.before)))
		}
	}
	for name, f := range r.files {
		if got[name] != 1 {
			t.Errorf("%s, rewritten %s: %d messages, want 1", name, f.way.name, got[name])
		}
	}
	mixed, broken := r.mixed(t), int(r.broken.Load())
	t.Logf("%d uploads for %d files, %d of them of mixed content; %d more were broken off", w.sandbox.Stats().Uploads, tries, mixed, broken)
	if mixed+broken == 0 { // how many depends on the machine
		t.Error("no upload met a change, so this has shown nothing: is there too much room between the two?")
	}
	p.stop()
}

// narrow has the sandbox listen where little fits between it and its client, so that the client reads the file as
// slowly as the sandbox does.
func narrow(t *testing.T, w *world) {
	t.Helper()
	listen := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		failed := c.Control(func(fd uintptr) {
			err = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 64<<10),
				unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1400))
		})
		return errors.Join(failed, err)
	}}
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	server := httptest.NewUnstartedServer(w)
	server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	w.url = server.URL
}

type rewriting struct {
	*world
	mu     sync.Mutex
	files  map[string]*rewritten
	broken atomic.Int64 // uploads that did not come to their end
}

// rewritten is a file that is rewritten when part of it has arrived.
type rewritten struct {
	path          string
	before, after []byte
	way           rewrite
	at            int           // when so much of the form has arrived; more than there is: at its end
	together      bool          // the upload goes on while it is being rewritten
	due           chan struct{} // closed when it is to be rewritten
	begun, ended  chan struct{} // closed when some, all of it was
	once          sync.Once
}

// rewrite is a way to write after over the file at path. begun is called when something has changed.
type rewrite struct {
	name string
	do   func(f *rewritten, begun func()) error
}

func rewrites() []rewrite {
	const piece = 32 << 10
	open := func(f *rewritten, flags int, write func(*os.File) error) error {
		file, err := os.OpenFile(f.path, flags, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(file), file.Close())
	}
	inPieces := func(f *rewritten, begun func(), from int) func(*os.File) error {
		return func(file *os.File) error {
			for at := from; at < len(f.after); at += piece {
				if _, err := file.WriteAt(f.after[at:min(at+piece, len(f.after))], int64(at)); err != nil {
					return err
				}
				begun()
			}
			return nil
		}
	}
	return []rewrite{
		{"in place", func(f *rewritten, begun func()) error {
			return open(f, os.O_WRONLY, inPieces(f, begun, 0))
		}},
		{"after truncating it", func(f *rewritten, begun func()) error {
			return open(f, os.O_WRONLY|os.O_TRUNC, inPieces(f, begun, 0))
		}},
		{"from its end", func(f *rewritten, begun func()) error {
			return open(f, os.O_WRONLY, func(file *os.File) error {
				for end := len(f.after); end > 0; end -= piece {
					at := max(0, end-piece)
					if _, err := file.WriteAt(f.after[at:end], int64(at)); err != nil {
						return err
					}
					begun()
				}
				return nil
			})
		}},
		{"in place, with its old time", func(f *rewritten, begun func()) error {
			info, err := os.Stat(f.path)
			if err != nil {
				return err
			}
			err = open(f, os.O_WRONLY, inPieces(f, begun, 0))
			return errors.Join(err, os.Chtimes(f.path, info.ModTime(), info.ModTime()))
		}},
		{"through a mapping", func(f *rewritten, begun func()) error {
			return open(f, os.O_RDWR, func(file *os.File) error {
				m, err := unix.Mmap(int(file.Fd()), 0, len(f.after), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
				if err != nil {
					return err
				}
				for at := 0; at < len(m); at += piece {
					copy(m[at:min(at+piece, len(m))], f.after[at:])
					begun()
				}
				return unix.Munmap(m)
			})
		}},
		{"by another file", func(f *rewritten, begun func()) error {
			temp := f.path + ".tmp"
			err := errors.Join(os.WriteFile(temp, f.after, 0o644), os.Rename(temp, f.path))
			begun()
			return err
		}},
		{"by appending", func(f *rewritten, begun func()) error {
			return open(f, os.O_WRONLY, inPieces(f, begun, len(f.before)))
		}},
	}
}

// file makes the i-th file. Appended to, it is a PDF that gets a second revision; all other ways replace all of it.
func (r *rewriting) file(i int) *rewritten {
	const size = 1_200_000 // more than twice what may be between the two
	ways := rewrites()
	way := ways[i%len(ways)]
	at := max(0, rand.IntN(3*size)-2*size) // often at once: then the most of it is still to be read
	f := &rewritten{
		path: fmt.Sprintf("%s/%03d.pdf", r.folder("drop"), i), way: way, at: at, together: i/len(ways)%2 == 0,
		due: make(chan struct{}), begun: make(chan struct{}), ended: make(chan struct{}),
	}
	random := rand.New(rand.NewPCG(uint64(i), 2))
	f.before, f.after = pdfRevisions(random, 1, size), pdfRevisions(random, 1, size)
	if way.name == "by appending" {
		f.after = pdfRevisions(random, 2, 2*size)
		f.before = f.after[:size:size]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files[filepath.Base(f.path)] = f
	return f
}

// play drops the file, rewrites it when it is time, and waits until it has been filed.
func (f *rewritten) play(t *testing.T) {
	if err := os.WriteFile(f.path, f.before, 0o644); err != nil {
		t.Error(err)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	select {
	case <-f.due:
	case <-ctx.Done():
		t.Errorf("%s was not uploaded", f.path)
		return
	}
	begun := sync.OnceFunc(func() { close(f.begun) })
	err := f.way.do(f, begun)
	begun()
	close(f.ended)
	if err != nil {
		t.Errorf("cannot rewrite %s %s: %v", f.path, f.way.name, err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Lstat(filepath.Join(filepath.Dir(f.path), "done", filepath.Base(f.path))); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Errorf("%s, rewritten %s, was not filed", f.path, f.way.name)
			return
		}
	}
}

// slowly has the sandbox stop reading while the files are being rewritten.
func (r *rewriting) slowly(_ http.ResponseWriter, req *http.Request) bool {
	if req.URL.Path == "/v1/media" {
		req.Body = &slowBody{ReadCloser: req.Body, r: r}
	}
	return false
}

type slowBody struct {
	io.ReadCloser
	r     *rewriting
	head  []byte
	file  *rewritten
	count int
}

func (b *slowBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), 32<<10)])
	b.count += n
	if b.file == nil {
		b.head = append(b.head, p[:n]...)
		if m := regexp.MustCompile(`filename="([0-9]+\.pdf)"`).FindSubmatch(b.head); m != nil {
			b.r.mu.Lock()
			b.file = b.r.files[string(m[1])]
			b.r.mu.Unlock()
		}
	}
	if err != nil && err != io.EOF {
		b.r.broken.Add(1)
	}
	if f := b.file; f != nil && (b.count >= f.at || err != nil) {
		f.once.Do(func() {
			close(f.due)
			<-f.begun
			if !f.together {
				<-f.ended
			}
		})
	}
	return n, err
}

// mixed counts the uploads that the sandbox has taken and that are neither the one nor the other content of any file.
func (r *rewriting) mixed(t *testing.T) (n int) {
	t.Helper()
	pure := map[string]bool{}
	for _, f := range r.files {
		pure[digest(string(f.before))], pure[digest(string(f.after))] = true, true
	}
	for _, content := range files(t, r.dir+"/sandbox") {
		if !pure[digest(content)] && bytes.HasPrefix([]byte(content), []byte("%PDF-")) {
			n++
		}
	}
	return n
}
