package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

// bashCompletion is where Debian has what the script of "completion bash" needs.
const bashCompletion = "/usr/share/bash-completion/bash_completion"

// shell is bash on a terminal, in which kaizala-drop is this program when it completes, and says its arguments else.
func (w *world) shell(dir string) *emulated {
	w.t.Helper()
	if _, err := os.Stat(bashCompletion); err != nil {
		needs(w.t, "bash-completion: apt-get install bash-completion")
	}
	bin := w.t.TempDir()
	wrapper := fmt.Sprintf("#!/bin/bash\nif [[ $1 == __complete ]]; then %s=1 exec %q \"$@\"; fi\nprintf '<%%q>' \"$@\"; echo\n", runMain, os.Args[0])
	must(w.t, os.WriteFile(bin+"/kaizala-drop", []byte(wrapper), 0o755))
	write := exec.Command(os.Args[0], "completion", "bash")
	write.Env = append(os.Environ(), runMain+"=1")
	script, err := write.Output()
	must(w.t, err)
	must(w.t, os.WriteFile(bin+"/script", script, 0o600))
	keyboard, screen, err := pty.Open()
	must(w.t, err)
	must(w.t, pty.Setsize(screen, &pty.Winsize{Cols: 250, Rows: 60}))
	cmd := exec.Command("bash", "--noprofile", "--rcfile", bin+"/rc", "-i")
	must(w.t, os.WriteFile(bin+"/rc", fmt.Appendf(nil, "PS1='$ '; set +o history; . %s; . %s/script; bind 'set bell-style none'; bind 'set enable-bracketed-paste off'\n", bashCompletion, bin), 0o600))
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + bin, "TERM=xterm", "LC_ALL=C.UTF-8"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = screen, screen, screen
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	return w.emulate(cmd, 250, 60, keyboard, screen)
}

// completed types a line, has it completed and executed, and gives the arguments that the program got.
func (c *emulated) completed(line string, expected string) {
	c.t.Helper()
	before := strings.Count(strings.Join(c.lines(), "\n"), "<")
	_, err := c.keyboard.WriteString(line + "\t\n")
	must(c.t, err)
	eventually(c.t, func() error {
		lines := c.lines()
		if strings.Count(strings.Join(lines, "\n"), "<") == before {
			return fmt.Errorf("%q: nothing was executed", line)
		}
		return nil
	})
	var got string
	for _, l := range c.lines() {
		if strings.HasPrefix(l, "<") {
			got = l
		}
	}
	if got != expected {
		c.t.Errorf("%q is completed to %s, want %s", line, got, expected)
	}
}

// TestCompletionInBash: a real bash completes folders, states, destinations, failed files and the names of files, quoted so that each is
// one argument, also what several have in common; and nothing that is gone.
func TestCompletionInBash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "in", "my folder")
	w.answersAt("c.sock")
	failing := []string{"gone.xyz", "scan one.xyz", "scan two.xyz", "it's $5 & more.xyz", "büro 請求書.xyz", "e\x1b[31mvil.xyz", "two\nlines.xyz", "a:b = c.xyz", "a:b = d.xyz"}
	for _, name := range failing {
		w.drop("in", name, "content")
	}
	w.daemon()
	failed := filepath.Join(w.folder("in"), "failed")
	eventually(t, func() error {
		if entries, _ := os.ReadDir(failed); len(entries) < 2*len(failing) {
			return fmt.Errorf("%d files in failed/", len(entries))
		}
		return nil
	})
	must(t, os.Remove(failed+"/gone.xyz"))
	must(t, os.Mkdir(w.folder("my folder")+"/sub", 0o755)) // it stays
	must(t, os.WriteFile(w.folder("my folder")+"/waits here.pdf", nil, 0o600))
	shell := w.shell(w.dir)
	for _, c := range []struct{ typed, got string }{
		{"kaizala-drop stat", `<status>`},
		{"kaizala-drop history -c config.toml --state f", `<history><-c><config.toml><--state><failed>`},
		{"kaizala-drop history -c config.toml --folder my", `<history><-c><config.toml><--folder><my\ folder>`},
		{"kaizala-drop history -c config.toml --folder=" + w.dir + "/i", `<history><-c><config.toml><--folder=` + w.dir + `/in>`},
		{"kaizala-drop login -c config.toml k", `<login><-c><config.toml><kaizala>`},
		{"kaizala-drop retry -c config.toml in/failed/it", `<retry><-c><config.toml><in/failed/it\'s\ \$5\ \&\ more.xyz>`},
		{"kaizala-drop retry -c config.toml " + w.dir + "/in/failed/b", `<retry><-c><config.toml><` + w.dir + `/in/failed/büro\ 請求書.xyz>`},
		{"kaizala-drop retry -c config.toml in/failed/s", `<retry><-c><config.toml><in/failed/scan\ >`},
		{`kaizala-drop retry -c config.toml in/failed/scan\ o`, `<retry><-c><config.toml><in/failed/scan\ one.xyz>`},
		{"kaizala-drop retry -c config.toml in/failed/g", `<retry><-c><config.toml><in/failed/gone.xyz.reason.txt>`}, // the shell's own
		{"kaizala-drop explain -c config.toml it", `<explain><-c><config.toml><it\'s\ \$5\ \&\ more.xyz>`},
		{"kaizala-drop retry -c config.toml in/failed/a", `<retry><-c><config.toml><in/failed/a:b\ =\ >`},
		{`kaizala-drop retry -c config.toml in/failed/a:b\ =\ c`, `<retry><-c><config.toml><in/failed/a:b\ =\ c.xyz>`},
		{"kaizala-drop explain -c config.toml waits", `<explain><-c><config.toml><waits\ here.pdf>`},
		{"kaizala-drop explain -c config.toml go", `<explain><-c><config.toml><go>`},
		{"kaizala-drop explain -c config.toml my\\ folder/wai", `<explain><-c><config.toml><my\ folder/waits\ here.pdf>`},
	} {
		shell.completed(c.typed, c.got)
	}
}

// TestCompletionGivesPlainText: names that a shell cannot be given, because it takes one a line or would show what harms a terminal, are
// left out; the others are whole.
func TestCompletionGivesPlainText(t *testing.T) {
	all := []string{"b.pdf", "a b.pdf", "two\nlines", "a\ttab", "e\x1b[31m", "\u202ex", "\xff", " a", "a ", `back\slash`, "請求書", "b.pdf"}
	got := begunWith("", all)
	if want := []string{"a b.pdf", "b.pdf", `back\slash`, "請求書"}; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", got, want)
	}
}
