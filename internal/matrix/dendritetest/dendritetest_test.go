package dendritetest

import "testing"

// TestServer shows that what the other tests stand on works: accounts, rooms, messages, and that all of it is there after a kill.
func TestServer(t *testing.T) {
	s := Start(t, Options{})
	anna, ben := s.NewUser("anna"), s.NewUser("ben")
	room := anna.NewRoom(Room{Name: "scans", Alias: "scans", Users: []*User{ben}})
	for range 3 {
		anna.Say(room, "hello")
	}
	s.Kill()
	s.Begin()
	if got := ben.Messages(room); len(got) != 3 || got[0].Sender != anna.ID || got[2].Content["body"] != "hello" {
		t.Errorf("got %+v", got)
	}
	s.Stop()
	s.Begin()
	anna.Kick(room, ben, "enough")
	if status, _, _ := ben.Do("PUT", roomPath(room)+"/send/m.room.message/1", map[string]any{"msgtype": "m.text", "body": "x"}); status != 403 {
		t.Errorf("status %d", status)
	}
}
