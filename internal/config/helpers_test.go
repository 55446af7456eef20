package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// env is an Environment made of pairs.
func env(pairs ...string) Environment {
	return Environment{Getenv: func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}}
}

// write puts a file of settings, readable by its owner alone, where $DIR in it is dir.
func write(t *testing.T, dir, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "$DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// mustLoad loads a file that has no problems.
func mustLoad(t *testing.T, dir, text string, env Environment) Config {
	t.Helper()
	c, err := Load(write(t, dir, text), env)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problemsOf loads a file that has some.
func problemsOf(t *testing.T, dir, text string, env Environment) []Problem {
	t.Helper()
	_, err := Load(write(t, dir, text), env)
	problems, ok := errors.AsType[*Problems](err)
	if !ok {
		t.Fatalf("got %v, want *Problems", err)
	}
	return problems.List
}

// tree is a directory with all that the tests refer to.
func tree(t *testing.T) string {
	t.Helper()
	// A name of its own, resolved: where temporary directories are links, "through a link" would be true of everything.
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"a/sub/deep", "a/done/old", "b", "secrets"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"file": "x", "secrets/good": "s3cret\n", "secrets/empty": "\n", "secrets/two-lines": "one\ntwo\n",
		"secrets/large": strings.Repeat("x", maxSecret+1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"link-to-a": "a", "link-to-sub": "a/sub", "link-to-file": "file"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	token   = "[kaizala]\naccess_token = \"env:TOKEN\"\n"
	folderA = "[[folder]]\npath = \"$DIR/a\"\ngroup_id = \"g@2\"\n"
	folderB = "[[folder]]\npath = \"$DIR/b\"\ngroup_id = \"h@2\"\n"
)
