//go:build !packaging

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a log that nobody reads any more ends no delivery
	os.Exit(execute(context.Background(), os.Args[1:]))
}
