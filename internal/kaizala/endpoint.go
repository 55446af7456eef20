package kaizala

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"kaizala-drop/internal/wire"
)

// base is the address of the calls: scheme, host and perhaps a path, without a slash at its end. A server can change it. It is
// safe for concurrent use.
type base struct {
	plainHTTP bool // http on loopback was configured, so that another may follow

	mu  sync.Mutex
	url string
}

func (b *base) get() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.url
}

// set changes the base to an endpoint that came with a token.
func (b *base) set(a *answer, endpoint string) error {
	u, err := parseEndpoint(endpoint, b.plainHTTP, a.Bounded)
	if err != nil {
		return fmt.Errorf("endpointUrl: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.url = u.String()
	return nil
}

// move changes the base to the address in a 308 from the endpoint from. If from is not the base any more, the answer is older
// than the base and changes nothing. Kaizala documents the Location of a 308 as the new endpoint; proxies send the full
// address of the call. Both are accepted.
func (b *base) move(from string, a *answer, path string) error {
	location := a.Header.Get("Location")
	u, err := parseEndpoint(location, b.plainHTTP, a.Bounded)
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

// parseEndpoint accepts an absolute https address, and http on loopback if plain allows that, because tokens and secrets
// travel in headers and must not go in the clear. It drops query and fragment. Errors show parts of s through shown.
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
