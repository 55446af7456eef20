//go:build goolm

package e2ee

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"kaizala-drop/internal/matrix/dendritetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(helperVariable) != "" {
		helper()
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

func offline(dir string) Options {
	return Options{Dir: dir, User: "@a:localhost", Device: "DEVICE", Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("offline")
	})}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestOpen shows that a store is for its user alone, that two processes do not have it at a time, and that it is that of one device.
func TestOpen(t *testing.T) {
	state, owner := t.TempDir(), os.Geteuid()
	if owner == 0 { // as "login", which root runs
		owner = 12345
		try(t, os.Chown(state, owner, owner))
	}
	dir := filepath.Join(state, "keys")
	m, err := Open(offline(dir))
	try(t, err)
	if _, err := m.Prepare(t.Context(), "!r"); err == nil || !strings.Contains(err.Error(), "offline") {
		t.Errorf("%v", err)
	}
	files := 0
	try(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		info, _ := e.Info()
		files++
		if of, ok := info.Sys().(*syscall.Stat_t); ok && int(of.Uid) != owner {
			t.Errorf("%s is of %d", path, of.Uid)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", path, info.Mode())
		}
		return err
	}))
	if files < 4 {
		t.Errorf("%d files", files)
	}
	if _, err := Open(offline(dir)); !errors.Is(err, ErrInUse) {
		t.Errorf("twice: %v", err)
	}
	try(t, m.Close())
	try(t, m.Close())
	if err := m.Idle(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	for _, change := range []func(*Options){func(o *Options) { o.User = "@b:localhost" }, func(o *Options) { o.Device = "OTHER" }} {
		o := offline(dir)
		change(&o)
		if _, err := Open(o); !errors.Is(err, ErrWrongStore) {
			t.Errorf("of another one: %v", err)
		}
	}
	var level int
	m, err = Open(offline(dir))
	try(t, err)
	try(t, m.raw.QueryRow("PRAGMA synchronous").Scan(&level))
	if level != 2 {
		t.Errorf("synchronous is %d", level)
	}
	try(t, m.Close())
}

// TestOpenDamaged shows what is said of a file that is no store.
func TestOpenDamaged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	m, err := Open(offline(dir))
	try(t, err)
	_, _ = m.Prepare(t.Context(), "!r")
	try(t, m.Close())
	path := filepath.Join(dir, storeName)
	content, err := os.ReadFile(path)
	try(t, err)
	for name, bad := range map[string][]byte{
		"garbage": bytes.Repeat([]byte("no database "), 1000), "torn": content[:len(content)/2/4096*4096],
	} {
		try(t, os.WriteFile(path, bad, 0o600))
		if m, err := Open(offline(dir)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

// TestWaiting shows that who waits for his turn can give up.
func TestWaiting(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	o := offline(filepath.Join(t.TempDir(), "keys"))
	o.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
		close(began)
		<-end
		return nil, errors.New("ended")
	})
	m, err := Open(o)
	try(t, err)
	done := make(chan error)
	go func() { done <- m.Idle(t.Context()) }()
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Idle(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(end)
	if err := <-done; err == nil {
		t.Error("no error")
	}
	try(t, m.Close())
}

// TestLost shows what is said where store and homeserver do not belong together.
func TestLost(t *testing.T) {
	s := dendritetest.Start(t, dendritetest.Options{})
	p := newPoster(t, s, "poster")
	ctx := t.Context()
	try(t, p.Idle(ctx))
	try(t, p.Machine.Close())
	try(t, os.RemoveAll(p.dir))
	p.open()
	if err := p.Idle(ctx); !errors.Is(err, ErrStoreLost) {
		t.Errorf("lost: %v", err)
	}
	gone := newPoster(t, s, "gone")
	try(t, gone.Idle(ctx))
	gone.reopen()
	gone.failing(func(r *http.Request) (*http.Response, error) {
		if !strings.HasSuffix(r.URL.Path, "keys/query") {
			return nil, nil
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body(`{"device_keys": {}}`)}, nil
	})
	if err := gone.Idle(ctx); !errors.Is(err, ErrDeviceGone) {
		t.Errorf("gone: %v", err)
	}
	refused := newPoster(t, s, "refused")
	refused.failing(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "keys/upload") {
			return refusal(http.StatusBadRequest, "M_UNKNOWN"), nil
		}
		return nil, nil
	})
	if err := refused.Idle(ctx); !errors.Is(err, ErrUploadRefused) {
		t.Errorf("refused: %v", err)
	}
	refused.failing(nil)
	try(t, refused.Idle(ctx))
}

// TestOddAnswers shows that answers that the library panics at, or passes over, are errors, and that the machine goes on afterwards.
func TestOddAnswers(t *testing.T) {
	p, _, reader, room := inRoom(t, nil)
	for _, k := range []struct {
		part, answer string
		act          func() error
	}{
		{"keys/query", `[]`, func() error { _, err := p.Standing(t.Context()); return err }},
		{"keys/claim", `{"one_time_keys": {"@x:y": {"D": {"signed_curve25519:A": {"key": "x", "signatures": {}}}}}}`, func() error { _, err := p.Prepare(t.Context(), room); return err }},
		{"sync", `{}`, func() error { return p.Idle(t.Context()) }},
		{"sync", strings.Repeat("\x1b[31m<html>\n", 1000), func() error { return p.Idle(t.Context()) }},
		{"account_data/" + p.guardType(), `{"epoch": "x"}`, func() error { _, err := p.Standing(t.Context()); return ifTrue(err == nil, io.ErrUnexpectedEOF) }},
	} {
		p.failing(func(r *http.Request) (*http.Response, error) {
			if !strings.HasSuffix(r.URL.Path, k.part) {
				return nil, nil
			}
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body(k.answer)}, nil
		})
		if err := k.act(); err == nil {
			t.Errorf("%s: no error", k.part)
		} else if len(err.Error()) > 2000 || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%s: %d bytes, or unfit to print", k.part, len(err.Error()))
		} else {
			t.Logf("%s: %v", k.part, err)
		}
	}
	p.failing(nil)
	p.post(room, "0")
	reader.Await(room, 1, nil)
}
