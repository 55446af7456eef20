// Package durable makes changes of folders survive a power cut, for the small files that this program keeps for itself.
//
// A sync of a file does not make its name durable: that needs a sync of the folder which holds the name (fsync(2)). The
// libraries that replace files do not sync it: google/renameio 2.0.2 says so in its README ("Atomicity vs durability"), and
// natefinch/atomic 1.0.1 does not either. Package filing shares one sync of a folder among many moves, so it syncs by itself
// and uses only CannotSyncFolders.
//
// All functions are safe for concurrent use.
package durable

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// SyncFolder returns once the names in the folder at path are on disk. It succeeds on file systems that cannot sync folders.
// Its errors are *os.PathError.
func SyncFolder(path string) error {
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); !CannotSyncFolders(err) {
		return err
	}
	return nil
}

// Rename renames a file within a folder, over the file that has its new name if there is one, and returns once that is on
// disk. A power cut leaves either the old file or the new one, if the content of from was synced before. Its errors are
// *os.LinkError and *os.PathError; after the latter the file is renamed, but a power cut may undo that.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(to))
}

// CannotSyncFolders reports whether err, of fsync(2) on a folder, only says that its file system cannot do that: EINVAL
// (fsync(2)), or ENOSYS or EOPNOTSUPP of a FUSE program.
func CannotSyncFolders(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)
}
