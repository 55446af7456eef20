package kaizala

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"kaizala-drop/internal/wire"
)

// ErrNoToken is wrapped where there is neither a configured refresh token nor a stored one, nor a fixed access token.
var ErrNoToken = errors.New("no refresh token")

// ErrNoPIN is wrapped where something else than a PIN was given.
var ErrNoPIN = errors.New("no PIN was given")

// noToken says what to do about it.
func (c *Client) noToken() error {
	login := cmp.Or(c.login, "kaizala-drop login "+cmp.Or(c.keeper.file.destination, "kaizala"))
	return fmt.Errorf("%w: run %s", ErrNoToken, login)
}

// Ready gives nil if there was something to get access with when the client was made. Its error wraps ErrNoToken, or says why it
// cannot be told.
func (c *Client) Ready() error {
	if c.fixed != "" || c.access.refreshToken() != "" {
		return nil
	}
	switch {
	case errors.Is(c.unread, errDamaged):
		return fmt.Errorf("%w: %w", c.noToken(), c.unread)
	case c.unread != nil:
		return c.unread
	}
	return c.noToken()
}

// CanStore finds out whether a refresh token could be stored now: a PIN is good for one login, and would be spent in vain.
func (c *Client) CanStore() error {
	if err := c.keeper.file.file().Try(); err != nil {
		return fmt.Errorf("cannot store a refresh token in %q: %w", c.keeper.file.dir, err)
	}
	return nil
}

// RequestPIN has Kaizala send a PIN to a phone. phone is as ParsePhone gives it.
//
// Its errors are *Error.
func (c *Client) RequestPIN(ctx context.Context, phone string) error {
	k, err := c.loginCall(callPIN, "/v1/generatePin", map[string]string{"mobileNumber": phone, "applicationId": c.id})
	if err != nil {
		return err
	}
	var answer map[string]json.RawMessage
	return c.askAuth(ctx, k, &answer, func() error {
		if answer == nil {
			return errors.New("it is not a JSON object")
		}
		return nil
	})
}

// LogIn takes the PIN that came to the phone, and stores the refresh token that comes for it, in place of a configured or stored
// one, for this client and for all that run and will run. ends is when the token does; zero: the answer does not say.
//
// Its errors are *Error, or say that the token could not be stored.
func (c *Client) LogIn(ctx context.Context, phone, pin string) (ends time.Time, err error) {
	k, err := c.loginCall(callLogin, "/v1/loginWithPinAndApplicationId",
		map[string]string{"mobileNumber": phone, "applicationId": c.id, "applicationSecret": c.secret, "pin": pin}, c.secret, pin)
	if err != nil {
		return ends, err
	}
	var answer struct {
		RefreshToken string          `json:"refreshToken"`
		Expiry       json.RawMessage `json:"refreshTokenExpiry"`
	}
	err = c.askAuth(ctx, k, &answer, func() error {
		if err := requireText("refreshToken", answer.RefreshToken); err != nil {
			return err
		}
		return wire.CheckHeaderValue("refreshToken in the answer", answer.RefreshToken)
	})
	if err != nil {
		return ends, err
	}
	if err := c.keeper.login(answer.RefreshToken, time.Now()); err != nil {
		return ends, fmt.Errorf("the login is lost, as its token cannot be stored in %q: %w: mend that, and log in again",
			c.keeper.file.path(), err)
	}
	c.access.startOver(answer.RefreshToken)
	return endOf(answer.Expiry), nil
}

// endOf reads epoch milliseconds, or gives the zero time for what cannot be believed.
func endOf(expiry json.RawMessage) time.Time {
	ms, err := strconv.ParseInt(strings.Trim(string(expiry), `"`), 10, 64)
	if at := time.UnixMilli(ms); err == nil && at.Year() > 2000 && at.Year() < 2200 {
		return at
	}
	return time.Time{}
}

func (c *Client) loginCall(name, path string, body map[string]string, hidden ...string) (call, error) {
	k := call{name: name, method: http.MethodPost, path: path, hidden: hidden}
	var err error
	if k.body, err = wire.JSON(body); err != nil { // no text fails
		return k, &Error{Call: name, Err: err}
	}
	return k, nil
}

// askAuth makes a call that needs no token.
func (c *Client) askAuth(ctx context.Context, k call, v any, usable func() error) error {
	a, err := c.deliver(ctx, k, &c.root, nil)
	if err != nil {
		return err
	}
	return k.decode(a, v, func() error {
		if a.code != "" {
			return errors.New("it has an error code")
		}
		return usable()
	})
}

// Forget removes the refresh token of a destination from stateDir, with all that a crash left of one, and reports whether there
// was one. A running client goes on with the configured token, or has none then.
func Forget(stateDir, name string) (was bool, err error) {
	f := tokenFile{dir: stateDir, destination: name}
	if was, err = f.file().Remove(); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if errors.Is(err, os.ErrPermission) {
		return false, fmt.Errorf("cannot remove the refresh token in %q: %w: run it as root, or as the daemon's user", f.path(), err)
	}
	if err != nil {
		return was, fmt.Errorf("cannot remove the refresh token in %q: %w", f.path(), err)
	}
	return was, nil
}

// ParsePhone reads a phone number as people write it, and gives it as E.164 has it: a plus, the country code, and up to 15
// digits in all.
func ParsePhone(text string) (phone string, err error) {
	text = strings.TrimSpace(text)
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \u00a0\u202f\t-./()", r) {
			return -1
		}
		return r
	}, strings.TrimPrefix(text, "+"))
	switch {
	case text == "":
		return "", errors.New("no phone number was given")
	case !strings.HasPrefix(text, "+"):
		return "", errors.New("a phone number begins with + and the country code, such as +49 170 1234567")
	case strings.Contains(strings.ReplaceAll(text, " ", ""), "(0)"):
		return "", errors.New("leave the (0) out of the phone number: it is not dialled behind a country code")
	case strings.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }):
		return "", errors.New("a phone number holds digits behind its +, and nothing else but spaces, hyphens, dots, slashes and brackets")
	case strings.HasPrefix(digits, "0"):
		return "", errors.New("a country code does not begin with 0: write + and then the code, such as +49")
	case len(digits) < 7 || len(digits) > 15:
		return "", fmt.Errorf("a phone number with its country code has 7 to 15 digits, and this one has %d", len(digits))
	}
	return "+" + digits, nil
}

// ParsePIN takes the spaces out of a PIN. No error shows it.
func ParsePIN(text string) (pin string, err error) {
	pin = strings.Join(strings.Fields(text), "")
	switch {
	case pin == "":
		return "", ErrNoPIN
	case strings.ContainsFunc(pin, func(r rune) bool { return r < '0' || r > '9' }) || len(pin) < 4 || len(pin) > 10:
		return "", fmt.Errorf("%w: a PIN is 4 to 10 digits", ErrNoPIN)
	}
	return pin, nil
}
