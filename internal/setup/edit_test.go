package setup

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"kaizala-drop/internal/layout"
)

var aFolder = []Setting{{"path", "/srv/drop/a \"b\" ü"}, {"room", "#a:b.org"}}

// TestEditsFitTheFile: whatever form a file is written in, what is added is there, as one piece of text, and the rest is byte by byte what
// it was.
func TestEditsFitTheFile(t *testing.T) {
	folder := AddItem("folder", "A room", aFolder...)
	table := AddTable(layout.Path{"destination", "chat"}, "", Setting{"type", "matrix"})
	for name, c := range map[string]struct {
		text string
		edit Edit
		want string // which is in the result
	}{
		"nothing":               {"", folder, "# A room\n[[folder]]\npath = \"/srv/drop/a \\\"b\\\" ü\"\nroom = \"#a:b.org\"\n"},
		"a byte order mark":     {"\ufeff", folder, "\ufeff# A room\n"},
		"no newline at the end": {"a = 1", folder, "a = 1\n\n# A room\n"},
		"a comment at the end":  {"a = 1 # one", folder, "a = 1 # one\n\n# A room\n"},
		"CRLF":                  {"a = 1\r\n# end\r\n", folder, "# end\r\n\r\n# A room\r\n[[folder]]\r\npath"},
		"folders in the middle": {"[[folder]]\npath='x'\n# more\n[control]\n", folder, "[control]\n\n# A room\n[[folder]]\n"},
		"a list of tables":      {"folder = [ # here [\n\t{path = 'x'}, # it ]\n]\nb = 1\n", folder, "{path = 'x'}, # it ]\n\t{path = \"/srv"},
		"a list with no comma":  {"folder = [\n\t{path = 'x'} # it ]\n]\nb = 1\n", folder, "{path = 'x'}, {path = \"/srv"},
		"a list on one line":    {"folder = [{path = ']#'}]\n", folder, "{path = ']#'}, {path = \"/srv"},
		"an empty list":         {"folder = []\n", folder, "[{path = \"/srv"},
		"a list of comments":    {"folder = [ # {\n # }\n]\n", folder, "[{path = \"/srv"},
		"a table":               {"[destination.a]\ntype = 'matrix'", table, "\n\n[destination.chat]\n"},
		"a table of dots":       {"destination.a.type = 'matrix'\n", table, "\n[destination.chat]\n"},
		"a table in braces":     {"destination = {a = {type = 'matrix'}} # yes\n", table, "{chat = {type = \"matrix\"}, a = "},
		"empty braces":          {"destination = { }\n", table, "{chat = {type = \"matrix\"} }"},
		"into a table":          {"x = 1\n  [[folder]] # one\n  a = 1\n[[folder]]\n", Add(layout.Path{"folder", "0"}, Setting{"destination", "a"}), "# one\n  destination = \"a\"\n  a = 1\n"},
		"into the last table":   {"[[folder]]\n[[folder]]", Add(layout.Path{"folder", "1"}, Setting{"destination", "a"}), "[[folder]]\ndestination"},
		"into braces":           {"folder = [{a = 1}]", Add(layout.Path{"folder", "0"}, Setting{"destination", "a"}), `[{destination = "a", a = 1}]`},
	} {
		after, err := Apply(c.text, c.edit)
		if err != nil || !strings.Contains(after, c.want) || !isInsertion(c.text, after) {
			t.Errorf("%s: %v: %q", name, err, after)
		}
	}
}

// TestEditsThatChange: a value is replaced in its place, and lines become comments, whatever stands in them.
func TestEditsThatChange(t *testing.T) {
	for name, c := range map[string]struct {
		text, want string
		edit       Edit
	}{
		"a value":           {"[[folder]]\r\nid = 'x'  # an id\r\n", "[[folder]]\r\nid = \"y\"  # an id\r\n", Set(layout.Path{"folder", "0", "id"}, "y")},
		"a long value":      {"a = \"\"\"\nb\"\"\"#c\n", "a = \"y\"#c\n", Set(layout.Path{"a"}, "y")},
		"a value in braces": {"a = {b = 'c' , d = 1}\n", "a = {b = \"y\" , d = 1}\n", Set(layout.Path{"a", "b"}, "y")},
		"a line":            {"\ufeffa = 1\nb = 2\n", "\ufeff#a = 1\nb = 2\n", CommentOut(layout.Path{"a"})},
		"many lines":        {"x = 1\na = [ # one\n 1,\n]\nb = 2\n", "x = 1\n#a = [ # one\n# 1,\n#]\nb = 2\n", CommentOut(layout.Path{"a"})},
		"a table":           {"[k] # k\n# c\n\na = 1\n\tb.c = 2 # d\n[l]\na = 1\n", "#[k] # k\n# c\n\n#a = 1\n#\tb.c = 2 # d\n[l]\na = 1\n", CommentOut(layout.Path{"k"})},
		"a table of dots":   {"k.a = 1\nl = 1\nk.b = 1", "#k.a = 1\nl = 1\n#k.b = 1", CommentOut(layout.Path{"k"})},
		"the last folder":   {"[[folder]]\na=1\n[[folder]]\na=2\n", "[[folder]]\na=1\n#[[folder]]\n#a=2\n", CommentOut(layout.Path{"folder", "1"})},
		"the first folder":  {"[[folder]]\na=1\n[[folder]]\na=2\n", "#[[folder]]\n#a=1\n[[folder]]\na=2\n", CommentOut(layout.Path{"folder", "0"})},
		"the only folder":   {"[[folder]]\na=1\n[c]\na=2\n", "#[[folder]]\n#a=1\n[c]\na=2\n", CommentOut(layout.Path{"folder", "0"})},
	} {
		if after, err := Apply(c.text, c.edit); err != nil || after != c.want {
			t.Errorf("%s: %v: %q", name, err, after)
		}
	}
}

// TestEditsThatDoNotFit are refused.
func TestEditsThatDoNotFit(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		edit Edit
	}{
		"a table that is there":    {"[a]\n", AddTable(layout.Path{"a"}, "")},
		"a key that is there":      {"[a]\nb = 1\n", Add(layout.Path{"a"}, Setting{"b", "x"})},
		"a key that is not there":  {"[a]\n", Set(layout.Path{"a", "b"}, "x")},
		"a table that is a number": {"folder = 1\n", AddItem("folder", "", aFolder...)},
		"into what has no place":   {"[a.b]\n", Add(layout.Path{"a"}, Setting{"c", "x"})},
		"a line with two values":   {"a = {b = 1, c = 2}\n", CommentOut(layout.Path{"a", "b"})},
		"nothing":                  {"", CommentOut(layout.Path{"a"})},
	} {
		if after, err := Apply(c.text, c.edit); !errors.Is(err, ErrForm) {
			t.Errorf("%s: %v: %q", name, err, after)
		}
	}
	if _, err := Apply("a = \n", AddItem("folder", "", aFolder...)); err == nil || errors.Is(err, ErrForm) {
		t.Errorf("no TOML: %v", err)
	}
}

// isInsertion reports whether after is before with one piece of text put into it.
func isInsertion(before, after string) bool {
	same := 0
	for same < len(before) && same < len(after) && before[same] == after[same] {
		same++
	}
	return strings.HasSuffix(after, before[same:]) && len(after) > len(before)
}

// FuzzApply: whatever the file, what is added is there, all settings of before mean what they meant, and all text of before, comments
// included, is still there.
func FuzzApply(f *testing.F) {
	for _, seed := range []string{
		"", "a = 1", "[[folder]]\npath = '/a' # c\n\n# d\n[control]\r\n", "folder = [ {path = \"]\"}, # x ]\n]", "destination = {a = {b = 1}}",
		"[destination.a]\ntype = 'x'\n", "destination.a.type = 1\n[folder.x]", "\ufeff# x\r\na.b = \"\"\"#\n\"\"\"#c", "[[folder]]\n[folder.a]\nb=1\n[[folder.c]]\n",
		"[destination]\n'chat x' = {}\n", "folder = [\n[\n1]]", "\"folder\" = [{'a#' = '''\n]'''\n}]", "folder=[{}#\n]",
	} {
		f.Add(seed, "/srv/x")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		if strings.Count(text, "[")+strings.Count(text, "{") > 40 || strings.ToValidUTF8(value, "") != value {
			t.Skip("takes its time, or is no value")
		}
		var before map[string]any
		if _, err := toml.Decode(text, &before); err != nil {
			t.Skip("no TOML")
		}
		for _, e := range []Edit{
			AddItem("folder", value, Setting{"path", value}, Setting{"room", "#a:b"}),
			AddTable(layout.Path{"destination", "chat"}, value, Setting{"homeserver", value}),
			Add(layout.Path{"folder", "0"}, Setting{"destination", value}),
		} {
			after, err := Apply(text, e)
			if err != nil {
				if !errors.Is(err, ErrForm) {
					t.Fatal(err)
				}
				continue
			}
			if !isInsertion(text, after) {
				t.Fatalf("%q became %q", text, after)
			}
			wantAdded(t, before, after, value)
		}
		out, err := Apply(text, CommentOut(layout.Path{"folder"}))
		if err != nil {
			return
		}
		if was, is := strings.Split(text, "\n"), strings.Split(out, "\n"); len(was) != len(is) {
			t.Fatalf("%q became %q", text, out)
		} else {
			for i := range was {
				if is[i] != was[i] && strings.Replace(is[i], "#", "", 1) != was[i] {
					t.Fatalf("%q became %q", text, out)
				}
			}
		}
	})
}

// wantAdded sees that after means all that before did, and that there is value besides.
func wantAdded(t *testing.T, before map[string]any, after, value string) {
	t.Helper()
	var now map[string]any
	if _, err := toml.Decode(after, &now); err != nil {
		t.Fatalf("%q: %v", after, err)
	}
	if added := differences(plain(before), plain(now)); added != 1 {
		t.Fatalf("%d things were added: %q", added, after)
	}
	if !strings.Contains(after, Quote(value)) {
		t.Fatalf("%q is not in %q", value, after)
	}
}

// differences counts what b has more than a, and a lot if a has anything that b has not.
func differences(a, b any) (n int) {
	const lots = 1000
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			return lots
		}
		for key, value := range a {
			other, ok := b[key]
			if !ok {
				return lots
			}
			n += differences(value, other)
		}
		return n + len(b) - len(a)
	case []any:
		b, ok := b.([]any)
		if !ok || len(b) < len(a) {
			return lots
		}
		for i := range a {
			n += differences(a[i], b[i])
		}
		return n + len(b) - len(a)
	}
	if !reflect.DeepEqual(a, b) {
		return lots
	}
	return 0
}
