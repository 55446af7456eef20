package wire

import (
	"net/netip"
	"net/url"
	"strings"
)

// MayCarrySecrets reports whether nobody on the way can read a request to u: it goes over https, or over http that stays on
// this machine.
func MayCarrySecrets(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}
