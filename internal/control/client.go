package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// maxAnswer is the most that is read of an answer, in bytes.
const maxAnswer = 256 << 20

// Client asks a running daemon. It is safe for concurrent use. A call whose error wraps ErrNoDaemon found none.
type Client struct {
	web http.Client
	pid *atomic.Int64
}

// ErrNoDaemon is wrapped by the errors of a Client that finds nobody at the socket.
var ErrNoDaemon = errors.New("no daemon answers")

// NewClient makes a client that asks at the socket.
func NewClient(socket string) *Client {
	pid := new(atomic.Int64)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", socket)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoDaemon, err)
		}
		if c, ok := conn.(*net.UnixConn); ok {
			peer, _ := peerOf(c)
			pid.Store(int64(peer.PID))
		}
		return conn, nil
	}
	return &Client{web: http.Client{Transport: &http.Transport{DialContext: dial}}, pid: pid}
}

// PID is the process at the other end, as the kernel says; 0: unknown, or none was asked yet. It is known of one that does not answer.
func (c *Client) PID() int { return int(c.pid.Load()) }

// Close gives its connections back.
func (c *Client) Close() { c.web.CloseIdleConnections() }

// Status is the daemon's Desk.Status.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.get(ctx, "status", nil, &s)
}

// Explain is the daemon's Desk.Explain.
func (c *Client) Explain(ctx context.Context, path string, z Zone) (s Story, err error) {
	return s, c.get(ctx, "explain", url.Values{"path": {path}, "zone": {z.String()}}, &s)
}

// History is the daemon's Desk.History.
func (c *Client) History(ctx context.Context, f Filter) (all []Entry, err error) {
	values := url.Values{"folder": {f.Folder}, "name": {f.Name}, "state": {f.State}, "limit": {strconv.Itoa(f.Limit)}}
	for name, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			values.Set(name, at.Format(time.RFC3339Nano))
		}
	}
	return all, c.get(ctx, "history", values, &all)
}

// Retry is the daemon's Desk.Retry. The daemon learns from the kernel who asks, so by is not sent.
func (c *Client) Retry(ctx context.Context, r Retry, _ string) (all []Retried, err error) {
	var body bytes.Buffer
	if err := Write(&body, r, ""); err != nil {
		return nil, err
	}
	return all, c.ask(ctx, http.MethodPost, "retry", nil, body.Bytes(), &all)
}

func (c *Client) get(ctx context.Context, what string, values url.Values, into any) error {
	return c.ask(ctx, http.MethodGet, what, values, nil, into)
}

func (c *Client) ask(ctx context.Context, method, what string, values url.Values, body []byte, into any) error {
	address := url.URL{Scheme: "http", Host: "daemon", Path: fmt.Sprintf("/v%d/%s", Version, what), RawQuery: values.Encode()}
	r, err := http.NewRequestWithContext(ctx, method, address.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := c.web.Do(r)
	if err != nil {
		return unanswered(method, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return unanswered(method, err)
	}
	if response.StatusCode != http.StatusOK {
		return refusal(response, text)
	}
	if err := read(text, into, false); err != nil {
		return fmt.Errorf("the daemon's answer cannot be read, is it another version? %w", err)
	}
	return nil
}

// unanswered is the error of a question that got no answer, or not all of it. A daemon that was killed is none any more.
func unanswered(method string, err error) error {
	ended := slices.ContainsFunc([]error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE}, func(end error) bool { return errors.Is(err, end) })
	switch {
	case ended && method == http.MethodGet:
		return fmt.Errorf("%w: it ended while it was asked: %w", ErrNoDaemon, err)
	case ended:
		return errors.New("the daemon ended before it had answered, so that nobody knows how far it came: ask again, and it goes on from there")
	}
	return fmt.Errorf("cannot ask the daemon: %w", err)
}

// refusal is the error that an answer says.
func refusal(response *http.Response, text []byte) error {
	var f failure
	if read(text, &f, false) != nil || f.Error == "" {
		return fmt.Errorf("the daemon answered %s", response.Status)
	}
	if response.StatusCode == http.StatusBadRequest {
		return &Refusal{f.Error}
	}
	return errors.New(f.Error)
}
