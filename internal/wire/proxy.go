package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Proxy is one that the environment names for calls.
type Proxy struct {
	Variable string // that names it
	Address  string // fit to print, without name and password
}

// Proxies gives the proxies that calls take, by the environment: HTTPS_PROXY and HTTP_PROXY, or the same in lower case. It fails
// if one is no address of a proxy. net/http passes such a one over, and calls straight past the proxy (golang.org/x/net/http/httpproxy).
// The error shows no password.
func Proxies(getenv func(string) string) ([]Proxy, error) {
	var found []Proxy
	var wrong []error
	for _, names := range [][]string{{"HTTPS_PROXY", "https_proxy"}, {"HTTP_PROXY", "http_proxy"}} {
		i := slices.IndexFunc(names, func(name string) bool { return getenv(name) != "" })
		if i < 0 {
			continue
		}
		address, err := proxyAddress(getenv(names[i]))
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s is no proxy's address: %w. It is http://HOST:PORT, or http://NAME:PASSWORD@HOST:PORT with what is no letter or digit in them as %%XX",
				names[i], err))
			continue
		}
		found = append(found, Proxy{Variable: names[i], Address: address})
	}
	return found, errors.Join(wrong...)
}

// proxyAddress is the address without name and password. No error shows the value, of which any part may be the password.
func proxyAddress(value string) (string, error) {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil {
		return "", errors.New("it cannot be read as a URL")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return "", fmt.Errorf("nothing is known of proxies that begin with %q", Bounded(u.Scheme+"://"))
	}
	if u.Hostname() == "" {
		return "", errors.New("it has no host")
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("something follows its host and port")
	}
	return secrets(nil).clean(u.Host), nil
}

// refusedByProxy says what a proxy answered to CONNECT, if that was a refusal (RFC 9110, 9.3.6). net/http would tell its reason alone.
func refusedByProxy(_ context.Context, proxy *url.URL, connect *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	what := "look into the proxy's log"
	switch answer.StatusCode {
	case http.StatusProxyAuthRequired:
		what = "HTTPS_PROXY needs a name and a password that the proxy knows"
	case http.StatusForbidden, http.StatusMethodNotAllowed:
		what = "have whoever runs the proxy allow it"
	}
	return fmt.Errorf("the proxy %s does not connect to %s: %s: %s", proxy.Host, connect.Host, Bounded(answer.Status), what)
}
