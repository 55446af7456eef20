package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// untilSignalled gives a context that ends with the first SIGTERM or SIGINT. The second one ends the program at once, also
// where it was started with SIGINT ignored, as a shell does with a job in the background. more are signals that count as well.
func untilSignalled(ctx context.Context, more ...os.Signal) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, append(more, syscall.SIGTERM, syscall.SIGINT)...)
	stopped := make(chan struct{})
	go func() {
		select {
		case <-signals:
			cancel()
		case <-stopped:
			return
		}
		select {
		case s := <-signals:
			os.Exit(128 + int(s.(syscall.Signal)))
		case <-stopped:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(stopped)
		cancel()
	}
}
