package matrix

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/matrix/e2ee"
	"kaizala-drop/internal/wire"
)

// keys is the device that encrypts: it is opened with the first room that is encrypted. It is safe for concurrent use.
type keys struct {
	dir   string // matrix-NAME in state_dir, with a folder for each device; "": nothing can be kept
	share e2ee.ShareWith
	log   zerolog.Logger

	mu      sync.Mutex
	sealed  map[string]bool // ids of the rooms that are known to be encrypted, which they stay
	user    string          // whose device is open
	device  string          // which
	machine *e2ee.Machine   // nil: none is open
	closed  bool
	notice  notice
	barred  map[string]string   // by the room's id: the devices that were told not to be able to read there
	blind   map[string][]string // by the room as it is configured: who reads nothing there, with no device

	opened chan struct{} // told when another device was opened
}

// notice is what a person should know of the device: its words, and what to do.
type notice struct{ trouble, advice string }

func newKeys(o Options) *keys {
	k := &keys{share: o.ShareWith, log: o.Log, sealed: map[string]bool{}, barred: map[string]string{}, blind: map[string][]string{}, opened: make(chan struct{}, 1)}
	if o.StateDir != "" {
		k.dir = keysDir(o.StateDir, cmp.Or(o.Name, "matrix"))
	}
	return k
}

// keysDir is the folder with the keys of a destination's devices.
func keysDir(stateDir, name string) string { return filepath.Join(stateDir, "matrix-"+name) }

// deviceDir is the folder of a device's store.
func (k *keys) deviceDir(device string) string {
	return filepath.Join(k.dir, "device-"+url.PathEscape(device))
}

// knows reports whether a room is known to be encrypted.
func (k *keys) knows(room string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sealed[room]
}

func (k *keys) note(room string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sealed[room] = true
}

// excludes notes which devices, and who, cannot read in a room, which is configured as target, and reports whether that is to be told.
func (k *keys) excludes(room, target, devices string, blind []string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.blind, target)
	if len(blind) > 0 {
		k.blind[target] = blind
	}
	changed := k.barred[room] != devices
	k.barred[room] = devices
	return changed && devices != ""
}

// close closes the store.
func (k *keys) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	k.shut()
}

// letGo closes the store, which may be opened again.
func (k *keys) letGo() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shut()
}

// shut closes what is open. It is for who holds mu.
func (k *keys) shut() {
	if k.machine == nil {
		return
	}
	if err := k.machine.Close(); err != nil {
		k.log.Warn().Err(err).Msg("the store of the keys could not be closed")
	}
	k.machine = nil
}

// open gives the machine of a device. transport carries its calls.
func (k *keys) open(user, device string, transport http.RoundTripper) (*e2ee.Machine, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
		return nil, os.ErrClosed
	case k.machine != nil && k.user == user && k.device == device:
		return k.machine, nil
	case k.dir == "":
		return nil, errors.New("there is no state_dir to keep the keys in")
	case device == "":
		return nil, errors.New("the homeserver does not say of which device the token is, and only a device can encrypt: log in to get another one")
	}
	k.shut()
	m, err := e2ee.Open(e2ee.Options{
		Dir: k.deviceDir(device), User: user, Device: device, Transport: transport, ShareWith: k.share, Log: k.log,
	})
	if err != nil {
		return nil, err
	}
	k.machine, k.user, k.device, k.notice = m, user, device, notice{}
	select {
	case k.opened <- struct{}{}:
	default: // it is told already
	}
	return m, nil
}

// now gives the machine that is open, or nil.
func (k *keys) now() *e2ee.Machine {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.machine
}

// isThere reports whether there is a store of a device.
func (k *keys) isThere(device string) bool {
	if k.dir == "" || device == "" {
		return false
	}
	_, err := os.Lstat(k.deviceDir(device))
	return err == nil
}

// machine gives the machine of the token's device.
func (c *Client) machine(ctx context.Context) (*e2ee.Machine, error) {
	if _, err := c.WhoAmI(ctx); err != nil {
		return nil, err
	}
	user, device := c.session.isDevice()
	if !c.keys.isThere(device) { // it is new, or a login has put another one in its place just now
		c.session.lookAgain()
		if _, err := c.WhoAmI(ctx); err != nil {
			return nil, err
		}
		user, device = c.session.isDevice()
	}
	m, err := c.keys.open(user, device, keyCalls{c, device})
	return m, c.keysError(err)
}

// keyCalls makes the calls of package e2ee as all other calls are made: with the token, its renewal, the budget and the bounds. They fail once
// the token is that of another device.
type keyCalls struct {
	c      *Client
	device string
}

const (
	maxKeys = 32 << 20 // bytes of an answer about keys
	maxSaid = 8 << 20  // bytes of what is sent of them
)

// RoundTrip gives an *Error where the answer says nothing about the keys: that the token is refused, that these are too many calls, that the
// server fails.
func (k keyCalls) RoundTrip(req *http.Request) (*http.Response, error) {
	one := call{name: callKeys, method: req.Method, path: req.URL.EscapedPath(), limit: maxKeys, device: k.device}
	if req.URL.RawQuery != "" {
		one.query = "?" + req.URL.RawQuery
	}
	if req.Body != nil {
		text, err := io.ReadAll(io.LimitReader(req.Body, maxSaid+1))
		if err := errors.Join(err, req.Body.Close()); err != nil {
			return nil, err
		}
		if len(text) > maxSaid {
			return nil, errors.New("too much is to be sent of the keys")
		}
		one.hidden = passwordIn(text)
		one.body = &wire.Body{ContentType: "application/json", Pieces: []wire.Piece{{Text: text}}}
	}
	a, err := k.c.do(req.Context(), one)
	if err != nil {
		return nil, err
	}
	refusal := one.errorOf(a, a.Err)
	if a.Err != nil || a.Status >= 500 || a.isThrottled() || isOfToken(a) {
		return nil, refusal
	}
	return &http.Response{
		Status: http.StatusText(a.Status), StatusCode: a.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: a.Header,
		Body: io.NopCloser(bytes.NewReader(a.Body)), ContentLength: int64(len(a.Body)), Request: req,
	}, nil
}

// isOfToken reports whether an answer is about the token or the account. A 401 without a code asks for the password.
func isOfToken(a *answer) bool {
	return strings.HasPrefix(a.code, "M_") && faultOf(callWhoAmI, a) == ofAccess && a.code != "M_FORBIDDEN"
}

// passwordIn gives the password that a request brings, so that no error repeats it.
func passwordIn(text []byte) []string {
	var said struct {
		Auth struct {
			Password string `json:"password"`
		} `json:"auth"`
	}
	if json.Unmarshal(text, &said) != nil || said.Auth.Password == "" {
		return nil
	}
	return []string{said.Auth.Password}
}

// keepEvery is how often the keys are looked after while nothing is posted.
const keepEvery = 10 * time.Minute

// KeepKeys looks after the keys until ctx ends: that the homeserver has some for who wants to write to this device, that it is known who
// reads, and whether the device is verified. Its error is that of ctx.
func (c *Client) KeepKeys(ctx context.Context) error {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.keys.opened:
			c.noteStanding(ctx)
			continue
		case <-ctx.Done():
			return ctx.Err()
		}
		m := c.keys.now()
		if m == nil {
			continue
		}
		if err := m.Idle(ctx); err != nil && ctx.Err() == nil {
			c.log.Warn().Err(c.keysError(err)).Msg("the keys could not be looked after; trying again with the next post, or in ten minutes")
		}
		c.noteStanding(ctx)
	}
}
