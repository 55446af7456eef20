package ledger

import (
	"errors"
	// also the driver "sqlite"
)

// Close ends the ledger: it takes no further steps, waits for Run to commit what is queued, and gives the lock back unless
// Leaving was called.
// An error does not mean that a step was lost. Calling it again returns what the first call did.
func (l *Ledger) Close() error {
	l.closeOnce.Do(func() {
		l.closeQueue()
		if l.running.Swap(true) {
			<-l.ended
		} else {
			close(l.ended)
		}
		l.closeErr = errors.Join(l.checkpoint(), l.closeFiles())
	})
	return l.closeErr
}

// checkpoint moves everything from the -wal into the file itself, so that a plain copy of it is a backup. A program
// that reads the ledger right now can prevent that; it is not waited for at length, and the next Open takes over.
func (l *Ledger) checkpoint() error {
	err := l.w.exec("PRAGMA busy_timeout = 1000")
	if err == nil {
		err = l.w.exec("PRAGMA wal_checkpoint(TRUNCATE)")
	}
	if err != nil {
		return l.explain(err)
	}
	return nil
}

// closeFiles closes whatever open got to; the readers first, for the last connection is the one that tidies up.
func (l *Ledger) closeFiles() error {
	var errs []error
	if l.read != nil {
		errs = append(errs, l.read.Close())
	}
	if l.w != nil {
		errs = append(errs, l.w.close())
	}
	if l.db != nil {
		errs = append(errs, l.db.Close())
	}
	if !l.leaving.Load() {
		errs = append(errs, unlock(l.lock))
	}
	return errors.Join(errs...)
}
