package elementtest

import (
	"testing"
	"time"

	"kaizala-drop/internal/matrix/dendritetest"
)

// TestReaders: what one signed device of Element writes in an encrypted room another one reads without a shield; what an unsigned device
// writes is shown with one, or not at all where insecure devices are excluded.
func TestReaders(t *testing.T) {
	s := dendritetest.Start(t, dendritetest.Options{})
	anna, berta, carl := s.NewUser("anna"), s.NewUser("berta"), s.NewUser("carl")
	room := anna.NewRoom(dendritetest.Room{
		Name: "office", Users: []*dendritetest.User{berta, carl},
		State: map[string]map[string]any{"m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"}},
	})
	a, b, strict := Start(t, s, anna, Options{}), Start(t, s, berta, Options{}), Start(t, s, carl, Options{SignedOnly: true})
	a.MakeIdentity()
	key := b.MakeIdentity()
	strict.MakeIdentity()

	event := a.Say(room, "from a signed device")
	for _, r := range []*Reader{b, strict} {
		e := r.Read(room, event)
		if e.Failure != "" || e.Shield != "NONE" || e.Wire != "m.room.encrypted" || e.Content["body"] != "from a signed device" {
			t.Errorf("of a signed device %s sees %+v", r.User.ID, e)
		}
	}

	anna.LogIn("")
	unsigned := Start(t, s, anna, Options{})
	event = unsigned.Say(room, "from an unsigned one")
	if e := b.Read(room, event); e.Shield != "RED" || e.Reason != "UNSIGNED_DEVICE" {
		t.Errorf("of an unsigned device %s sees %+v", b.User.ID, e)
	}
	if e := strict.ReadNow(room, event); e.Failure == "" {
		t.Errorf("of an unsigned device %s, who excludes them, sees %+v", strict.User.ID, e)
	}

	berta.LogIn("")
	second := Start(t, s, berta, Options{})
	if got := second.Devices(berta.ID); got[berta.Device] {
		t.Errorf("a device that nobody signed: %v", got)
	}
	if failed := second.Recover(key); failed != "" {
		t.Errorf("with the right key: %s", failed)
	}
	var got map[string]bool
	for end := time.Now().Add(time.Minute); !got[berta.Device] && time.Now().Before(end); { // another device is told a moment later
		got = b.Devices(berta.ID)
	}
	if !got[berta.Device] {
		t.Errorf("after the recovery key: %v", got)
	}
}
