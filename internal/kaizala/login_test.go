package kaizala

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/sandbox"
)

const thePhone = "+491701234567"

// TestLoginOnTheWire: both calls are those that are documented, and what comes is used and kept.
func TestLoginOnTheWire(t *testing.T) {
	ends := time.Now().Add(365 * 24 * time.Hour).Truncate(time.Millisecond)
	var got []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for name := range r.Header {
			if strings.Contains(strings.ToLower(name), "application") || strings.Contains(strings.ToLower(name), "oken") {
				t.Errorf("the header %s was sent", name)
			}
		}
		got = append(got, r.Method+" "+r.RequestURI+" "+r.Header.Get("Content-Type")+" "+string(body))
		if strings.HasSuffix(r.URL.Path, "generatePin") {
			io.WriteString(w, "{}")
			return
		}
		fmt.Fprintf(w, `{"refreshToken":"of the login","refreshTokenExpiry":%d,"endpointUrl":"https://x","grantedScope":"a"}`, ends.UnixMilli())
	})
	dir := t.TempDir()
	c := app(t, s.URL, func(o *Options) { o.StateDir = dir })
	must(t, c.CanStore())
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("trying left %v", left)
	}
	must(t, c.RequestPIN(t.Context(), thePhone))
	until, err := c.LogIn(t.Context(), thePhone, "123456")
	if err != nil || !until.Equal(ends) || c.access.refreshToken() != "of the login" {
		t.Errorf("got %s, %v", until, err)
	}
	wantLoaded(t, tokenFile{dir: dir, configured: "the-refresh"}, "of the login")
	want := []string{
		`POST /v1/generatePin application/json {"applicationId":"the-id","mobileNumber":"+491701234567"}`,
		`POST /v1/loginWithPinAndApplicationId application/json {"applicationId":"the-id","applicationSecret":"the-secret","mobileNumber":"+491701234567","pin":"123456"}`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestLoginAtTheSandbox: a PIN is good once, a wrong one is refused as such, and what a login stores gets access where nothing else
// does.
func TestLoginAtTheSandbox(t *testing.T) {
	pin := ""
	box, err := sandbox.New(sandbox.Options{
		Dir: t.TempDir(), Groups: []sandbox.Group{{ID: "g@2"}}, ApplicationID: "the-id", ApplicationSecret: "the-secret", RefreshToken: "not the-refresh",
		OnPIN: func(_, digits string) { pin = digits },
	})
	must(t, err)
	t.Cleanup(box.Close)
	s := serve(t, box.ServeHTTP)
	dir := t.TempDir()
	client := func(change ...func(*Options)) *Client {
		return app(t, s.URL, append([]func(*Options){func(o *Options) { o.StateDir = dir }}, change...)...)
	}
	fault := func(err error, want LoginFault) {
		t.Helper()
		if got := wireError(t, err); got.LoginFault() != want {
			t.Errorf("%v: fault %d, want %d", err, got.LoginFault(), want)
		}
	}
	c := client()
	if _, err := c.Groups(t.Context()); !wireError(t, err).Unauthorized() {
		t.Errorf("got %v", err)
	}
	fault(c.RequestPIN(t.Context(), "0170"), LoginPhone)
	fault(client(func(o *Options) { o.ApplicationID = "other" }).RequestPIN(t.Context(), thePhone), LoginApplication)
	must(t, c.RequestPIN(t.Context(), thePhone))
	_, err = client(func(o *Options) { o.ApplicationSecret = "other" }).LogIn(t.Context(), thePhone, pin)
	fault(err, LoginApplication)
	_, err = c.LogIn(t.Context(), thePhone, "1"+pin)
	fault(err, LoginPIN)
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("refused logins stored %v", left)
	}
	ends, err := c.LogIn(t.Context(), thePhone, pin)
	if err != nil || ends.Before(time.Now().Add(300*24*time.Hour)) {
		t.Errorf("got %s, %v", ends, err)
	}
	_, err = c.LogIn(t.Context(), thePhone, pin)
	fault(err, LoginPIN)
	for _, c := range []*Client{c, client(), client(func(o *Options) { o.RefreshToken = "" })} {
		if groups, err := c.Groups(t.Context()); err != nil || len(groups) != 1 {
			t.Errorf("got %v, %v", groups, err)
		}
	}
}

// TestLoginNonsense: an answer that is not what it should be is the service's fault, and stores nothing.
func TestLoginNonsense(t *testing.T) {
	s := serve(t, nil)
	dir := t.TempDir()
	c := app(t, s.URL, func(o *Options) { o.StateDir = dir })
	for _, body := range []string{
		"", "null", "[]", "<html>sign in to the hotel</html>", `"x"`, "{", `{"refreshToken":"` + strings.Repeat("x", 2<<20) + `"}`,
	} {
		s.Config.Handler = say(200, body)
		e := wireError(t, c.RequestPIN(t.Context(), thePhone))
		if e.Call != callPIN || e.Status != 200 || e.Err == nil || e.LoginFault() != LoginService || len(e.Error()) > 1000 {
			t.Errorf("%.40q: got %v", body, e)
		}
	}
	for _, body := range []string{
		"", "null", "[]", "{}", "<html>", `{"refreshToken":""}`, `{"refreshToken":" "}`, `{"refreshToken":null}`, `{"refreshToken":7}`,
		`{"refreshToken":"a\r\nX: y"}`, `{"refreshToken":"a","errorCode":"SomethingElse"}`, `{"refreshToken":{"a":1}}`,
		`{"refreshToken":"` + strings.Repeat("x", 2<<20) + `"}`,
	} {
		s.Config.Handler = say(200, body)
		_, err := c.LogIn(t.Context(), thePhone, "123456")
		e := wireError(t, err)
		if e.Call != callLogin || e.Status != 200 || e.LoginFault() != LoginService || len(e.Error()) > 1000 {
			t.Errorf("%.40q: got %v", body, e)
		}
	}
	s.Config.Handler = say(200, `{"refreshToken":"`+strings.Repeat("x", 100<<10)+`"}`)
	if _, err := c.LogIn(t.Context(), thePhone, "123456"); err == nil || len(err.Error()) > 1000 {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("stored %v", left)
	}
	for _, expiry := range []string{`null`, `""`, `"tomorrow"`, `-1`, `1`, `99999999999999999999`, `[]`, `1e3`} {
		s.Config.Handler = say(200, `{"refreshToken":"good","refreshTokenExpiry":`+expiry+`}`)
		if ends, err := c.LogIn(t.Context(), thePhone, "123456"); err != nil || !ends.IsZero() {
			t.Errorf("%s: got %s, %v", expiry, ends, err)
		}
	}
}

// TestLoginFaults: what a person is to look at, by the answer.
func TestLoginFaults(t *testing.T) {
	type faults struct{ pin, login LoginFault }
	s := serve(t, nil)
	dir := t.TempDir()
	c := app(t, s.URL, func(o *Options) { o.StateDir = dir })
	for _, a := range []struct {
		status int
		code   string
		want   faults
	}{
		{400, "", faults{LoginPhone, LoginDenied}},
		{400, "InvalidPin", faults{LoginPIN, LoginPIN}},
		{400, "PIN_EXPIRED", faults{LoginPIN, LoginPIN}},
		{401, "WrongOtp", faults{LoginPIN, LoginPIN}},
		{200, "InvalidPin", faults{LoginPIN, LoginPIN}},
		{400, "MappingError", faults{LoginPhone, LoginDenied}},
		{400, "InvalidMobileNumber", faults{LoginPhone, LoginPhone}},
		{403, "phone_not_registered", faults{LoginPhone, LoginPhone}},
		{400, "InvalidApplicationId", faults{LoginApplication, LoginApplication}},
		{401, "InvalidToken", faults{LoginApplication, LoginDenied}},
		{401, "", faults{LoginApplication, LoginDenied}},
		{403, "", faults{LoginApplication, LoginDenied}},
		{422, "", faults{LoginPhone, LoginDenied}},
		{404, "", faults{LoginEndpoint, LoginEndpoint}},
		{404, "NoSuchUser", faults{LoginPhone, LoginPhone}},
		{405, "", faults{LoginEndpoint, LoginEndpoint}},
		{429, "", faults{LoginTraffic, LoginTraffic}},
		{429, "InvalidPin", faults{LoginTraffic, LoginTraffic}},
		{400, "PinAttemptLimitReached", faults{LoginTraffic, LoginTraffic}},
		{400, "TooManyAttempts", faults{LoginTraffic, LoginTraffic}},
		{500, "InvalidPin", faults{LoginService, LoginService}},
		{503, "", faults{LoginService, LoginService}},
		{302, "", faults{LoginService, LoginService}},
	} {
		body := ""
		if a.code != "" {
			text, _ := json.Marshal(map[string]string{"message": "no", "errorCode": a.code})
			body = string(text)
		}
		s.Config.Handler = say(a.status, body)
		pin := wireError(t, c.RequestPIN(t.Context(), thePhone)).LoginFault()
		_, err := c.LogIn(t.Context(), thePhone, "123456")
		if got := (faults{pin, wireError(t, err).LoginFault()}); got != a.want {
			t.Errorf("%d %s: got %v, want %v", a.status, a.code, got, a.want)
		}
	}
	s.Close()
	if e := wireError(t, c.RequestPIN(t.Context(), thePhone)); e.Status != 0 || e.LoginFault() != LoginService {
		t.Errorf("no server: got %v", e)
	}
	said := map[string]bool{}
	for f := LoginService; f <= LoginDenied; f++ {
		said[f.Advice()] = true
	}
	if len(said) != int(LoginDenied)+1 {
		t.Errorf("%d different pieces of advice", len(said))
	}
}

// TestLoginSecretsStayOutOfErrors: neither the PIN nor the application's secret is repeated, however the server repeats it.
func TestLoginSecretsStayOutOfErrors(t *testing.T) {
	s := serve(t, nil)
	c := app(t, s.URL, func(o *Options) { o.StateDir, o.ApplicationSecret = t.TempDir(), `hush"secret` })
	for _, h := range []http.HandlerFunc{
		func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(400)
			fmt.Fprintf(w, "what is %s?", body)
		},
		func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(400)
			_ = json.NewEncoder(w).Encode(map[string]string{"message": string(body), "errorCode": "Bad 271828"})
		},
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "x/271828")
			_, _ = io.WriteString(w, "x")
		},
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://h/271828")
			w.WriteHeader(308)
		},
	} {
		s.Config.Handler = h
		_, err := c.LogIn(t.Context(), thePhone, "271828")
		if e := wireError(t, err); strings.Contains(e.Error(), "271828") || strings.Contains(e.Error(), "hush") || !strings.Contains(e.Error(), "[secret]") {
			t.Errorf("got %v", e)
		}
	}
}

// TestLoginCannotBeStored: that is found out before a PIN is asked for, and said if it happens all the same.
func TestLoginCannotBeStored(t *testing.T) {
	s := serve(t, say(200, `{"refreshToken":"very-secret"}`))
	gone := t.TempDir() + "/gone"
	c := app(t, s.URL, func(o *Options) { o.StateDir = gone })
	if err := c.CanStore(); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), gone) {
		t.Errorf("got %v", err)
	}
	_, err := c.LogIn(t.Context(), thePhone, "123456")
	if err == nil || strings.Contains(err.Error(), "very-secret") || !strings.Contains(err.Error(), "the login is lost") || !strings.Contains(err.Error(), gone) {
		t.Errorf("got %v", err)
	}
	if got := c.access.refreshToken(); got != "the-refresh" {
		t.Errorf("goes on with %q", got)
	}
}

// TestParsePhone: as people write them, and nothing that would be another number.
func TestParsePhone(t *testing.T) {
	for text, want := range map[string]string{
		"+491701234567": "+491701234567", " +49 170 1234567\r\n": "+491701234567", "+49 (170) 123-45.67": "+491701234567",
		"+49/170/1234567": "+491701234567", "+91\u00a098765\u202f43210": "+919876543210", "+1 555 0100": "+15550100",
		"+123456789012345": "+123456789012345",
		"":                 "", "+": "", "01701234567": "", "00491701234567": "", "+49 (0)170 1234567": "", "+49 ( 0 ) 170 1234567": "", "+0491701234567": "",
		"+1234567890123456": "", "+123456": "", "+49 170 CALLME": "", "+49170123456７": "", "++491701234567": "", "+49170+1234567": "",
		"+49170\x001234567": "", "+٤٩١٧٠١٢٣٤٥٦٧": "", "me@example.org": "",
	} {
		got, err := ParsePhone(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

// TestParsePIN: its digits, and an error that shows nothing of what was typed.
func TestParsePIN(t *testing.T) {
	for text, want := range map[string]string{
		"123456": "123456", " 123 456\r\n": "123456", "0000": "0000",
		"": "", "\n": "", "123": "", "12345678901": "", "12345x": "", "１２３４５６": "", "password": "",
	} {
		got, err := ParsePIN(text)
		if got != want || (err == nil) != (want != "") || err != nil && (!errors.Is(err, ErrNoPIN) || text != "" && text != "\n" && strings.Contains(err.Error(), text)) {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}
