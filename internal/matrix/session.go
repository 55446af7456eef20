package matrix

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"kaizala-drop/internal/vault"
	"kaizala-drop/internal/wire"
)

// ErrNoToken is wrapped where there is neither a configured token nor that of a login.
var ErrNoToken = errors.New("no access token")

// kept is what a login leaves in state_dir; its zero value is that of none.
type kept struct {
	Homeserver   string `json:"homeserver"` // as it was configured: to no other one is the token sent
	User         string `json:"user_id"`
	Device       string `json:"device_id"`
	Own          bool   `json:"own,omitempty"` // the device was made by a login of this program, and may be ended by it
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Ends         int64  `json:"ends,omitempty"`  // when the access token does, by this machine's clock: epoch milliseconds; 0: never
	Renew        int64  `json:"renew,omitempty"` // since when it is to be renewed, likewise
}

var (
	errDamaged = errors.New("it is damaged")
	// errElsewhere says that the kept token is for what is not configured any more.
	errElsewhere = errors.New("it is that of another homeserver or account")
)

// session is the token in use. It is safe for concurrent use.
type session struct {
	file       vault.File
	homeserver string // as configured
	user       string // whom the token must belong to; "": whoever it does
	fixed      string // a configured token, which is never renewed; "": none

	turn sync.Mutex // held while a token is renewed

	mu     sync.Mutex
	now    kept      // in use
	seen   kept      // in the file when it was read or written last; a newer one could not be stored
	looked time.Time // when that was
	failed time.Time // when a token could not be renewed last
	me     string    // whose the token in use is; "": not asked yet
	device string    // of what device it is, likewise; "" also if the homeserver does not say
}

// lookEvery is how long another process's login or logout goes unnoticed.
const lookEvery = 2 * time.Second

func (s *session) read() (kept, error) { return s.keptIn(s.file.Read()) }

// keptIn is what content says, if it is for what is configured.
func (s *session) keptIn(content []byte, err error) (k kept, _ error) {
	if err != nil || content == nil {
		return k, err
	}
	if json.Unmarshal(content, &k) != nil || k.AccessToken == "" || !wire.IsHeaderValue(k.AccessToken) {
		return kept{}, errDamaged
	}
	if k.Homeserver != s.homeserver || s.user != "" && k.User != s.user {
		return kept{}, errElsewhere
	}
	return k, nil
}

func (k kept) text() ([]byte, error) {
	content, err := json.Marshal(k)
	return append(content, '\n'), err
}

// get gives the token in use. Its error wraps ErrNoToken if there is none.
func (s *session) get() (kept, error) {
	if s.fixed != "" {
		return kept{AccessToken: s.fixed}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.AccessToken != "" && time.Since(s.looked) < lookEvery {
		return s.now, nil
	}
	k, err := s.read()
	if errors.Is(err, fs.ErrNotExist) { // the daemon makes its state_dir later
		err = nil
	}
	s.looked = time.Now()
	switch {
	case err != nil && s.now.AccessToken != "": // it stays in use
	case errors.Is(err, fs.ErrPermission):
		return k, fmt.Errorf("cannot read the token in %q: %w", s.file.Path(), err)
	case err != nil:
		return k, fmt.Errorf("%w: the one in %q cannot be used: %w", ErrNoToken, s.file.Path(), err)
	case k != s.seen:
		s.now, s.seen, s.me, s.device = k, k, "", ""
	}
	if s.now.AccessToken == "" {
		return s.now, ErrNoToken
	}
	return s.now, nil
}

// lookAgain takes up another process's login at once. Why the file cannot be read is told by the calls that suffer from it.
func (s *session) lookAgain() {
	s.mu.Lock()
	s.looked = time.Time{}
	s.mu.Unlock()
	_, _ = s.get()
}

// newest is what holds where the file has k: what is in use, if that could not be stored and nobody else has stored anything since.
func (s *session) newest(k kept) kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k == s.seen && s.now.AccessToken != "" {
		return s.now
	}
	return k
}

// mayWait reports whether a token that ends soon is to be used all the same, because another one was asked for in vain just now.
func (s *session) mayWait(k kept, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.UnixMilli() < k.Ends && now.Sub(s.failed) < renewAgain
}

func (s *session) failedNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = time.Now()
}

// mayKeep says why a token is not to be stored; nil: it is.
func (s *session) mayKeep(k kept) error {
	if s.user != "" && k.User != s.user {
		return fmt.Errorf("that is a token of %s, and user in the configuration says %s: it is not stored", k.User, s.user)
	}
	return nil
}

// try goes on with another token that is not in the file yet, which has before.
func (s *session) try(k, before kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.seen, s.me, s.device, s.looked = k, before, "", "", time.Now()
}

// use goes on with another token, which is in the file, or is to be.
func (s *session) use(k kept, stored bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.me, s.device, s.looked = k, "", "", time.Now()
	if stored {
		s.seen = k
	}
}

// whose gives the account that was asked for, or "".
func (s *session) whose() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.me
}

// isOf notes whose a token is, and of what device, if it is still in use.
func (s *session) isOf(token, user, device string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token == s.fixed || token == s.now.AccessToken {
		s.me, s.device = user, device
	}
}

// isFor reports whether a token is that of a device; "": any.
func (s *session) isFor(token, device string) bool {
	if device == "" || s.fixed != "" {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.AccessToken == token && s.now.Device == device
}

// isDevice gives the account and the device that the token in use is of, or "".
func (s *session) isDevice() (user, device string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.me, cmp.Or(s.device, s.now.Device)
}

// Ready gives nil if there is a token. Its error wraps ErrNoToken, or says why it cannot be told.
func (c *Client) Ready() error {
	_, err := c.session.get()
	return c.noToken(err)
}

// AwaitLogins looks, until ctx ends, whether another process has stored another token, and calls onLogin for each: what failed for want of
// access may be tried at once. Its error is that of ctx.
func (c *Client) AwaitLogins(ctx context.Context, onLogin func()) error {
	if c.session.fixed != "" || c.session.file.Dir == "" {
		<-ctx.Done()
		return ctx.Err()
	}
	before, _ := c.session.get() // why there is none is told by the calls that suffer from it
	for {
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
		now, err := c.session.get()
		if err == nil && now.AccessToken != before.AccessToken {
			onLogin()
		}
		before = now
	}
}

// noToken says what to do about it.
func (c *Client) noToken(err error) error {
	if errors.Is(err, ErrNoToken) {
		return fmt.Errorf("%w: run %s, or set access_token", err, c.login)
	}
	return err
}
