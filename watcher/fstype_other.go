//go:build unix && !linux

package watcher

// RemoteFS cannot tell here; the daemon is made for Linux.
func RemoteFS(string) string { return "" }

func countsLinks(string) bool { return true }
