//go:build packaging

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"kaizala-drop/packaging/manpage"
)

// main of the program that packaging/build runs writes the manual pages and the completions of shells: it has the whole command line,
// and the program that is installed has none of this.
//
//	packaging DIR EXAMPLE VERSION EPOCH
func main() {
	if err := writePackaged(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
}

func writePackaged(args []string) error {
	if len(args) != 4 {
		return errors.New("usage: DIR EXAMPLE VERSION EPOCH")
	}
	dir := args[0]
	example, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	epoch, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return fmt.Errorf("EPOCH: %w", err)
	}
	edition := manpage.Edition{Version: args[2], Date: time.Unix(epoch, 0)}
	files := map[string][]byte{}
	for name, page := range edition.Commands(newRoot()) {
		files["man/"+name] = page
	}
	if files["man/kaizala-drop.toml.5"], err = edition.Settings(string(example)); err != nil {
		return err
	}
	for path, text := range files {
		if err := write(filepath.Join(dir, path), text); err != nil {
			return err
		}
	}
	return writeCompletions(filepath.Join(dir, "completions"))
}

// writeCompletions writes what "kaizala-drop completion" prints for each shell.
func writeCompletions(dir string) error {
	root, bash, zsh, fish := newRoot(), bytes.Buffer{}, bytes.Buffer{}, bytes.Buffer{}
	root.SetOut(&bash)
	root.SetArgs([]string{"completion", "bash"}) // it is mended there
	return errors.Join(root.Execute(), root.GenZshCompletion(&zsh), root.GenFishCompletion(&fish, true),
		write(filepath.Join(dir, "kaizala-drop"), bash.Bytes()), write(filepath.Join(dir, "_kaizala-drop"), zsh.Bytes()),
		write(filepath.Join(dir, "kaizala-drop.fish"), fish.Bytes()))
}

func write(path string, text []byte) error {
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o644))
}
