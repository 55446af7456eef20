package door

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kaizala-drop/internal/config"
)

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tree makes a directory with everything that the tests refer to.
func tree(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	try(t, err)
	for _, sub := range []string{"a/sub/deep", "a/done/old", "b", "c"} {
		try(t, os.MkdirAll(filepath.Join(dir, sub), 0o700))
	}
	try(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	for link, target := range map[string]string{
		"link-to-a": "a", "link-to-sub": "a/sub", "link-to-done": "a/done", "link-to-file": "file", "loop": "loop", "link-to-nowhere": "nowhere",
	} {
		try(t, os.Symlink(target, filepath.Join(dir, link)))
	}
	return dir
}

// enter brings folders up, one after the other, and gives the error of the last one.
func enter(t *testing.T, r *registry, folders ...config.Folder) error {
	t.Helper()
	var last error
	for rank, f := range folders {
		if last != nil {
			t.Fatalf("an earlier one: %v", last)
		}
		d := &door{}
		r.configure(d, f, rank)
		t.Cleanup(func() { r.forget(d) })
		last = r.try(d, f, func(string, string) error { return nil }, nil).err
	}
	return last
}

func in(path string, change ...func(*config.Folder)) config.Folder {
	f := folder(path)
	for _, c := range change {
		c(&f)
	}
	return f
}

// TestWhatOnlyTheDiskTells shows that configurations which are fine as a text are refused, with a reason, because of
// what lies on the disk.
func TestWhatOnlyTheDiskTells(t *testing.T) {
	dir := tree(t)
	deep := func(f *config.Folder) { f.Recursive = true }
	done := func(path string) func(*config.Folder) {
		return func(f *config.Folder) { f.Done = filepath.Join(dir, path) }
	}
	failed := func(path string) func(*config.Folder) {
		return func(f *config.Folder) { f.Failed = filepath.Join(dir, path) }
	}
	p := func(path string) string { return filepath.Join(dir, path) }
	for name, test := range map[string]struct {
		folders []config.Folder
		want    string
	}{
		"missing":              {[]config.Folder{in(p("nowhere"))}, "it cannot be listed: no such file or directory"},
		"a link to nowhere":    {[]config.Folder{in(p("link-to-nowhere"))}, "no such file or directory"},
		"a file":               {[]config.Folder{in(p("link-to-file"))}, "it is not a folder"},
		"below a file":         {[]config.Folder{in(p("file/x"))}, "not a directory"},
		"a loop":               {[]config.Folder{in(p("loop/x"))}, "too many levels of symbolic links"},
		"done is failed":       {[]config.Folder{in(p("a"), done("a/sub"), failed("link-to-sub"))}, "failed is the same directory as done"},
		"failed is the folder": {[]config.Folder{in(p("a"), failed("link-to-a"))}, "failed is the watched folder"},
		"done above":           {[]config.Folder{in(p("link-to-sub"), done("a"), failed("c"))}, "contains the watched folder"},
		"same through a link":  {[]config.Folder{in(p("a")), in(p("link-to-a"), done("b"), failed("c"))}, "is the same directory as"},
		"inside through a link": {[]config.Folder{in(p("a"), deep), in(p("link-to-sub"))},
			"which takes files of directories inside it"},
		"around through a link":  {[]config.Folder{in(p("link-to-sub")), in(p("a"), deep)}, "which takes files of directories inside it"},
		"in done through a link": {[]config.Folder{in(p("a")), in(p("link-to-done/old"))}, "lies inside done of the folder"},
		"done is another":        {[]config.Folder{in(p("a")), in(p("b"), done("link-to-a"))}, "is the watched folder"},
		"done in another":        {[]config.Folder{in(p("a"), deep), in(p("b"), done("link-to-sub/from-b"))}, "would post them again"},
		"state_dir":              {[]config.Folder{in(p("link-to-a/sub"))}, "state_dir"},
		"in state_dir":           {[]config.Folder{in(p("link-to-a/sub/deep"))}, "is the daemon's alone"},
		"around state_dir":       {[]config.Folder{in(p("link-to-a"))}, "state_dir"},
		"around a secret":        {[]config.Folder{in(p("link-to-a"))}, "reads its settings or a secret from"},
		"fine":                   {[]config.Folder{in(p("a")), in(p("b")), in(p("c"), done("link-to-done/of-c"))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(filepath.Join(dir, "state"))
			if strings.HasSuffix(name, "state_dir") {
				r.stateDir = p("a/sub")
			}
			if name == "around a secret" {
				r.files = []string{p("a/sub/secret")}
			}
			err := enter(t, r, test.folders...)
			if test.want == "" {
				try(t, err)
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if advice := Help(err) + err.Error(); !strings.Contains(advice, "choose") && !strings.Contains(advice, "path") && !strings.Contains(advice, "give") {
				t.Errorf("it does not say what helps: %q", advice)
			}
		})
	}
}

// TestProbeDecides shows that a folder from which files cannot be filed does not come up, and that a folder which is up
// is not probed at each check.
func TestProbeDecides(t *testing.T) {
	dir := tree(t)
	r, d, f := newRegistry(dir+"/state"), &door{}, in(filepath.Join(dir, "a"))
	r.configure(d, f, 0)
	t.Cleanup(func() { r.forget(d) })
	probes, full := 0, errors.New("no room")
	probe := func(string, string) error { probes++; return full }
	if v := r.try(d, f, probe, nil); v.err == nil || !strings.Contains(v.err.Error(), "no room") || probes != 1 {
		t.Errorf("%d probes, got %v", probes, v.err)
	}
	full = nil
	v := r.try(d, f, probe, nil)
	try(t, v.err)
	try(t, r.try(d, f, probe, &v.seen).err)
	if probes != 3 { // done and failed, once
		t.Errorf("%d probes, want 3", probes)
	}
	try(t, os.Rename(f.Path, f.Path+".old")) // something else is mounted there, say
	try(t, os.Mkdir(f.Path, 0o700))
	try(t, r.try(d, f, probe, &v.seen).err)
	if probes != 5 {
		t.Errorf("%d probes, want 5: another directory is tried anew", probes)
	}
	if len(r.holds) != 1 {
		t.Errorf("%d holds, want the one on what is there now", len(r.holds))
	}
}
