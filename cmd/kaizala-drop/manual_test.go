package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kaizala-drop/packaging/manpage"
)

// TestManualHasEveryFlag: each command has a page, with a paragraph for each of its flags, and those of commands below it.
func TestManualHasEveryFlag(t *testing.T) {
	root := newRoot()
	pages := manpage.Edition{Version: "1"}.Commands(root)
	flags := 0
	var look func(cmd *cobra.Command, page string)
	look = func(cmd *cobra.Command, page string) {
		text := string(pages[page])
		if text == "" {
			t.Errorf("%s has no page %s", cmd.CommandPath(), page)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			flags++
			tag := `\fB\-\-` + strings.ReplaceAll(f.Name, "-", `\-`) + `\fR`
			_, behind, _ := strings.Cut(text, tag)
			_, about, _ := strings.Cut(behind, "\n")
			if about == "" || about[0] == '.' {
				t.Errorf("%s has no paragraph for --%s of %s", page, f.Name, cmd.CommandPath())
			}
		})
		for _, sub := range cmd.Commands() {
			if cmd == root {
				look(sub, "kaizala-drop-"+sub.Name()+".1")
			} else {
				look(sub, page)
			}
		}
	}
	look(root, "kaizala-drop.1")
	if len(pages) != len(root.Commands())+1 || flags < 40 {
		t.Errorf("%d pages and %d flags were looked at", len(pages), flags)
	}
}
