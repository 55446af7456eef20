package main

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnwritable: before the unit's first start its state_dir is not there, which is nothing to mend.
func TestUnwritable(t *testing.T) {
	for _, test := range []struct {
		dir, existing, want string
	}{
		{unitStateDir, "/var/lib", "warning  "},
		{unitStateDir, unitStateDir, "PROBLEM  "},
		{"/var/lib/other", "/var/lib", "PROBLEM  "},
	} {
		var out strings.Builder
		r := report{out: &out}
		r.unwritable("state_dir", test.dir, test.existing, unix.EACCES)
		if !strings.HasPrefix(out.String(), test.want) || (r.problems > 0) != (test.want == "PROBLEM  ") {
			t.Errorf("%+v: %d problems, %s", test, r.problems, out.String())
		}
	}
}

func TestShellWord(t *testing.T) {
	for word, want := range map[string]string{
		"/usr/bin/x-1.2_3": "/usr/bin/x-1.2_3", "a b": "'a b'", "it's;": `'it'\''s;'`, "": "''", "$(x)": "'$(x)'", "Büro": "Büro",
	} {
		if got := shellWord(word); got != want {
			t.Errorf("%q: got %s, want %s", word, got, want)
		}
	}
}

// TestCheckKeepsNewRefreshToken: before the daemon ever ran, too, and it will be used.
func TestCheckKeepsNewRefreshToken(t *testing.T) {
	w, a := newWorld(t, "", "in"), &authority{next: "the-second-token"}
	w.between(a.before(w))
	check := func(wantAsked string) string {
		t.Helper()
		p := w.start("check", "--online", "--config", w.config)
		if code := p.wait(); code != 0 || a.last() != wantAsked {
			t.Errorf("exit code %d, asked with %q, want %q: %s", code, a.last(), wantAsked, p.log())
		}
		return p.log()
	}
	if out := check("c"); !strings.Contains(out, "new refresh token") || strings.Contains(out, "second") {
		t.Errorf("it does not say so, or shows the token: %s", out)
	}
	for name, mode := range map[string]os.FileMode{"state": os.ModeDir | 0o700, "state/refresh-token.json": 0o600} {
		if info, err := os.Stat(w.folder(name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, want the mode %v", name, err, mode)
		}
	}
	a.set("", false)
	check("the-second-token")
}

// TestCheckCannotKeepNewRefreshToken: neither in a folder that cannot be made, nor over what is in the way.
func TestCheckCannotKeepNewRefreshToken(t *testing.T) {
	for want, obstacle := range map[string]func(string) error{
		"cannot make state_dir":             func(state string) error { return os.WriteFile(state, nil, 0o600) },
		"cannot keep the new refresh token": func(state string) error { return os.MkdirAll(state+"/refresh-token.json/full", 0o700) },
	} {
		w, a := newWorld(t, "", "in"), &authority{next: "the-second-token"}
		w.between(a.before(w))
		must(t, obstacle(w.folder("state")))
		p := w.start("check", "--online", "--config", w.config)
		if code := p.wait(); code != exitFailed || !strings.Contains(p.log(), want) || strings.Contains(p.log(), "second") {
			t.Errorf("want %q: exit code %d: %s", want, code, p.log())
		}
	}
}
