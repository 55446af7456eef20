package sandbox

import (
	"bytes"
	"cmp"
	"io"
	"net"
	"net/http"
	"strconv"
)

// loseAnswer takes the call, and resets the connection instead of answering.
func (c *chaos) loseAnswer(_ Rule, w http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(newKeptAnswer(), r)
	reset(w)
}

func (c *chaos) cutAnswer(_ Rule, w http.ResponseWriter, r *http.Request, next http.Handler) {
	kept := newKeptAnswer()
	next.ServeHTTP(kept, r)
	w.Header().Set("Content-Length", strconv.Itoa(kept.body.Len()))
	w.WriteHeader(kept.status)
	_, _ = w.Write(kept.body.Bytes()[:kept.body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	reset(w)
}

// nonsense takes nothing, and answers 200 with a body that is no answer.
func (c *chaos) nonsense(rule Rule, w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	body := map[string]string{"cut": `{"mediaResource":"abc`, "empty": "", "array": "[]"}
	text, known := body[rule.Body]
	if !known {
		w.Header().Set("Content-Type", "text/html")
		text = "<html><body>Please log in to this network</body></html>"
	}
	_, _ = io.WriteString(w, text)
}

func (c *chaos) nonsenseTaken(rule Rule, w http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(newKeptAnswer(), r)
	c.nonsense(rule, w, r, next)
}

// keptAnswer keeps an answer instead of sending it.
type keptAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newKeptAnswer() *keptAnswer { return &keptAnswer{header: http.Header{}, status: http.StatusOK} }

func (k *keptAnswer) Header() http.Header { return k.header }

func (k *keptAnswer) WriteHeader(status int) { k.status = status }

func (k *keptAnswer) Write(p []byte) (int, error) { return k.body.Write(p) }

func (c *chaos) invalidToken(rule Rule, w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	answer(w, cmp.Or(rule.Status, http.StatusUnauthorized), map[string]string{
		"message": "the token is not good", "errorCode": "InvalidToken", "errorCategoryKey": "AuthException",
	})
}

// endTokens ends every issued access token, so that this call and all others are refused until their clients renew.
func (c *chaos) endTokens(_ Rule, w http.ResponseWriter, r *http.Request, next http.Handler) {
	c.server.tokens.endAll()
	next.ServeHTTP(w, r)
}

// moved sends the client to the same server under its other name on loopback.
func (c *chaos) moved(rule Rule, w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = r.Host, "80"
	}
	if host == "localhost" {
		host = "127.0.0.1"
	} else {
		host = "localhost"
	}
	location := "http://" + net.JoinHostPort(host, port)
	if rule.Full {
		location += r.URL.EscapedPath()
	}
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusPermanentRedirect)
}
