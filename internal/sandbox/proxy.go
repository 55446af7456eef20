package sandbox

import (
	"errors"
	"net/http"
)

// Proxy disturbs the calls of a server that is no sandbox, for tests of other destinations. It is safe for concurrent use.
type Proxy struct {
	chaos   *chaos
	handler http.Handler
}

// NewProxy puts o before a server. callOf names the calls that are disturbed, and gives "" for all others; rules are for all of them.
// Its error says which rule is wrong, or only for a sandbox.
func NewProxy(o Chaos, callOf func(*http.Request) string, server http.Handler) (*Proxy, error) {
	for _, r := range o.Rules {
		if r.Call != "" || r.Do == "all tokens ended" {
			return nil, errors.New("call, and \"all tokens ended\", are for a sandbox")
		}
	}
	c, err := newChaos(nil, o)
	if err != nil {
		return nil, err
	}
	c.callOf = callOf
	return &Proxy{c, c.disturb(server)}, nil
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// Disturbed returns how often each disturbance happened.
func (p *Proxy) Disturbed() map[string]int { return p.chaos.counts() }
