package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"kaizala-drop/internal/layout"
)

// Example is a value of config.example.toml or the README that stands where one's own belongs.
type Example struct {
	Path  layout.Path // of the key
	Value string
}

// placeholders are the values that are nobody's, and what to write in their place, by their keys.
func placeholders() map[string]struct {
	values []string
	write  string
} {
	type row = struct {
		values []string
		write  string
	}
	return map[string]row{
		"application_id": {[]string{"your-application-id", "..."}, "the id of your connector"},
		"group_id": {[]string{"00000000-0000-0000-0000-000000000000@2", "0f8b4a1e-...@2", "..."},
			"the id of your group, as kaizala-drop groups lists it"},
		"homeserver": {nil, "the name of your server"},
		"room":       {nil, "your room, as kaizala-drop groups lists it"},
		"user":       {nil, "your account"},
	}
}

// isReserved reports whether the name of a server, an account or a room is at one of the domains that are kept for examples (RFC 2606).
func isReserved(name string) bool {
	for _, domain := range []string{"example.org", "example.com", "example.net"} {
		before, ok := strings.CutSuffix(strings.TrimRight(name, "/"), domain)
		if ok && (before == "" || strings.ContainsAny(before[len(before)-1:], ".:/")) {
			return true
		}
	}
	return false
}

// ExamplesIn finds the values of the examples that stand in the text of a file, in the order of the file.
func ExamplesIn(text string) (all []Example) {
	var root map[string]any
	if _, err := toml.Decode(text, &root); err != nil {
		return nil
	}
	lookFor(root, nil, &all)
	places := layout.Of(text)
	slices.SortStableFunc(all, func(a, b Example) int { return places.Line(a.Path) - places.Line(b.Path) })
	return all
}

func lookFor(value any, path layout.Path, all *[]Example) {
	switch v := value.(type) {
	case map[string]any:
		for key, value := range v {
			lookFor(value, path.Child(key), all)
		}
	case []map[string]any:
		for i, value := range v {
			lookFor(value, path.Item(i), all)
		}
	case []any:
		for i, value := range v {
			lookFor(value, path.Item(i), all)
		}
	case string:
		if isExample(path, v) {
			*all = append(*all, Example{path, v})
		}
	}
}

// isExample goes by where the value is read: a key of that name elsewhere is unknown.
func isExample(path layout.Path, value string) bool {
	section, key := path[0], path[len(path)-1]
	known, ok := placeholders()[key]
	if !ok || !slices.Contains([]string{kaizalaSection, destinationSection, folderSection}, section) {
		return false
	}
	_, inList := strconv.Atoi(key)
	return inList != nil && (slices.Contains(known.values, value) || known.values == nil && isReserved(value))
}

// examples tells of them.
func examples(text string) (all []Problem) {
	places := layout.Of(text)
	for _, e := range ExamplesIn(text) {
		key := e.Path[len(e.Path)-1]
		all = append(all, Problem{places.Line(e.Path), fmt.Sprintf("%s is still that of the example, %q: write %s, or run kaizala-drop setup",
			key, shorten(e.Value), placeholders()[key].write)})
	}
	return all
}
