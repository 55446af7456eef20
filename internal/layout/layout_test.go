package layout

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestLines(t *testing.T) {
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
	for key, place := range Of(file) {
		got[strings.ReplaceAll(key, "\x00", "/")] = place.Line
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
	l := Of("\n[a.b.c.d.e.f.g.h]\nx = 1\n")
	if got := l.Line(Path{"a", "b", "c", "d", "e", "f", "g", "h", "x"}); got != 2 {
		t.Errorf("got %d, want 2", got)
	}
	if got := l.Line(Path{"elsewhere"}); got != 0 {
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
	found, rows := Of(text), strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
	var walk func(path Path, value any) error
	walk = func(path Path, value any) error {
		if len(path) > deepest {
			return nil
		}
		if len(path) > 0 {
			line, name := found[path.Key()].Line, path[len(path)-1]
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
				if err := walk(path.Child(key), value); err != nil {
					return err
				}
			}
		case []map[string]any:
			for i, value := range v {
				if err := walk(path.Item(i), value); err != nil {
					return err
				}
			}
		case []any:
			for i, value := range v {
				if err := walk(path.Item(i), value); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return walk(nil, root)
}

func FuzzLayout(f *testing.F) {
	for _, seed := range []string{
		"[kaizala]\nendpoint = 'https://x'\n[[folder]]\npath = '/a'\n", "a = '''x''''''", "a=\"\"\"\\\"\"\"\"\"\"\nb=1", "a = [[1], {b=2}]\n[[c]]\n[c.d]\n[[c]]\n", "\ufeffa=1\r\n[b]\r\n",
		"'' = 1\n\"\".'' = 2", "a = {b = [\n{c=1} #]\n]}\nd=2", "a = 1979-05-27 07:32:00\nb = -nan", "a.b.c.d.e.f.g.h = 1\n[[x.y]]\n",
		"a = \"\\\n", "[a", "a = [", "a = {", "a.", "= 1", "[[a]]x", "a = [}]", "\"a\\u0000b\" = 1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		found := Of(text)
		last := 1 + strings.Count(text, "\n")
		for key, p := range found {
			if p.Line < 1 || p.Line > last || p.Start < 0 || p.Value < 0 || p.End > len(text) || p.Value > p.End {
				t.Fatalf("%q at %+v of %d", key, p, last)
			}
		}
		if strings.Count(text, "[")+strings.Count(text, "{") > 50 {
			t.Skip("the library takes cubic time")
		}
		if err := unfound(text); err != nil {
			t.Fatal(err)
		}
	})
}
