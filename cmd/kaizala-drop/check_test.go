package main

import (
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
