package kaizala

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"kaizala-drop/internal/wire"
)

// base is where calls go: scheme, host and perhaps a path, without a slash at its end. It moves when a server says so.
type base struct {
	plain bool // http on loopback was configured, so that another may follow

	mu  sync.Mutex
	url string
}

func (b *base) get() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.url
}

// set goes on at an endpoint that came with a token.
func (b *base) set(a *answer, endpoint string) error {
	u, err := parseEndpoint(endpoint, b.plain, a.Bounded)
	if err != nil {
		return fmt.Errorf("endpointUrl: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.url = u.String()
	return nil
}

// move goes on where a 308 of the endpoint from points to, unless that is not in use any more: such an answer is older than
// what is. Kaizala documents the Location of a 308 as the new endpoint itself; proxies send the full address of the call:
// both are taken.
func (b *base) move(from string, a *answer, path string) error {
	location := a.Header.Get("Location")
	u, err := parseEndpoint(location, b.plain, a.Bounded)
	if err != nil {
		return fmt.Errorf("endpoint moved: Location: %w", err)
	}
	if plain, err := url.PathUnescape(path); err == nil {
		u.Path = strings.TrimRight(strings.TrimSuffix(u.Path, plain), "/")
		u.RawPath = ""
	}
	if strings.Contains(u.Path+"/", "/v1/") {
		return fmt.Errorf("endpoint moved: Location %q is neither an endpoint nor the address of this call", a.Bounded(location))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.url == from {
		b.url = u.String()
	}
	return nil
}

// parseEndpoint takes an absolute https address, or http on loopback if plain allows it: tokens and secrets travel in
// headers, and must not in the clear. Query and fragment are dropped. shown is how an error shows a part of it.
func parseEndpoint(s string, plain bool, shown func(string) string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case s == "":
		return nil, errors.New("no address is given: write one, such as https://api.kaiza.la")
	case err != nil: // its text holds the whole address, and a password with it
		return nil, errors.New("not an address: want something like https://api.kaiza.la")
	case u.User != nil:
		return nil, fmt.Errorf("the address of %q holds a user name: leave it out", shown(u.Host))
	case u.Host == "" || u.Hostname() == "":
		return nil, fmt.Errorf("%q is not a full address: want something like https://api.kaiza.la", shown(s))
	case !wire.MayCarrySecrets(u) || u.Scheme != "https" && !plain:
		return nil, fmt.Errorf("%q is not https: tokens would travel in the clear", shown(s))
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}, nil
}
