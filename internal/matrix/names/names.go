// Package names checks what names the rooms, accounts and homeservers of Matrix (specification, appendices, "Identifier Grammar"). Its
// errors say what to write instead.
package names

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"kaizala-drop/internal/wire"
)

// maxName is how many bytes the name of a room or of an account has at most.
const maxName = 255

// CheckRoom takes what names a room: an alias, #name:server, or an id, !opaque, which need not hold a server.
func CheckRoom(s string) error {
	rest, isLink := strings.CutPrefix(s, "https://matrix.to/#/")
	local, server, hasServer := strings.Cut(s, ":")
	switch {
	case s == "":
		return errors.New("no room is named: write #alias:server or !id")
	case isLink:
		if room, err := url.PathUnescape(strings.SplitN(rest, "?", 2)[0]); err == nil && CheckRoom(room) == nil {
			return fmt.Errorf("a link is no room: write what it leads to, %q", room)
		}
		return errors.New("a link is no room: write #alias:server or !id")
	case len(s) > maxName:
		return fmt.Errorf("it has %d bytes, and the name of a room at most %d", len(s), maxName)
	case strings.ContainsFunc(s, isOdd):
		return errors.New("it holds white space or a control character: write #alias:server or !id, as clients show it")
	case s[0] == '@':
		return errors.New("that is a person: write #alias:server or !id of a room; one for two is a room, too")
	case s[0] == '!' && len(s) > 1:
		return nil
	case s[0] != '#':
		return errors.New("it is neither #alias:server nor !id: look for it in the room's settings, under addresses or advanced")
	case len(local) < 2:
		return errors.New("an alias is #name:server, such as #reception:example.org")
	case !hasServer:
		return fmt.Errorf("an alias is #name:server, such as %s:example.org", "#"+strings.TrimLeft(local, "#"))
	}
	return CheckServer(server)
}

// CheckUser takes the id of an account, @name:server.
func CheckUser(s string) error {
	local, server, ok := strings.Cut(s, ":")
	switch {
	case s == "":
		return errors.New("no account is named: write @name:server")
	case !ok || len(local) < 2 || local[0] != '@' || len(s) > maxName || strings.ContainsFunc(s, isOdd):
		return errors.New("it is not the id of an account: write @name:server, such as @scanner:example.org")
	}
	return CheckServer(server)
}

func isOdd(r rune) bool {
	return unicode.IsControl(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar
}

// CheckServer takes what names a server: a host name, an IPv4 address, or an IPv6 address in brackets, each perhaps with a port.
func CheckServer(s string) error {
	var port string
	var hasPort bool
	if end := strings.LastIndexByte(s, ']'); strings.HasPrefix(s, "[") && end > 0 {
		port, hasPort = strings.CutPrefix(s[end+1:], ":")
		if !hasPort && s[end+1:] != "" {
			return fmt.Errorf("%q is not the name of a server", wire.Bounded(s))
		}
		if ip, err := netip.ParseAddr(s[1:end]); err != nil || !ip.Is6() {
			return fmt.Errorf("%q is not an IPv6 address", wire.Bounded(s[1:end]))
		}
	} else {
		var host string
		if host, port, hasPort = strings.Cut(s, ":"); host == "" || strings.ContainsFunc(host, isNoHost) || strings.Contains(host, "..") {
			return fmt.Errorf("%q is not the name of a server: write one such as example.org", wire.Bounded(s))
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); hasPort && (err != nil || n == 0) {
		return fmt.Errorf("%q is not a port", wire.Bounded(port))
	}
	if len(s) > maxName-2 {
		return fmt.Errorf("the name of a server has at most %d bytes", maxName-2)
	}
	return nil
}

func isNoHost(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.'
}

// CheckHomeserver takes the name of a server, whose .well-known is to be asked, or an address. address is "" for a name, and has no
// slash at its end.
func CheckHomeserver(s string) (address string, err error) {
	switch {
	case s == "":
		return "", errors.New("none is named: write its name, such as example.org, or its address, such as https://matrix.example.org")
	case strings.HasPrefix(s, "@"), strings.HasPrefix(s, "#"), strings.HasPrefix(s, "!"):
		return "", errors.New("it is a server, not a person or a room: write only what stands behind the colon")
	case strings.Contains(s, "://"):
		return CheckAddress(s)
	}
	if err := CheckServer(s); err != nil {
		return "", fmt.Errorf("%w, or an address such as https://matrix.example.org", err)
	}
	return "", nil
}

// CheckAddress takes the root of all calls: https, or http on loopback. It gives it without a slash at its end. No error shows what
// may be a password.
func CheckAddress(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", errors.New("it is not an address: write one such as https://matrix.example.org")
	case u.User != nil:
		return "", errors.New("the address holds a user name: leave it out")
	case u.Hostname() == "" || CheckServer(u.Host) != nil:
		return "", errors.New("it is not a whole address: write one such as https://matrix.example.org")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return "", errors.New("the address must end before any ? or #")
	case strings.Contains(u.Path+"/", "/_matrix/"):
		return "", errors.New("the address must end before /_matrix, which is added by itself")
	case !wire.MayCarrySecrets(u):
		return "", errors.New("the address must begin with https://: http:// would send the token in the clear, and is for this machine itself only")
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), nil
}
