package config

import (
	"strings"
	"testing"
)

// FuzzLoad: whatever is in the file, there are settings or there are problems.
func FuzzLoad(f *testing.F) {
	f.Add(token + folderA)
	for _, m := range mistakes() {
		if len(m.text) < 4096 {
			f.Add(m.text)
		}
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		if nesting(text) > 50 || strings.Contains(text, "range") {
			t.Skip("takes its time, which the fuzzer takes for a hang")
		}
		r := &reader{file: "config.toml", env: env("TOKEN", "t0ken", "STATE_DIRECTORY", dir)}
		c := r.config(text)
		if len(r.problems) > 0 {
			for _, p := range r.problems {
				if p.Text == "" || p.Line < 0 || p.Line > 1+strings.Count(text, "\n") {
					t.Fatalf("%d: %q", p.Line, p.Text)
				}
			}
			return
		}
		if len(c.Folders) == 0 || c.StateDir == "" || len(c.Destinations) == 0 || c.Destinations[0].Limits.MaxUploads < 1 {
			t.Fatalf("no problems, and %+v", c)
		}
	})
}
