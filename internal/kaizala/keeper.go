package kaizala

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// tokenRetry is the time between tries to keep a refresh token on a disk that is full or broken.
const tokenRetry = time.Minute

// keeper is this process's view of the refresh token that is kept: it puts each new one on disk, sees when another process has
// stored or removed one, and logs what becomes of that. What another process stored is never overwritten with what was got for
// the token before.
type keeper struct {
	file   tokenFile
	log    zerolog.Logger
	failed chan struct{} // holds one element after a save that failed

	mu      sync.Mutex // held while the file is read and written
	seen    keptToken  // what was kept when this process read or wrote it last
	used    bool       // seen is what this process uses, not the configured token
	unsaved string     // a newer token than that; "": all is on disk
	told    bool       // that it is not
	trouble string     // what was told of a file that cannot be read
	ended   bool       // run has
}

func newKeeper(f tokenFile, log zerolog.Logger) *keeper {
	return &keeper{file: f, log: log, failed: make(chan struct{}, 1)}
}

// first gives the token to start with: the kept one, if it counts, else the configured one. That is what it gives with an
// error, too, which says why a kept one cannot be read: the configured one may still be good. No error shows a token.
func (k *keeper) first() (token string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen, err := k.file.read()
	if errors.Is(err, fs.ErrNotExist) { // the daemon makes its state_dir later
		err = nil
	}
	if err != nil {
		k.trouble = err.Error()
		return k.file.configured, k.file.unreadable(err)
	}
	k.seen, k.used = seen, k.file.counts(seen)
	if k.used {
		return seen.RefreshToken, nil
	}
	return k.file.configured, nil
}

// news gives the token to use from now on, if another process has stored or removed one since this one looked. A login counts
// for every process that runs, whatever is configured there.
func (k *keeper) news() (token string, changed bool) {
	if k.file.dir == "" {
		return "", false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now, err := k.file.read()
	if !k.readable(err) || now == k.seen {
		return "", false
	}
	removed := now == keptToken{}
	if !removed && !k.file.counts(now) && now.LoggedIn == "" { // it was stored for another configuration
		return "", false
	}
	if removed && !k.used {
		k.seen = now
		return "", false
	}
	k.seen, k.used, k.unsaved, k.told = now, !removed, "", false
	if removed {
		return k.file.configured, true
	}
	return now.RefreshToken, true
}

// readable is called with mu. It tells each trouble once.
func (k *keeper) readable(err error) bool {
	if err == nil {
		k.trouble = ""
		return true
	}
	if k.trouble != err.Error() {
		k.trouble = err.Error()
		k.log.Warn().Err(err).Str("file", k.file.path()).
			Msg("the refresh token kept in state_dir cannot be read: the one that was in use stays in use")
	}
	return false
}

// keep returns when the token is on disk, or could not be put there: then run tries again.
func (k *keeper) keep(token string) {
	if k.file.dir == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.unsaved = token
	k.save()
}

// store is keep without another try, for who tells by himself what becomes of it.
func (k *keeper) store(token string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.replace(token)
}

// login stores the token of a login in place of whatever is kept.
func (k *keeper) login(token string, now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := keptToken{k.file.digest(), token, now.UTC().Format(time.RFC3339Nano)}
	err := k.file.put(next)
	if err == nil {
		k.seen, k.used, k.unsaved, k.told = next, true, "", false
	}
	return err
}

// replace is called with mu.
func (k *keeper) replace(token string) error {
	next := keptToken{ReplacesSHA256: k.file.digest(), RefreshToken: token}
	if k.used {
		next = k.seen
		next.RefreshToken = token
	}
	err := k.file.swap(k.seen, next)
	switch {
	case errors.Is(err, errSuperseded):
		return err
	case err != nil:
		return k.file.unsavable(err)
	}
	k.seen, k.used = next, true
	return nil
}

// run tries again, until ctx ends, to save what could not be saved.
func (k *keeper) run(ctx context.Context) error {
	var retry <-chan time.Time
	for {
		select {
		case <-k.failed:
			retry = time.After(tokenRetry)
		case <-retry:
			k.retry()
		case <-ctx.Done():
			k.end()
			return ctx.Err()
		}
	}
}

func (k *keeper) retry() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unsaved != "" {
		k.save()
	}
}

func (k *keeper) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
	if k.unsaved != "" {
		k.save()
	}
}

// save is called with mu. It tells once that it does not work, and once that it does again.
func (k *keeper) save() {
	err := k.replace(k.unsaved)
	switch {
	case err == nil:
		k.unsaved, k.told = "", false
		k.log.Info().Msg("Kaizala gave a new refresh token: it is kept in state_dir and used from now on instead of the one before")
		return
	case errors.Is(err, errSuperseded): // the next look finds what is there now
		k.unsaved, k.told = "", false
		return
	case k.ended:
		k.log.Error().Err(err).Msg("the new refresh token is lost with this process: the next start uses the older one. " +
			"Kaizala gives another one as long as that is good")
	case !k.told:
		k.told = true
		k.log.Error().Err(err).Stringer("again_in", tokenRetry).Msg("the new refresh token is not kept")
	}
	select {
	case k.failed <- struct{}{}:
	default:
	}
}
