//go:build goolm

package matrix

import (
	"fmt"
	"net/http"
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

// TestBecomesEncrypted: what was uploaded in the clear for a room that is encrypted by the time of the post is not shown there, but uploaded
// again, encrypted; and a room that was encrypted once stays so for this account, whatever the homeserver says of it later.
func TestBecomesEncrypted(t *testing.T) {
	dir := t.TempDir()
	f := newOffice(t, dendritetest.Options{}, keysIn(dir))
	f.identified(t, f.client)
	files := []destination.File{fileOf("1.txt", "text/plain", "one"), fileOf("2.txt", "text/plain", "two")}
	up, err := f.client.Upload(t.Context(), f.room, files)
	must(t, err)
	f.reader.SetState(f.room, "m.room.encryption", map[string]any{"algorithm": "m.megolm.v1.aes-sha2"})
	m := destination.Message{Target: f.room, Kind: media.Album, Ref: up, Key: "KEY"}
	_, err = f.client.Post(t.Context(), m)
	if e := fault(t, err); !e.Stale || e.MayHaveActed || !strings.Contains(e.Error(), "encrypted by now") {
		t.Errorf("got %+v", e)
	}
	m.Ref, err = f.client.Upload(t.Context(), f.room, files)
	must(t, err)
	_, err = f.client.Post(t.Context(), m)
	must(t, err)
	all := f.reader.Messages(f.room)
	if len(all) != 2 {
		t.Fatalf("%d messages", len(all))
	}
	for _, e := range all {
		if text := fmt.Sprint(e.Content); e.Type != "m.room.encrypted" || strings.Contains(text, ".txt") || strings.Contains(text, "mxc:") {
			t.Errorf("the homeserver has %+v", e)
		}
	}
	f.client.Close()

	lies := roundTrip(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/state/m.room.encryption/") {
			r.URL.Path, r.URL.RawPath = "/_matrix/client/v3/rooms/"+f.room+"/state/m.room.unknown/", ""
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	deceived := f.newClient(t, keysIn(dir), func(o *Options) { o.Transport = lies })
	up, err = deceived.Upload(t.Context(), f.room, files[:1])
	must(t, err)
	if !strings.Contains(up, `"hashes"`) {
		t.Errorf("uploaded in the clear: %s", up)
	}
}

// TestWithoutAPlaceForKeys: without a state_dir nothing is sent to an encrypted room, and the reason is said.
func TestWithoutAPlaceForKeys(t *testing.T) {
	f := newOffice(t, dendritetest.Options{})
	room := f.reader.NewRoom(dendritetest.Room{Name: "private", State: encryption(), Users: []*dendritetest.User{f.bot}})
	up, err := f.client.Upload(t.Context(), room, []destination.File{fileOf("1.txt", "text/plain", "one")})
	must(t, err)
	_, err = f.client.Post(t.Context(), destination.Message{Target: room, Kind: media.Document, Ref: up, Key: "KEY"})
	if e := fault(t, err); e.Fault != destination.OfDestination || !strings.Contains(e.Error(), "no state_dir") {
		t.Errorf("got %+v", e)
	}
}

// TestGrownFile: of an encrypted upload, too, a file that has grown or shrunk since it settled breaks the request off.
func TestGrownFile(t *testing.T) {
	f := newOffice(t, dendritetest.Options{}, keysIn(t.TempDir()))
	room := f.reader.NewRoom(dendritetest.Room{Name: "private", State: encryption(), Users: []*dendritetest.User{f.bot}})
	for _, size := range []int64{2, 4} {
		file := fileOf("1.txt", "text/plain", "one")
		file.Size = size
		_, err := f.client.Upload(t.Context(), room, []destination.File{file})
		if e := fault(t, err); e.Fault != destination.OfContent {
			t.Errorf("as %d bytes: %+v", size, e)
		}
	}
}
