package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
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
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Ends         int64  `json:"ends,omitempty"` // when the access token does, by this machine's clock: epoch milliseconds; 0: never
}

var (
	errDamaged = errors.New("it is damaged")
	// errElsewhere says that the kept token is for what is not configured any more.
	errElsewhere = errors.New("it is that of another homeserver or account")
)

// renewMargin is how long before its end a token is renewed; a tenth of its life if that is shorter.
const renewMargin = time.Minute

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
	me     string    // whose the token in use is; "": not asked yet
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
		s.now, s.seen, s.me = k, k, ""
	}
	if s.now.AccessToken == "" {
		return s.now, ErrNoToken
	}
	return s.now, nil
}

// use goes on with another token, which is in the file, or is to be.
func (s *session) use(k kept, stored bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.me, s.looked = k, "", time.Now()
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

// isOf notes whose a token is, if it is still in use.
func (s *session) isOf(token, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token == s.fixed || token == s.now.AccessToken {
		s.me = user
	}
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

// token gives the token to make a call with: another one than refused, or the error of its call. A token that ends soon is renewed.
func (c *Client) token(ctx context.Context, refused string) (string, error) {
	k, err := c.session.get()
	if err != nil {
		return "", &Error{Call: callWhoAmI, Fault: ofAccess, Err: c.noToken(err)}
	}
	if k.AccessToken != refused && !k.endsSoon(time.Now()) {
		return k.AccessToken, nil
	}
	if c.session.fixed != "" {
		return "", nil
	}
	return c.renew(ctx, k.AccessToken)
}

func (k kept) endsSoon(now time.Time) bool {
	return k.Ends != 0 && k.RefreshToken != "" && now.After(time.UnixMilli(k.Ends).Add(-renewMargin))
}

// renew gives another token than old: one that another process has stored meanwhile, or one that the server gives for the refresh token.
// It is "" if there is none. The server is asked under the lock of the file: of two processes that ask, one would lose its token.
func (c *Client) renew(ctx context.Context, old string) (token string, err error) {
	s := c.session
	s.turn.Lock()
	defer s.turn.Unlock()
	if k, err := s.get(); err == nil && k.AccessToken != old { // while this call waited for its turn
		return k.AccessToken, nil
	}
	if k, err := s.read(); err != nil || k.AccessToken == old && k.RefreshToken == "" || k.AccessToken == "" {
		return "", nil //nolint:nilerr // the refusal of the old one is what is told
	} else if k.AccessToken != old {
		c.log.Info().Msg("another token was stored: going on with it")
		s.use(k, true)
		return k.AccessToken, nil
	}
	var next kept
	err = s.file.Change(func(content []byte, readErr error) ([]byte, error) {
		now, err := s.keptIn(content, readErr)
		if err != nil {
			return nil, err
		}
		if next = now; now.AccessToken == old {
			if next, err = c.refresh(ctx, now); err != nil {
				return nil, err
			}
		}
		return next.text()
	})
	if next.AccessToken != "" && next.AccessToken != old {
		if err != nil {
			c.log.Error().Err(err).Str("file", s.file.Path()).Msg("the new token cannot be stored: it ends with this process. " +
				"Make the folder writable and see that its disk has room, and log in again")
		}
		s.use(next, err == nil) // also if it is not stored: the old one is of no use any more
		return next.AccessToken, nil
	}
	return "", err
}

// refresh asks for another token (specification, "Refreshing access tokens").
func (c *Client) refresh(ctx context.Context, now kept) (kept, error) {
	body, err := wire.JSON(map[string]string{"refresh_token": now.RefreshToken})
	if err != nil {
		return kept{}, err
	}
	k := call{name: callRefresh, method: http.MethodPost, path: clientAPI + "/refresh", body: body, hidden: []string{now.RefreshToken}}
	var said grant
	if err := c.open(ctx, k, &said, said.usable); err != nil {
		return kept{}, err
	}
	next := now
	next.take(said, time.Now())
	return next, nil
}

// grant is an answer with tokens.
type grant struct {
	UserID       string `json:"user_id"`
	DeviceID     string `json:"device_id"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresInMS  int64  `json:"expires_in_ms"`
}

func (g *grant) usable() error {
	if g.AccessToken == "" || !wire.IsHeaderValue(g.AccessToken) {
		return errors.New("no access_token in the answer")
	}
	return nil
}

// take takes over the tokens of an answer.
func (k *kept) take(g grant, now time.Time) {
	k.AccessToken, k.Ends = g.AccessToken, 0
	if g.RefreshToken != "" { // else the one before stays good
		k.RefreshToken = g.RefreshToken
	}
	if life := time.Duration(g.ExpiresInMS) * time.Millisecond; g.ExpiresInMS > 0 && life > 0 {
		k.Ends = now.Add(life).UnixMilli()
	}
}
