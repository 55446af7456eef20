package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"kaizala-drop/internal/sandbox"
)

const somePhone = "+49 170 1234567"

// newPhoneWorld is a world whose sandbox refuses the configured refresh token, and sends PINs.
func newPhoneWorld(t *testing.T, folders ...string) (w *world, pins <-chan string) {
	sent := make(chan string, 10)
	w = newWorldOf(t, sandbox.Options{RefreshToken: "another", OnPIN: func(_, pin string) { sent <- pin }}, "", folders...)
	must(t, os.Mkdir(w.dir+"/state", 0o700))
	return w, sent
}

// terminal is the program at work on one. Both its ends stay open, so that its settings can be looked at later.
type terminal struct {
	*process
	keyboard, screen *os.File
}

func (w *world) onTerminal(args ...string) *terminal {
	w.t.Helper()
	keyboard, screen, err := pty.Open()
	must(w.t, err)
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), runMain+"=1")
	cmd.Stdin, cmd.SysProcAttr = screen, &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p := &process{Cmd: cmd, t: w.t, exited: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = screen, screen
	shown := make(chan error, 1)
	must(w.t, cmd.Start())
	go func() { p.exited <- cmd.Wait() }()
	go func() {
		var buffer [1024]byte
		for {
			n, err := keyboard.Read(buffer[:])
			_, _ = p.text.Write(buffer[:n])
			if err != nil {
				shown <- err
				return
			}
		}
	}()
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		p.exited <- <-p.exited
		_ = screen.Close()
		<-shown
		_ = keyboard.Close()
		if w.t.Failed() {
			w.t.Logf("on the screen:\n%s", p.log())
		}
	})
	return &terminal{p, keyboard, screen}
}

// enter waits for a question to be there for the nth time, and types an answer.
func (c *terminal) enter(question string, nth int, answer string) {
	c.t.Helper()
	eventually(c.t, func() error {
		if n := strings.Count(c.log(), question); n < nth {
			return fmt.Errorf("%q was asked %d times", question, n)
		}
		return nil
	})
	if strings.HasPrefix(question, "PIN") {
		eventually(c.t, func() error { return c.echoes(false) })
	}
	_, err := c.keyboard.WriteString(answer)
	must(c.t, err)
}

func (c *terminal) echoes(want bool) error {
	settings, err := unix.IoctlGetTermios(int(c.screen.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	if echo := settings.Lflag&unix.ECHO != 0; echo != want {
		return fmt.Errorf("echo is %t", echo)
	}
	return nil
}

// TestLoginOnATerminal: what was mistyped may be typed again, and no PIN is on the screen.
func TestLoginOnATerminal(t *testing.T) {
	t.Parallel()
	w, pins := newPhoneWorld(t)
	c := w.onTerminal("login", "--config", w.config)
	c.enter("Phone number", 1, "0170 1234567\n")
	c.enter("Phone number", 2, somePhone+"\n")
	pin := <-pins
	c.enter("PIN (it is not shown)", 1, "hunter2\n")
	wrong := "111111"
	if wrong == pin {
		wrong = "222222"
	}
	c.enter("PIN (it is not shown)", 2, wrong+"\n")
	c.enter("PIN (it is not shown)", 3, pin+"\n")
	if code := c.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	c.waitFor("logged in to kaizala")
	must(t, c.echoes(true))
	for _, secret := range []string{pin, wrong, "hunter2"} {
		if strings.Contains(c.log(), secret) {
			t.Errorf("%s is on the screen", secret)
		}
	}
	for _, want := range []string{"begins with + and the country code", "A PIN was sent to +491701234567", "a PIN is 4 to 10 digits", "the PIN is wrong"} {
		if !strings.Contains(c.log(), want) {
			t.Errorf("%q is not on the screen", want)
		}
	}
}

// TestLoginInterrupted: Ctrl-C, a kind kill and the end of the input leave a terminal that echoes, and no token.
func TestLoginInterrupted(t *testing.T) {
	t.Parallel()
	for name, interrupt := range map[string]func(c *terminal){
		"ctrl-c at the phone": func(c *terminal) { c.enter("Phone number", 1, "\x03") },
		"ctrl-d at the phone": func(c *terminal) { c.enter("Phone number", 1, "\x04") },
		"ctrl-c at the PIN":   func(c *terminal) { c.enter("Phone number", 1, somePhone+"\n"); c.enter("PIN (", 1, "12\x03") },
		"ctrl-d at the PIN":   func(c *terminal) { c.enter("Phone number", 1, somePhone+"\n"); c.enter("PIN (", 1, "\x04") },
		"SIGTERM at the PIN": func(c *terminal) {
			c.enter("Phone number", 1, somePhone+"\n")
			c.enter("PIN (", 1, "")
			must(c.t, c.Process.Signal(syscall.SIGTERM))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := newPhoneWorld(t)
			c := w.onTerminal("login", "--config", w.config)
			interrupt(c)
			if code := c.wait(); code != 1 {
				t.Errorf("exit code %d", code)
			}
			must(t, c.echoes(true))
			if left := files(t, w.dir+"/state"); len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

// logsIn logs in through a pipe with this start of the program, and gives its exit code and what it said.
func logsIn(t *testing.T, pins <-chan string, login *exec.Cmd) (int, string) {
	t.Helper()
	in, err := login.StdinPipe()
	must(t, err)
	p := startProcess(t, login)
	_, err = fmt.Fprintln(in, somePhone)
	must(t, err)
	select {
	case pin := <-pins:
		_, err = fmt.Fprintln(in, pin)
		must(t, err)
	case err := <-p.exited: // it was refused before
		p.exited <- err
	}
	return p.wait(), p.log()
}

func (w *world) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], append(args, "--config", w.config)...)
	cmd.Env = append(os.Environ(), runMain+"=1")
	return cmd
}

// TestLoginForARunningDaemon: root logs in for a daemon of another user whose token is refused. The token is that user's alone, the
// daemon takes it up without a restart, what waited goes out, and the next start uses it as well.
func TestLoginForARunningDaemon(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		needs(t, "root, to become somebody else")
	}
	const user, group = 4321, 4322
	w, pins := newPhoneWorld(t, "in")
	w.drop("in", "1.pdf", "content")
	must(t, filepath.Walk(w.dir, func(path string, _ os.FileInfo, err error) error {
		if err != nil || strings.HasPrefix(path, w.dir+"/sandbox") {
			return err
		}
		return os.Lchown(path, user, group)
	}))
	for dir := w.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
	binary := buildProgram(t)
	as := func(uid, gid uint32, args ...string) *exec.Cmd {
		cmd := exec.Command(binary, append(args, "--config", w.config)...)
		cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
		return cmd
	}
	p := startProcess(t, as(user, group, "run"))
	p.waitFor("InvalidToken")
	if got := files(t, w.folder("in")); got["1.pdf"] != "content" {
		t.Errorf("files moved: %v", got)
	}

	must(t, os.Chmod(w.config, 0o644))
	if code, log := logsIn(t, pins, as(group, group, "login")); code != 1 || !strings.Contains(log, "run it as root, or as the daemon's user") || len(pins) > 0 {
		t.Errorf("a stranger: exit code %d: %s", code, log)
	}
	if code, log := logsIn(t, pins, as(0, 0, "login")); code != 0 {
		t.Fatalf("exit code %d: %s", code, log)
	}
	var st unix.Stat_t
	must(t, unix.Stat(w.dir+"/state/refresh-token.json", &st))
	if st.Uid != user || st.Gid != group || st.Mode&0o7777 != 0o600 {
		t.Errorf("the file is of %d:%d, mode %o", st.Uid, st.Gid, st.Mode)
	}
	w.filed("in", 1)
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}

	p = startProcess(t, as(user, group, "run"))
	w.drop("in", "2.pdf", "content")
	must(t, os.Chown(w.folder("in")+"/2.pdf", user, group))
	w.filed("in", 2)
	if strings.Contains(p.log(), "InvalidToken") {
		t.Error("the configured token was used again")
	}
	groups := startProcess(t, as(0, 0, "groups"))
	if code := groups.wait(); code != 0 || !strings.Contains(groups.log(), "in@2") {
		t.Errorf("groups: exit code %d: %s", code, groups.log())
	}

	logout := startProcess(t, as(0, 0, "logout"))
	if code := logout.wait(); code != 0 {
		t.Errorf("logout: exit code %d: %s", code, logout.log())
	}
	p.waitFor("Kaizala gives no access token") // with the configured one, which is refused
	p.stop()
	if code, log := logsIn(t, pins, as(user, group, "login")); code != 0 {
		t.Errorf("the daemon's user: exit code %d: %s", code, log)
	}
}

// TestLoginIsNotUndone: the answer to a token call of before a login, which brings a new refresh token, comes after it. The login
// stays, and is what the daemon goes on with.
func TestLoginIsNotUndone(t *testing.T) {
	t.Parallel()
	w, pins := newPhoneWorld(t, "in")
	asked, answer := make(chan bool, 1), make(chan bool)
	tokens := make(chan string, 100)
	w.between(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/accessToken" {
			return false
		}
		refresh := r.Header.Get("refreshToken")
		tokens <- refresh
		if refresh != "c" {
			return false
		}
		asked <- true
		<-answer
		again := r.Clone(r.Context())
		again.Header["Refreshtoken"] = []string{"another"} // which the sandbox takes
		recorded := httptest.NewRecorder()
		w.sandbox.ServeHTTP(recorded, again)
		var grant map[string]any
		if err := json.Unmarshal(recorded.Body.Bytes(), &grant); err != nil {
			t.Error(err)
		}
		grant["refreshToken"] = "too late"
		if err := json.NewEncoder(rw).Encode(grant); err != nil {
			t.Error(err)
		}
		return true
	})
	p := w.daemon()
	<-asked
	w.drop("in", "1.pdf", "content")
	code, log := logsIn(t, pins, w.command("login"))
	close(answer)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, log)
	}
	w.filed("in", 1)
	p.waitFor("another refresh token was stored")
	eventually(t, func() error {
		select {
		case refresh := <-tokens:
			if refresh == "too late" {
				t.Error("the token of before the login is in use")
			}
			if refresh != "c" {
				return nil
			}
		default:
		}
		return errors.New("no token was asked for with that of the login")
	})
	text, err := os.ReadFile(w.dir + "/state/refresh-token.json")
	must(t, err)
	if strings.Contains(string(text), "too late") || !strings.Contains(string(text), "logged_in") {
		t.Errorf("kept is %s", text)
	}
	p.stop()
}

// TestLoginKilled: at each of its system calls that change something; what was kept before is kept, or the login is, and the next
// login succeeds.
func TestLoginKilled(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		needs(t, "strace")
	}
	for _, call := range []string{"openat", "flock", "unlinkat", "fchmod", "fsync", "renameat", "close"} {
		t.Run(call, func(t *testing.T) {
			killed := 0
			for nth := 1; nth <= 3; nth++ {
				w, pins := newPhoneWorld(t)
				kept := w.dir + "/state/refresh-token.json"
				before := `{"replaces_sha256":"ab","refresh_token":"before"}`
				must(t, os.WriteFile(kept, []byte(before), 0o600))
				login := w.command("login")
				login.Path, login.Args = "strace", append([]string{"strace", "-f", "-o", "/dev/null", "-P", w.dir + "/state", "-P", kept, "-P", kept + ".new",
					"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, nth)}, login.Args...)
				login.Path, _ = exec.LookPath("strace")
				code, log := logsIn(t, pins, login)
				if code == 0 {
					continue
				}
				killed++
				text, err := os.ReadFile(kept)
				must(t, err)
				if string(text) != before && !strings.Contains(string(text), "logged_in") {
					t.Errorf("%d: kept is %q: %s", nth, text, log)
				}
				for len(pins) > 0 {
					<-pins
				}
				if code, log := logsIn(t, pins, w.command("login")); code != 0 {
					t.Errorf("%d: the next login: exit code %d: %s", nth, code, log)
				}
				if left := files(t, w.dir+"/state"); len(left) != 1 || !strings.Contains(left["refresh-token.json"], "logged_in") {
					t.Errorf("%d: left %v", nth, left)
				}
			}
			if killed == 0 {
				t.Error("it was never killed")
			}
		})
	}
}
