package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/uploader"
	"kaizala-drop/watcher"
)

// loadConfig reads the configuration of this process; whatever is wrong with it is an error with exit code 78.
func loadConfig(path string) (config.Config, error) {
	return loadConfigIn(path, config.Environment{Getenv: os.Getenv})
}

func loadConfigIn(path string, env config.Environment) (config.Config, error) {
	c, err := config.Load(path, env)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: run kaizala-drop setup, or copy config.example.toml there and edit it, or name another file with --config", err)
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%w: let this user read it, or run as the daemon's user", err)
	case errors.Is(err, syscall.EISDIR):
		err = fmt.Errorf("%w: name the file in it with --config", err)
	}
	return c, &exitError{exitConfig, err}
}

// stages gives what each of the two stages needs to know of the folders.
func stages(folders []config.Folder, traits destination.Traits) ([]uploader.Folder, []watcher.Folder) {
	toPost, toWatch := make([]uploader.Folder, len(folders)), make([]watcher.Folder, len(folders))
	for i, f := range folders {
		toPost[i] = uploader.Folder{
			Path: f.Path, Group: f.Target(), Caption: f.Caption.Render, Done: f.Done, Failed: f.Failed,
			HoldUnknown: f.WhenUnknown == "hold", RemoveEmptied: f.RemoveEmptied, Only: f.Only,
		}
		toWatch[i] = watcher.Folder{
			Path: f.Path, Recursive: f.Recursive, Settle: f.Settle, SettleRemote: f.SettleRemote, Rescan: f.Rescan,
			AllowHardlinks: f.AllowHardlinks, VerifyEnding: f.VerifyEnding, TruncatedAfter: f.TruncatedAfter,
			Album: f.Album, AlbumWindow: f.AlbumWindow, AlbumMax: traits.Album(f.AlbumMax),
			Exclude: []string{f.Done, f.Failed}, Mark: filing.Mark, Ignore: f.Ignore, WarnAfter: f.WarnAfter,
			Only: f.Only, Accepts: traits.Only(f.Only).Accepts,
		}
	}
	return toPost, toWatch
}

// busyIn tells of a folder whether book has deliveries of it that are not at their end.
func busyIn(book *ledger.Ledger) func(folder string) bool {
	return func(folder string) bool {
		unfinished, err := book.Unfinished(context.Background(), "")
		return err != nil || slices.ContainsFunc(unfinished, func(d ledger.Delivery) bool { return d.Folder == folder })
	}
}
