//go:build goolm

package e2ee

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/matrix/dendritetest"
	"kaizala-drop/internal/matrix/e2ee/e2eetest"
)

func body(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }

// helperVariable holds, for a process that is to be killed, what it is to do.
const helperVariable = "KAIZALA_DROP_E2EE_HELPER"

// task is what a process that is to be killed does.
type task struct {
	URL, Dir, User, Device, Token, Room string
	Run                                 int
	Raises                              bool // raise the guard again and again, and post nothing
}

// helper posts, or raises the guard, until it is killed. It says each text before it is encrypted, and "sent" once it is posted.
func helper() {
	var k task
	if err := json.Unmarshal([]byte(os.Getenv(helperVariable)), &k); err != nil {
		panic(err)
	}
	user := &dendritetest.User{ID: k.User, Token: k.Token, Device: k.Device}
	s := &dendritetest.Server{URL: k.URL}
	m, err := Open(Options{Dir: k.Dir, User: k.User, Device: k.Device, Transport: &e2eetest.Transport{Server: s, User: user}, Settle: settle})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	ctx := context.Background()
	fmt.Println("open")
	for i := 0; ; i++ {
		if k.Raises {
			err = m.use(ctx, func(ctx context.Context) error { return m.raise(ctx, false) })
			fmt.Println("raised")
		} else {
			err = helperPost(ctx, m, k, fmt.Sprintf("%d-%d", k.Run, i))
		}
		if err != nil {
			fmt.Println("error", err)
			return
		}
	}
}

func helperPost(ctx context.Context, m *Machine, k task, text string) error {
	if _, err := m.Prepare(ctx, k.Room); err != nil {
		return err
	}
	content, err := json.Marshal(map[string]string{"msgtype": "m.text", "body": text})
	if err != nil {
		return err
	}
	encrypted, err := m.Encrypt(ctx, k.Room, "m.room.message", content)
	if err != nil {
		return err
	}
	return m.do(ctx, func(ctx context.Context) error {
		address := m.client.BuildClientURL("v3", "rooms", k.Room, "send", "m.room.encrypted", text)
		_, err := m.client.MakeRequest(ctx, "PUT", address, encrypted, nil)
		fmt.Println("sent", text)
		return err
	})
}

// killed runs a helper until it has said some lines, and a moment longer, and kills it. It gives what it said.
func killed(t *testing.T, k task, lines int, moment time.Duration) (said []string) {
	t.Helper()
	text, _ := json.Marshal(k)
	self, err := os.Executable()
	try(t, err)
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Env = append(os.Environ(), helperVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	try(t, err)
	try(t, cmd.Start())
	kill := time.AfterFunc(time.Hour, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	for scan := bufio.NewScanner(out); scan.Scan(); {
		line := scan.Text()
		said = append(said, line)
		if strings.HasPrefix(line, "error") {
			t.Errorf("the helper: %s", line)
		}
		if len(said) == lines {
			kill.Reset(moment)
		}
	}
	_ = cmd.Wait() // it was killed
	return said
}

func (p *poster) task(room string) task {
	return task{URL: p.s.URL, Dir: p.dir, User: p.ID, Device: p.Device, Token: p.Token, Room: room}
}

// kills is how often a test kills.
func kills(few, many int) int {
	if thorough() {
		return many
	}
	return few
}

// TestKills kills a poster at random moments, the start and the guard too: all that stands in the room can be read, the ratchet never turned back,
// and all that was posted is there.
func TestKills(t *testing.T) {
	p, _, reader, room := inRoom(t, map[string]any{"rotation_period_msgs": 7})
	try(t, p.Machine.Close())
	sent := map[string]bool{}
	for run := range kills(8, 100) {
		k := p.task(room)
		k.Run = run
		moment := time.Duration(rand.IntN(30)) * time.Millisecond
		for _, line := range killed(t, k, 1+rand.IntN(10), moment) {
			if text, ok := strings.CutPrefix(line, "sent "); ok {
				sent[text] = true
			}
		}
		reader.Sync() // what was sent to the device while it was away would overflow its one-time keys
	}
	p.open()
	p.post(room, "last")
	sent["last"] = true
	var all []e2eetest.Message
	if !e2eetest.Eventually(t, func() bool {
		reader.Sync()
		all = reader.Read(room)
		return len(all) > 0 && all[len(all)-1].Err == nil && all[len(all)-1].Content["body"] == "last"
	}) {
		t.Fatal("the last one is not there")
	}
	for i, m := range all {
		if m.Err != nil {
			t.Errorf("message %d of %d: %v", i, len(all), m.Err)
			continue
		}
		delete(sent, fmt.Sprint(m.Content["body"]))
	}
	if len(sent) > 0 {
		t.Errorf("%d are missing: %v", len(sent), sent)
	}
	t.Logf("%d messages", len(all))
}

// TestGuardKills kills while the guard is raised: the store is never locked out.
func TestGuardKills(t *testing.T) {
	p, _, reader, room := inRoom(t, nil)
	try(t, p.Machine.Close())
	for range kills(10, 100) {
		k := p.task(room)
		k.Raises = true
		killed(t, k, 1+rand.IntN(3), time.Duration(rand.IntN(int(2*settle))))
	}
	p.open()
	p.post(room, "0")
	reader.Await(room, 1, nil)
}

// copyStore copies a store that is closed.
func copyStore(t *testing.T, from string) (to string) {
	t.Helper()
	to = filepath.Join(t.TempDir(), "keys")
	try(t, os.CopyFS(to, os.DirFS(from)))
	return to
}

// TestPutBack shows that a store that was copied away, used on, and put back, encrypts nothing any more, and says so, also after a
// restart; and that a new login with the recovery key goes on, with all of it readable.
func TestPutBack(t *testing.T) {
	p, _, reader, room := inRoom(t, nil)
	ctx := t.Context()
	var recovery string
	try(t, p.MakeIdentity(ctx, p.Password, func(k string) error { recovery = k; return nil }))
	p.post(room, "0")
	try(t, p.Machine.Close())
	old := copyStore(t, p.dir)
	p.open()
	p.post(room, "1")
	try(t, p.Machine.Close())
	p.dir = old
	p.open()
	for range 2 {
		if _, err := p.Prepare(ctx, room); !errors.Is(err, ErrCopied) {
			t.Errorf("put back: %v", err)
		}
		if err := p.trySend(room, "x"); !errors.Is(err, ErrCopied) {
			t.Errorf("put back: %v", err)
		}
		if err := p.Idle(ctx); !errors.Is(err, ErrCopied) {
			t.Errorf("put back: %v", err)
		}
		if s, err := p.Standing(ctx); err != nil || !s.Copied {
			t.Errorf("%+v, %v", s, err)
		}
		p.reopen()
	}
	try(t, p.Machine.Close())
	p.LogIn("")
	p.dir = filepath.Join(t.TempDir(), "keys")
	p.open()
	try(t, p.JoinIdentity(ctx, recovery))
	p.post(room, "2")
	reader.Sync(p.ID)
	for i, m := range reader.Await(room, 3, nil) {
		if !m.Trusted || m.Content["body"] != fmt.Sprint(i) {
			t.Errorf("%+v", m)
		}
	}
}

// TestTwoCopies shows that of two copies that are started side by side one posts at most, that the other one says so, and that all is readable;
// and that a daemon whose folder was copied while it runs notices the copy before it encrypts again.
func TestTwoCopies(t *testing.T) {
	p, _, reader, room := inRoom(t, nil)
	p.post(room, "first")
	posted := 1
	for round := range kills(3, 20) {
		try(t, p.Machine.Close())
		twin := &poster{User: p.User, t: t, s: p.s, transport: p.transport, dir: copyStore(t, p.dir)}
		p.open()
		twin.open()
		results := make(chan error, 2)
		for i, one := range []*poster{p, twin} {
			go func() {
				_, err := one.Prepare(t.Context(), room)
				if err == nil {
					err = one.trySend(room, fmt.Sprintf("%d-%d", round, i))
				}
				results <- err
			}()
		}
		copied := 0
		for range 2 {
			switch err := <-results; {
			case errors.Is(err, ErrCopied):
				copied++
			case err != nil:
				t.Error(err)
			default:
				posted++
			}
		}
		if copied != 1 {
			t.Errorf("round %d: %d stopped", round, copied)
		}
		if p.copied != nil { // the other one goes on
			try(t, p.Machine.Close())
			p.dir, p.Machine = twin.dir, twin.Machine
		} else {
			try(t, twin.Machine.Close())
		}
	}
	reader.Await(room, posted, nil)
}

// TestCopyOfARunningOne shows that a daemon whose folder was copied while it ran, and whose copy was started, encrypts nothing more.
func TestCopyOfARunningOne(t *testing.T) {
	p, _, reader, room := inRoom(t, nil)
	p.post(room, "0")
	dir := filepath.Join(t.TempDir(), "keys")
	try(t, os.Mkdir(dir, 0o700))
	_, err := p.raw.Exec("VACUUM INTO ?", filepath.Join(dir, storeName))
	try(t, err)
	twin := &poster{User: p.User, t: t, s: p.s, transport: p.transport, dir: dir}
	twin.open()
	defer twin.Machine.Close()
	twin.post(room, "1")
	if !e2eetest.Eventually(t, func() bool {
		_, err := p.Prepare(t.Context(), room)
		return errors.Is(err, ErrCopied)
	}) {
		t.Fatal("it does not notice")
	}
	if err := p.trySend(room, "x"); !errors.Is(err, ErrCopied) {
		t.Errorf("%v", err)
	}
	twin.post(room, "2")
	reader.Await(room, 3, nil)
}
