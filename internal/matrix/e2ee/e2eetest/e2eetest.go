//go:build goolm

// Package e2eetest reads encrypted rooms for tests: a client of its own, made of the library alone, with none of the product's code.
package e2eetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"kaizala-drop/internal/matrix/dendritetest"
)

// patience is how long the server may take to show something; it takes fractions of a second.
const patience = 2 * time.Minute

// Reader is a device of an account. It is not safe for concurrent use.
type Reader struct {
	t      testing.TB
	user   *dendritetest.User
	client *mautrix.Client
	olm    *crypto.OlmMachine
	since  string
}

// New makes a reader of the device that user is logged in with, and uploads its keys.
func New(t testing.TB, s *dendritetest.Server, user *dendritetest.User) *Reader {
	t.Helper()
	r := &Reader{t: t, user: user}
	var err error
	if r.client, err = mautrix.NewClient(s.URL, id.UserID(user.ID), user.Token); err != nil {
		t.Fatal(err)
	}
	r.client.DeviceID = id.DeviceID(user.Device)
	r.client.Client = &http.Client{}
	state := mautrix.NewMemoryStateStore()
	r.client.StateStore = state
	r.olm = crypto.NewOlmMachine(r.client, nil, crypto.NewMemoryStore(nil), state.(crypto.StateStore))
	r.must(r.olm.Load(t.Context()))
	r.must(r.olm.ShareKeys(t.Context(), 0))
	return r
}

func (r *Reader) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// MakeIdentity gives the account an identity that has signed this device, and returns the recovery key.
func (r *Reader) MakeIdentity() (recoveryKey string) {
	r.t.Helper()
	ctx := r.t.Context()
	recoveryKey, _, err := r.olm.GenerateAndUploadCrossSigningKeysWithPassword(ctx, r.user.Password, "")
	r.must(err)
	r.must(r.olm.SignOwnDevice(ctx, r.olm.OwnIdentity()))
	r.must(r.olm.SignOwnMasterKey(ctx))
	return recoveryKey
}

// Join signs this device with the account's identity.
func (r *Reader) Join(recoveryKey string) {
	r.t.Helper()
	r.must(r.olm.VerifyWithRecoveryKey(r.t.Context(), recoveryKey))
}

// Sync works through what is new. Devices are asked for anew, whatever the server tells of them.
func (r *Reader) Sync(senders ...string) {
	r.t.Helper()
	ctx := r.t.Context()
	got, err := r.client.FullSyncRequest(ctx, mautrix.ReqSync{Since: r.since})
	r.must(err)
	r.since = got.NextBatch
	r.olm.ProcessSyncResponse(ctx, got, r.since)
	var users []id.UserID
	for _, s := range senders {
		users = append(users, id.UserID(s))
	}
	if len(users) > 0 {
		_, err = r.olm.FetchKeys(ctx, users, true)
		r.must(err)
	}
}

// Message is an encrypted event of a room, as the reader sees it.
type Message struct {
	ID      string
	Sender  string
	Clear   map[string]any // what stands beside the ciphertext
	Kind    string
	Content map[string]any
	Trusted bool  // its device is signed by its account, and was so from the first sight
	Err     error // why it cannot be read
}

// Read gives the encrypted events that the room shows now, oldest first.
func (r *Reader) Read(room string) (all []Message) {
	r.t.Helper()
	from := ""
	for {
		var page struct {
			Chunk []json.RawMessage
			End   string
		}
		query := map[string]string{"dir": "b", "limit": "100"}
		if from != "" {
			query["from"] = from
		}
		address := r.client.BuildURLWithQuery(mautrix.ClientURLPath{"v3", "rooms", room, "messages"}, query)
		_, err := r.client.MakeRequest(r.t.Context(), http.MethodGet, address, nil, &page)
		r.must(err)
		for _, text := range page.Chunk {
			if m, ok := r.read(room, text); ok {
				all = append(all, m)
			}
		}
		if page.End == "" || len(page.Chunk) == 0 {
			slices.Reverse(all)
			return all
		}
		from = page.End
	}
}

func (r *Reader) read(room string, text json.RawMessage) (m Message, ok bool) {
	var e event.Event
	r.must(json.Unmarshal(text, &e))
	e.RoomID = id.RoomID(room)
	e.Type.Class = event.MessageEventType
	if e.Type != event.EventEncrypted {
		return m, false
	}
	m.ID, m.Sender, m.Clear = string(e.ID), string(e.Sender), e.Content.Raw
	if m.Err = e.Content.ParseRaw(e.Type); m.Err != nil {
		return m, true
	}
	var plain *event.Event
	if plain, m.Err = r.olm.DecryptMegolmEvent(r.t.Context(), &e); m.Err != nil {
		return m, true
	}
	m.Kind, m.Content, m.Trusted = plain.Type.Type, plain.Content.Raw, plain.Mautrix.TrustState >= id.TrustStateCrossSignedTOFU
	return m, true
}

// Await reads until the room has n encrypted events, and all of them that satisfy wanted can be read; nil: all. It fails the test if that
// does not come to be.
func (r *Reader) Await(room string, n int, wanted func(i int) bool) []Message {
	r.t.Helper()
	var all []Message
	var why string
	ok := Eventually(r.t, func() bool {
		r.Sync()
		all = r.Read(room)
		why = fmt.Sprintf("there are %d messages", len(all))
		if len(all) != n {
			return false
		}
		for i, m := range all {
			if m.Err != nil && (wanted == nil || wanted(i)) {
				why = fmt.Sprintf("message %d: %v", i, m.Err)
				return false
			}
		}
		return true
	})
	if !ok {
		r.t.Fatalf("%s does not read %d messages: %s", r.user.ID, n, why)
	}
	return all
}

// Eventually asks until is gives true, or for a long time.
func Eventually(t testing.TB, is func() bool) bool {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); ; {
		if is() {
			return true
		}
		select {
		case <-tick.C:
		case <-end:
			return false
		}
	}
}

// Transport leads the requests of a machine to a server, as a user.
type Transport struct {
	Server *dendritetest.Server
	User   *dendritetest.User
	// Answer answers a request in the place of the server, or gives nil; it may be nil.
	Answer func(*http.Request) (*http.Response, error)
	// Seen is called for each request, before it leaves; it may be nil.
	Seen func(*http.Request)
}

// RoundTrip makes a request.
func (c *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if c.Seen != nil {
		c.Seen(req)
	}
	if c.Answer != nil {
		if resp, err := c.Answer(req); resp != nil || err != nil {
			return resp, err
		}
	}
	to, err := url.Parse(c.Server.URL)
	if err != nil {
		return nil, err
	}
	out := req.Clone(req.Context())
	out.URL.Scheme, out.URL.Host, out.Host = to.Scheme, to.Host, ""
	out.Header.Set("Authorization", "Bearer "+c.User.Token)
	return http.DefaultTransport.RoundTrip(out)
}

// Forget loses the channels that others have opened to the device, as a client that was restored from an older state.
func (r *Reader) Forget() {
	r.t.Helper()
	store, ok := r.olm.CryptoStore.(*crypto.MemoryStore)
	if !ok {
		r.t.Fatalf("%T", r.olm.CryptoStore)
	}
	clear(store.Sessions)
}
