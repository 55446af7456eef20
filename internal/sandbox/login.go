package sandbox

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	maxLogin    = 64 << 10             // bytes of a body
	refreshLife = 365 * 24 * time.Hour // of a refresh token, as documented
	pinLife     = 10 * time.Minute     // this and the next are the sandbox's own
	pinTries    = 3                    // wrong ones, after which the PIN is void
)

// logins are the PINs that were sent, by phone number, and the refresh tokens that were got with them.
type logins struct {
	mu      sync.Mutex
	pins    map[string]pin
	refresh map[string]time.Time // when they end
}

type pin struct {
	digits string
	ends   time.Time
	tries  int // left
}

// send makes a PIN for a phone; the one before is void.
func (l *logins) send(phone string, now time.Time) (digits string) {
	n, _ := rand.Int(rand.Reader, big.NewInt(1_000_000)) // never fails: see crypto/rand.Read
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pins == nil {
		l.pins, l.refresh = map[string]pin{}, map[string]time.Time{}
	}
	p := pin{fmt.Sprintf("%06d", n), now.Add(pinLife), pinTries}
	l.pins[phone] = p
	return p.digits
}

// redeem takes a PIN once, and gives a refresh token for it.
func (l *logins) redeem(phone, digits string, now time.Time) (token string, ends time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.pins[phone]
	switch {
	case !ok:
		return "", ends, deny("InvalidPin", "no PIN was sent to this number, or it was used")
	case !now.Before(p.ends):
		delete(l.pins, phone)
		return "", ends, deny("PinExpired", "the PIN is too old")
	case p.digits != digits:
		if p.tries--; p.tries == 0 {
			delete(l.pins, phone)
		} else {
			l.pins[phone] = p
		}
		return "", ends, deny("InvalidPin", "the PIN is wrong")
	}
	delete(l.pins, phone)
	token, ends = rand.Text()+rand.Text(), now.Add(refreshLife)
	l.refresh[token] = ends
	return token, ends, nil
}

func (l *logins) valid(refreshToken string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Before(l.refresh[refreshToken]) // the zero time for an unknown one
}

// deny refuses with an error code of the sandbox's own: those of Kaizala are not documented.
func deny(code, message string) error { return &problem{http.StatusBadRequest, message, code} }

// e164 is how a mobile number is written: ITU-T E.164, 6.1.
var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// sendPIN is POST /v1/generatePin. There is no phone: Options.OnPIN shows it.
func (s *Server) sendPIN(w http.ResponseWriter, r *http.Request) error {
	said, err := readLogin(w, r, "mobileNumber", "applicationId")
	if err != nil {
		return err
	}
	if err := s.knownApplication(said); err != nil {
		return err
	}
	phone := said["mobileNumber"]
	digits := s.logins.send(phone, s.o.Now())
	if s.o.OnPIN != nil {
		s.o.OnPIN(phone, digits)
	}
	answer(w, http.StatusOK, struct{}{})
	return nil
}

// logIn is POST /v1/loginWithPinAndApplicationId.
func (s *Server) logIn(w http.ResponseWriter, r *http.Request) error {
	said, err := readLogin(w, r, "mobileNumber", "applicationId", "applicationSecret", "pin")
	if err != nil {
		return err
	}
	if err := s.knownApplication(said); err != nil {
		return err
	}
	token, ends, err := s.logins.redeem(said["mobileNumber"], said["pin"], s.o.Now())
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, struct {
		RefreshToken       string `json:"refreshToken"`
		RefreshTokenExpiry int64  `json:"refreshTokenExpiry"` // epoch milliseconds
		EndpointURL        string `json:"endpointUrl"`
		GrantedScope       string `json:"grantedScope"`
	}{token, ends.UnixMilli(), s.endpointFor(r), "sandbox"})
	return nil
}

func (s *Server) knownApplication(said map[string]string) error {
	if s.o.ApplicationID != "" && said["applicationId"] != s.o.ApplicationID {
		return deny("InvalidApplication", "the applicationId is not known here")
	}
	secret, ok := said["applicationSecret"]
	if ok && s.o.ApplicationSecret != "" && secret != s.o.ApplicationSecret {
		return deny("InvalidApplication", "the applicationSecret is not known here")
	}
	return nil
}

// readLogin reads a JSON object in which each member of the names is a text that is not empty.
func readLogin(w http.ResponseWriter, r *http.Request, names ...string) (map[string]string, error) {
	kind := r.Header.Get("Content-Type")
	if parsed, _, _ := mime.ParseMediaType(kind); parsed != "application/json" {
		return nil, refuse(http.StatusUnsupportedMediaType, "the Content-Type is %q, not application/json", kind)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLogin))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", maxLogin)
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the body broke off: %v", err)
	}
	var given object
	if err := json.Unmarshal(body, &given); err != nil || given == nil || !utf8.Valid(body) {
		return nil, refuse(http.StatusBadRequest, "the body is not a JSON object in UTF-8")
	}
	said := map[string]string{}
	for _, name := range names {
		if said[name], err = given.text(name); err != nil {
			return nil, err
		}
		if strings.TrimSpace(said[name]) == "" {
			return nil, refuse(http.StatusBadRequest, "%s is missing", name)
		}
	}
	if !e164.MatchString(said["mobileNumber"]) {
		return nil, deny("InvalidMobileNumber", "the mobileNumber is not a plus, a country code and a number, in 7 to 15 digits")
	}
	return said, nil
}
