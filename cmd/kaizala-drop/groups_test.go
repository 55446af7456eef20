package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"kaizala-drop/internal/config"
)

// hostile are texts that would do something to a terminal, to a table or to a file of settings.
func hostile() []string {
	return []string{
		"\x1b[31mred\x1b[2J", "two\nlines", "tab\tand\rreturn", "bell\a", "C1 \u009b31m", "bidi \u202egnp.exe", "zero\u200bwidth", "\ufeffmark", "del\x7f", "nul\x00",
		`quote " and ' and \ and #`, `"""`, "é \u00a0 日本 🙂", "private \U000f0000 use", "tag \U000e0041", "line\u2028separator", "", "-", "# no comment", strings.Repeat("long ", 1000),
	}
}

func hostileGroups() (groups []listedGroup) {
	for _, text := range hostile() {
		groups = append(groups, listedGroup{ID: text, Name: text, Type: text, Role: text, Folders: []string{text}})
	}
	return groups
}

// wantHarmless sees that there is nothing in a text but what is shown, and line breaks.
func wantHarmless(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && r != ' ' && (!unicode.IsGraphic(r) || unicode.IsSpace(r)) {
			t.Errorf("%q is in %.300q", r, text)
		}
	}
}

// TestHostileGroups: names of groups do nothing to a terminal in any form of the list, each keeps its own line, and what programs
// read of it is exactly what Kaizala said.
func TestHostileGroups(t *testing.T) {
	groups := hostileGroups()
	var table, lines, text bytes.Buffer
	must(t, groupsAsTable(&table, groups))
	must(t, groupsAsTOML(&lines, groups))
	must(t, groupsAsJSON(&text, "kaizala", groups))
	for _, out := range []*bytes.Buffer{&table, &lines, &text} {
		wantHarmless(t, out.String())
	}
	if n := strings.Count(table.String(), "\n"); n != len(groups)+1 {
		t.Errorf("%d lines of %d groups", n, len(groups))
	}
	pasted := strings.Split(strings.TrimSuffix(lines.String(), "\n"), "\n")
	if len(pasted) != len(groups) {
		t.Fatalf("%d lines of %d groups", len(pasted), len(groups))
	}
	for i, line := range pasted {
		var read map[string]string
		if _, err := toml.Decode(line, &read); err != nil || len(read) != 1 || read["group_id"] != groups[i].ID {
			t.Errorf("%.300s: read as %.300q, %v", line, read, err)
		}
		if _, comment, _ := strings.Cut(line, "   # "); utf8.RuneCountInString(comment) > 4*6*60+len(groups[i].ID)*10 {
			t.Errorf("%d characters", len(line))
		}
	}
	var read struct {
		Destination string        `json:"destination"`
		Groups      []listedGroup `json:"groups"`
	}
	must(t, json.Unmarshal(text.Bytes(), &read))
	if !reflect.DeepEqual(read.Groups, groups) || read.Destination != "kaizala" {
		t.Errorf("read %+v", read)
	}
}

// TestNoGroups: an account in no group has an empty list, not nothing.
func TestNoGroups(t *testing.T) {
	var table, lines, text bytes.Buffer
	must(t, groupsAsTable(&table, nil))
	must(t, groupsAsTOML(&lines, nil))
	must(t, groupsAsJSON(&text, "kaizala", nil))
	if !strings.Contains(table.String(), "in no group") || lines.Len() > 0 || !strings.Contains(text.String(), `"groups": []`) {
		t.Errorf("got %q, %q, %q", &table, &lines, &text)
	}
}

// TestGroupsAndFolders: each group has the folders of this destination that post to it, and a folder without one is told.
func TestGroupsAndFolders(t *testing.T) {
	a := account{to: config.Destination{Name: "office"}, config: config.Config{Folders: []config.Folder{
		{Path: "/a", GroupID: "1@2", Destination: "office"}, {Path: "/b", GroupID: "1@2", Destination: "office"},
		{Path: "/c", GroupID: "1@2", Destination: "kaizala"}, {Path: "/d", GroupID: "1", Destination: "office"},
		{Path: "/e", Room: "#c:here", Destination: "office"}, {Path: "/f", Room: "!d", Destination: "office"},
	}}}
	listed, strange := a.listed([]listedGroup{{ID: "2@2", Name: "b"}, {ID: "1@2", Name: "C"}, {ID: "3@2", Name: "A"}, {ID: "0@2", Name: "C", Alias: "#c:here"}})
	var order []string
	for _, g := range listed {
		order = append(order, g.ID+" "+strings.Join(g.Folders, ","))
	}
	if got := strings.Join(order, "; "); got != "3@2 ; 2@2 ; 0@2 /e; 1@2 /a,/b" {
		t.Errorf("got %s", got)
	}
	if len(strange) != 2 || !strings.Contains(strange[0], `folder "/d": group_id "1" is not among the groups`) ||
		!strings.Contains(strange[1], `folder "/f": room "!d" is not among the rooms`) {
		t.Errorf("got %q", strange)
	}
}

// TestChooseAccount: one need not be named, of several one must, and never is another one taken.
func TestChooseAccount(t *testing.T) {
	one, two := []config.Destination{{Name: "office"}}, []config.Destination{{Name: "kaizala"}, {Name: "office"}}
	for _, c := range []struct {
		all  []config.Destination
		args []string
		want string
	}{
		{one, nil, "office"}, {one, []string{"office"}, "office"}, {one, []string{"Office"}, ""}, {one, []string{"kaizala"}, ""}, {one, []string{""}, ""},
		{two, nil, ""}, {two, []string{"office"}, "office"}, {two, []string{"kaizala"}, "kaizala"}, {two, []string{"off"}, ""},
	} {
		got, err := chooseAccount(c.all, c.args)
		if got.Name != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: got %q, %v", c.args, got.Name, err)
		}
	}
}
