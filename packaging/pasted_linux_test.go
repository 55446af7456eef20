package packaging_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const runningPage = "/usr/share/doc/kaizala-drop/docs/running.md"

// blocks are the commands of a section of a page, as somebody pastes them.
func blocks(t *testing.T, page, heading string) []string {
	t.Helper()
	_, section, found := strings.Cut("\n"+readFile(t, page), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", page, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var all []string
	for _, found := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(section, -1) {
		all = append(all, found[1])
	}
	return all
}

func paste(t *testing.T, dir, commands string) {
	t.Helper()
	t.Log(runIn(t, dir, nil, "bash", "-ec", commands))
}

// testPastedBackup: the commands of the installed page make a backup while the daemon runs, and put it back, here and on a machine that has
// only the package; what was posted meanwhile is not posted again. Those about a proxy lead to a service that knows it.
func (h *house) testPastedBackup(t *testing.T) {
	dpkg(t, "--install", "2.deb")
	proxy := blocks(t, runningPage, "## Behind a proxy")
	if len(proxy) != 1 {
		t.Fatalf("there are %d blocks about a proxy", len(proxy))
	}
	commands := blocks(t, runningPage, "## Back up and put back")
	if len(commands) != 2 {
		t.Fatalf("there are %d blocks", len(commands))
	}
	write(t, "/etc/credstore/kaizala-drop.refresh-token", "secret", 0o600)
	h.start(t, "before the backup.pdf")
	paste(t, "", commands[0])
	if got := tidy(run(t, "stat", "-c", "%a", "/backup/kaizala-drop")); got != "700" {
		t.Errorf("others may read in the backup: %s", got)
	}
	h.delivers(t, "since the backup.pdf")
	paste(t, "", commands[1])
	runsPackage(t)
	h.delivers(t, "put back.pdf")
	wantSaid(t, run(t, "kaizala-drop", "explain", filepath.Join(drop, "plain", "done", "before the backup.pdf")), "It is safe to delete")
	if got := tidy(run(t, "sh", "-c", "cd "+stateDir+" && stat -c '%U %a' . ledger.db ledger.made | sort -u")); got != "kaizala-drop 600 kaizala-drop 700" {
		t.Errorf("what was put back is %s", got)
	}
	wipe(t)
	must(t, os.RemoveAll(stateDir+".old"))

	dpkg(t, "--install", "2.deb")
	run(t, "tar", "-xzPf", "/backup/kaizala-drop/settings.tar.gz")
	if got := readFile(t, "/etc/credstore/kaizala-drop.refresh-token"); got != "secret" {
		t.Errorf("the secret is %q", got)
	}
	paste(t, "", commands[1])
	runsPackage(t)
	h.delivers(t, "put back elsewhere.pdf")
	wantSaid(t, run(t, "kaizala-drop", "history", "--name", "before the backup.pdf"), "before the backup.pdf")
	if n := h.posts("since the backup.pdf"); n != 1 {
		t.Errorf("what was posted since the backup was posted %d times", n)
	}
	paste(t, "", proxy[0])
	runsPackage(t)
	if has := readFile(t, "/proc/"+show(t, "MainPID")+"/environ"); !strings.Contains(has, "HTTPS_PROXY=http://clerk:pass%40word@proxy.example.org:3128\x00") {
		t.Error("the service knows no proxy")
	}
	h.delivers(t, "past the proxy.pdf") // this machine is asked without
	run(t, "systemctl", "stop", unit)
	wipe(t)
	for _, path := range []string{"/backup", handUnit + ".d"} {
		must(t, os.RemoveAll(path))
	}
}

// testPastedTarball: with the tarball alone its page leads to a service that delivers, to pages and completions, and away again.
func (h *house) testPastedTarball(t *testing.T) {
	dir := t.TempDir()
	run(t, "tar", "-xzf", "2.tar.gz", "-C", dir)
	dir = only(t, dir, "kaizala-drop-*")
	commands := blocks(t, filepath.Join(dir, "docs/install.md"), "# Installing kaizala-drop by hand")
	if len(commands) != 4 {
		t.Fatalf("there are %d blocks", len(commands))
	}
	write(t, "/root/secret", "secret", 0o600)
	const asks = "\nkaizala-drop setup\n"
	if !strings.Contains(commands[0], asks) {
		t.Fatalf("no setup in\n%s", commands[0])
	}
	paste(t, dir, strings.Replace(commands[0], asks, asks[:len(asks)-1]+" --endpoint "+h.address+" --application-id any --application-secret-file /root/secret"+
		" --refresh-token-file /root/secret --group plain@2 --folder "+filepath.Join(drop, "plain")+"\n", 1))
	wantActive(t, "active")
	h.delivers(t, "by the tarball.pdf")
	paste(t, dir, commands[2])
	wantSaid(t, run(t, "man", "-w", "kaizala-drop", "kaizala-drop-retry", "kaizala-drop.toml"), "/man/man1/kaizala-drop.1.gz")
	completes(t)
	paste(t, dir, commands[3])
	for _, path := range []string{handBinary, handUnit, "/usr/local/share/man/man1/kaizala-drop.1.gz", "/etc/bash_completion.d/kaizala-drop"} {
		if exists(path) {
			t.Errorf("%s is there", path)
		}
	}
	if !exists(configFile) || !exists(stateDir+"/ledger.db") {
		t.Error("the settings or the ledger are gone")
	}
	for _, path := range []string{"/etc/kaizala-drop", stateDir, handUnit + ".d"} {
		must(t, os.RemoveAll(path))
	}
}

// completes sees that each shell finds the completion where it was installed, and completes with it.
func completes(t *testing.T) {
	t.Helper()
	for shell, command := range map[string]string{
		"bash": `. /usr/share/bash-completion/bash_completion; complete -p kaizala-drop >/dev/null 2>&1 || _completion_loader kaizala-drop
			COMP_WORDS=(kaizala-drop re) COMP_CWORD=1 COMP_LINE="kaizala-drop re" COMP_POINT=15; __start_kaizala-drop 2>/dev/null; echo "${COMPREPLY[@]}"`,
		"fish": `complete -C "kaizala-drop re"`,
		"zsh":  `autoload -U compinit; compinit -D -u; autoload +X $_comps[kaizala-drop]; functions $_comps[kaizala-drop] | grep -q requestComp && echo retry`,
	} {
		needProgram(t, shell, shell)
		if out, err := runsIn(t, "", shell, "-c", command); err != nil || !strings.Contains(out, "retry") {
			t.Errorf("%s completes %q (%v)", shell, out, err)
		}
	}
}
