package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/BurntSushi/toml"

	"kaizala-drop/internal/config"
)

// The configuration of the demo.

// configMark begins the configuration of a demo, and tells it from anybody else's.
const configMark = "# Written by kaizala-drop demo, anew at each start.\n"

// claimDir sees that the demo will overwrite no configuration but its own, and remove no media but its own.
func (d *demonstration) claimDir() error {
	path := d.folder("config.toml")
	content, err := os.ReadFile(path)
	ours := strings.HasPrefix(string(content), configMark)
	if errors.Is(err, os.ErrNotExist) {
		path = d.folder("sandbox")
		kept, _ := os.ReadDir(path) // what cannot be listed shows when it is cleared
		ours, err = len(kept) == 0, nil
	}
	if err == nil && !ours {
		return fmt.Errorf("%q is not a demo's: name another folder with --dir", path)
	}
	return err
}

func (d *demonstration) configure() error {
	path, err := d.writeConfig()
	if err == nil {
		d.config, err = loadConfig(path)
	}
	return err
}

// writeConfig writes the configuration that the demo runs with: it serves as an example, too.
func (d *demonstration) writeConfig() (path string, err error) {
	type table = map[string]any
	var folders []table
	for _, g := range demoGroups() {
		if err := os.MkdirAll(d.folder(g.Name), 0o755); err != nil {
			return "", err
		}
		folders = append(folders, table{"path": d.folder(g.Name), "group_id": g.ID, "caption": "{{.Stem}}"})
	}
	content, err := toml.Marshal(table{
		"state_dir": d.folder("state"),
		"kaizala": table{
			"endpoint": d.sandbox.url, "application_id": "demo", "application_secret": "demo", "refresh_token": "demo",
			"calls_per_minute": 0,
		},
		"control":  table{"socket": d.socket()},
		"defaults": table{"settle": "1s", "truncated_after": "5s"},
		"folder":   folders,
	})
	if err != nil {
		return "", err
	}
	path = d.folder("config.toml")
	return path, os.WriteFile(path, append([]byte(configMark), content...), 0o600)
}

// socket is where the daemon of the demo answers, if the path is one that a socket can have.
func (d *demonstration) socket() string {
	if path := d.folder("control.sock"); len(path) <= config.LongestSocket {
		return path
	}
	return ""
}
