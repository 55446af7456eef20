package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"kaizala-drop/internal/durable"
	"kaizala-drop/internal/text"
)

// startError says that the service does not do what it was told.
type startError struct {
	since   time.Time
	unit    bool // systemd has read a changed unit
	reached bool // the service itself was told
	err     error
}

func (e *startError) Error() string { return e.err.Error() }
func (e *startError) Unwrap() error { return e.err }

// backWithin is how long it may take to have the service run as before.
const backWithin = 2 * time.Minute

// asBefore has the service run, or not, as it did before.
func (s *settingUp) asBefore(e *startError) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), backWithin)
	defer cancel()
	do := func(words ...string) {
		fmt.Fprintln(s.out, "systemctl "+strings.Join(words, " "))
		if failed := exec.CommandContext(ctx, "systemctl", words...).Run(); failed != nil {
			err = errors.Join(err, fmt.Errorf("systemctl %s: %w", strings.Join(words, " "), failed))
		}
	}
	if e.unit {
		do("daemon-reload")
	}
	if s.host.enabled != "enabled" {
		do("disable", "--quiet", "kaizala-drop")
	}
	switch {
	case e.reached && (s.host.active == "inactive" || s.host.active == "failed"):
		do("stop", "kaizala-drop")
		_ = exec.CommandContext(ctx, "systemctl", "reset-failed", "--quiet", "kaizala-drop").Run() // it may not have failed
	case e.reached:
		do("reload-or-restart", "kaizala-drop")
	}
	return err
}

// journal gives what the service said since then, to be shown below an error.
func (s *settingUp) journal(since time.Time) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), checkPatience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "journalctl", "--unit=kaizala-drop", "--no-pager", "--quiet", "--output=cat", "--lines=12",
		fmt.Sprintf("--since=@%d", since.Unix())).Output()
	if err != nil || len(out) == 0 {
		return ""
	}
	var said strings.Builder
	said.WriteString("\nthe journal says:")
	for line := range strings.Lines(string(out)) {
		said.WriteString("\n  " + text.Printable(strings.TrimRight(line, "\n")))
	}
	return said.String()
}

// restore puts what was kept in the place of the configuration, or removes a new one, if that is still what was written.
func (f settingsFile) restore(kept, written string) error {
	if now, err := os.ReadFile(f.real); err != nil || string(now) != written {
		return errors.Join(err, fmt.Errorf("%s was changed by somebody else meanwhile", text.Printable(f.path)))
	}
	if kept != "" {
		return durable.Rename(kept, f.real)
	}
	return os.Remove(f.real)
}
