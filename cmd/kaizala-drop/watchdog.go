package main

import (
	"context"
	"fmt"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"

	"kaizala-drop/internal/beat"
	"kaizala-drop/internal/ledger"
)

// watchdog tells systemd that the daemon lives (sd_notify(3), WATCHDOG=1), as long as every part of it moves. What is asked is
// whether the loops turn, never whether something succeeds: a folder that hangs, a destination that is dead and a disk that is full
// are no reason to end the daemon, for the next one would meet the same.
type watchdog struct {
	period time.Duration // without a ping for so long, systemd ends the daemon
	beats  *beat.Board
	ping   func() error
	log    zerolog.Logger

	pinged time.Time
	told   bool // that a part does not move
}

// looksOfPeriod is how often in a period it is looked whether the parts move.
const looksOfPeriod = 20

// run works until ctx ends.
func (w *watchdog) run(ctx context.Context) {
	ticker := time.NewTicker(w.period / looksOfPeriod)
	defer ticker.Stop()
	for {
		w.look(time.Now())
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// look pings if that is due and every part has moved since it was asked last, and asks them again. A part that comes late is pinged
// for as soon as it has moved, so it may take from half of a period to a whole one.
func (w *watchdog) look(now time.Time) {
	still, since := w.beats.Still(now), now.Sub(w.pinged)
	switch {
	case len(still) == 0 && since >= w.period/2:
		if w.ping() == nil { // else again at the next look
			w.pinged = now
		}
	case since >= w.period*3/4:
		w.tell(still)
	}
	if w.told && len(still) == 0 {
		w.told = false
		w.log.Info().Msg("all parts of the daemon move again")
	}
	w.beats.Ask(now)
}

// tell says which parts do not move, before systemd ends the daemon.
func (w *watchdog) tell(still []beat.Still) {
	if w.told {
		return
	}
	for _, one := range still {
		w.told = true
		w.log.Error().Str("part", one.Part).Stringer("for", one.For.Round(time.Millisecond)).
			Msg("a part of the daemon does not move: unless it goes on, systemd ends the daemon and starts it again, by which nothing is lost. " +
				"If it is the ledger, look at the disk of state_dir; else report what the journal has then")
	}
}

// guard lets the watchdog of systemd be told that the daemon lives, if there is one (sd_watchdog_enabled(3)), until stop is called.
func (d *daemon) guard() (stop func()) {
	period, err := systemd.SdWatchdogEnabled(false)
	if err != nil || period == 0 {
		return func() {}
	}
	w := &watchdog{period: period, beats: &d.beats, log: d.log, ping: func() error {
		_, err := systemd.SdNotify(false, systemd.SdNotifyWatchdog)
		return err
	}}
	ctx, cancel := context.WithCancel(context.Background())
	go w.run(ctx)
	return cancel // it is not waited for: a systemd that does not listen is no reason not to end
}

const (
	// extendBy is how much longer the start may take from each time on that systemd is told so, extendEvery the time between.
	extendBy, extendEvery = time.Minute, 15 * time.Second
)

// openLedger opens the ledger. As long as that may take, systemd's TimeoutStartSec= does not end the start (sd_notify(3),
// EXTEND_TIMEOUT_USEC=).
func (d *daemon) openLedger() (*ledger.Ledger, error) {
	ctx, cancel := context.WithTimeout(context.Background(), ledger.Patience(d.config.StateDir))
	extended := start(func() error { extend(ctx, notify); return nil })
	defer func() { cancel(); <-extended }()
	return ledger.Open(d.config.StateDir)
}

// extend asks for more time to start, again and again, until ctx ends.
func extend(ctx context.Context, notify func(state string)) {
	ticker := time.NewTicker(extendEvery)
	defer ticker.Stop()
	for {
		notify(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d\nSTATUS=checking the ledger", extendBy.Microseconds()))
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
