package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/inquiry"
)

func newExplain() *cobra.Command {
	var a asker
	cmd := &cobra.Command{
		Use:   "explain FILE...",
		Short: "Tell the story of a file: where it is, why it waits or failed, and what to do",
		Long: `explain tells in plain words what is known of a file, wherever it lies: in a watched folder, in done/ or failed/, anywhere else, or
not there any more. A name without a folder is looked for everywhere. It asks the running daemon; where none runs it says so,
and tells what the ledger knows.`,
		Example: `  kaizala-drop explain /srv/drop/reception/scan0001.pdf
  kaizala-drop explain scan0001.pdf
  kaizala-drop explain --json /srv/drop/reception/failed/*`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			desk, done, err := a.desk(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			var stories []control.Story
			for i, arg := range args {
				s, err := desk.Explain(cmd.Context(), pathOf(arg), control.LocalZone(time.Now()))
				if err != nil {
					return failed(err)
				}
				if a.json {
					stories = append(stories, s)
					continue
				}
				if i > 0 {
					fmt.Fprintln(cmd.OutOrStdout())
				}
				if err := writeLines(cmd.OutOrStdout(), inquiry.StoryText(s)); err != nil {
					return err
				}
			}
			if a.json {
				return writeJSON(cmd.OutOrStdout(), stories)
			}
			return nil
		},
	}
	a.flags(cmd)
	cmd.ValidArgsFunction = a.completeFile
	a.completes(cmd)
	return cmd
}

// pathOf is what a person means by arg: a file relative to where they are, or, if there is none and arg has no folder, a name.
func pathOf(arg string) string {
	if _, err := os.Lstat(arg); errors.Is(err, fs.ErrNotExist) && !strings.Contains(arg, "/") {
		return arg
	}
	path, err := filepath.Abs(upOf(arg))
	if err != nil {
		return arg
	}
	return path
}

// upOf is a path without "..", which leads out of where a link on the way leads to, as the kernel has it, and not out of the folder with
// the link.
func upOf(path string) string {
	dir, base := filepath.Split(path)
	if base == ".." {
		dir, base = path, "."
	}
	if !strings.Contains("/"+dir+"/", "/../") {
		return path
	}
	if there, err := filepath.EvalSymlinks(dir); err == nil {
		return filepath.Join(there, base)
	}
	return path
}
