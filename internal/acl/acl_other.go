//go:build unix && !linux

package acl

import (
	"errors"
	"io/fs"
	"os"
)

// Share fails: there is no system but Linux whose units forbid chown(2).
func Share(*os.File, int, fs.FileMode) error { return errors.ErrUnsupported }

// SharePath fails as Share does.
func SharePath(string, int, fs.FileMode) error { return errors.ErrUnsupported }
