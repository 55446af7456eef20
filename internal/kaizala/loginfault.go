package kaizala

import (
	"net/http"
	"strings"
)

// LoginFault says what to look at when a login fails.
type LoginFault int

const (
	LoginService     LoginFault = iota // Kaizala, or the way to it: try again later
	LoginEndpoint                      // whatever answers does not know the call
	LoginTraffic                       // there were too many calls
	LoginPhone                         // the phone number
	LoginPIN                           // the PIN
	LoginApplication                   // application_id and application_secret
	LoginDenied                        // the PIN or the application: the answer does not say
)

// Advice is what to do about it.
func (f LoginFault) Advice() string {
	switch f {
	case LoginEndpoint:
		return "look at endpoint in the configuration: what answers there does not know this call"
	case LoginTraffic:
		return "wait before you try again: there were too many tries or calls"
	case LoginPhone:
		return "look at the phone number: it begins with + and the country code, and is one that Kaizala knows"
	case LoginPIN:
		return "the PIN is wrong, used or too old: log in again, for a new one"
	case LoginApplication:
		return "look at application_id and application_secret in the configuration: the application was refused"
	case LoginDenied:
		return "either the PIN is wrong, used or too old, or application_id and application_secret are: log in again, for a new PIN, " +
			"and if that does not help look at the configuration"
	}
	return "look at the network and at endpoint in the configuration, and try again later"
}

// LoginFault is that of a call that RequestPIN or LogIn made. The codes of Kaizala's refusals are not documented: those that say
// what they are about are taken at their word.
func (e *Error) LoginFault() LoginFault {
	if about, ok := codeIsAbout(e.Code); ok && e.Status != http.StatusTooManyRequests && e.Status < 500 {
		return about
	}
	login := e.Call == callLogin
	switch e.Status {
	case http.StatusTooManyRequests:
		return LoginTraffic
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		if login {
			return LoginDenied
		}
		return LoginPhone
	case http.StatusUnauthorized, http.StatusForbidden:
		if login {
			return LoginDenied
		}
		return LoginApplication
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		if e.Spoken && e.Status == http.StatusNotFound {
			return LoginPhone
		}
		return LoginEndpoint
	}
	return LoginService
}

// codeIsAbout looks for words as codes join them: InvalidPin, mobile_number, but not the pin in Mapping.
func codeIsAbout(code string) (LoginFault, bool) {
	for _, word := range []struct {
		word  string
		about LoginFault
	}{
		{"throttl", LoginTraffic}, {"toomany", LoginTraffic}, {"limit", LoginTraffic},
		{"application", LoginApplication}, {"secret", LoginApplication},
		{"mobile", LoginPhone}, {"phone", LoginPhone}, {"pin", LoginPIN}, {"otp", LoginPIN},
	} {
		for at := range code {
			rest := code[at:]
			begins := at == 0 || rest[0] >= 'A' && rest[0] <= 'Z' || strings.ContainsRune("_-. ", rune(code[at-1]))
			if begins && strings.HasPrefix(strings.ToLower(rest), word.word) {
				return word.about, true
			}
		}
	}
	return 0, false
}
