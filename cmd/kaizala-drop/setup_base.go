package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"

	"github.com/BurntSushi/toml"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/layout"
	"kaizala-drop/internal/setup"
)

// baseline is what the configuration says already.
type baseline struct {
	text   string         // with what setup writes into a new file
	root   map[string]any // what it means
	config config.Config  // without what is open

	openKaizala bool   // [kaizala] names no application yet, or that of the example
	openMatrix  string // the name of a destination that has the homeserver of the example; "": none
	openFolder  int    // the index of a folder that has the group or room of the example; -1: none
	openPath    string // its path
}

// readBaseline reads it. What is wrong with the file is an error, but that values of the example still stand, and that there is no
// destination or no folder yet.
func readBaseline(f settingsFile, env config.Environment) (b baseline, err error) {
	b = baseline{text: f.text, openFolder: -1}
	if _, err := toml.Decode(f.text, &b.root); err != nil {
		if _, err = config.Parse(f.path, f.text, f.mode(), env); err == nil {
			err = errors.New("it is not TOML")
		}
		return b, mendFirst(err)
	}
	b.findOpen()
	closed, err := setup.Apply(f.text, b.close()...)
	if err != nil {
		return b, mendFirst(fmt.Errorf("%s: %w: write your own values in the place of the example's", f.path, err))
	}
	whole, hasDestination, hasFolder, err := completed(closed)
	if err != nil {
		return b, mendFirst(fmt.Errorf("%s: %w", f.path, err))
	}
	if b.config, err = config.Parse(f.path, whole, f.mode(), env); err != nil {
		return b, mendFirst(err)
	}
	if !hasDestination {
		b.config.Destinations = nil
	}
	if !hasFolder {
		b.config.Folders = nil
	}
	return b, nil
}

func mendFirst(err error) error {
	return &exitError{exitConfig, fmt.Errorf("%w\nthe configuration is to be right before a folder is added: mend that", err)}
}

// mode is that of the file, or what it will be.
func (f settingsFile) mode() fs.FileMode {
	if f.there {
		return f.info.Mode()
	}
	return 0o640
}

// findOpen looks for what of the example still stands.
func (b *baseline) findOpen() {
	kaizala, ok := b.root["kaizala"].(map[string]any)
	if ok {
		id, token := kaizala["application_id"], kaizala["access_token"]
		b.openKaizala = (id == nil || id == "") && (token == nil || token == "")
	}
	for _, e := range config.ExamplesIn(b.text) {
		switch section := e.Path[0]; {
		case section == "kaizala":
			b.openKaizala = true
		case section == "destination" && e.Path[len(e.Path)-1] == "homeserver" && len(e.Path) == 3 && b.openMatrix == "":
			b.openMatrix = e.Path[1]
		case section == "folder" && len(e.Path) == 3 && b.openFolder < 0:
			b.openFolder, _ = strconv.Atoi(e.Path[1])
			if table := b.folderTables(); b.openFolder < len(table) {
				b.openPath, _ = table[b.openFolder]["path"].(string)
			}
		}
	}
}

// close makes comments of what is open.
func (b *baseline) close() (edits []setup.Edit) {
	if b.openKaizala {
		edits = append(edits, setup.CommentOut(layout.Path{"kaizala"}))
	}
	if b.openMatrix != "" {
		edits = append(edits, setup.CommentOut(layout.Path{"destination", b.openMatrix}))
	}
	if b.openFolder >= 0 {
		edits = append(edits, setup.CommentOut(layout.Path{"folder", strconv.Itoa(b.openFolder)}))
	}
	return edits
}

// completed is a text with a destination and a folder, so that all else in it can be judged.
func completed(text string) (whole string, hasDestination, hasFolder bool, err error) {
	var root map[string]any
	if _, err := toml.Decode(text, &root); err != nil {
		return "", false, false, err
	}
	more, _ := root["destination"].(map[string]any)
	hasDestination, hasFolder = root["kaizala"] != nil || len(more) > 0, root["folder"] != nil
	var edits []setup.Edit
	if !hasDestination {
		edits = append(edits, setup.AddTable(layout.Path{"kaizala"}, "", setup.Setting{Key: "access_token", Value: "none"}))
	}
	if !hasFolder {
		name, target := "kaizala", setup.Setting{Key: "group_id", Value: "none"}
		if hasDestination && root["kaizala"] == nil {
			name = slices.Sorted(maps.Keys(more))[0]
			if table, _ := more[name].(map[string]any); table["type"] == config.MatrixType {
				target = setup.Setting{Key: "room", Value: "!none"}
			}
		}
		edits = append(edits, setup.AddItem("folder", "", setup.Setting{Key: "path", Value: "/nonexistent/kaizala-drop"}, target,
			setup.Setting{Key: "destination", Value: name}))
	}
	whole, err = setup.Apply(text, edits...)
	return whole, hasDestination, hasFolder, err
}

func (b *baseline) folderTables() (all []map[string]any) {
	switch v := b.root["folder"].(type) {
	case []map[string]any:
		return v
	case []any:
		for _, item := range v {
			table, _ := item.(map[string]any)
			all = append(all, table)
		}
	}
	return all
}
