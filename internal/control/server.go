package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"kaizala-drop/internal/text"

	"github.com/rs/zerolog"
)

const (
	// askTime bounds a question that changes nothing, endTime the end of the server.
	askTime = 10 * time.Second
	endTime = time.Second
	// maxQuestion is the most that is read of a question, in bytes.
	maxQuestion = 16 << 20
)

// Server answers at a socket. Nothing that it does or fails to do stops the daemon.
type Server struct {
	Socket string // absolute
	Desk   Desk
	Log    zerolog.Logger
}

// Run answers until ctx ends, and returns nil. Where there can be no socket it says so once, and waits for the end of ctx.
func (s *Server) Run(ctx context.Context) error {
	l, without, err := listen(s.Socket)
	if err != nil {
		s.Log.Info().Str("socket", text.Printable(s.Socket)).Str("reason", text.Printable(err.Error())).
			Msg("no control socket: status, explain, history and retry ask the ledger alone")
		<-ctx.Done()
		return nil
	}
	if without != nil {
		s.Log.Info().Str("socket", text.Printable(s.Socket)).Str("reason", without.Error()).
			Msg("only root and the daemon's user may ask at the control socket")
	}
	web := http.Server{
		Handler: s.handler(), ReadHeaderTimeout: askTime, ReadTimeout: askTime, IdleTimeout: time.Minute, MaxHeaderBytes: 1 << 16,
		ConnContext: withPeer, BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog: nil,
	}
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	select {
	case err = <-served:
		s.Log.Warn().Err(err).Msg("the control socket does not take questions any more: restart the daemon to ask it")
		<-ctx.Done()
	case <-ctx.Done():
		s.end(ctx, &web)
		<-served
	}
	return nil
}

// end lets questions under way end, and removes the socket.
func (s *Server) end(ctx context.Context, web *http.Server) {
	_ = os.Remove(s.Socket) // before it closes: what is there afterwards may be another daemon's
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	if web.Shutdown(ending) != nil {
		_ = web.Close()
	}
}

type peerKey struct{}

// withPeer notes who connected.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	if c, ok := conn.(*net.UnixConn); ok {
		if p, err := peerOf(c); err == nil {
			return context.WithValue(ctx, peerKey{}, p)
		}
	}
	return ctx
}

// handler has the calls of the API.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, s.Desk.Status)
	})
	mux.HandleFunc("GET /v1/explain", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, func(ctx context.Context) (Story, error) {
			z, err := ParseZone(r.FormValue("zone"))
			if err != nil {
				return Story{}, err
			}
			return s.Desk.Explain(ctx, r.FormValue("path"), z)
		})
	})
	mux.HandleFunc("GET /v1/history", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, func(ctx context.Context) ([]Entry, error) {
			f, err := filterOf(r)
			if err != nil {
				return nil, err
			}
			return s.Desk.History(ctx, f)
		})
	})
	mux.HandleFunc("POST /v1/retry", s.retry)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, fmt.Errorf("there is no %s %s: docs/control.md has the calls", r.Method, text.Printable(r.URL.Path)))
	})
	return mux
}

// retry takes what changes something: who asks must be known.
func (s *Server) retry(w http.ResponseWriter, r *http.Request) {
	by, ok := r.Context().Value(peerKey{}).(Peer)
	if !ok {
		fail(w, http.StatusForbidden, errors.New("the kernel does not say who asks"))
		return
	}
	var want Retry
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuestion))
	if err == nil {
		err = read(body, &want, true)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("the question cannot be read: %w", err))
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // it lasts as long as the files take, while somebody waits for it
	got, err := s.Desk.Retry(r.Context(), want, by.String())
	reply(w, got, err)
}

// answer asks, and sends the answer or the error.
func answer[T any](w http.ResponseWriter, r *http.Request, ask func(context.Context) (T, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), askTime)
	defer cancel()
	got, err := ask(ctx)
	reply(w, got, err)
}

func reply(w http.ResponseWriter, got any, err error) {
	if err != nil {
		status := http.StatusInternalServerError
		if _, refused := errors.AsType[*Refusal](err); refused {
			status = http.StatusBadRequest
		}
		fail(w, status, err)
		return
	}
	send(w, http.StatusOK, got)
}

// failure is what an error looks like on the wire.
type failure struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, status int, err error) { send(w, status, failure{err.Error()}) }

func send(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = Write(w, body, "") // who asked is gone, or does not read: nobody else needs it
}

// filterOf reads what GET /v1/history is to give.
func filterOf(r *http.Request) (f Filter, err error) {
	f = Filter{Folder: r.FormValue("folder"), Name: r.FormValue("name"), State: r.FormValue("state")}
	if f.Folder != "" {
		f.Folder = filepath.Clean(f.Folder)
	}
	for name, at := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if value := r.FormValue(name); value != "" {
			if *at, err = time.Parse(time.RFC3339Nano, value); err != nil {
				return f, &Refusal{fmt.Sprintf("%s must be a time as 2026-11-28T10:15:00Z, not %q", name, value)}
			}
		}
	}
	if value := r.FormValue("limit"); value != "" {
		if f.Limit, err = strconv.Atoi(value); err != nil || f.Limit < 0 {
			return f, &Refusal{fmt.Sprintf("limit must be a number from 0, not %q", value)}
		}
	}
	return f, nil
}
