package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"kaizala-drop/internal/control"
)

// answerOf runs a command to its end, and gives its exit code and what it said on its two outputs.
func answerOf(t *testing.T, cmd *exec.Cmd) (code int, out, warned string) {
	t.Helper()
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Error(err)
	}
	return code, stdout.String(), stderr.String()
}

// answersAt gives the configuration a control socket, and returns it.
func (w *world) answersAt(name string) (socket string) {
	w.t.Helper()
	socket = filepath.Join(w.dir, name)
	content, err := os.ReadFile(w.config)
	must(w.t, err)
	must(w.t, os.WriteFile(w.config, []byte(strings.Replace(string(content), "[kaizala]", fmt.Sprintf("[control]\nsocket = %q\n[kaizala]", socket), 1)), 0o600))
	return socket
}

// TestStoppedDaemon: a daemon that is there and does not answer is named, with what to do; questions are answered from the ledger, and
// what changes something is refused and changes nothing. Once it goes on, it is asked again.
func TestStoppedDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "in")
	w.answersAt("c.sock")
	w.drop("in", "1.pdf", "content")
	w.drop("in", "2.xyz", "content")
	p := w.daemon()
	p.waitFor(`"message":"failed"`)
	p.waitFor(`"message":"delivered"`)
	ended := w.folder("in") + "/failed/2.xyz"
	must(t, p.Process.Signal(syscall.SIGSTOP))
	silent := fmt.Sprintf("the daemon (pid %d) does not answer: it was stopped by a signal or a debugger: kill -CONT %[1]d lets it go on", p.Process.Pid)
	var asking sync.WaitGroup
	for _, c := range []struct {
		args []string
		code int
		says string // on its output
	}{
		{[]string{"status"}, 0, "1 file failed"},
		{[]string{"explain", w.folder("in") + "/1.pdf"}, 0, `"1.pdf" was posted`},
		{[]string{"history"}, 0, "2.xyz"},
		{[]string{"retry", ended}, 1, ""},
	} {
		asking.Go(func() {
			code, out, warned := answerOf(t, w.command(c.args...))
			if code != c.code || !strings.Contains(out, c.says) || strings.Count(warned, silent) != 1 {
				t.Errorf("%v: exit code %d, said %q, and beside it %q", c.args, code, out, warned)
			}
		})
	}
	asking.Wait()
	code, out, _ := answerOf(t, w.command("status", "--json"))
	var s control.Status
	must(t, json.Unmarshal([]byte(out), &s))
	if code != 0 || s.Running || !strings.HasPrefix(s.Unasked, "the daemon (pid") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if _, err := os.Lstat(ended); err != nil {
		t.Error(err)
	}
	must(t, p.Process.Signal(syscall.SIGCONT))
	if code, out, warned := answerOf(t, w.command("retry", ended)); code != 1 || !strings.Contains(warned, "it would not be sent") {
		t.Errorf("retry: exit code %d, said %q, and beside it %q", code, out, warned)
	}
}

// TestWhyNobodyAnswers: that no socket is configured is not said to be a daemon that does not run, and one that runs without one is
// named and left alone.
func TestWhyNobodyAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "in")
	w.drop("in", "2.xyz", "content")
	socket := w.answersAt("c.sock")
	p := w.daemon()
	p.waitFor(`"message":"failed"`)
	must(t, os.Remove(socket))
	runs := fmt.Sprintf("the daemon (pid %d) runs, but ", p.Process.Pid)
	says := func(config, status, retry string) {
		t.Helper()
		for _, command := range []string{"status", "explain"} {
			args := []string{command, w.folder("in") + "/2.xyz"}[:map[string]int{"status": 1, "explain": 2}[command]]
			code, out, warned := answerOf(t, w.command(args...))
			if code != 0 || warned != "" || !strings.Contains(strings.ToLower(out), strings.ToLower(status)) {
				t.Errorf("%s, %s: exit code %d, said %q, and beside it %q", config, command, code, out, warned)
			}
		}
		if code, _, warned := answerOf(t, w.command("retry", w.folder("in")+"/failed/2.xyz")); code != 1 || !strings.Contains(warned, retry) {
			t.Errorf("%s, retry: exit code %d, %q", config, code, warned)
		}
	}
	says("no file at the socket", runs+"nobody answers at the socket", "no daemon answers at a socket, and yet one works")
	content, err := os.ReadFile(w.config)
	must(t, err)
	must(t, os.WriteFile(w.config, []byte(strings.Replace(string(content), socket, "", 1)), 0o600))
	says("no socket configured", runs+"no socket is configured", "no daemon answers at a socket, and yet one works")
	p.stop()
	says("none runs, no socket configured", "no daemon answers at a socket, for none is configured", "it would not be sent")
}

// TestWhoMayAsk: an administrator who may not read the configuration is answered at the default socket; everybody else is told what to
// do, by what is missing: the group, a new login, root.
func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("unshare"); err != nil || os.Geteuid() != 0 {
		needs(t, "unshare (apt-get install util-linux), as root")
	}
	w := newWorld(t, "", "in")
	for dir := w.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
	binary := buildProgram(t)
	script := `set -eu
mount -t tmpfs tmpfs /run && mkdir /run/kaizala-drop
for f in passwd group; do cp /etc/$f /run/$f; done
for n in anna:4001 bert:4002 cora:4003; do echo "${n%:*}:x:${n#*:}:${n#*:}::/:/bin/sh" >>/run/passwd; done
echo "$GROUP" >>/run/group
for f in passwd group; do mount --bind /run/$f /etc/$f; done
"$BINARY" run --config "$CONFIG" & daemon=$!
trap 'kill $daemon; wait $daemon' EXIT
until [ -S /run/kaizala-drop/control.sock ]; do sleep 0.05; done
as() { echo "== $1"; setpriv --reuid "$1" --regid "$2" "$3" "$BINARY" status --config "$CONFIG" 2>&1 || echo "code $?"; }
as anna 4001 --init-groups
as bert 4002 --init-groups
as cora 4003 --clear-groups
`
	content, err := os.ReadFile(w.config)
	must(t, err)
	must(t, os.WriteFile(w.config, content, 0o600))
	for _, c := range []struct {
		name, group      string
		anna, bert, cora string
	}{
		{"with the group", "kaizala-drop-admin:x:4000:anna,cora", "kaizala-drop " + version() + ", pid ", "or as a member of the group kaizala-drop-admin (usermod -aG kaizala-drop-admin bert, then log in anew)",
			"the group kaizala-drop-admin counts from the next login on"},
		{"without it", "nobody-else:x:4000:anna", "only root and the daemon's user may", "Ask as root: sudo kaizala-drop", "only root and the daemon's user may"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
			cmd.Env = append(os.Environ(), "BINARY="+binary, "CONFIG="+w.config, "GROUP="+c.group)
			_, out, log := answerOf(t, cmd)
			parts := strings.Split(out, "== ")
			if len(parts) != 4 {
				t.Fatalf("said %q, and beside it %s", out, log)
			}
			for i, want := range []string{c.anna, c.bert, c.cora} {
				if !strings.Contains(parts[i+1], want) || strings.Contains(parts[i+1], "http://") || strings.Contains(parts[i+1], "code 1") != (!strings.HasPrefix(want, "kaizala-drop ")) {
					t.Errorf("it says %q, want %q", parts[i+1], want)
				}
			}
		})
	}
}
