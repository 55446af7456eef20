package sandbox

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Chaos says how a Server misbehaves. Calls that it accepts are recorded as always, so that Posts stays true.
type Chaos struct {
	Seed           uint64        // gives the same chaos for the same calls, if they are made one after the other
	CallsPerMinute int           // further calls in any Window are answered with 429; 0: no limit
	Window         time.Duration // takes the place of a minute, for tests; 0: a minute
	Rules          []Rule        // at most one disturbs a call: the first one whose Call, First and Chance allow it
}

// Rule disturbs some calls.
type Rule struct {
	Call   string  // accessToken, media, actions, groups, generatePin or loginWithPinAndApplicationId; "": each of them
	Chance float64 // the chance of a call to be disturbed: above 0, up to 1
	First  int     // how many calls are disturbed at most; 0: no limit
	Do     string  // the disturbance, one of Disturbances

	Status     int           // of "status", "early" and "invalid token"; 0: 503, 413 and 401
	Body       string        // of "status": "json" (or ""), "html" or "none"; of "nonsense": "html" (or ""), "cut", "empty" or "array"
	RetryAfter time.Duration // of "status", rounded up to seconds; 0: no such header
	AsDate     bool          // Retry-After is a date
	For        time.Duration // of "delay", of "hang" (0: until the client gives up), and of "slow" for the whole body
	Full       bool          // of "moved": Location is the address of the call instead of that of the endpoint
}

// disturbance answers a call in its own way; next would answer it without a disturbance.
type disturbance func(c *chaos, rule Rule, w http.ResponseWriter, r *http.Request, next http.Handler)

// disturbances are all values of Rule.Do.
func disturbances() map[string]disturbance {
	return map[string]disturbance{
		"status":           (*chaos).status,
		"early":            (*chaos).early,
		"delay":            (*chaos).delay,
		"hang":             (*chaos).hang,
		"slow":             (*chaos).slow,
		"reset before":     (*chaos).resetBefore,
		"reset during":     (*chaos).resetDuring,
		"reset after":      (*chaos).resetAfter,
		"lose answer":      (*chaos).loseAnswer,
		"cut answer":       (*chaos).cutAnswer,
		"nonsense":         (*chaos).nonsense,
		"nonsense after":   (*chaos).nonsenseTaken,
		"invalid token":    (*chaos).invalidToken,
		"all tokens ended": (*chaos).endTokens,
		"moved":            (*chaos).moved,
	}
}

// chaos is a Chaos at work.
type chaos struct {
	Chaos
	server *Server                    // nil: what is disturbed is no sandbox
	callOf func(*http.Request) string // names a call; "": it is left alone
	do     map[string]disturbance

	mu    sync.Mutex
	rand  *rand.Rand
	used  []int          // calls that each rule disturbed
	calls []time.Time    // of the last window
	count map[string]int // of disturbances, by name
}

// newChaos checks o and does not change it.
func newChaos(s *Server, o Chaos) (*chaos, error) {
	c := &chaos{
		Chaos: o, server: s, callOf: callOf, do: disturbances(),
		rand: rand.New(rand.NewPCG(o.Seed, 0)), used: make([]int, len(o.Rules)), count: map[string]int{},
	}
	if c.Window == 0 {
		c.Window = time.Minute
	}
	for i, r := range o.Rules {
		if err := r.check(c.do); err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	if o.CallsPerMinute < 0 || o.Window < 0 {
		return nil, fmt.Errorf("calls_per_minute and window must not be negative")
	}
	return c, nil
}

// disturb wraps the handler of all requests.
func (c *chaos) disturb(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := c.callOf(r)
		if call == "" {
			next.ServeHTTP(w, r)
			return
		}
		if wait := c.throttle(time.Now()); wait > 0 {
			c.status(Rule{Status: http.StatusTooManyRequests, RetryAfter: wait}, w, r, next)
			return
		}
		if rule, ok := c.choose(call); ok {
			c.do[rule.Do](c, rule, w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func callOf(r *http.Request) string {
	path := r.URL.EscapedPath()
	for _, call := range []string{"accessToken", "media", "groups", "generatePin", "loginWithPinAndApplicationId"} {
		if path == "/v1/"+call {
			return call
		}
	}
	if _, ok := groupOf(path); ok {
		return "actions"
	}
	return ""
}

// throttle counts a call and returns 0, or returns how long no call is allowed. It counts the calls in the window before each
// call, and no other way of counting calls a minute is stricter.
func (c *chaos) throttle(now time.Time) (wait time.Duration) {
	if c.CallsPerMinute == 0 {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.calls) > 0 && now.Sub(c.calls[0]) >= c.Window {
		c.calls = c.calls[1:]
	}
	if len(c.calls) >= c.CallsPerMinute {
		c.count["throttled"]++
		return c.Window - now.Sub(c.calls[0])
	}
	c.calls = append(c.calls, now)
	return 0
}

func (c *chaos) choose(call string) (Rule, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, r := range c.Rules {
		if r.Call != "" && r.Call != call || r.First > 0 && c.used[i] >= r.First || c.rand.Float64() >= r.Chance {
			continue
		}
		c.used[i]++
		c.count[r.Do]++
		return r, true
	}
	return Rule{}, false
}

// counts returns how often each disturbance happened.
func (c *chaos) counts() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := make(map[string]int, len(c.count))
	maps.Copy(counts, c.count)
	return counts
}

func (c *chaos) status(rule Rule, w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	status := cmp.Or(rule.Status, http.StatusServiceUnavailable)
	if rule.RetryAfter > 0 {
		seconds := int(math.Ceil(rule.RetryAfter.Seconds()))
		text := strconv.Itoa(seconds)
		if rule.AsDate { // a date has whole seconds, so it is a second later
			text = time.Now().Add(time.Duration(seconds+1) * time.Second).UTC().Format(http.TimeFormat)
		}
		w.Header().Set("Retry-After", text)
	}
	switch rule.Body {
	case "html":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<html><body><h1>%d %s</h1></body></html>", status, http.StatusText(status))
	case "none":
		w.WriteHeader(status)
	default:
		answerProblem(w, refuse(status, "the sandbox was asked to answer so"))
	}
}

// early answers without reading the body, and closes the connection.
func (c *chaos) early(rule Rule, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Connection", "close")
	answerProblem(w, refuse(cmp.Or(rule.Status, http.StatusRequestEntityTooLarge), "answered before the body was read"))
}

func (c *chaos) delay(rule Rule, w http.ResponseWriter, r *http.Request, next http.Handler) {
	c.wait(rule.For, r)
	next.ServeHTTP(w, r)
}

func (c *chaos) hang(rule Rule, w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body) // with an unread body, the server would not notice that the client has gone
	c.wait(cmp.Or(rule.For, math.MaxInt64), r)
	reset(w)
}

// wait ends early when the client has gone or the server closes.
func (c *chaos) wait(d time.Duration, r *http.Request) {
	var closing <-chan struct{}
	if c.server != nil {
		closing = c.server.closing
	}
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	case <-closing:
	}
}

// slow reads the body in 16 pieces, with pauses between them.
func (c *chaos) slow(rule Rule, w http.ResponseWriter, r *http.Request, next http.Handler) {
	const pieces = 16
	var body bytes.Buffer
	for body.Len() < int(r.ContentLength) {
		if _, err := io.CopyN(&body, r.Body, max(1, r.ContentLength/pieces)); err != nil {
			break
		}
		c.wait(rule.For/pieces, r)
	}
	r.Body = io.NopCloser(io.MultiReader(&body, r.Body))
	next.ServeHTTP(w, r)
}

func (c *chaos) resetBefore(_ Rule, w http.ResponseWriter, _ *http.Request, _ http.Handler) { reset(w) }

func (c *chaos) resetDuring(_ Rule, w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
	reset(w)
}

func (c *chaos) resetAfter(_ Rule, w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	reset(w)
}

// reset ends the connection as a failure does: without an answer, and with an RST if it is TCP.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// check says what is wrong with a rule.
func (r Rule) check(known map[string]disturbance) error {
	calls := []string{"", "accessToken", "media", "actions", "groups", "generatePin", "loginWithPinAndApplicationId"}
	bodies := []string{"", "json", "html", "none", "cut", "empty", "array"}
	switch {
	case known[r.Do] == nil:
		return fmt.Errorf("do = %q is not one of %s", r.Do, strings.Join(names(known), ", "))
	case !slices.Contains(calls, r.Call):
		return fmt.Errorf("call = %q is not one of %s", r.Call, strings.Join(calls[1:], ", "))
	case !slices.Contains(bodies, r.Body):
		return fmt.Errorf("body = %q is not one of %s", r.Body, strings.Join(bodies[1:], ", "))
	case !(r.Chance > 0 && r.Chance <= 1):
		return fmt.Errorf("chance = %v is not above 0 and up to 1", r.Chance)
	case r.Status != 0 && (r.Status < 200 || r.Status > 599):
		return fmt.Errorf("status = %d is not from 200 to 599", r.Status)
	case r.First < 0 || r.RetryAfter < 0 || r.For < 0:
		return fmt.Errorf("first, retry_after and for must not be negative")
	}
	return nil
}
