package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestFindLines(t *testing.T) {
	const file = `# comment with [brackets] and a = 1
top = 1 # [not.a.header]

dotted.key . 'with space' = "x = [1]"
"quoted \" key" = 'raw \'
multi = """
not = "a key"
[not.a.header] \"""" and "" quotes"""""
raw = '''
no = 1 '' ''''

list = [ # a comment, with ]
  "one", [2,
  3], # and ,
  { a = 1, b.c = "}" },
  4,
]
inline = { x = 1, "y" = { z = [
  5 ] },
  last = 2020-01-01 07:00:00 } # tables over several lines are TOML 1.1
[table]
key = true
[table . "sub"]
key=false
[[ folder ]]
path = 1
[folder.inner]
x = 1
[[folder]]
path = 2
[[folder.deep]]
k = 1
[[folder.deep]]
k = 2
`
	want := map[string]int{
		"top": 2, "dotted": 4, "dotted/key": 4, "dotted/key/with space": 4, `quoted " key`: 5, "multi": 6, "raw": 9,
		"list": 12, "list/0": 13, "list/1": 13, "list/1/0": 13, "list/1/1": 14, "list/2": 15, "list/2/a": 15, "list/2/b": 15,
		"list/2/b/c": 15, "list/3": 16,
		"inline": 18, "inline/x": 18, "inline/y": 18, "inline/y/z": 18, "inline/y/z/0": 19, "inline/last": 20,
		"table": 21, "table/key": 22, "table/sub": 23, "table/sub/key": 24,
		"folder": 25, "folder/0": 25, "folder/0/path": 26, "folder/0/inner": 27, "folder/0/inner/x": 28,
		"folder/1": 29, "folder/1/path": 30, "folder/1/deep": 31, "folder/1/deep/0": 31, "folder/1/deep/0/k": 32,
		"folder/1/deep/1": 33, "folder/1/deep/1/k": 34,
	}
	got := map[string]int{}
	for key, line := range findLines(file) {
		got[strings.ReplaceAll(key, "\x00", "/")] = line
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] != want[key] {
			t.Errorf("%s: got line %d, want %d", key, got[key], want[key])
		}
		delete(got, key)
	}
	if len(got) > 0 {
		t.Errorf("found besides: %v", got)
	}
	if err := unfound(file); err != nil {
		t.Error(err)
	}
}

func TestLineOfSomethingDeeper(t *testing.T) {
	l := findLines("\n[a.b.c.d.e.f.g.h]\nx = 1\n")
	if got := l.of(keyPath{"a", "b", "c", "d", "e", "f", "g", "h", "x"}); got != 2 {
		t.Errorf("got %d, want 2", got)
	}
	if got := l.of(keyPath{"elsewhere"}); got != 0 {
		t.Errorf("got %d, want 0", got)
	}
}

// unfound holds the scanner against the library: every key that the library decodes, down to the depth that is kept,
// must be found, on a line that holds its name.
func unfound(text string) error {
	var root map[string]any
	if _, err := toml.Decode(text, &root); err != nil {
		return nil
	}
	found, rows := findLines(text), strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
	var walk func(path keyPath, value any) error
	walk = func(path keyPath, value any) error {
		if len(path) > deepest {
			return nil
		}
		if len(path) > 0 {
			line, name := found[path.key()], path[len(path)-1]
			if line < 1 || line > len(rows) {
				return fmt.Errorf("%q: line %d of %d", []string(path), line, len(rows))
			}
			_, notIndex := strconv.Atoi(name)
			if row := rows[line-1]; notIndex != nil && !strings.Contains(row, name) && !strings.Contains(row, `\`) {
				return fmt.Errorf("%q: line %d does not hold it: %q", []string(path), line, row)
			}
		}
		switch v := value.(type) {
		case map[string]any:
			for key, value := range v {
				if err := walk(path.child(key), value); err != nil {
					return err
				}
			}
		case []map[string]any:
			for i, value := range v {
				if err := walk(path.item(i), value); err != nil {
					return err
				}
			}
		case []any:
			for i, value := range v {
				if err := walk(path.item(i), value); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return walk(nil, root)
}

func FuzzFindLines(f *testing.F) {
	for _, seed := range []string{
		token + folderA, "a = '''x''''''", "a=\"\"\"\\\"\"\"\"\"\"\nb=1", "a = [[1], {b=2}]\n[[c]]\n[c.d]\n[[c]]\n", "\ufeffa=1\r\n[b]\r\n",
		"'' = 1\n\"\".'' = 2", "a = {b = [\n{c=1} #]\n]}\nd=2", "a = 1979-05-27 07:32:00\nb = -nan", "a.b.c.d.e.f.g.h = 1\n[[x.y]]\n",
		"a = \"\\\n", "[a", "a = [", "a = {", "a.", "= 1", "[[a]]x", "a = [}]", "\"a\\u0000b\" = 1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		found := findLines(text)
		last := 1 + strings.Count(text, "\n")
		for key, line := range found {
			if line < 1 || line > last {
				t.Fatalf("%q on line %d of %d", key, line, last)
			}
		}
		if nesting(text) > 50 {
			t.Skip("the library takes cubic time")
		}
		if err := unfound(text); err != nil {
			t.Fatal(err)
		}
	})
}

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
