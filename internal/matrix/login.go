package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"kaizala-drop/internal/matrix/names"
	"kaizala-drop/internal/vault"
	"kaizala-drop/internal/wire"
)

// ErrPassword is wrapped where the homeserver refused the account or its password: it does not say which.
var ErrPassword = errors.New("the account or its password is wrong, or the account is closed")

// tokenFile is where the token of a destination is kept.
func tokenFile(stateDir, name string) vault.File {
	return vault.File{Dir: stateDir, Name: "matrix-token-" + name + ".json"}
}

// CanStore finds out whether a token could be stored now.
func (c *Client) CanStore() error {
	if err := c.session.file.Try(); err != nil {
		return fmt.Errorf("cannot store a token in %q: %w", c.session.file.Dir, err)
	}
	return nil
}

// TakesPasswords reports whether the homeserver has a login by password. If not, others names what it has instead.
//
// Its errors are *Error.
func (c *Client) TakesPasswords(ctx context.Context) (ok bool, others string, err error) {
	var said struct {
		Flows []struct {
			Type string `json:"type"`
		} `json:"flows"`
	}
	k := call{name: callLogin, method: http.MethodGet, path: clientAPI + "/login"}
	if err := c.open(ctx, k, &said, func() error { return nil }); err != nil {
		return false, "", err
	}
	var types []string
	for _, flow := range said.Flows {
		ok = ok || flow.Type == passwordLogin
		types = append(types, wire.Bounded(flow.Type))
	}
	return ok, strings.Join(types, ", "), nil
}

const passwordLogin = "m.login.password"

// begun is a login that is in use and not stored yet.
type begun struct{ next, before kept }

// Begin logs user, the id of an account or the part of it before the colon, in with its password, and uses the token that comes for it;
// Keep stores it. The device of the login before is used again, which ends its token; device names a new one. With fresh it is a new one in
// any case, as it is where the one before was not made by this program.
//
// Its errors are *Error, one of which wraps ErrPassword, or say that the token may not be stored.
func (c *Client) Begin(ctx context.Context, user, password, device string, fresh bool) (who string, err error) {
	before, _ := c.session.read() // what cannot be read is replaced
	body := map[string]any{
		"type": passwordLogin, "identifier": map[string]string{"type": "m.id.user", "user": user}, "password": password,
		"initial_device_display_name": device, "refresh_token": true,
	}
	if !fresh && before.Own && before.Device != "" && (before.User == user || strings.HasPrefix(before.User, "@"+user+":")) {
		body["device_id"] = before.Device
	}
	k := call{name: callLogin, method: http.MethodPost, path: clientAPI + "/login", hidden: []string{password}}
	if k.body, err = wire.JSON(body); err != nil {
		return "", &Error{Call: k.name, Err: err}
	}
	var said grant
	err = c.open(ctx, k, &said, func() error { return errors.Join(said.usable(), names.CheckUser(said.UserID)) })
	if answer, ok := errors.AsType[*Error](err); ok && answer.Status == http.StatusForbidden && answer.Code == "M_FORBIDDEN" {
		answer.Err = ErrPassword
	}
	if err != nil {
		return "", err
	}
	next := kept{Homeserver: c.session.homeserver, User: said.UserID, Device: said.DeviceID, Own: true}
	next.take(said, time.Now())
	if err := c.session.mayKeep(next); err != nil {
		_ = c.endToken(ctx, next.AccessToken) // nobody has it; the error that is told is what is to be mended
		return next.User, err
	}
	if first := c.begun; first != nil && first.next.Device != next.Device {
		_ = c.endToken(ctx, first.next.AccessToken) // it was tried, and nobody has it
	}
	c.begin(next, before)
	return next.User, nil
}

func (c *Client) begin(next, before kept) {
	c.session.try(next, before)
	c.begun = &begun{next, before}
}

// Keep stores the token of a login that has begun in place of a stored one, closes the store of its keys, so that a running daemon can open
// it, and ends the device before, with its keys, if this program had made that.
//
// Its error says that the token could not be stored, or that something of the device before is left.
func (c *Client) Keep(ctx context.Context) error {
	b := c.begun
	if b == nil {
		return nil
	}
	c.begun = nil
	c.keys.letGo()
	if err := c.store(b.next); err != nil {
		if b.next.Own {
			_ = c.endToken(ctx, b.next.AccessToken) // likewise
		}
		return err
	}
	if b.before.Device == "" || b.before.Device == b.next.Device {
		return nil
	}
	if b.before.Own && b.before.AccessToken != "" {
		_ = c.endToken(ctx, b.before.AccessToken) // it may have ended by itself
	}
	return c.forgetDevice(b.before.Device)
}

// BeginWithToken uses a token that was made elsewhere, once the homeserver says whose it is; Keep stores it.
//
// Its errors are *Error, or say that the token may not be stored.
func (c *Client) BeginWithToken(ctx context.Context, token string) (who string, err error) {
	if err := wire.CheckHeaderValue("token", token); err != nil || token == "" {
		return "", fmt.Errorf("%w was given", ErrNoToken)
	}
	said, err := c.ownerOf(ctx, token)
	if err != nil {
		return "", err
	}
	before, _ := c.session.read() // what cannot be read is replaced
	next := kept{Homeserver: c.session.homeserver, User: said.UserID, Device: said.DeviceID, AccessToken: token}
	next.Own = before.Own && before.Device == next.Device
	if err := c.session.mayKeep(next); err != nil {
		return next.User, err
	}
	c.begin(next, before)
	return next.User, nil
}

// OwnerOf asks whose a token is, and stores nothing.
//
// Its errors are *Error, or say that there is no token.
func (c *Client) OwnerOf(ctx context.Context, token string) (who string, err error) {
	if err := wire.CheckHeaderValue("token", token); err != nil || token == "" {
		return "", fmt.Errorf("%w was given", ErrNoToken)
	}
	said, err := c.ownerOf(ctx, token)
	return said.UserID, err
}

// IsRefused reports whether err says that the homeserver does not take the token any more.
func IsRefused(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Fault == ofAccess && e.Spoken
}

// store keeps the token of a login in place of whatever is kept, and uses it.
func (c *Client) store(next kept) error {
	content, err := next.text()
	if err == nil {
		err = c.session.file.Put(content)
	}
	if err != nil {
		return fmt.Errorf("the login is lost, as its token cannot be stored in %q: %w: mend that, and log in again", c.session.file.Path(), err)
	}
	c.session.use(next, true)
	return nil
}

// LogOut ends the token of a login at the homeserver, and removes it. was is false if there was none. Where the homeserver cannot be
// reached, or does not know the token, it is removed all the same, and told is why it may still be good there.
func (c *Client) LogOut(ctx context.Context) (was bool, told, err error) {
	if k, err := c.session.read(); err == nil && k.AccessToken != "" {
		told = c.endToken(ctx, k.AccessToken)
	}
	was, err = c.session.file.Remove()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil, nil
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("cannot remove the token in %q: %w: run it as root, or as the daemon's user", c.session.file.Path(), err)
	case err != nil:
		err = fmt.Errorf("cannot remove the token in %q: %w", c.session.file.Path(), err)
	}
	c.session.use(kept{}, true)
	if err == nil && c.keys.dir != "" {
		if err = os.RemoveAll(c.keys.dir); err != nil {
			err = fmt.Errorf("cannot remove the keys in %q: %w: run it as root, or as the daemon's user", c.keys.dir, err)
		}
	}
	return was, told, err
}

func (c *Client) endToken(ctx context.Context, token string) error {
	body, err := wire.JSON(struct{}{})
	if err != nil {
		return err
	}
	k := call{name: callLogout, method: http.MethodPost, path: clientAPI + "/logout", body: body}
	a, err := c.deliver(ctx, k, token)
	if err != nil {
		return err
	}
	if !a.ok() && a.code != "M_UNKNOWN_TOKEN" {
		return k.errorOf(a, nil)
	}
	return nil
}

// open makes a call without a token.
func (c *Client) open(ctx context.Context, k call, v any, usable func() error) error {
	a, err := c.deliver(ctx, k, "")
	if err != nil {
		return err
	}
	err = k.decode(a, v, usable)
	if answer, ok := errors.AsType[*Error](err); ok && k.name == callLogin && answer.Status == http.StatusNotFound {
		answer.Err = fmt.Errorf("there is no Matrix homeserver at this address: look at homeserver, which says %q", c.base.server)
	}
	return err
}

// LoggedInAt is the homeserver of the login that is stored for a destination, or "" if none can be seen.
func LoggedInAt(stateDir, name string) string {
	var k kept
	content, err := tokenFile(stateDir, name).Read()
	if err != nil || json.Unmarshal(content, &k) != nil {
		return ""
	}
	return k.Homeserver
}
