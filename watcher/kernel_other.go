//go:build unix && !linux

package watcher

import "os"

// The daemon is made for Linux. What follows lets it build elsewhere, where none of this can be known.

// RemoteFS takes every file system for a local one.
func RemoteFS(string) string { return "" }

func countsLinks(string) bool { return true }

func openForWriting(*os.File) (bool, error) { return false, errCannotTell }

func openAtAll(*os.File) (bool, error) { return false, errCannotTell }

func holesIn(*os.File) (some, atEnd bool) { return false, false }
