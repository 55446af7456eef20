package inquiry

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/text"
)

// WatchedFolder is the configured path of the watched folder at path, however that is spelled. Its error is a *control.Refusal that
// names those that there are.
func WatchedFolder(folders []config.Folder, path string) (string, error) {
	path = filepath.Clean(path)
	var names []string
	for _, f := range folders {
		if f.Path == path {
			return path, nil
		}
		names = append(names, text.Quoted(f.Path))
	}
	here, err := os.Stat(path)
	for _, f := range folders {
		if there, missing := os.Stat(f.Path); err == nil && missing == nil && os.SameFile(here, there) {
			return f.Path, nil
		}
	}
	const most = 20
	list := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		list += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return "", &control.Refusal{Text: quote(path) + " is no watched folder of the configuration: these are " + list}
}
