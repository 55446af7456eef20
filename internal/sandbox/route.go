package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// endpoint answers one request, or returns an error before it has written anything.
type endpoint func(w http.ResponseWriter, r *http.Request) error

// problem is an error that knows the status of its answer.
type problem struct {
	status  int
	message string
	code    string // ""; the status's
}

func (p *problem) Error() string { return p.message }

func refuse(status int, format string, args ...any) error {
	return &problem{status: status, message: fmt.Sprintf(format, args...)}
}

// counted counts the calls of the API.
func (s *Server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			s.calls.Add(1)
		}
		next.ServeHTTP(w, r)
	})
}

// ownHost refuses requests that came here under a foreign name, because with DNS rebinding any web page could read the posts.
// It accepts addresses, which cannot be rebound, names without a dot, which no stranger can own, and the name in
// Options.Endpoint.
func (s *Server) ownHost(next http.Handler) http.Handler {
	own := ""
	if u, err := url.Parse(s.o.Endpoint); err == nil {
		own = u.Hostname()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostname(r.Host)
		_, err := netip.ParseAddr(host)
		if err == nil || !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") ||
			strings.EqualFold(host, own) {
			next.ServeHTTP(w, r)
			return
		}
		answerProblem(w, refuse(http.StatusMisdirectedRequest,
			"host %q is not this sandbox's: use an address or localhost, or make it the endpoint's", host))
	})
}

func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// route answers a request. http.ServeMux is not used, because it redirects an unclean path: a client that joins
// "https://host/" and "/v1/media" must get the 404 that the service would answer.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	serve, methods := s.find(r)
	err := refuse(http.StatusNotFound, "no such path: %q", r.URL.EscapedPath())
	switch {
	case serve == nil:
	case !slices.Contains(methods, r.Method):
		allow := strings.Join(methods, ", ")
		w.Header().Set("Allow", allow)
		err = refuse(http.StatusMethodNotAllowed, "method %q is not allowed here, only %s", r.Method, allow)
	default:
		err = serve(w, r)
	}
	if err != nil {
		answerProblem(w, err)
	}
}

func (s *Server) find(r *http.Request) (serve endpoint, methods []string) {
	path := r.URL.EscapedPath()
	get, post := []string{http.MethodGet}, []string{http.MethodPost}
	switch path {
	case "/v1/accessToken":
		return s.giveToken, get
	case "/v1/generatePin":
		return s.sendPIN, post
	case "/v1/loginWithPinAndApplicationId":
		return s.logIn, post
	case "/v1/media":
		return s.authorized(s.takeMedia), post
	case "/v1/groups":
		return s.authorized(s.listGroups), get
	}
	if id, ok := groupOf(path); ok {
		r.SetPathValue("group", id)
		return s.authorized(s.takeAction), post
	}
	return s.findPage(path), []string{http.MethodGet, http.MethodHead}
}

// groupOf returns the group in /v1/groups/{groupId}/actions. path is still escaped, so that an escaped slash is a part of the
// ID.
func groupOf(path string) (id string, ok bool) {
	id, ok = strings.CutPrefix(path, "/v1/groups/")
	if !ok {
		return "", false
	}
	id, ok = strings.CutSuffix(id, "/actions")
	if !ok || strings.Contains(id, "/") {
		return "", false
	}
	id, err := url.PathUnescape(id)
	return id, err == nil && id != ""
}

// authorized refuses requests without a valid accessToken.
func (s *Server) authorized(next endpoint) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		token := r.Header.Get("accessToken")
		if token == "" {
			return refuse(http.StatusUnauthorized, "the header accessToken is missing")
		}
		if token != s.o.AccessToken && !s.tokens.valid(token, s.o.Now()) {
			return refuse(http.StatusUnauthorized, "the access token is unknown or has expired")
		}
		return next(w, r)
	}
}

// answerProblem answers with the service's error body. InvalidToken and AuthException were seen from the real service; the
// other codes are made up.
func answerProblem(w http.ResponseWriter, err error) {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		p = &problem{status: http.StatusInternalServerError, message: err.Error()}
	}
	code, category := "InvalidToken", "AuthException"
	if p.status != http.StatusUnauthorized {
		code = strings.ReplaceAll(http.StatusText(p.status), " ", "")
		category = "RequestException"
	}
	if p.code != "" {
		code, category = p.code, "AuthException"
	}
	if p.status >= http.StatusInternalServerError {
		category = "ServiceException"
	}
	answer(w, p.status, struct {
		Message          string `json:"message"`
		ErrorCode        string `json:"errorCode"`
		ErrorCategoryKey string `json:"errorCategoryKey"`
	}{p.message, code, category})
}

// answer writes v as the JSON body of an answer. It ignores a client that has gone.
func answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // no value of this package fails
		status, body = http.StatusInternalServerError, []byte("{}")
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
