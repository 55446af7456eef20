package matrix

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/matrix/dendritetest"
)

// TestAnotherServer: an address of another homeserver that the own one cannot reach holds up its own folder and no other; a real Dendrite
// answers 500 for it. The own homeserver's outage stays the destination's.
func TestAnotherServer(t *testing.T) {
	f := newOffice(t, dendritetest.Options{})
	upload := func(target string) *destination.Error {
		t.Helper()
		_, err := f.client.Upload(t.Context(), target, []destination.File{fileOf("a.txt", "text/plain", "x")})
		return fault(t, err)
	}
	away := upload("#scans:example.org")
	if text := away.Error(); away.Fault != destination.OfTarget || !strings.Contains(text, "cannot reach example.org") || !strings.Contains(text, "500") {
		t.Errorf("of the fault %v: %v", away.Fault, away)
	}
	room, err := f.client.Look(t.Context(), "#scans:example.org")
	if err != nil || !strings.Contains(room.Trouble, "cannot reach example.org") {
		t.Errorf("%+v, %v", room, err)
	}
	f.Kill()
	if down := upload("#scans:example.org"); down.Fault != destination.OfDestination {
		t.Errorf("without the homeserver it is of the fault %v: %v", down.Fault, down)
	}
	if _, err := f.newClient(t).WhoAmI(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot ask whose the token is") {
		t.Errorf("of a token that nobody was asked about: %v", err)
	}
}

// TestWhoseOutage: only what fails at the server, or without an answer, about an address of another one, while the own one answers for the
// token, is the room's fault.
func TestWhoseOutage(t *testing.T) {
	for _, c := range []struct {
		target       string
		status, mine int // of the answers about the room and about the token; 0: none
		want         destination.Fault
	}{
		{"#scans:example.org", 500, 200, destination.OfTarget},
		{"#scans:example.org", 502, 200, destination.OfTarget},
		{"#scans:example.org", 0, 200, destination.OfTarget},
		{"#scans:example.org", 500, 500, destination.OfDestination},
		{"#scans:example.org", 500, 0, destination.OfDestination},
		{"#scans:example.org", 400, 200, destination.OfDestination},
		{"#scans:example.org", 429, 200, destination.OfTraffic},
		{"#scans:localhost", 500, 200, destination.OfDestination},
		{"#scans:localhost:8448", 500, 200, destination.OfTarget},
	} {
		status := 200 // of the first question, by which the account is known
		client, err := New(Options{Homeserver: "https://here.example", AccessToken: "t", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			now, body := c.status, `{}`
			if strings.HasSuffix(r.URL.Path, "/whoami") {
				now, status, body = status, c.mine, `{"user_id":"@bot:localhost"}`
			}
			if now == 0 {
				return nil, errors.New("no answer")
			}
			return &http.Response{StatusCode: now, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})})
		must(t, err)
		_, err = client.Upload(t.Context(), c.target, []destination.File{fileOf("a.txt", "text/plain", "x")})
		if e := fault(t, err); e.Fault != c.want {
			t.Errorf("%s, %d, %d: of the fault %v, want %v: %v", c.target, c.status, c.mine, e.Fault, c.want, err)
		}
		client.Close()
	}
}

// TestInvitedIntoEncrypted: an invitation into an encrypted room is no good news, and is told before a file waits for it.
func TestInvitedIntoEncrypted(t *testing.T) {
	f := newOffice(t, dendritetest.Options{}, never)
	secret := f.reader.NewRoom(dendritetest.Room{Name: "secret", Alias: "secret", State: map[string]map[string]any{
		"m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
	}})
	f.reader.Invite(secret, f.bot)
	room, err := f.client.Look(t.Context(), "#secret:localhost")
	if err != nil || !room.Invited || !room.Encrypted || !strings.Contains(room.Trouble, "#secret:localhost is encrypted") {
		t.Errorf("%+v, %v", room, err)
	}
}
