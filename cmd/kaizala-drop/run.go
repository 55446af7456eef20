package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"kaizala-drop/internal/config"
)

const defaultConfig = "/etc/kaizala-drop/config.toml"

func newRun() *cobra.Command {
	var path string
	var once bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Watch the folders and post what is dropped into them",
		Long: `run watches the folders of the configuration and posts what is dropped into them, until it is stopped.

A folder that is missing, cannot be written, does not answer, or is served by another kaizala-drop on this machine is said
once, with what helps; the others are served, and so is that one as soon as it can be. Only what is wrong in the text of
the configuration ends the program (78).

SIGHUP reads the configuration again: folders come, go and change without a restart; a wrong file is refused and the
old settings stay. SIGTERM and SIGINT stop it: steps under way get shutdown_grace to end, whatever is not done goes on
at the next start. A second one stops it at once; nothing is lost by that either.`,
		Example: `  kaizala-drop run
  kaizala-drop run --config config.toml
  kaizala-drop run --config config.toml --once   # for cron: exit 0 if all is well, 1 if something failed or waits`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runUntilSignalled(cmd.Context(), path, once, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", defaultConfig, "the configuration `FILE`")
	completeConfig(cmd)
	cmd.Flags().BoolVar(&once, "once", false, "deliver what is there, then exit")
	return cmd
}

// runUntilSignalled is run as a process: configuration from a file, stopped and reloaded by signals.
func runUntilSignalled(ctx context.Context, path string, once bool, out io.Writer) error {
	c, err := loadConfig(path)
	if err != nil {
		return err
	}
	if err := withTokens(c); err != nil {
		return err
	}
	if _, err := proxies(); err != nil {
		return err
	}
	ctx, stop := untilSignalled(ctx)
	defer stop()
	context.AfterFunc(ctx, func() { notifyStopping(c.ShutdownGrace + leaveAfter) })
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	log := newLog(out, c)
	configs := make(chan config.Config)
	listening, deaf := context.WithCancel(ctx)
	reloading := start(func() error { reload(listening, path, hup, configs, log); return nil })
	d := daemon{config: c, configs: configs, once: once, options: optionsFor(path), log: log}
	sum, err := d.run(ctx)
	deaf()
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveMargin)
	defer cancel()
	_, _ = await(leave, part{"reading the configuration", reloading}) // which may lie where nothing answers
	switch {
	case err != nil:
		return failed(err)
	case once && sum.Failed+sum.Left > 0:
		return failed(fmt.Errorf("%d delivered, %d failed, %d left for the next run", sum.Delivered, sum.Failed, sum.Left))
	}
	return nil
}
