//go:build unix && !linux

package filing

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

func lookAt(path string, follow bool) (entry, error) {
	look := os.Lstat
	if follow {
		look = os.Stat
	}
	info, err := look(path)
	if err != nil {
		return entry{}, failedTo("look at "+quote(path), err)
	}
	st := sys(info)
	return entry{
		path: path, uid: int(st.Uid), mode: info.Mode() & (fs.ModeType | fs.ModePerm | fs.ModeSticky),
		mount: uint64(st.Dev), //nolint:unconvert // int32 on Darwin
	}, nil
}

func mayWrite(dir string) error {
	return retry(func() error { return unix.Access(dir, unix.W_OK|unix.X_OK) })
}

func readOnly(string) error { return nil } // access(2) says so here

func mayMoveForeign() bool { return os.Geteuid() == 0 }

func hasRoom(string, int64) error { return nil } // the move itself will fail if there is no room
