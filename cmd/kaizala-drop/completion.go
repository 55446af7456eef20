package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/inquiry"
	"kaizala-drop/internal/text"
)

// What the shell can complete beside commands and flags: folders, states, destinations and files. Completion asks as a command does, and
// completes nothing where nobody answers in time.

// completeTime is how long somebody waits for a completion.
const completeTime = 2 * time.Second

// completions are what a shell is given, and what it does with them.
type completions func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective)

// completes tells the shell what the flags of a command take.
func (a *asker) completes(cmd *cobra.Command) {
	completeConfig(cmd)
	if cmd.Flags().Lookup("folder") != nil {
		_ = cmd.RegisterFlagCompletionFunc("folder", a.completeFolder)
	}
	if cmd.Flags().Lookup("state") != nil {
		_ = cmd.RegisterFlagCompletionFunc("state", func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			states := []string{inquiry.StateDelivered, inquiry.StateFailed, inquiry.StateWaiting}
			return begunWith(begun, states), cobra.ShellCompDirectiveNoFileComp
		})
	}
}

func completeConfig(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("config", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"toml"}, cobra.ShellCompDirectiveFilterFileExt
	})
}

// completeAccount gives the destinations of the configuration at path.
func completeAccount(path *string) completions {
	return func(_ *cobra.Command, args []string, begun string) (all []string, _ cobra.ShellCompDirective) {
		c, err := loadConfigIn(*path, config.Environment{Getenv: os.Getenv, WithoutCredentials: true, WithoutFolders: true})
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for _, to := range c.Destinations {
			all = append(all, to.Name)
		}
		return begunWith(begun, all), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFolder gives the watched folders.
func (a *asker) completeFolder(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return orFiles(asBegun(begun, a.folders(cmd.Context())))
}

// folders are the watched ones.
func (a *asker) folders(ctx context.Context) (all []string) {
	ctx, cancel := context.WithTimeout(ctx, completeTime)
	defer cancel()
	r, err := a.find()
	if err != nil {
		return nil
	}
	defer r.close()
	a.quiet = true
	for _, f := range r.c.Folders {
		all = append(all, f.Path)
	}
	if r.unread == nil {
		return all
	}
	s, err := r.Status(ctx)
	if err != nil {
		return nil
	}
	for _, f := range s.Folders {
		all = append(all, f.Path)
	}
	return all
}

// completeFailed gives the failed files that are there, by the paths that a person has begun to write.
func (a *asker) completeFailed(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	all := asBegun(begun, a.failedFiles(cmd.Context()))
	return orFiles(slices.DeleteFunc(all, func(path string) bool { return slices.Contains(args, path) }))
}

// failedFiles are the failed files that are there.
func (a *asker) failedFiles(ctx context.Context) (all []string) {
	ctx, cancel := context.WithTimeout(ctx, completeTime)
	defer cancel()
	desk, done, err := a.desk(ctx)
	if err != nil {
		return nil
	}
	defer done()
	a.quiet = true
	rows, err := desk.History(ctx, control.Filter{State: inquiry.StateFailed})
	if err != nil {
		return nil
	}
	return inTime(func() (there []string) {
		for _, e := range rows {
			if e.Dest == "" {
				continue
			}
			if _, err := os.Lstat(e.Dest); !errors.Is(err, fs.ErrNotExist) {
				there = append(there, e.Dest)
			}
		}
		return there
	})
}

// completeFile gives names of files that lie in a watched folder or failed, as explain takes them. Paths are left to the shell.
func (a *asker) completeFile(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	if strings.Contains(begun, "/") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, path := range a.failedFiles(cmd.Context()) {
		names = append(names, filepath.Base(path))
	}
	folders := a.folders(cmd.Context())
	names = append(names, inTime(func() []string { return filesIn(append(folders, ".")) })...)
	return orFiles(begunWith(begun, names))
}

// filesIn are the names of what lies in folders, but for what is hidden.
func filesIn(folders []string) (names []string) {
	for _, folder := range folders {
		entries, _ := os.ReadDir(folder) // who may not see them gets no names
		for _, e := range entries {
			if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
				names = append(names, e.Name())
			}
		}
	}
	return names
}

// inTime gives what look finds, or nothing if its file system does not answer.
func inTime(look func() []string) []string {
	found := make(chan []string, 1)
	go func() { found <- look() }()
	select {
	case all := <-found:
		return all
	case <-time.After(completeTime):
		return nil
	}
}

// asBegun gives the paths that go on as begun does: absolute, or relative to where the person is.
func asBegun(begun string, paths []string) (all []string) {
	here, err := os.Getwd()
	for _, path := range paths {
		if filepath.IsAbs(begun) || err != nil {
			all = append(all, path)
			continue
		}
		rel, err := filepath.Rel(here, path)
		switch {
		case err != nil:
		case strings.HasPrefix(begun, "./"):
			all = append(all, "./"+rel)
		case begun == "" && !filepath.IsLocal(rel): // as long as nothing is begun, what is elsewhere has its whole path
			all = append(all, path)
		default:
			all = append(all, rel)
		}
	}
	return begunWith(begun, all)
}

// begunWith gives those that begin so, each once, and that a shell can be given: it takes one a line, a tab ends them, and what is no
// plain text would be shown as it is.
func begunWith(begun string, all []string) (some []string) {
	for _, one := range all {
		plain := strings.ReplaceAll(text.Printable(one), `\\`, `\`) == one && strings.TrimSpace(one) == one
		if plain && strings.HasPrefix(one, begun) {
			some = append(some, one)
		}
	}
	slices.Sort(some)
	return slices.Compact(some)
}

// orFiles leaves to the shell what it can complete better.
func orFiles(all []string) ([]string, cobra.ShellCompDirective) {
	if len(all) == 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}
