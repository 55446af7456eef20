//go:build !linux

package main

import "os"

// zooWriter is the small writers of the zoo, which is kept on Linux only.
func zooWriter() { os.Exit(2) }
