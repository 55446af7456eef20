//go:build goolm

package e2ee

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"

	"kaizala-drop/internal/matrix/e2ee/e2eetest"
)

// TestHostileMessages shows that nothing that anybody sends to the device keeps it from posting.
func TestHostileMessages(t *testing.T) {
	p, anna, reader, room := inRoom(t, nil)
	p.post(room, "0")
	identity := string(p.olm.GetAccount().IdentityKey())
	random := rand.New(rand.NewPCG(3, 4))
	noise := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		if n > 1 {
			b[0] = 3 // the version of Olm's messages
		}
		return base64.RawStdEncoding.EncodeToString(b)
	}
	odd := []any{nil, "", "x", 1, []any{}, map[string]any{}, noise(32)}
	for i := range 300 {
		kind := []string{"m.room.encrypted", "m.room_key_request", "m.room_key", "m.secret.request", "m.dummy", "m.room_key.withheld", "x"}[random.IntN(7)]
		content := map[string]any{
			"algorithm": "m.olm.v1.curve25519-aes-sha2", "sender_key": noise(32),
			"ciphertext": map[string]any{identity: map[string]any{"type": random.IntN(3), "body": noise(random.IntN(300))}},
			"action":     "request", "request_id": "1", "requesting_device_id": anna.Device, "name": "m.cross_signing.master",
			"body": map[string]any{"algorithm": megolm, "room_id": room, "session_id": noise(32), "sender_key": identity},
		}
		for key := range content {
			if random.IntN(8) == 0 {
				content[key] = odd[random.IntN(len(odd))]
			}
		}
		path := fmt.Sprintf("/_matrix/client/v3/sendToDevice/%s/%d", kind, i)
		if status, _, got := anna.Do(http.MethodPut, path, map[string]any{"messages": map[string]any{p.ID: map[string]any{p.Device: content}}}); status != http.StatusOK {
			t.Fatalf("%s", got)
		}
	}
	p.said("")
	waiting := func() int {
		got, err := p.fetch(t.Context())
		try(t, err)
		return len(got.ToDevice.Events)
	}
	if !e2eetest.Eventually(t, func() bool { return waiting() >= 100 }) { // so many come at a time
		t.Error("they do not come")
	}
	if !e2eetest.Eventually(t, func() bool {
		p.post(room, fmt.Sprint("after ", random.Uint32()))
		return waiting() == 0
	}) {
		t.Error("they are not all heard")
	}
	if calls := p.said("sendToDevice"); len(calls) > 0 {
		t.Errorf("it answered: %q", calls)
	}
	all := reader.Read(room)
	reader.Await(room, len(all), nil)
}

// TestUnwedged shows that a device that lost its end of the channel to this one, and opens a new one, reads what is posted from then on.
func TestUnwedged(t *testing.T) {
	p, _, reader, room := inRoom(t, map[string]any{"rotation_period_msgs": 1})
	p.post(room, "0")
	reader.Await(room, 1, nil)
	reader.Forget()
	p.post(room, "1")
	if !e2eetest.Eventually(t, func() bool {
		reader.Sync()
		p.post(room, fmt.Sprint(random()))
		all := reader.Read(room)
		return all[len(all)-1].Err == nil
	}) {
		t.Error("it never reads again")
	}
	all := reader.Read(room)
	if all[1].Err == nil {
		t.Error("it had lost nothing")
	}
	p.post(room, "last")
	if !e2eetest.Eventually(t, func() bool {
		reader.Sync()
		all = reader.Read(room)
		last := all[len(all)-1]
		return last.Err == nil && last.Content["body"] == "last"
	}) {
		t.Error("it does not read the last one")
	}
}

func random() uint64 { return rand.Uint64() }

// TestOneTimeKeys shows that one-time keys are uploaded again when others have used some up, or all, and only then.
func TestOneTimeKeys(t *testing.T) {
	t.Run("some", func(t *testing.T) { oneTimeKeys(t, 20) })
	t.Run("all", func(t *testing.T) { oneTimeKeys(t, 60) })
}

func oneTimeKeys(t *testing.T, claimed int) {
	p, anna, _, room := inRoom(t, nil)
	p.post(room, "0")
	try(t, p.Idle(t.Context()))
	p.said("")
	try(t, p.Idle(t.Context()))
	if calls := p.said(""); len(calls) != 1 {
		t.Errorf("%q", calls)
	}
	for range claimed {
		claim := map[string]any{"one_time_keys": map[string]any{p.ID: map[string]any{p.Device: "signed_curve25519"}}}
		if status, _, got := anna.Do(http.MethodPost, "/_matrix/client/v3/keys/claim", claim); status != http.StatusOK {
			t.Fatalf("%s", got)
		}
	}
	if !e2eetest.Eventually(t, func() bool {
		try(t, p.Idle(t.Context()))
		return len(p.said("keys/upload")) > 0
	}) {
		t.Fatal("none were uploaded")
	}
	if !e2eetest.Eventually(t, func() bool {
		got, err := p.fetch(t.Context())
		try(t, err)
		return got.KeysLeft["signed_curve25519"] >= 50
	}) {
		t.Error("there are too few")
	}
}
