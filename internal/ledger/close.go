package ledger

import "errors"

// Close ends the ledger: it takes no further steps, waits until Run has committed the queued ones, and gives the lock back
// unless Leaving was called. An error does not mean that a step was lost. Further calls return what the first one did.
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

// checkpoint moves all commits from the -wal into the ledger's file, so that a plain copy of that file is a backup. A program
// that is reading the ledger can prevent this: checkpoint waits for it for a second only, and the next Open does it.
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

// closeFiles closes all that open has opened. The readers come first, because the last connection to be closed moves the -wal
// into the file.
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
