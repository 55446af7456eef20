package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/inquiry"
)

// What the shell can complete beside commands and flags: folders, states and failed files. Completion asks as a command does, and
// completes nothing where nobody answers in time.

// completeTime is how long somebody waits for a completion.
const completeTime = 2 * time.Second

// completes tells the shell what the flags of a command take.
func (a *asker) completes(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("config", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"toml"}, cobra.ShellCompDirectiveFilterFileExt
	})
	if cmd.Flags().Lookup("folder") != nil {
		_ = cmd.RegisterFlagCompletionFunc("folder", a.completeFolder)
	}
	if cmd.Flags().Lookup("state") != nil {
		_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(
			[]string{inquiry.StateDelivered, inquiry.StateFailed, inquiry.StateWaiting}, cobra.ShellCompDirectiveNoFileComp))
	}
}

// completeFolder gives the watched folders.
func (a *asker) completeFolder(*cobra.Command, []string, string) (all []string, _ cobra.ShellCompDirective) {
	c, err := loadConfigIn(a.config, config.Environment{Getenv: os.Getenv, WithoutCredentials: true})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	for _, f := range c.Folders {
		all = append(all, f.Path)
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// completeFailed gives the failed files, by the paths that a person has begun to write: absolute, or relative to where they are.
func (a *asker) completeFailed(cmd *cobra.Command, _ []string, begun string) (all []string, _ cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTime)
	defer cancel()
	desk, done, err := a.desk(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	defer done()
	rows, err := desk.History(ctx, control.Filter{State: inquiry.StateFailed})
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	for _, e := range rows {
		if path := e.Dest; path != "" {
			if here, err := os.Getwd(); err == nil && !filepath.IsAbs(begun) {
				if rel, err := filepath.Rel(here, path); err == nil {
					path = rel
				}
			}
			if strings.HasPrefix(path, begun) {
				all = append(all, path)
			}
		}
	}
	if len(all) == 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}
