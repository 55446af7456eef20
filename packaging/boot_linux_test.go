package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"kaizala-drop/internal/boottest"
)

// byHand is the commit whose README is followed for the installation by hand.
const byHand = "c2556a50b103e2c2a36da730f1b19276ea3acbb5"

func TestMain(m *testing.M) { os.Exit(boottest.Main(m)) }

// TestInstalled is the life of packages on a booted system: installed on a bare one, upgraded from the version before and from an
// installation by hand, each with deliveries in every state, removed, purged; the .rpm likewise.
func TestInstalled(t *testing.T) {
	if boottest.Inside() {
		testInside(t)
		return
	}
	boottest.TakesLong(t)
	boottest.Needs(t)
	needProgram(t, "apt", "apt")
	needProgram(t, "rpm", "rpm")
	needProgram(t, "sqlite3", "sqlite3")
	share := t.TempDir()
	oldFiles(t, share)
	for number, env := range map[string][]string{"1": {"VERSION=0.0.0~before"}, "2": {"VERSION=0.0.1~after"}} {
		dist := t.TempDir()
		runIn(t, repository, append(env, "ARCHITECTURES="+archHere(t)), "packaging/build", dist)
		for _, kind := range []string{"deb", "rpm", "tar.gz"} {
			boottest.CopyFile(t, only(t, dist, "*."+kind), filepath.Join(share, number+"."+kind), 0o644)
		}
	}
	must(t, os.Chmod(share, 0o755)) // apt's user reads there
	boottest.Boot(t, share)
}

// oldFiles puts what an installation by hand is made of into share: old*.
func oldFiles(t *testing.T, share string) {
	t.Helper()
	if out, err := runsIn(t, repository, "git", "cat-file", "-e", byHand+"^{commit}"); err != nil {
		t.Fatalf("the commit %s of the installation by hand is not here: fetch the history (git fetch --unshallow)\n%s", byHand, out)
	}
	tree := t.TempDir()
	runIn(t, repository, nil, "sh", "-c", `git archive "$1" | tar -xC "$2"`, "sh", byHand, tree)
	runIn(t, tree, []string{"CGO_ENABLED=0"}, "go", "build", "-o", filepath.Join(share, "old"), "./cmd/kaizala-drop")
	for _, name := range []string{"kaizala-drop.service", "kaizala-drop.sysusers.conf"} {
		boottest.CopyFile(t, filepath.Join(tree, "systemd", name), filepath.Join(share, "old."+name), 0o644)
	}
}

// archHere is Debian's name of this machine's architecture.
func archHere(t *testing.T) string {
	t.Helper()
	arch, ok := map[string]string{"amd64": "amd64", "arm64": "arm64", "arm": "armhf"}[runtime.GOARCH]
	boottest.Need(t, ok, "there are no packages for "+runtime.GOARCH)
	return arch
}

// testInside is one life of a machine: each step stands on those before it.
func testInside(t *testing.T) {
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("journalctl", "--no-pager", "-o", "cat", "-u", "kaizala-drop").CombinedOutput()
			t.Logf("the journal:\n%s", out)
		}
	})
	h := newHouse(t)
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"installed on a bare system", h.testBare},
		{"set up by one command", h.testSetUp},
		{"configured by hand", h.testConfigured},
		{"upgraded from the version before", h.testUpgraded},
		{"upgraded while stopped", h.testStaysStopped},
		{"removed", h.testRemoved},
		{"installed again", h.testBack},
		{"purged", h.testPurged},
		{"upgraded from an installation by hand", h.testByHand},
		{"beside an edited unit", h.testEditedUnit},
		{"beside a drop-in with the old path", h.testOldDropIn},
		{"downgraded", h.testDowngraded},
		{"masked or disabled", h.testMasked},
		{"a daemon started by hand", h.testByHandWithout},
		{"purged while it is in use", h.testPurgedInUse},
		{"purged where directories are odd", h.testPurgedOddly},
		{"where names and places are taken", h.testOddPlaces},
		{"interrupted, and without systemd", h.testInterrupted},
		{"backed up as the page says", h.testPastedBackup},
		{"by the tarball, as the page says", h.testPastedTarball},
		{"rpm: in a root of its own", h.testRPMRoot},
		{"rpm: installed, upgraded and erased", h.testRPM},
	} {
		if !t.Run(step.name, step.do) {
			return
		}
	}
}
