package config

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"kaizala-drop/internal/wire"
)

// given tells whether the file says something for a key, right or wrong: a reference that leads nowhere is a problem of
// its own.
func given(table map[string]any, key string) bool {
	value, ok := table[key]
	return ok && value != ""
}

// credentials wants the fixed token, or an application. Without a refresh token that comes from a login (package kaizala).
func (r *reader) credentials(path keyPath, table map[string]any) {
	var present, missing []string
	for _, key := range []string{"application_id", "application_secret"} {
		if given(table, key) {
			present = append(present, key)
		} else {
			missing = append(missing, key)
		}
	}
	if given(table, "refresh_token") {
		present = append(present, "refresh_token")
	}
	line := r.lines.Line(path)
	switch {
	case given(table, "access_token") && len(present) > 0:
		r.problem(r.lines.Line(path.Child("access_token")),
			"access_token stands instead of %s: remove one or the other", strings.Join(present, ", "))
	case given(table, "access_token") || len(missing) == 0:
	case len(present) == 0:
		r.problem(line, "credentials are missing: give application_id and application_secret in %s, with refresh_token or "+
			"a login (kaizala-drop login), or access_token alone", header(path))
	default:
		r.problem(line, "%s missing in %s, which must be given together with %s",
			strings.Join(missing, " and "), header(path), strings.Join(present, " and "))
	}
}

// endpoint is the root of all calls. It is stored without a trailing slash.
func endpoint[T any](field func(*T) *string) read[T] {
	return func(at place, value any, into *T) {
		s, ok := value.(string)
		if !ok {
			at.wrongType(`an address in quotes, such as "https://api.kaiza.la"`, value)
			return
		}
		if trouble := endpointTrouble(s); trouble != "" {
			if !strings.ContainsAny(s, "@?#") { // where there may be a password or a token
				trouble = fmt.Sprintf("%s (it is %q)", trouble, shorten(s))
			}
			at.problem("%s", trouble)
			return
		}
		*field(into) = strings.TrimRight(s, "/")
	}
}

func endpointTrouble(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return `must be a whole address, such as "https://api.kaiza.la"`
	case !validPort(u.Port()):
		return "must have a port from 1 to 65535, or none"
	case u.User != nil:
		return "must hold no user name or password: remove what stands before the @"
	case strings.ContainsAny(s, "?#"):
		return "must end before any ? or #: remove the rest"
	case slices.Contains(strings.Split(u.Path, "/"), "v1"):
		return "must end before /v1, which is added by itself: remove the rest"
	case !wire.MayCarrySecrets(u):
		return "must begin with https://: http:// would send secrets in the clear, and is for this machine itself only"
	}
	return ""
}

// validPort takes no port, too; url.Parse has seen to it that the rest are digits.
func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}
