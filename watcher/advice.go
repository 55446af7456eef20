package watcher

import (
	"errors"
	"fmt"
	"syscall"
)

// watchAdvice turns the kernel's terse words about inotify limits into what to do about them (inotify(7)).
func watchAdvice(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("cannot watch %q: all inotify watches of this user are taken: raise the sysctl fs.inotify.max_user_watches "+
			"(sysctl -w fs.inotify.max_user_watches=524288, and a line in /etc/sysctl.d/ to keep it): %w", path, err)
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("cannot watch %q: all inotify instances of this user, or all descriptors of this process, are taken: raise the sysctl "+
			"fs.inotify.max_user_instances (sysctl -w fs.inotify.max_user_instances=1024, and a line in /etc/sysctl.d/ to keep it) "+
			"or LimitNOFILE= of the unit: %w", path, err)
	}
	return fmt.Errorf("cannot watch %q: %w", path, err)
}
