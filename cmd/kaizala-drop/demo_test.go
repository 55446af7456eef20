package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
)

// demo starts a demo in dir and waits until all that it dropped is filed.
func demo(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := (&world{t: t}).start(append([]string{"demo", "--dir", dir}, args...)...)
	eventually(t, func() error {
		log := p.log()
		if n := strings.Count(log, "INF delivered") + strings.Count(log, "WRN failed"); n < 17 {
			return fmt.Errorf("%d of 17 files are filed", n)
		}
		return nil
	})
	return p
}

// TestSecondDemo: while one is at work, another one in its folder changes nothing there.
func TestSecondDemo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := demo(t, dir)
	before := files(t, dir)
	second := (&world{t: t}).start("demo", "--once", "--dir", dir)
	if code := second.wait(); code != 1 || !strings.Contains(second.log(), "name another folder with --dir") {
		t.Errorf("exit code %d: %s", code, second.log())
	}
	after := files(t, dir)
	for _, all := range []map[string]string{before, after} {
		maps.DeleteFunc(all, func(name, _ string) bool { return filepath.Dir(name) == "state" })
	}
	if !maps.Equal(before, after) || len(before) < 2*17 {
		t.Errorf("the second demo changed something: before %d files, after %d; the same config.toml: %t",
			len(before), len(after), before["config.toml"] == after["config.toml"])
	}
	if code := first.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
