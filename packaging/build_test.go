package packaging_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kaizala-drop/internal/boottest"
)

// TestBuild: two builds of one commit, in different folders, give the same bytes; there are packages for each architecture, and lintian has
// no error and no warning for them.
func TestBuild(t *testing.T) {
	boottest.TakesLong(t)
	needProgram(t, "lintian", "lintian")
	needProgram(t, "rpm", "rpm")
	if changed := runIn(t, repository, nil, "git", "status", "--porcelain"); changed != "" {
		t.Logf("what is not committed is not built:\n%s", changed)
	}
	first, second := buildClone(t), buildClone(t)
	sums := readFile(t, filepath.Join(first, "SHA256SUMS"))
	if again := readFile(t, filepath.Join(second, "SHA256SUMS")); again != sums {
		t.Errorf("the first build is\n%s the second\n%s", sums, again)
	}
	runIn(t, first, nil, "sha256sum", "--check", "--strict", "SHA256SUMS")
	runIn(t, second, nil, "sha256sum", "--check", "--strict", "SHA256SUMS")
	entries, err := os.ReadDir(first)
	must(t, err)
	if len(entries) != 10 || strings.Count(sums, "\n") != 9 {
		t.Errorf("%d files, want three for each architecture and their sums:\n%s", len(entries), sums)
	}
	for _, arch := range []string{"amd64", "arm64", "armhf"} {
		deb := only(t, first, "*_"+arch+".deb")
		if got := tidy(run(t, "dpkg-deb", "--field", deb, "Architecture")); got != arch {
			t.Errorf("%s is for %s", deb, got)
		}
		if said, err := runsIn(t, "", "lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", deb); err != nil {
			t.Errorf("lintian: %v\n%s", err, said)
		}
	}
	testContents(t, first)
	for arch, name := range map[string]string{"x86_64": "amd64", "aarch64": "arm64", "armv7hl": "armhf"} {
		rpm := only(t, first, "*."+arch+".rpm")
		if got := tidy(run(t, "rpm", "-qp", "--queryformat", "%{ARCH} %{BUILDHOST} %{LICENSE}", rpm)); got != arch+" localhost MIT" {
			t.Errorf("%s is %s", rpm, got)
		}
		tarball := run(t, "tar", "-tzf", only(t, first, "*-linux-"+name+".tar.gz"))
		for _, want := range []string{"/kaizala-drop", "/docs/install.md", "/NOTICE", "/systemd/kaizala-drop.service", "/man/man5/kaizala-drop.toml.5.gz", "/completions/_kaizala-drop"} {
			if !slices.ContainsFunc(strings.Fields(tarball), func(path string) bool { return strings.HasSuffix(path, want) }) {
				t.Errorf("the tarball for %s has no %s", name, want)
			}
		}
	}
}

// buildClone builds the commit that is checked out in a folder of its own, with a umask of its own, and returns where the packages are.
func buildClone(t *testing.T) string {
	t.Helper()
	clone, dist := filepath.Join(t.TempDir(), "clone"), filepath.Join(t.TempDir(), "dist")
	run(t, "git", "clone", "--quiet", repository, clone)
	t.Log(runIn(t, clone, nil, "sh", "-c", `umask 077; exec packaging/build "$1"`, "sh", dist))
	return dist
}

// TestVersions: the version follows from tags, in words that dpkg and rpm sort as they were made.
func TestVersions(t *testing.T) {
	script := readFile(t, filepath.Join(repository, "packaging", "build"))
	version := regexp.MustCompile(`(?ms)^version\(\) \{\n.*?^\}\n`).FindString(script)
	if version == "" {
		t.Fatal("packaging/build has no function version")
	}
	repo := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		runIn(t, repo, nil, "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"}, args...)...)
	}
	commit := func(text string) {
		t.Helper()
		write(t, filepath.Join(repo, "file"), text, 0o644)
		git("add", "file")
		git("commit", "--quiet", "-m", text)
	}
	var got []string
	tell := func(want string) {
		t.Helper()
		v := tidy(runIn(t, repo, []string{"SOURCE_DATE_EPOCH=1795887203"}, "sh", "-euc", version+"version"))
		if !regexp.MustCompile("^" + want + "$").MatchString(v) {
			t.Errorf("the version is %q, want %s", v, want)
		}
		got = append(got, v)
	}
	git("init", "--quiet")
	commit("one")
	tell(`0\.0\.0~git20261128173323\.[0-9a-f]{12}`)
	git("tag", "-a", "-m", "x", "v1.0.0-rc1")
	tell(`1\.0\.0~rc1`)
	commit("two")
	tell(`1\.0\.0~rc1\+1\.g[0-9a-f]+`)
	git("tag", "-a", "-m", "x", "v1.0.0")
	tell(`1\.0\.0`)
	commit("three")
	tell(`1\.0\.0\+1\.g[0-9a-f]+`)
	write(t, filepath.Join(repo, "file"), "changed", 0o644)
	tell(`1\.0\.0\+1\.g[0-9a-f]+\+dirty`)
	needProgram(t, "dpkg", "dpkg")
	for i := range len(got) - 1 {
		if out, err := runsIn(t, "", "dpkg", "--compare-versions", got[i], "lt", got[i+1]); err != nil {
			t.Errorf("dpkg does not take %s for older than %s %s", got[i], got[i+1], out)
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}
