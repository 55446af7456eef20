package sandbox

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"
)

// tokenLife is how long an access token is valid, as documented.
const tokenLife = 24 * time.Hour

// tokens are the access tokens that were issued.
type tokens struct {
	mu      sync.Mutex
	expires map[string]time.Time
}

func (t *tokens) issue(now time.Time) (token string, expires time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.expires == nil {
		t.expires = make(map[string]time.Time)
	}
	token, expires = rand.Text()+rand.Text(), now.Add(tokenLife)
	t.expires[token] = expires
	return token, expires
}

func (t *tokens) valid(token string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return now.Before(t.expires[token]) // an unknown token has the zero time
}

func (t *tokens) endAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.expires)
}

// giveToken is GET /v1/accessToken. The refresh token in the answer is null, because the service gives a new one only late in
// the life of the old one.
func (s *Server) giveToken(w http.ResponseWriter, r *http.Request) error {
	for _, c := range []struct{ header, want string }{
		{"applicationId", s.o.ApplicationID},
		{"applicationSecret", s.o.ApplicationSecret},
		{"refreshToken", s.o.RefreshToken},
	} {
		got := r.Header.Get(c.header)
		if got == "" {
			return refuse(http.StatusUnauthorized, "the header %s is missing", c.header)
		}
		if c.header == "refreshToken" && s.logins.valid(got, s.o.Now()) {
			continue
		}
		if c.want != "" && got != c.want {
			return refuse(http.StatusUnauthorized, "the value of the header %s is not known here", c.header)
		}
	}
	token, expires := s.tokens.issue(s.o.Now())
	answer(w, http.StatusOK, struct {
		AccessToken       string  `json:"accessToken"`
		EndpointURL       string  `json:"endpointUrl"`
		AccessTokenExpiry int64   `json:"accessTokenExpiry"` // epoch milliseconds
		RefreshToken      *string `json:"refreshToken"`
		Scope             string  `json:"scope"`
	}{token, s.endpointFor(r), expires.UnixMilli(), nil, "sandbox"})
	return nil
}

func (s *Server) endpointFor(r *http.Request) string {
	if s.o.Endpoint != "" {
		return s.o.Endpoint
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
