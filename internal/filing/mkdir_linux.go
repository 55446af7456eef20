package filing

import (
	"io/fs"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// makeDir makes a folder. One that is to be set-gid has all of its mode at once, whatever the umask is: in a set-gid folder it gets group
// and set-gid bit from the kernel (inode(7)), and a later chmod(2) would take the bit away where it may not set it, as under the unit.
func makeDir(path string, mode fs.FileMode) error {
	plain := mode &^ fs.ModeSetgid
	if plain == mode {
		return os.Mkdir(path, mode)
	}
	made := make(chan error)
	go func() {
		// The umask belongs to all threads. This one gets its own, is never unlocked, and so ends with the goroutine.
		runtime.LockOSThread()
		if unix.Unshare(unix.CLONE_FS) == nil {
			unix.Umask(0)
		}
		made <- os.Mkdir(path, plain)
	}()
	return <-made
}
