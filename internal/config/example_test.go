package config

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// example is the file that users begin with.
func example(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../config.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// shown makes settings of the example's "#key = value" lines. Prose has a space behind its #.
func shown(text string) string {
	return regexp.MustCompile(`(?m)^#([a-z_]+ = )`).ReplaceAllString(text, "$1")
}

// fillIn puts real things in the place of the example's.
func fillIn(t *testing.T, dir, text string) string {
	t.Helper()
	for _, swap := range [][2]string{
		{`"/srv/drop/reception"`, `"` + dir + `/a"`}, {`"credential:application-secret"`, `"env:A"`}, {`"credential:refresh-token"`, `"env:B"`},
	} {
		if strings.Count(text, swap[0]) != 1 {
			t.Fatalf("%s is not in the example once", swap[0])
		}
		text = strings.Replace(text, swap[0], swap[1], 1)
	}
	return text
}

// TestExample: as it is, and with every default spelled out, it means the same, and there is nothing to warn of.
func TestExample(t *testing.T) {
	dir := tree(t)
	environment := env("A", "secret", "B", "token")
	asIs := mustLoad(t, dir, fillIn(t, dir, example(t)), environment)
	full := mustLoad(t, dir, fillIn(t, dir, shown(example(t))), environment)
	if asIs.Destinations[0].Kaizala.ApplicationSecret.Reveal() != "secret" || len(asIs.Folders) != 1 || len(asIs.Warnings) != 0 {
		t.Errorf("got %+v", asIs)
	}
	asIs.Path, full.Path, asIs.Files, full.Files = "", "", nil, nil
	if !reflect.DeepEqual(asIs, full) {
		t.Errorf("as it is    %+v\nspelled out %+v", asIs, full)
	}
}

// TestExampleIsComplete holds it against the table, both ways.
func TestExampleIsComplete(t *testing.T) {
	var root map[string]any
	if _, err := toml.Decode(shown(example(t)), &root); err != nil {
		t.Fatal(err)
	}
	defaults, _ := root[defaultsSection].(map[string]any)
	kaizala, _ := root[kaizalaSection].(map[string]any)
	control, _ := root[controlSection].(map[string]any)
	folders, _ := root[folderSection].([]map[string]any)
	if len(folders) != 1 {
		t.Fatalf("got %d folders, want one", len(folders))
	}
	for _, section := range []string{kaizalaSection, defaultsSection, folderSection, controlSection} {
		delete(root, section)
	}
	// What every office must fill in has no default to show.
	mustFill := []string{"application_id", "application_secret", "refresh_token", "path", "group_id"}
	compare(t, "top", root, topSettings(), nil)
	compare(t, "kaizala", kaizala, kaizalaSettings(), mustFill)
	compare(t, "control", control, controlSettings(), nil)
	compare(t, "defaults", defaults, defaultable(folderSettings()), nil)
	compare(t, "folder", folders[0], folderSettings()[:2], mustFill)
}

func compare[T any](t *testing.T, section string, got map[string]any, rows []setting[T], mustFill []string) {
	t.Helper()
	if len(got) != len(rows) {
		t.Errorf("%s: %d keys, want %d", section, len(got), len(rows))
	}
	for _, row := range rows {
		value, ok := got[row.name]
		switch {
		case !ok:
			t.Errorf("%s: %s is not in the example", section, row.name)
		case slices.Contains(mustFill, row.name):
		case !reflect.DeepEqual(value, row.fallback):
			t.Errorf("%s: %s = %v, but its default is %v", section, row.name, value, row.fallback)
		}
	}
}

// TestExampleCommentsOutDefaults: whoever copies the file must not freeze today's defaults.
func TestExampleCommentsOutDefaults(t *testing.T) {
	for line := range strings.Lines(example(t)) {
		key, _, ok := strings.Cut(line, " = ")
		if ok && !strings.HasPrefix(line, "#") && !slices.Contains(
			[]string{"application_id", "application_secret", "refresh_token", "path", "group_id"}, key) {
			t.Errorf("not commented out: %s", line)
		}
	}
}

// TestExampleShowsMatrix: each setting of a Matrix destination is in the example, with its default, and the example of a room is one.
func TestExampleShowsMatrix(t *testing.T) {
	lines := regexp.MustCompile(`(?m)^#   ((?:\[destination\.chat\]|[a-z_]+ = ).*)$`)
	var shown []string
	for _, match := range lines.FindAllStringSubmatch(example(t), -1) {
		shown = append(shown, match[1])
	}
	from := slices.Index(shown, "[destination.chat]")
	to := slices.IndexFunc(shown, func(line string) bool { return strings.HasPrefix(line, "max_attempts") })
	room := slices.IndexFunc(shown, func(line string) bool { return strings.HasPrefix(line, "room = ") })
	if from < 0 || to < from || room < to {
		t.Fatalf("got %q", shown)
	}
	text := strings.Join(shown[from:to+1], "\n") + "\n[[folder]]\npath = '$DIR/a'\n" + shown[room] + "\n"
	spelled := mustLoad(t, tree(t), text, env()).Destinations[0]
	least := mustLoad(t, tree(t), server+"[[folder]]\npath = '$DIR/a'\nroom = '!x'\n", env()).Destinations[0]
	if !reflect.DeepEqual(spelled, least) {
		t.Errorf("spelled out %+v\nleft out    %+v", spelled, least)
	}
	for _, row := range matrixSettings() {
		if !slices.ContainsFunc(shown[from:to+1], func(line string) bool { return strings.HasPrefix(line, row.name+" = ") }) {
			t.Errorf("%s is not in the example", row.name)
		}
	}
}
