package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"kaizala-drop/internal/matrix/names"
	"kaizala-drop/internal/wire"
)

// base is the root of all calls. What may change in it is for who holds Client.mu.
type base struct {
	server string // whose .well-known tells the root
	fixed  bool   // the root is configured, and nobody is asked

	url   string // without a slash at its end; "": not known yet
	asked time.Time
}

const (
	baseLife  = time.Minute // how long a root is believed whatever fails
	redirects = 3           // how many are followed to a .well-known
)

// address gives the root of all calls.
func (c *Client) address(ctx context.Context) (string, error) {
	b := &c.base
	if b.fixed {
		return b.url, nil
	}
	c.mu.Lock()
	known := b.url
	c.mu.Unlock()
	if known != "" {
		return known, nil
	}
	found, err := c.discover(ctx)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	b.url, b.asked = found, time.Now()
	return found, nil
}

// doubtAddress has the .well-known asked again, after an answer that a homeserver does not give, or none.
func (c *Client) doubtAddress() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := &c.base; !b.fixed && time.Since(b.asked) > baseLife {
		b.url = ""
	}
}

// discover asks the .well-known of the server (specification, "Server Discovery"). Without one, the root is the server itself.
func (c *Client) discover(ctx context.Context) (string, error) {
	address := "https://" + c.base.server + "/.well-known/matrix/client"
	k := call{name: callWellKnown, method: http.MethodGet}
	for range redirects + 1 {
		a, err := c.wire.Do(ctx, wire.Call{Method: k.method, URL: address})
		if err != nil {
			return "", c.noBase(k.unanswered(err))
		}
		switch {
		case a.Status == http.StatusNotFound:
			return "https://" + c.base.server, nil
		case a.Status/100 == 3:
			if address, err = redirected(address, a.Header.Get("Location")); err != nil {
				return "", k.errorOf(newAnswer(a), err)
			}
		case a.Status/100 == 2:
			found, err := baseIn(a)
			if err != nil {
				return "", k.errorOf(newAnswer(a), err)
			}
			return found, nil
		default:
			return "", c.noBase(k.errorOf(newAnswer(a), nil))
		}
	}
	return "", &Error{Call: callWellKnown, Err: fmt.Errorf("it is redirected more than %d times", redirects)}
}

// noBase adds to e what to do if the server has none, as many small ones do not.
func (c *Client) noBase(e *Error) *Error {
	hint := fmt.Errorf("if that stays so, look at homeserver, which says %q: it can also be an address, such as https://matrix.example.org", c.base.server)
	if e.Err != nil {
		hint = fmt.Errorf("%w: %w", e.Err, hint)
	}
	e.Err = hint
	return e
}

func redirected(from, location string) (string, error) {
	u, err := url.Parse(from)
	if err != nil {
		return "", err
	}
	to, err := u.Parse(location)
	if err != nil || location == "" || !wire.MayCarrySecrets(to) {
		return "", errors.New("it is redirected to an address that is none, or not https")
	}
	return to.String(), nil
}

func baseIn(a *wire.Answer) (string, error) {
	var said struct {
		Homeserver struct {
			BaseURL string `json:"base_url"`
		} `json:"m.homeserver"`
	}
	// A static file has any Content-Type, and some servers send a page in the place of what is not there.
	if a.Err != nil || json.Unmarshal(a.Body, &said) != nil || said.Homeserver.BaseURL == "" {
		return "", errors.New("it holds no m.homeserver with a base_url: write the homeserver's address, https://..., instead of its name")
	}
	found, err := names.CheckAddress(said.Homeserver.BaseURL)
	if err != nil {
		return "", fmt.Errorf("its base_url %q: %w", a.Clean(said.Homeserver.BaseURL), err)
	}
	return found, nil
}
