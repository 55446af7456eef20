//go:build goolm

package matrix

import (
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/matrix/dendritetest"
	"kaizala-drop/internal/matrix/elementtest"
	"kaizala-drop/internal/media"
)

// encryption is the state of a room that is encrypted.
func encryption() map[string]map[string]any {
	return map[string]map[string]any{"m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"}}
}

// keysIn has the client keep its keys in a folder of the test.
func keysIn(dir string) func(*Options) { return func(o *Options) { o.StateDir = dir } }

// identified gives the bot's device an identity, as "login" does.
func (f *office) identified(t *testing.T, c *Client) (recoveryKey string) {
	t.Helper()
	m, err := c.machine(t.Context())
	must(t, err)
	must(t, m.MakeIdentity(t.Context(), f.bot.Password, func(key string) error { recoveryKey = key; return nil }))
	return recoveryKey
}

// TestPostSealed shows that what is posted to an encrypted room is read by Element's own code, by a device that excludes insecure ones too:
// names, captions, sizes and bytes, without a shield; and that the homeserver is told neither name nor type.
func TestPostSealed(t *testing.T) {
	f := newOffice(t, dendritetest.Options{}, keysIn(t.TempDir()))
	strict := f.NewUser("strict")
	room := f.reader.NewRoom(dendritetest.Room{Name: "private", State: encryption(), Users: []*dendritetest.User{f.bot, strict}})
	readers := []*elementtest.Reader{
		elementtest.Start(t, f.Server, f.reader, elementtest.Options{}), elementtest.Start(t, f.Server, strict, elementtest.Options{SignedOnly: true}),
	}
	for _, r := range readers {
		r.MakeIdentity()
	}
	f.identified(t, f.client)

	up, err := f.client.Upload(t.Context(), room, []destination.File{fileOf("Bericht März.pdf", "application/pdf", "a secret text")})
	must(t, err)
	receipt, err := f.client.Post(t.Context(), destination.Message{Target: room, Kind: media.Document, Ref: up, Caption: "look", Key: "KEY"})
	must(t, err)
	for _, r := range readers {
		e := r.Read(room, receipt.ID)
		if e.Failure != "" || e.Shield != "NONE" || e.Type != "m.room.message" || e.Wire != "m.room.encrypted" ||
			e.Content["body"] != "look" || e.Content["filename"] != "Bericht März.pdf" || e.Content["url"] != nil || e.Clear["kaizala-drop.key"] != "KEY/0" {
			t.Fatalf("%s sees %+v", r.User.ID, e)
		}
		a := r.Fetch(e.Content["file"])
		if string(a.Bytes) != "a secret text" || a.MIME != "application/octet-stream" || strings.Contains(a.Sent, "Bericht") {
			t.Errorf("%s fetches %q, %s, %s", r.User.ID, a.Bytes, a.MIME, a.Sent)
		}
	}
	found, ok, err := f.client.Find(t.Context(), destination.Message{Target: room, Ref: up, Key: "KEY"}, time.Now())
	if err != nil || !ok || found.ID != receipt.ID {
		t.Errorf("found %+v, %t, %v", found, ok, err)
	}
}
