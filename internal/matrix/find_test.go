package matrix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/matrix/dendritetest"
	"kaizala-drop/internal/media"
)

// front is a proxy in front of a homeserver, which can lose answers and requests.
type front struct {
	URL  string
	lose atomic.Int32 // how many answers to a send are lost, after the homeserver gave them
	drop atomic.Int32 // how many sends never reach the homeserver, and their answers are lost as well
}

func newFront(t *testing.T, server string) *front {
	t.Helper()
	to, err := url.Parse(server)
	must(t, err)
	f := &front{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		if !strings.Contains(r.URL.Path, "/send/m.room.message/") {
			return http.DefaultTransport.RoundTrip(r)
		}
		if f.drop.Add(-1) >= 0 {
			io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && f.lose.Add(-1) >= 0 {
			resp.Body.Close()
			panic(http.ErrAbortHandler)
		}
		return resp, err
	})
	proxy.ErrorLog = nil
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := &http.Server{Handler: proxy}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	f.URL = "http://" + l.Addr().String()
	return f
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// uploadOne uploads a file, and gives the message that shows it.
func uploadOne(t *testing.T, c *Client, target, key string) destination.Message {
	t.Helper()
	ref, err := c.Upload(t.Context(), target, []destination.File{fileOf(key+".txt", "text/plain", key)})
	must(t, err)
	return destination.Message{Target: target, Kind: media.Document, Ref: ref, Key: key, Tried: true}
}

// TestFind shows that a post whose answer was lost is found if it is there, and only then, also by another process, after the
// homeserver was killed, and behind hundreds of messages of others.
func TestFind(t *testing.T) {
	f := newOffice(t, dendritetest.Options{})
	proxy := newFront(t, f.URL)
	through := func(o *Options) { o.Homeserver = proxy.URL }
	for i, c := range []struct {
		name   string
		posted bool
		then   func()
		other  bool // another process asks
	}{
		{"posted", true, nil, false},
		{"not posted", false, nil, false},
		{"posted, another process", true, nil, true},
		{"not posted, another process", false, nil, true},
		// What is not shown yet when the server is killed may be shown only minutes later: TestShownLate, TestHomeserverIsKilled.
		{"posted, server killed", true, func() { f.reader.Messages(f.room); f.Kill(); f.Begin() }, false},
		{"not posted, server killed", false, func() { f.Kill(); f.Begin() }, true},
		{"posted, and much after it", true, func() { f.chat(120) }, true},
		{"not posted, and something after it", false, func() { f.chat(2) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := f.newClient(t, through)
			m := uploadOne(t, client, alias, fmt.Sprint("KEY", i))
			begun := time.Now()
			if c.posted {
				proxy.lose.Store(1)
			} else {
				proxy.drop.Store(1)
			}
			_, err := client.Post(t.Context(), m)
			if e := fault(t, err); !e.MayHaveActed {
				t.Fatalf("got %+v", e)
			}
			if c.then != nil {
				c.then()
			}
			if c.other {
				client = f.newClient(t, through)
			}
			receipt, found, err := client.Find(t.Context(), m, begun)
			must(t, err)
			if found != c.posted || found == (receipt.ID == "") {
				t.Errorf("found: %t, %+v", found, receipt)
			}
			if !found {
				_, err = client.Post(t.Context(), m)
				must(t, err)
				f.reader.Messages(f.room) // waits until the server shows it
				if _, found, err = client.Find(t.Context(), m, begun); err != nil || !found {
					t.Errorf("found after it was posted: %t, %v", found, err)
				}
			}
			n := 0
			for _, e := range f.reader.Messages(f.room) {
				if e.Content["kaizala-drop.key"] == m.Key+"/0" {
					n++
				}
			}
			if n != 1 {
				t.Errorf("it is there %d times", n)
			}
		})
	}
}

// chat has others write so many messages.
func (f *office) chat(n int) {
	for i := range n {
		f.reader.Say(f.room, fmt.Sprint("talk ", i))
	}
}

// TestFindAlbum shows that of an album that is there in part, that part is told, and the rest is then sent.
func TestFindAlbum(t *testing.T) {
	f := newOffice(t, dendritetest.Options{})
	proxy := newFront(t, f.URL)
	client := f.newClient(t, func(o *Options) { o.Homeserver = proxy.URL })
	var files []destination.File
	for i := range 4 {
		files = append(files, fileOf(fmt.Sprint(i, ".png"), "image/png", strings.Repeat("x", i+1)))
	}
	ref, err := client.Upload(t.Context(), alias, files)
	must(t, err)
	m := destination.Message{Target: alias, Kind: media.Album, Ref: ref, Key: "KEY", Caption: "four", Tried: true}
	cut := func(lost bool) {
		t.Helper()
		if lost {
			proxy.lose.Store(1)
		} else {
			proxy.drop.Store(1)
		}
		r, err := client.Post(t.Context(), m)
		if e := fault(t, err); !e.MayHaveActed || len(r.Shown) != len(m.Shown) {
			t.Fatalf("got %+v, %+v", r, e)
		}
		r, found, err := client.Find(t.Context(), m, time.Now())
		must(t, err)
		if want := len(m.Shown) + map[bool]int{true: 1}[lost]; found || len(r.Shown) != want {
			t.Fatalf("found %t %+v, want %d", found, r, want)
		}
		m.Shown = r.Shown
	}
	cut(false)
	cut(true)
	cut(false)
	cut(true)
	m.Shown = m.Shown[:2]
	r, err := client.Post(t.Context(), m)
	must(t, err)
	if got, found, err := client.Find(t.Context(), m, time.Time{}); err != nil || !found || got.ID != r.ID {
		t.Errorf("got %+v, %t, %v", got, found, err)
	}
	var bodies []string
	for _, e := range f.reader.Messages(f.room) {
		bodies = append(bodies, e.Content["body"].(string))
	}
	if strings.Join(bodies, " ") != "four 1.png 2.png 3.png" {
		t.Errorf("got %q", bodies)
	}
}

// TestFindUnknowable shows when it cannot be told whether a post was made, and when that is waited for.
func TestFindUnknowable(t *testing.T) {
	f := newOffice(t, dendritetest.Options{})
	proxy := newFront(t, f.URL)
	client := f.newClient(t, func(o *Options) { o.Homeserver = proxy.URL })
	lost := func(target, key string) destination.Message {
		m := uploadOne(t, client, target, key)
		proxy.lose.Store(1)
		_, err := client.Post(t.Context(), m)
		if e := fault(t, err); !e.MayHaveActed {
			t.Fatalf("got %+v", e)
		}
		return m
	}
	find := func(m destination.Message) (bool, *destination.Error) {
		_, found, err := client.Find(t.Context(), m, time.Now())
		if err == nil {
			return found, nil
		}
		return found, fault(t, err)
	}
	m := lost(alias, "REDACTED")
	f.reader.Redact(f.room, f.lastOf(f.bot).ID)
	if found, e := find(m); e == nil || !e.Unknowable || found || !strings.Contains(e.Error(), "was removed by somebody") {
		t.Errorf("redacted: %t, %v", found, e)
	}
	other := f.reader.NewRoom(dendritetest.Room{Name: "other", Users: []*dendritetest.User{f.bot}})
	m = lost(other, "KICKED")
	f.reader.Kick(other, f.bot, "")
	if found, e := find(m); e == nil || e.Unknowable || e.Fault != destination.OfTarget || found {
		t.Errorf("kicked: %t, %+v", found, e)
	}
	moved := m
	moved.Target = alias
	if found, e := find(moved); e == nil || !e.Unknowable || found || !strings.Contains(e.Error(), "leads to another room by now") {
		t.Errorf("kicked from the room before: %t, %v", found, e)
	}
	f.reader.Invite(other, f.bot)
	if found, e := find(m); e != nil || !found {
		t.Errorf("invited again: %t, %v", found, e)
	}
	m.Ref = "x"
	if _, e := find(m); e == nil || !e.Unknowable {
		t.Errorf("got %v", e)
	}
}

func (f *office) lastOf(u *dendritetest.User) (last dendritetest.Event) {
	for _, e := range f.reader.Messages(f.room) {
		if e.Sender == u.ID {
			last = e
		}
	}
	return last
}

// TestHunt shows, for pages that Dendrite does not give, what proves that everything was seen, and that nothing else does.
func TestHunt(t *testing.T) {
	const at = 1_000_000_000_000
	first := time.UnixMilli(at)
	me, join := "@bot:here", `"type":"m.room.member","state_key":"@bot:here","content":{"membership":"join"}`
	own := func(key string) string {
		return fmt.Sprintf(`{"event_id":"$own","type":"m.room.message","sender":%q,"origin_server_ts":%d,"content":{"msgtype":"m.file","kaizala-drop.key":%q}}`, me, at, key)
	}
	dated := func(sender string, ms int64, rest string) string {
		return fmt.Sprintf(`{"event_id":"$e","sender":%q,"origin_server_ts":%d,%s}`, sender, ms, rest)
	}
	talk := `"type":"m.room.message","content":{"msgtype":"m.text"}`
	for _, c := range []struct {
		name, pages string
		found       bool
		unknown     string // "": none
	}{
		{"found", own("K/0"), true, ""},
		{"of another sender", strings.Replace(own("K/0"), "@bot:here", "@eve:here", 1) + ";" + dated(me, at-int64(time.Hour/time.Millisecond), talk), false, ""},
		{"of another delivery", own("L/0") + ";" + dated("@a:here", 1, talk), false, ""},
		{"found by its transaction", dated(me, at, `"type":"m.room.message","content":{},"unsigned":{"transaction_id":"K.0"}`), true, ""},
		{"another's redacted", dated(me, at, `"type":"m.room.message","content":{},"unsigned":{"transaction_id":"L.0"}`) + ";" + dated("@a:here", 1, talk), false, ""},
		{"redacted long before, on the page that goes so far back", dated("@a:here", 1, talk) + "," + dated(me, 1, `"type":"m.room.message","content":{}`), false, ""},
		{"redacted, a minute before by another clock", dated(me, at-60_000, `"type":"m.room.message","content":{}`) + ";" + dated("@a:here", 1, talk), false, "removed"},
		{"redacted", dated(me, at, `"type":"m.room.message","content":{}`) + ";" + dated("@a:here", 1, talk), false, "removed"},
		{"encrypted", dated(me, at, `"type":"m.room.encrypted","content":{"algorithm":"m.megolm","kaizala-drop.key":"K/0"}`), true, ""},
		{"the end without proof", dated("@a:here", at, talk), false, "history"},
		{"nothing at all", "", false, "history"},
		{"an old date of another server", dated("@a:there", 1, talk), false, "history"},
		{"just before", dated("@a:here", at-1000, talk), false, "history"},
		{"the room's beginning", dated("@a:there", at, `"type":"m.room.create","content":{}`), false, ""},
		{"joined before", dated(me, at-1, join), false, ""},
		{"joined after", dated(me, at+1, join), false, "history"},
		{"another's joining", dated("@a:here", at-1, strings.Replace(join, "@bot", "@a", 1)), false, "history"},
		{"a key that is no text", dated(me, at, `"type":"m.room.message","content":{"msgtype":"m.file","kaizala-drop.key":7}`) + ";" + dated("@a:here", 1, talk), false, ""},
		{"pages without end", "again", false, "history"},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := 0
			client, err := New(Options{Homeserver: "https://here.example", AccessToken: "t", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				asked++
				end := ""
				if c.pages == "again" {
					end = `,"end":"same"`
				}
				body := `{"chunk":[` + strings.ReplaceAll(strings.ReplaceAll(c.pages, "again", ""), ";", ",") + `]` + end + `}`
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(body))), Request: r}, nil
			})})
			must(t, err)
			h := &hunt{c: client, room: "!r", me: me, keys: map[string]int{"K/0": 0}, first: first, ids: make([]string, 1)}
			must(t, h.look(t.Context()))
			if h.all() != c.found {
				t.Errorf("found: %t", h.all())
			}
			if asked > 2 {
				t.Errorf("asked %d times", asked)
			}
			if _, err := h.conclude(); !c.found && (c.unknown == "") != (err == nil) || err != nil && !c.found && !strings.Contains(err.Error(), c.unknown) {
				t.Errorf("got %v, want %q", err, c.unknown)
			}
		})
	}
}

// TestFindOld shows that what an earlier run left is found in one look through the room, however much that is, that what is not there is
// not, and that an older one is looked for anew.
func TestFindOld(t *testing.T) {
	f := newOffice(t, dendritetest.Options{})
	calls := 0
	client := f.newClient(t, func(o *Options) {
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.Path, "/messages") {
				calls++
			}
			return http.DefaultTransport.RoundTrip(r)
		})
	})
	var left []destination.Message
	begun := time.Now()
	for i := range 12 {
		m := uploadOne(t, f.client, alias, fmt.Sprint("OLD", i))
		if i%3 != 0 {
			_, err := f.client.Post(t.Context(), m)
			must(t, err)
		}
		m.Tried = false
		left = append(left, m)
	}
	f.reader.Messages(f.room) // and so wait until all is shown
	for i, m := range left {
		r, found, err := client.Find(t.Context(), m, begun.Add(time.Duration(i)*time.Second))
		must(t, err)
		if found != (i%3 != 0) || found == (r.ID == "") {
			t.Errorf("%s: %t, %+v", m.Key, found, r)
		}
	}
	if calls > 3 {
		t.Errorf("%d calls for one look", calls)
	}
	once := calls
	if _, found, err := client.Find(t.Context(), left[1], begun.Add(-time.Hour)); err != nil || !found || calls == once {
		t.Errorf("an older one: %t, %v, %d calls", found, err, calls-once)
	}
	if beacons := f.beacons(); beacons != 0 {
		t.Errorf("%d beacons were sent", beacons)
	}
}

// beacons counts the beacons that the room shows.
func (f *office) beacons() (n int) {
	var page struct{ Chunk []dendritetest.Event }
	_, _, body := f.reader.Do("GET", "/_matrix/client/v3/rooms/"+url.PathEscape(f.room)+"/messages?dir=b&limit=100", nil)
	if err := json.Unmarshal(body, &page); err != nil {
		panic(err)
	}
	for _, e := range page.Chunk {
		if e.Type == beaconType {
			n++
		}
	}
	return n
}

// TestServerThatLags shows that a homeserver which does not show what it took is not believed, that no second beacon is sent meanwhile, and
// that the answer comes once it has caught up.
func TestServerThatLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shown []string
		beacons := 0
		event := func(id, kind, key string) string {
			return fmt.Sprintf(`{"event_id":%q,"type":%q,"sender":"@bot:here","origin_server_ts":%d,"content":{"msgtype":"m.file","kaizala-drop.key":%q}}`, id, kind, time.Now().UnixMilli(), key)
		}
		shows := func() string {
			old := fmt.Sprintf(`{"event_id":"$old","type":"m.room.create","sender":"@a:here","origin_server_ts":%d,"content":{}}`, 1)
			return `{"chunk":[` + strings.Join(append(slices.Clone(shown), old), ",") + `]}`
		}
		lagging := true
		c, err := New(Options{Homeserver: "https://here.example", AccessToken: "t", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			body := `{}`
			switch path := r.URL.Path; {
			case strings.Contains(path, "/whoami"):
				body = `{"user_id":"@bot:here"}`
			case strings.Contains(path, "/state/m.room.member"):
				body = `{"membership":"join"}`
			case strings.Contains(path, "/send/"+beaconType):
				beacons++
				body = `{"event_id":"$beacon"}`
			case strings.Contains(path, "/messages"):
				body = shows()
				if !lagging {
					shown = []string{event("$beacon", beaconType, ""), event("$late", "m.room.message", "K/0")}
				}
			}
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})})
		must(t, err)
		m := destination.Message{Target: "!r", Ref: `{"room":"!r","at":1,"files":[{"url":"mxc://a/b"}]}`, Key: "K", Tried: true}
		for range 3 {
			if _, found, err := c.Find(t.Context(), m, time.Now()); err == nil || found || fault(t, err).Unknowable || !strings.Contains(err.Error(), "catching up") {
				t.Errorf("%t, %v", found, err)
			}
		}
		lagging = false
		if r, found, err := c.Find(t.Context(), m, time.Now()); err != nil || !found || r.ID != "$late" || beacons != 1 {
			t.Errorf("%+v, %t, %v, %d beacons", r, found, err, beacons)
		}
	})
}

// TestShownLate shows that a post which a homeserver shows long after a later beacon is found, and that none counts as absent before that
// time is over.
func TestShownLate(t *testing.T) {
	for _, c := range []struct {
		name         string
		within, late time.Duration
		found        bool
		after        time.Duration // at least, when it is said
	}{
		{"shown before", 6 * time.Minute, 0, true, 0},
		{"shown late", 6 * time.Minute, 5*time.Minute + 10*time.Second, true, 5*time.Minute + 10*time.Second},
		{"never shown", 6 * time.Minute, time.Hour, false, 6 * time.Minute},
		{"never late", 0, time.Hour, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun, client := lateServer(t, c.within, c.late)
				m := destination.Message{Target: "!r", Ref: `{"room":"!r","at":1,"files":[{"url":"mxc://a/b"}]}`, Key: "K", Tried: true}
				_, found, err := client.Find(t.Context(), m, begun)
				for err != nil && time.Since(begun) < 2*time.Hour {
					if e := fault(t, err); !e.Later || e.Unknowable || !strings.Contains(err.Error(), "shown_within") {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
					_, found, err = client.Find(t.Context(), m, begun)
				}
				took := time.Since(begun)
				if err != nil || found != c.found || took < c.after || took > c.after+2*time.Second {
					t.Errorf("found: %t, %v, after %v", found, err, took)
				}
			})
		})
	}
}

// lateServer shows a beacon at once, and a post of the delivery K so much later.
func lateServer(t *testing.T, within, late time.Duration) (begun time.Time, c *Client) {
	begun = time.Now()
	event := func(id, kind, key string) string {
		return fmt.Sprintf(`{"event_id":%q,"type":%q,"sender":"@bot:here","origin_server_ts":%d,"content":{"msgtype":"m.file","kaizala-drop.key":%q}}`,
			id, kind, begun.UnixMilli(), key)
	}
	c, err := New(Options{Homeserver: "https://here.example", AccessToken: "t", ShownWithin: within, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		body := `{}`
		switch path := r.URL.Path; {
		case strings.Contains(path, "/whoami"):
			body = `{"user_id":"@bot:here"}`
		case strings.Contains(path, "/state/m.room.member"):
			body = `{"membership":"join"}`
		case strings.Contains(path, "/send/"+beaconType):
			body = `{"event_id":"$beacon"}`
		case strings.Contains(path, "/messages"):
			all := []string{event("$beacon", beaconType, ""), `{"event_id":"$old","type":"m.room.create","sender":"@a:here","origin_server_ts":1,"content":{}}`}
			if time.Since(begun) >= late {
				all = append(all, event("$late", "m.room.message", "K/0"))
			}
			body = `{"chunk":[` + strings.Join(all, ",") + `]}`
		}
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})})
	must(t, err)
	return begun, c
}
