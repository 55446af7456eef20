//go:build unix && !linux

package watcher

import "os"

// openForWriting cannot tell here; the daemon is made for Linux.
func openForWriting(*os.File) (bool, error) { return false, errCannotTell }

func openAtAll(*os.File) (bool, error) { return false, errCannotTell }

func holesIn(*os.File) (some, atEnd bool) { return false, false }
