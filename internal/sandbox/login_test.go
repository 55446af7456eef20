package sandbox

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// phones are what would be sent to each number.
type phones map[string]string

func newPhones(t *testing.T, change func(*Options)) (*bench, phones) {
	p := phones{}
	return newBench(t, func(o *Options) {
		o.OnPIN = func(mobileNumber, pin string) { p[mobileNumber] = pin }
		o.ApplicationID, o.ApplicationSecret, o.RefreshToken = "id", "secret", "only this one"
		if change != nil {
			change(o)
		}
	}), p
}

func (b *bench) json(path, body string) reply {
	b.Helper()
	req := b.request(http.MethodPost, path, strings.NewReader(body), "Content-Type", "application/json", "accessToken", "")
	req.Header.Del("accessToken")
	return b.do(req)
}

const (
	pinPath   = "/v1/generatePin"
	loginPath = "/v1/loginWithPinAndApplicationId"
	askPIN    = `{"mobileNumber":"+491701234567","applicationId":"id"}`
)

func loginWith(pin string) string {
	return `{"mobileNumber":"+491701234567","applicationId":"id","applicationSecret":"secret","pin":"` + pin + `"}`
}

// TestLogin: a PIN brings a refresh token once, and that brings an access token beside the one that is configured.
func TestLogin(t *testing.T) {
	b, phones := newPhones(t, nil)
	if got := b.json(pinPath, askPIN); got.StatusCode != 200 || string(got.body) != "{}" {
		t.Fatalf("got %d %s", got.StatusCode, got.body)
	}
	pin := phones["+491701234567"]
	if len(pin) != 6 || strings.Trim(pin, "0123456789") != "" {
		t.Errorf("the PIN is %q", pin)
	}
	got := b.json(loginPath, loginWith(pin))
	token := got.field("refreshToken")
	if got.StatusCode != 200 || token == "" || got.field("endpointUrl") != b.http.URL || got.field("grantedScope") == "" {
		t.Fatalf("got %d %s", got.StatusCode, got.body)
	}
	for refresh, want := range map[string]int{token: 200, "only this one": 200, token + "x": 401} {
		req := b.request(http.MethodGet, "/v1/accessToken", nil, "applicationId", "id", "applicationSecret", "secret", "refreshToken", refresh)
		if got := b.do(req); got.StatusCode != want {
			t.Errorf("%q: got %d, want %d", refresh, got.StatusCode, want)
		}
	}
	if got := b.json(loginPath, loginWith(pin)); got.StatusCode != 400 || got.field("errorCode") != "InvalidPin" {
		t.Errorf("the PIN again: got %d %s", got.StatusCode, got.body)
	}
}

// TestPINIsVoid: after three wrong ones, after its time, and when there is another one.
func TestPINIsVoid(t *testing.T) {
	for _, c := range []struct {
		name string
		code string // of the right PIN then
		then func(b *bench, now *time.Time)
	}{
		{"two wrong ones", "", func(b *bench, _ *time.Time) { b.json(loginPath, loginWith("x")); b.json(loginPath, loginWith("y")) }},
		{"three wrong ones", "InvalidPin", func(b *bench, _ *time.Time) {
			for range 3 {
				if got := b.json(loginPath, loginWith("000000 ")); got.field("errorCode") != "InvalidPin" {
					t.Errorf("got %s", got.body)
				}
			}
		}},
		{"nine minutes", "", func(_ *bench, now *time.Time) { *now = now.Add(9 * time.Minute) }},
		{"ten minutes", "PinExpired", func(_ *bench, now *time.Time) { *now = now.Add(10 * time.Minute) }},
	} {
		now := time.Now()
		b, phones := newPhones(t, func(o *Options) { o.Now = func() time.Time { return now } })
		b.json(pinPath, askPIN)
		pin := phones["+491701234567"]
		c.then(b, &now)
		if got := b.json(loginPath, loginWith(pin)); got.field("errorCode") != c.code || (got.StatusCode == 200) != (c.code == "") {
			t.Errorf("%s: got %d %s", c.name, got.StatusCode, got.body)
		}
	}
	b, phones := newPhones(t, nil)
	b.json(pinPath, askPIN)
	first := phones["+491701234567"]
	for first == phones["+491701234567"] { // one in a million
		b.json(pinPath, askPIN)
	}
	if got := b.json(loginPath, loginWith(first)); got.StatusCode != 400 {
		t.Errorf("the one before: got %d %s", got.StatusCode, got.body)
	}
	if got := b.json(loginPath, loginWith(phones["+491701234567"])); got.StatusCode != 200 {
		t.Errorf("the newest: got %d %s", got.StatusCode, got.body)
	}
}

// TestLoginRefused: what is not exactly the documented call is refused, and no PIN is sent.
func TestLoginRefused(t *testing.T) {
	b, phones := newPhones(t, nil)
	for _, c := range []struct {
		path, body string
		status     int
		code       string
	}{
		{pinPath, ``, 400, "BadRequest"},
		{pinPath, `null`, 400, "BadRequest"},
		{pinPath, `[]`, 400, "BadRequest"},
		{pinPath, `{}`, 400, "BadRequest"},
		{pinPath, `{"mobileNumber":491701234567,"applicationId":"id"}`, 400, "BadRequest"},
		{pinPath, `{"mobilenumber":"+491701234567","applicationId":"id"}`, 400, "BadRequest"},
		{pinPath, `{"mobileNumber":"01701234567","applicationId":"id"}`, 400, "InvalidMobileNumber"},
		{pinPath, `{"mobileNumber":"+49 170 1234567","applicationId":"id"}`, 400, "InvalidMobileNumber"},
		{pinPath, `{"mobileNumber":"+491701234567","applicationId":"other"}`, 400, "InvalidApplication"},
		{pinPath, `{"mobileNumber":"` + strings.Repeat("1", maxLogin) + `","applicationId":"id"}`, 413, "RequestEntityTooLarge"},
		{loginPath, askPIN, 400, "BadRequest"},
		{loginPath, loginWith(""), 400, "BadRequest"},
		{loginPath, loginWith("123456"), 400, "InvalidPin"},
		{loginPath, strings.Replace(loginWith("123456"), `"secret"`, `"other"`, 1), 400, "InvalidApplication"},
	} {
		if got := b.json(c.path, c.body); got.StatusCode != c.status || got.field("errorCode") != c.code {
			t.Errorf("%s %.80s: got %d %s", c.path, c.body, got.StatusCode, got.body)
		}
	}
	for _, path := range []string{pinPath, loginPath} {
		if got := b.do(b.request(http.MethodPost, path, strings.NewReader(askPIN), "Content-Type", "text/plain")); got.StatusCode != 415 {
			t.Errorf("got %d", got.StatusCode)
		}
		if got := b.do(b.request(http.MethodGet, path, nil)); got.StatusCode != 405 || got.Header.Get("Allow") != "POST" {
			t.Errorf("got %d", got.StatusCode)
		}
	}
	if len(phones) > 0 {
		t.Errorf("sent %v", phones)
	}
}
