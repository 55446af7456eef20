package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/layout"
	"kaizala-drop/internal/setup"
	"kaizala-drop/internal/text"
)

const usualEndpoint = "https://api.kaiza.la"

// newText is what a configuration begins with that is not there yet.
func (s *settingUp) newText() string {
	if s.file.there {
		return s.file.text
	}
	all := "# Settings of kaizala-drop, written by kaizala-drop setup: run it again to add a folder. There are many more settings, each with\n" +
		"# its default: see config.example.toml. After a change: kaizala-drop check, and systemctl reload kaizala-drop.\n"
	dir := s.stateDir()
	if dir == unitStateDir {
		return all
	}
	all += "\nstate_dir = " + setup.Quote(dir) + "\n"
	if socket := filepath.Join(dir, "control.sock"); !s.host.unit && len(socket) <= config.LongestSocket {
		all += "\n[control]\nsocket = " + setup.Quote(socket) + "\n"
	}
	return all
}

// stateDir is that of the configuration, or what it is going to be.
func (s *settingUp) stateDir() string {
	switch {
	case s.file.there:
		return s.base.config.StateDir
	case s.flags.stateDir != "":
		return filepath.Clean(s.flags.stateDir)
	case !s.host.root || !s.host.unit && s.file.path != defaultConfig: // a daemon beside the service
		return filepath.Join(filepath.Dir(s.file.real), "state")
	}
	return unitStateDir
}

// nameFor is the name of a new destination.
func (s *settingUp) nameFor() string {
	_, hasKaizala := s.base.root["kaizala"]
	typed := func(d config.Destination) bool { return d.Type == s.known.Type }
	name := map[string]string{setup.Matrix: "chat", setup.Kaizala: "kaizala"}[s.known.Type]
	switch {
	case s.known.Type == setup.Matrix && s.base.openMatrix != "" && !slices.Contains(s.avoided, s.base.openMatrix):
		return s.base.openMatrix
	case s.known.Type == setup.Kaizala && !slices.Contains(s.avoided, name) && (s.base.openKaizala || !hasKaizala && !slices.ContainsFunc(s.base.config.Destinations, typed)):
		return name
	}
	more, _ := s.base.root["destination"].(map[string]any)
	for n := 1; ; n++ {
		next := name
		if n > 1 {
			next = fmt.Sprintf("%s%d", name, n)
		}
		if _, taken := more[next]; !taken && next != "kaizala" && !slices.Contains(s.avoided, next) {
			return next
		}
	}
}

// destinationEdits write the destination down.
func (s *settingUp) destinationEdits() (edits []setup.Edit) {
	kaizala := layout.Path{"kaizala"}
	if s.base.openKaizala && (s.known.Configured || s.known.Type == setup.Matrix || s.known.Destination != "kaizala") {
		edits = append(edits, setup.CommentOut(kaizala))
	}
	if s.known.Configured {
		return edits
	}
	own := layout.Path{"destination", s.known.Destination}
	switch {
	case s.known.Type == setup.Matrix && s.base.openMatrix == s.known.Destination:
		edits = append(edits, setup.Set(own.Child("homeserver"), s.known.Homeserver))
	case s.known.Type == setup.Matrix:
		edits = append(edits, setup.AddTable(own, "A Matrix account. Its token is in state_dir: kaizala-drop login "+s.known.Destination,
			setup.Setting{Key: "type", Value: "matrix"}, setup.Setting{Key: "homeserver", Value: s.known.Homeserver}))
	case s.known.Destination == "kaizala" && s.base.openKaizala:
		edits = append(edits, s.fill(kaizala, s.kaizalaSettings())...)
	case s.known.Destination == "kaizala":
		edits = append(edits, setup.AddTable(kaizala, "A connector of Kaizala", s.kaizalaSettings()...))
	default:
		edits = append(edits, setup.AddTable(own, "A connector of Kaizala",
			append([]setup.Setting{{Key: "type", Value: "kaizala"}}, s.kaizalaSettings()...)...))
	}
	return append(edits, s.pins()...)
}

func (s *settingUp) kaizalaSettings() (all []setup.Setting) {
	if s.known.Endpoint != "" && s.known.Endpoint != usualEndpoint {
		all = append(all, setup.Setting{Key: "endpoint", Value: s.known.Endpoint})
	}
	secret, _ := s.keptAt("application-secret")
	all = append(all, setup.Setting{Key: "application_id", Value: cmp.Or(s.known.ApplicationID, "unknown")},
		setup.Setting{Key: "application_secret", Value: secret})
	if refresh, _ := s.keptAt("refresh-token"); s.references[refresh] != "" {
		all = append(all, setup.Setting{Key: "refresh_token", Value: refresh})
	}
	return all
}

// fill sets the settings of a table, and leaves no refresh token of the example there.
func (s *settingUp) fill(at layout.Path, settings []setup.Setting) (edits []setup.Edit) {
	table, _ := s.base.root[at[0]].(map[string]any)
	for _, one := range settings {
		if _, there := table[one.Key]; there {
			edits = append(edits, setup.Set(at.Child(one.Key), one.Value))
		} else {
			edits = append(edits, setup.Add(at, one))
		}
	}
	named := func(one setup.Setting) bool { return one.Key == "refresh_token" }
	if _, there := table["refresh_token"]; there && !slices.ContainsFunc(settings, named) {
		edits = append(edits, setup.CommentOut(at.Child("refresh_token")))
	}
	return edits
}

// pins write down for each folder which destination it posts to, where that was the only one of its type until now.
func (s *settingUp) pins() (edits []setup.Edit) {
	var before []string
	for _, d := range s.base.config.Destinations {
		if d.Type == s.known.Type {
			before = append(before, d.Name)
		}
	}
	defaults, _ := s.base.root["defaults"].(map[string]any)
	if len(before) != 1 || before[0] == "kaizala" || defaults["destination"] != nil {
		return nil
	}
	key := map[string]string{setup.Matrix: "room", setup.Kaizala: "group_id"}[s.known.Type]
	for i, table := range s.base.folderTables() {
		if table[key] != nil && table["destination"] == nil && i != s.base.openFolder {
			edits = append(edits, setup.Add(layout.Path{"folder", strconv.Itoa(i)}, setup.Setting{Key: "destination", Value: before[0]}))
		}
	}
	return edits
}

// folderEdits write the folder down.
func (s *settingUp) folderEdits() (edits []setup.Edit) {
	key, other := "room", "group_id"
	if s.known.Type == setup.Kaizala {
		key, other = other, key
	}
	settings := []setup.Setting{{Key: "path", Value: s.known.Folder}, {Key: key, Value: s.known.Target}}
	if s.mustNameDestination() {
		settings = append(settings, setup.Setting{Key: "destination", Value: s.known.Destination})
	}
	if s.base.openFolder < 0 {
		return []setup.Edit{setup.AddItem("folder", text.Line(cmp.Or(s.called, "A folder"), 60), settings...)}
	}
	at := layout.Path{"folder", strconv.Itoa(s.base.openFolder)}
	table := s.base.folderTables()[s.base.openFolder]
	for _, one := range settings {
		if _, there := table[one.Key]; there {
			edits = append(edits, setup.Set(at.Child(one.Key), one.Value))
		} else {
			edits = append(edits, setup.Add(at, one))
		}
	}
	if _, there := table[other]; there {
		edits = append(edits, setup.CommentOut(at.Child(other)))
	}
	return edits
}

// mustNameDestination reports whether the folder would post elsewhere otherwise, or nowhere.
func (s *settingUp) mustNameDestination() bool {
	defaults, _ := s.base.root["defaults"].(map[string]any)
	if name, ok := defaults["destination"].(string); ok && name != "" {
		return name != s.known.Destination
	}
	others := 0
	for _, d := range s.base.config.Destinations {
		if d.Type == s.known.Type && d.Name != s.known.Destination {
			others++
		}
	}
	return others > 0 && s.known.Destination != "kaizala"
}

// parse reads what the configuration is to be.
func (s *settingUp) parse(edits []setup.Edit, withoutFolders bool) (string, config.Config, error) {
	next, err := setup.Apply(s.newText(), edits...)
	if err != nil {
		return "", config.Config{}, &exitError{exitConfig, fmt.Errorf("%s: %w: write it there by hand", text.Printable(s.file.path), err)}
	}
	env := s.environment()
	env.WithoutFolders = withoutFolders
	c, err := config.Parse(s.file.path, next, s.file.mode(), env)
	return next, c, err
}
