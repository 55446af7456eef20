package kaizala

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/budget"
	"kaizala-drop/internal/wire"
)

// TestMoved shows which forms of a 308 are accepted, and what the new endpoint gets.
func TestMoved(t *testing.T) {
	for _, form := range []string{"base", "base/", "base/deep/", "full", "deep full"} {
		for _, name := range []string{callMedia, callActions, callGroups} {
			var bodies, there atomic.Int64
			next := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("accessToken") != "token-fixed" {
					t.Error("no token at the new endpoint")
				}
				if deep := strings.HasPrefix(r.URL.Path, "/deep/v1/"); deep != strings.Contains(form, "deep") {
					t.Errorf("%s: got %s", form, r.URL)
				}
				n, _ := io.Copy(io.Discard, r.Body)
				bodies.Add(n)
				there.Add(1)
				io.WriteString(w, `{"mediaResource":"r","referenceId":"x","groups":[]}`)
			})
			old := serve(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				w.Header()["Location"] = []string{map[string]string{
					"base": next.URL, "base/": next.URL + "/", "base/deep/": next.URL + "/deep/",
					"full": next.URL + r.RequestURI, "deep full": next.URL + "/deep" + r.RequestURI,
				}[form]}
				w.WriteHeader(308)
			})
			budget := 0
			c := fixed(t, old.URL, func(o *Options) {
				o.Budget = counted(&budget)
			})
			for range 3 {
				if err := c.tryAll(t.Context(), name); err != nil {
					t.Errorf("%s %s: %v", form, name, err)
				}
			}
			if budget != 4 || there.Load() != 3 || (name == callGroups) != (bodies.Load() == 0) {
				t.Errorf("%s %s: %d calls of the budget, %d arrived, %d bytes", form, name, budget, there.Load(), bodies.Load())
			}
		}
	}
}

// TestMovedLate shows that a 308 from an endpoint that is no longer in use, as after a slow upload, changes nothing for other
// calls, and that its own call goes on at their endpoint.
func TestMovedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var uploaded []string
		k := fixed(t, "https://first.example", func(o *Options) {
			o.Transport = &paced{answer: func(r *http.Request) (int, http.Header, string) {
				upload := r.URL.Path == "/v1/media"
				if upload {
					uploaded = append(uploaded, r.URL.Host)
				}
				switch {
				case r.URL.Host == "first.example" && upload:
					time.Sleep(time.Hour)
					return 308, http.Header{"Location": {"https://second.example"}}, ""
				case r.URL.Host == "first.example":
					return 308, http.Header{"Location": {"https://third.example"}}, ""
				case r.URL.Host == "second.example":
					t.Error("led back")
				}
				return 200, http.Header{}, `{"mediaResource":"r","referenceId":"x"}`
			}}
		})
		late := make(chan error)
		go func() { late <- k.tryAll(t.Context(), callMedia) }()
		synctest.Wait()
		if err := k.tryAll(t.Context(), callActions); err != nil {
			t.Error(err)
		}
		if err := <-late; err != nil {
			t.Error(err)
		}
		if got := strings.Join(uploaded, " "); got != "first.example third.example" || k.calls.get() != "https://third.example" {
			t.Errorf("uploaded to %s, then at %s", got, k.calls.get())
		}
	})
}

// TestMovedRefused shows that a 308 to anything but an endpoint or the address of the call is an error.
func TestMovedRefused(t *testing.T) {
	for _, location := range []string{"", "/v1/elsewhere", "http://example.org", "http://10.1.1.1:80/", "ftp://h/", "https://",
		"https://u:p@h", "://", "https://h/v1/other", "https://h/v1/", "http://127.0.0.1.evil.example/"} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Location"] = []string{location}
			w.WriteHeader(308)
		})
		c := fixed(t, s.URL)
		e := wireError(t, c.tryAll(t.Context(), callActions))
		if e.Status != 308 || e.Err == nil || e.Fault != FaultDestination || e.MayHaveActed || c.calls.get() != s.URL {
			t.Errorf("%q: got %+v", location, e)
		}
	}
}

// TestMovedInCircles shows that a call is given up after three 308, each of which costs a request of the budget.
func TestMovedInCircles(t *testing.T) {
	calls, budget := 0, 0
	var s *httptest.Server
	s = serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		w.Header()["Location"] = []string{s.URL}
		w.WriteHeader(308)
	})
	c := fixed(t, s.URL, func(o *Options) { o.Budget = counted(&budget) })
	if e := wireError(t, c.tryAll(t.Context(), callActions)); e.Status != 308 || e.MayHaveActed || calls != 4 || budget != 4 {
		t.Errorf("got %+v after %d calls, %d of the budget", e, calls, budget)
	}
}

// TestPlainHTTPOnlyWhereConfigured shows that a server may name an http endpoint on loopback only if one is configured.
func TestPlainHTTPOnlyWhereConfigured(t *testing.T) {
	b := base{url: "https://api.kaiza.la"}
	for _, to := range []string{"http://127.0.0.1:1", "http://h"} {
		if b.set(said(""), to) == nil || b.move(b.url, said(to), "/v1/media") == nil {
			t.Errorf("%s: taken", to)
		}
	}
	if err := b.set(said(""), "https://kms2.kaiza.la/"); err != nil || b.get() != "https://kms2.kaiza.la" {
		t.Errorf("got %q, %v", b.get(), err)
	}
}

// said is an answer that names another endpoint.
func said(location string) *answer {
	return newAnswer(&wire.Answer{Status: 308, Header: http.Header{"Location": {location}}})
}

// TestOtherRedirectsAreNotFollowed shows that 301, 302, 303 and 307 are errors.
func TestOtherRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("followed") })
	for _, status := range []int{301, 302, 303, 307} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(status)
		})
		for _, name := range []string{callMedia, callActions, callGroups} {
			if e := wireError(t, fixed(t, s.URL).tryAll(t.Context(), name)); e.Status != status || e.Fault != FaultDestination {
				t.Errorf("%s %d: got %+v", name, status, e)
			}
		}
	}
}

// counted is a budget without a limit that counts the requests.
func counted(n *int) wire.Budget {
	unlimited := budget.New(0)
	return func(ctx context.Context, last budget.Permit) (budget.Permit, error) {
		if last == (budget.Permit{}) {
			*n++
		}
		return unlimited.Wait(ctx, last)
	}
}

// TestBudgetRefuses shows that nothing is sent, and nothing may have been done, when the budget refuses the first sending, the
// connection, or the second sending. The connection is used for nothing else.
func TestBudgetRefuses(t *testing.T) {
	spent := errors.New("spent")
	for asked, arrive := range map[int]int64{1: 0, 2: 0, 3: 1, 4: 1} {
		for _, warm := range []bool{false, true} {
			var s *httptest.Server
			var arrived atomic.Int64
			warming := warm
			s = serve(t, func(w http.ResponseWriter, r *http.Request) {
				if warming {
					io.WriteString(w, goodAction)
					return
				}
				arrived.Add(1)
				w.Header()["Location"] = []string{s.URL}
				w.WriteHeader(308)
			})
			n := 0
			c := fixed(t, s.URL, func(o *Options) {
				unlimited := budget.New(0)
				o.Budget = func(ctx context.Context, last budget.Permit) (budget.Permit, error) {
					if n++; n >= asked && !warming {
						return budget.Permit{}, spent
					}
					return unlimited.Wait(ctx, last)
				}
			})
			if warm {
				if err := c.tryAll(t.Context(), callActions); err != nil {
					t.Fatal(err)
				}
				warming, n = false, 0
			}
			e := wireError(t, c.tryAll(t.Context(), callActions))
			if !errors.Is(e, spent) || e.MayHaveActed || e.Fault != FaultDestination || e.Status != 0 || arrived.Load() != arrive {
				t.Errorf("asked %d times, warm %t: got %+v, and %d calls arrived", asked, warm, e, arrived.Load())
			}
		}
	}
}

// TestUntracedTransport shows that a transport which does not report its connections may have sent the request.
func TestUntracedTransport(t *testing.T) {
	k := fixed(t, "https://calls.example", func(o *Options) {
		o.Transport = transportFunc(func(*http.Request) (int, string) { return 0, "gone" })
	})
	if e := wireError(t, k.tryAll(t.Context(), callActions)); !e.MayHaveActed || e.Status != 0 {
		t.Errorf("got %+v", e)
	}
	if e := wireError(t, k.tryAll(t.Context(), callMedia)); e.MayHaveActed {
		t.Errorf("got %+v", e)
	}
}
