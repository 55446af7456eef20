package matrix

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"kaizala-drop/internal/matrix/e2ee"
	"kaizala-drop/internal/text"
)

// Device is the device that the token is of, as others see it.
type Device struct {
	ID          string
	Fingerprint string // of its keys, in groups of four, as other clients show it; "": it has none yet
	HasIdentity bool   // the account has cross-signing keys
	Verified    bool   // they have signed this device
}

// Device asks the homeserver how the device stands with others. It opens no store.
//
// Its errors are *Error.
func (c *Client) Device(ctx context.Context) (Device, error) {
	if _, err := c.WhoAmI(ctx); err != nil {
		return Device{}, err
	}
	user, device := c.session.isDevice()
	s, err := e2ee.Look(ctx, e2ee.Options{User: user, Device: device, Transport: keyCalls{c, device}})
	return Device{s.Device, s.Fingerprint, s.HasIdentity, s.Verified}, c.keysError(err)
}

// CheckKeys looks whether the keys that are kept here are those that the homeserver knows of the device d, and whether they are the newest. It
// changes nothing; where another process has them, as a running daemon does, it says nothing against them.
//
// Its errors are *Error.
func (c *Client) CheckKeys(ctx context.Context, d Device) error {
	there := c.keys.isThere(d.ID)
	switch {
	case !there && d.Fingerprint == "": // none were made yet
		return nil
	case !there:
		return c.keysError(e2ee.ErrStoreLost)
	}
	m, err := c.machine(ctx)
	if errors.Is(err, e2ee.ErrInUse) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.keys.letGo()
	s, err := m.Standing(ctx)
	switch {
	case err != nil:
		return c.keysError(err)
	case s.Copied:
		return c.keysError(e2ee.ErrCopied)
	case d.Fingerprint != "" && s.Fingerprint != d.Fingerprint:
		return c.keysError(e2ee.ErrStoreLost)
	}
	return nil
}

// Remedy is what to do about an error of the keys; "": nothing is known.
func Remedy(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Advice
	}
	return ""
}

// Doubt says what keeps others from reading what a device posts, and what to do; "": nothing.
func (c *Client) Doubt(d Device) (trouble, advice string) {
	switch {
	case d.Verified:
		return "", ""
	case d.HasIdentity:
		return fmt.Sprintf("device %s is not verified: in encrypted rooms Element shows a warning beside what it posts, or nothing", d.ID),
			"log in again and give the account's recovery key: " + c.login
	}
	return fmt.Sprintf("device %s is not verified, as its account has no cross-signing keys: in encrypted rooms Element shows a warning beside what it posts, or nothing", d.ID),
		"log in again, which makes them: " + c.login
}

// Notice says what a running daemon has found of the device that a person should know; "": nothing.
func (c *Client) Notice() (trouble, advice string) {
	c.keys.mu.Lock()
	defer c.keys.mu.Unlock()
	if c.keys.notice != (notice{}) || len(c.keys.blind) == 0 {
		return c.keys.notice.trouble, c.keys.notice.advice
	}
	const most = 3
	room := slices.Min(slices.Collect(maps.Keys(c.keys.blind))) // one after the other
	users := c.keys.blind[room]
	who := strings.Join(users[:min(most, len(users))], ", ")
	if len(users) > most {
		who = fmt.Sprintf("%s and %d others", who, len(users)-most)
	}
	return text.Printable(fmt.Sprintf("%s cannot read what is posted in %s: no device of theirs is verified, or their identity is another one than before", who, room)), c.blindAdvice()
}

// noteStanding asks how the device stands, and says so in the log when that changes. What cannot be asked stays as it was.
func (c *Client) noteStanding(ctx context.Context) {
	d, err := c.Device(ctx)
	if err != nil {
		return
	}
	var found notice
	found.trouble, found.advice = c.Doubt(d)
	c.keys.mu.Lock()
	before := c.keys.notice
	c.keys.notice = found
	c.keys.mu.Unlock()
	switch {
	case found.trouble != "" && found != before:
		c.log.Warn().Str("destination", c.name).Str("advice", found.advice).Msg(found.trouble)
	case found.trouble == "" && before.trouble != "":
		c.log.Info().Str("destination", c.name).Str("device", d.ID).Msg("the device is verified")
	}
}

// StartKeys makes sure that the keys of the device can be used, and that the homeserver has them. With an error that IsForNewDevice reports
// true of, only another device helps.
//
// Its errors are *Error.
func (c *Client) StartKeys(ctx context.Context) error {
	m, err := c.machine(ctx)
	if err != nil {
		return err
	}
	return c.keysError(m.Idle(ctx))
}

// IsForNewDevice reports whether an error says that the keys of the device are of no use any more, or in use by another process.
func IsForNewDevice(err error) bool { return isLasting(err) || errors.Is(err, e2ee.ErrInUse) }

// ErrRecoveryKey is wrapped where a recovery key is not the account's.
var ErrRecoveryKey = e2ee.ErrRecoveryKey

// MakeIdentity makes cross-signing keys for an account that has none, and signs this device. show is called with the recovery key before
// the account has them; if it fails, none are made.
//
// Its errors are *Error, or that of show.
func (c *Client) MakeIdentity(ctx context.Context, password string, show func(recoveryKey string) error) error {
	m, err := c.machine(ctx)
	if err != nil {
		return err
	}
	return c.keysError(m.MakeIdentity(ctx, password, show))
}

// JoinIdentity signs this device with the keys of the account, which its recovery key, or the phrase that it was made of, decrypts.
//
// Its errors are *Error, one of which wraps ErrRecoveryKey.
func (c *Client) JoinIdentity(ctx context.Context, recoveryKey string) error {
	m, err := c.machine(ctx)
	if err != nil {
		return err
	}
	return c.keysError(m.JoinIdentity(ctx, recoveryKey))
}

// forgetDevice removes the store of a device, which nothing can be posted with any more.
func (c *Client) forgetDevice(device string) error {
	if c.keys.dir == "" || device == "" {
		return nil
	}
	return os.RemoveAll(c.keys.deviceDir(device))
}
