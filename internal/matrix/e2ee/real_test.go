//go:build goolm

package e2ee

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kaizala-drop/internal/matrix/dendritetest"
	"kaizala-drop/internal/matrix/e2ee/e2eetest"
)

// settle is how long the guard waits in tests.
const settle = 300 * time.Millisecond

// poster is an account with a machine.
type poster struct {
	*dendritetest.User
	*Machine
	t         testing.TB
	s         *dendritetest.Server
	transport *e2eetest.Transport
	dir       string
	share     ShareWith

	mu    sync.Mutex
	calls []string // the paths of the machine's calls
	fail  func(*http.Request) (*http.Response, error)
}

// newPoster makes an account, and opens a machine for it.
func newPoster(t testing.TB, s *dendritetest.Server, name string) *poster {
	t.Helper()
	p := &poster{User: s.NewUser(name), t: t, s: s, dir: filepath.Join(t.TempDir(), "keys")}
	p.transport = &e2eetest.Transport{Server: s, User: p.User, Seen: p.note, Answer: p.answer}
	p.open()
	t.Cleanup(func() { p.Machine.Close() })
	return p
}

func (p *poster) options() Options {
	return Options{Dir: p.dir, User: p.ID, Device: p.Device, Transport: p.transport, Settle: settle, ShareWith: p.share, AskAgain: time.Hour}
}

func (p *poster) open() {
	p.t.Helper()
	var err error
	p.Machine, err = Open(p.options())
	try(p.t, err)
}

// reopen is what a restart of the daemon does.
func (p *poster) reopen() {
	p.t.Helper()
	try(p.t, p.Machine.Close())
	p.open()
}

func (p *poster) note(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/_matrix/client/v3/"))
}

// said gives the calls since the last time, with a part in their path.
func (p *poster) said(part string) (some []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		if strings.Contains(c, part) {
			some = append(some, c)
		}
	}
	p.calls = nil
	return some
}

func (p *poster) answer(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	fail := p.fail
	p.mu.Unlock()
	if fail == nil {
		return nil, nil
	}
	return fail(r)
}

// failing has calls answered by fail; nil: by the server.
func (p *poster) failing(fail func(*http.Request) (*http.Response, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = fail
}

// refusal is an answer with an error.
func refusal(status int, code string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(fmt.Sprintf(`{"errcode": %q, "error": "no"}`, code))),
	}
}

// post prepares a room, and sends a text.
func (p *poster) post(room, text string) Room {
	p.t.Helper()
	told, err := p.Prepare(p.t.Context(), room)
	try(p.t, err)
	if !told.Encrypted || told.Membership != "join" {
		p.t.Fatalf("%+v", told)
	}
	p.send(room, text)
	return told
}

// send sends a text in a room that was prepared.
func (p *poster) send(room, text string) {
	p.t.Helper()
	try(p.t, p.trySend(room, text))
}

func (p *poster) trySend(room, text string) error {
	return p.trySendEvent(room, map[string]any{"msgtype": "m.text", "body": text}, text)
}

func (p *poster) trySendEvent(room string, event map[string]any, key string) error {
	content, err := json.Marshal(event)
	if err != nil {
		return err
	}
	encrypted, err := p.Encrypt(p.t.Context(), room, "m.room.message", content)
	if err != nil {
		return err
	}
	var body map[string]any
	if err := json.Unmarshal(encrypted, &body); err != nil {
		return err
	}
	body["kaizala-drop.key"] = key
	path := "/_matrix/client/v3/rooms/" + url.PathEscape(room) + "/send/m.room.encrypted/" + url.PathEscape(key)
	if status, _, got := p.Do(http.MethodPut, path, body); status != http.StatusOK {
		return errors.New(string(got))
	}
	return nil
}

func try(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// encryptedRoom is a state of a new room.
func encryptedRoom(settings map[string]any) map[string]map[string]any {
	content := map[string]any{"algorithm": "m.megolm.v1.aes-sha2"}
	maps.Copy(content, settings)
	return map[string]map[string]any{"m.room.encryption": content}
}

// signed makes an account with a reader that its own identity has signed.
func signed(t testing.TB, s *dendritetest.Server, name string) (*dendritetest.User, *e2eetest.Reader, string) {
	t.Helper()
	u := s.NewUser(name)
	r := e2eetest.New(t, s, u)
	return u, r, r.MakeIdentity()
}

// TestPost shows that a post can be read by a verified device, that the poster's device is trusted once it has made its identity, and
// that a post where nothing changed is one call before it.
func TestPost(t *testing.T) {
	s := dendritetest.Start(t, dendritetest.Options{})
	p := newPoster(t, s, "poster")
	anna, reader, _ := signed(t, s, "anna")
	room := anna.NewRoom(dendritetest.Room{Name: "scans", State: encryptedRoom(nil), Users: []*dendritetest.User{p.User}})
	anna.Messages(room)
	var recovery string
	try(t, p.MakeIdentity(t.Context(), p.Password, func(key string) error { recovery = key; return nil }))
	if recovery == "" {
		t.Error("no recovery key was shown")
	}
	p.post(room, "one")
	p.said("")
	p.post(room, "two")
	if calls := p.said(""); len(calls) != 1 || !strings.HasPrefix(calls[0], "GET sync") {
		t.Errorf("calls: %q", calls)
	}
	reader.Sync(p.ID)
	for i, m := range reader.Await(room, 2, nil) {
		if want := []string{"one", "two"}[i]; m.Content["body"] != want || m.Kind != "m.room.message" || m.Clear["kaizala-drop.key"] != want || !m.Trusted {
			t.Errorf("%+v", m)
		}
	}
	standing, err := p.Standing(t.Context())
	try(t, err)
	if !standing.HasIdentity || !standing.Verified || standing.Copied || len(strings.Fields(standing.Fingerprint)) < 8 {
		t.Errorf("%+v", standing)
	}
}

// TestPostFile shows that another client gets the very bytes of an attachment that was encrypted while it was uploaded, and that the server has none of
// them.
func TestPostFile(t *testing.T) {
	p, _, reader, room := inRoom(t, nil)
	plain := make([]byte, 5<<20+7)
	for i := range plain {
		plain[i] = byte(i * i >> 3)
	}
	a, err := NewAttachment(bytes.NewReader(plain), int64(len(plain)))
	try(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.s.URL+"/_matrix/media/v3/upload", a)
	try(t, err)
	req.ContentLength = int64(len(plain))
	req.Header.Set("Authorization", "Bearer "+p.Token)
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := http.DefaultClient.Do(req)
	try(t, err)
	defer resp.Body.Close()
	var uploaded struct {
		URI string `json:"content_uri"`
	}
	try(t, json.NewDecoder(resp.Body).Decode(&uploaded))
	file, err := a.File(uploaded.URI)
	try(t, err)
	_, err = p.Prepare(t.Context(), room)
	try(t, err)
	try(t, p.trySendEvent(room, map[string]any{"msgtype": "m.file", "body": "x.pdf", "file": file}, "key"))
	got := reader.Await(room, 1, nil)[0].Content["file"]
	text, err := json.Marshal(got)
	try(t, err)
	var read File
	try(t, json.Unmarshal(text, &read))
	cipher, _ := p.Download(read.URL)
	if !bytes.Equal(decrypt(t, read, cipher), plain) {
		t.Error("other bytes")
	}
	if bytes.Contains(cipher, plain[:64]) {
		t.Error("the server has them")
	}
}

// BenchmarkPost compares posts in an encrypted room with those in a plain one: the former take a look at what is new, and the encryption.
func BenchmarkPost(b *testing.B) {
	s := dendritetest.Start(b, dendritetest.Options{})
	p := newPoster(b, s, "poster")
	anna, _, _ := signed(b, s, "anna")
	room := anna.NewRoom(dendritetest.Room{Name: "scans", State: encryptedRoom(nil), Users: []*dendritetest.User{p.User}})
	plain := anna.NewRoom(dendritetest.Room{Name: "plain", Users: []*dendritetest.User{p.User}})
	anna.Messages(room)
	b.Run("encrypted", func(b *testing.B) {
		for i := range b.N {
			p.post(room, fmt.Sprintf("%d of %d", i, b.N))
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
	})
	b.Run("plain", func(b *testing.B) {
		for range b.N {
			p.Say(plain, "x")
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
	})
}
