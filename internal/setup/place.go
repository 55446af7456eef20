package setup

import (
	"slices"

	"kaizala-drop/internal/text"
)

// Never says why a path cannot be that of a folder to drop files into, whatever is there; "": it may be. path is absolute and clean.
func Never(path string) (why string) {
	shown := text.Printable(path)
	switch {
	case path == "/":
		return "all of / cannot be a folder to drop files into: name one in it"
	case within(path, "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/lost+found", "/proc", "/run/credentials", "/run/systemd",
		"/sbin", "/sys", "/usr"):
		return shown + " belongs to the system, which needs what lies there: name a folder elsewhere, as in /srv/drop"
	case path == "/root":
		return shown + " is the home directory of root: name a folder elsewhere, as in /srv/drop"
	case slices.Contains(Shared(), path):
		return shown + " is everybody's, and other programs keep their files there: name a folder in it, or elsewhere, as in /srv/drop"
	}
	return ""
}

// Shared are the directories in which a folder may be, and which can be none themselves.
func Shared() []string {
	return []string{"/home", "/media", "/root", "/run", "/run/lock", "/run/media", "/run/user", "/tmp", "/var", "/var/cache", "/var/lib", "/var/lock",
		"/var/log", "/var/mail", "/var/run", "/var/spool", "/var/tmp"}
}

// System are directories that are the system's with all that lies in them, and may be found by another name.
func System() []string {
	return []string{"/", "/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/sbin", "/sys", "/usr"}
}

// Doubt says what a directory seems to be beside a folder to drop files into; "": nothing. home tells that it is somebody's own.
func Doubt(path string, home bool) string {
	shown := text.Printable(path)
	switch {
	case home:
		return shown + " is a home directory, and whatever is saved there would be posted and moved away"
	case slices.Contains([]string{"/mnt", "/opt", "/srv"}, path):
		return shown + " is a place for directories of many programs, and whatever comes to lie there would be posted and moved away"
	}
	return ""
}
