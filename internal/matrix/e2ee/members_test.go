//go:build goolm

package e2ee

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"kaizala-drop/internal/matrix/dendritetest"
	"kaizala-drop/internal/matrix/e2ee/e2eetest"
)

// inRoom makes a poster, and a room of anna's with it, encrypted.
func inRoom(t *testing.T, settings map[string]any) (p *poster, anna *dendritetest.User, reader *e2eetest.Reader, room string) {
	t.Helper()
	s := dendritetest.Start(t, dendritetest.Options{})
	p = newPoster(t, s, "poster")
	anna, reader, _ = signed(t, s, "anna")
	room = anna.NewRoom(dendritetest.Room{Name: "scans", State: encryptedRoom(settings), Users: []*dendritetest.User{p.User}})
	anna.Messages(room)
	return p, anna, reader, room
}

// follow prepares a room until the machine makes a call with part in its path: the server tells what changed a while after it took it.
func (p *poster) follow(room, part string) (told Room) {
	p.t.Helper()
	p.said("")
	if !e2eetest.Eventually(p.t, func() bool {
		var err error
		told, err = p.Prepare(p.t.Context(), room)
		try(p.t, err)
		return len(p.said(part)) > 0
	}) {
		p.t.Fatalf("no call of %s", part)
	}
	return told
}

func sessionOf(m e2eetest.Message) string { return fmt.Sprint(m.Clear["session_id"]) }

// TestMembers shows that who joins reads what is posted from then on, by the session that there was, and that who is removed reads
// nothing more.
func TestMembers(t *testing.T) {
	p, anna, reader, room := inRoom(t, nil)
	p.post(room, "0")
	ben, second, _ := signed(t, p.s, "ben")
	anna.Invite(room, ben)
	ben.Join(room)
	p.follow(room, "sendToDevice/m.room.encrypted")
	p.send(room, "1")
	for i, m := range second.Await(room, 2, func(i int) bool { return i > 0 }) {
		if readable := m.Err == nil; readable != (i > 0) {
			t.Errorf("ben, message %d: %v", i, m.Err)
		}
	}
	anna.Kick(room, ben, "enough")
	p.follow(room, "sendToDevice/m.room.encrypted")
	p.send(room, "2")
	all := reader.Await(room, 3, nil)
	if sessionOf(all[0]) != sessionOf(all[1]) || sessionOf(all[1]) == sessionOf(all[2]) {
		t.Error("the session was changed for who joined, or not for who was removed")
	}
	// Ben comes back to look: he gets the key of what is posted from then on.
	anna.Invite(room, ben)
	ben.Join(room)
	p.follow(room, "sendToDevice/m.room.encrypted")
	p.send(room, "3")
	for i, m := range second.Await(room, 4, func(i int) bool { return i == 1 || i == 3 }) {
		if readable := m.Err == nil; readable != (i == 1 || i == 3) {
			t.Errorf("ben, message %d: %v", i, m.Err)
		}
	}
}

// TestDevices shows that a new device that is signed reads what is posted from then on; that one that is not is left out, is named, and
// reads once it is signed; and that it reads at once where keys are shared with all.
func TestDevices(t *testing.T) {
	s := dendritetest.Start(t, dendritetest.Options{})
	p, open := newPoster(t, s, "poster"), newPoster(t, s, "open")
	open.share = All
	open.reopen()
	anna, first, recovery := signed(t, s, "anna")
	room := anna.NewRoom(dendritetest.Room{Name: "scans", State: encryptedRoom(nil), Users: []*dendritetest.User{p.User, open.User}})
	anna.Messages(room)
	p.post(room, "0")
	open.post(room, "1")
	anna.LogIn("")
	second := e2eetest.New(t, s, anna)
	var told Room
	if !e2eetest.Eventually(t, func() bool {
		var err error
		told, err = p.Prepare(t.Context(), room)
		try(t, err)
		return len(told.Excluded) == 2
	}) {
		t.Fatalf("%+v", told)
	}
	want := Excluded{anna.ID, anna.Device, Unsigned}
	if told.Excluded[0] != want || told.Excluded[1].User != open.ID {
		t.Errorf("%+v", told.Excluded)
	}
	open.follow(room, "sendToDevice/m.room.encrypted")
	p.send(room, "2")
	open.send(room, "3")
	for i, m := range second.Await(room, 4, func(i int) bool { return i == 3 }) {
		if readable := m.Err == nil; readable != (i == 3) {
			t.Errorf("message %d: %v", i, m.Err)
		}
		if i == 2 && !strings.Contains(m.Err.Error(), "unverified") && !strings.Contains(m.Err.Error(), "withheld") {
			t.Errorf("it was not told why: %v", m.Err)
		}
	}
	second.Join(recovery)
	if told := p.follow(room, "sendToDevice/m.room.encrypted"); len(told.Excluded) != 1 {
		t.Errorf("%+v", told.Excluded)
	}
	p.send(room, "4")
	second.Await(room, 5, func(i int) bool { return i > 2 })
	first.Await(room, 5, nil)
}

// TestNewIdentity shows that devices of an account whose identity was made anew are left out, and named with that reason.
func TestNewIdentity(t *testing.T) {
	p, anna, reader, room := inRoom(t, nil)
	p.post(room, "0")
	reader.Await(room, 1, nil)
	reader.MakeIdentity() // in the place of the one before
	var told Room
	if !e2eetest.Eventually(t, func() bool {
		var err error
		told, err = p.Prepare(t.Context(), room)
		try(t, err)
		return len(told.Excluded) == 1
	}) {
		t.Fatalf("%+v", told)
	}
	if want := (Excluded{anna.ID, anna.Device, NewIdentity}); told.Excluded[0] != want || told.Readers != 0 {
		t.Errorf("%+v", told.Excluded)
	}
	p.send(room, "1")
	for i, m := range reader.Await(room, 2, func(i int) bool { return i == 0 }) {
		if readable := m.Err == nil; readable != (i == 0) {
			t.Errorf("message %d: %v", i, m.Err)
		}
	}
}

// TestRotation shows that a session ends as the room's settings say, by messages and by time, and when they are changed.
func TestRotation(t *testing.T) {
	p, anna, reader, room := inRoom(t, map[string]any{"rotation_period_msgs": 3, "rotation_period_ms": 7_200_000})
	for i := range 7 {
		p.post(room, fmt.Sprint(i))
	}
	all := reader.Await(room, 7, nil)
	for i := range all {
		if changed := i > 0 && sessionOf(all[i]) != sessionOf(all[i-1]); changed != (i == 3 || i == 6) {
			t.Errorf("before message %d: changed %t", i, changed)
		}
	}
	_, err := p.raw.Exec("UPDATE crypto_megolm_outbound_session SET created_at = datetime('now', '-2 hours') || '+00:00'")
	try(t, err)
	p.post(room, "7")
	anna.SetState(room, "m.room.encryption", map[string]any{"algorithm": megolm, "rotation_period_msgs": 50})
	p.follow(room, "sendToDevice/m.room.encrypted")
	p.send(room, "8")
	all = reader.Await(room, 9, nil)
	if sessionOf(all[6]) == sessionOf(all[7]) || sessionOf(all[7]) == sessionOf(all[8]) {
		t.Error("it was not changed")
	}
}

// TestManyJoin shows that 50 members who join at once all read the next post.
func TestManyJoin(t *testing.T) {
	p, anna, _, room := inRoom(t, nil)
	p.post(room, "0")
	count := 10
	if thorough() {
		count = 50
	}
	readers := make([]*e2eetest.Reader, count)
	users := make([]*dendritetest.User, count)
	for i := range users {
		users[i], readers[i], _ = signed(t, p.s, fmt.Sprint("u", i))
		anna.Invite(room, users[i])
	}
	var wg sync.WaitGroup
	for _, u := range users {
		wg.Go(func() { u.Join(room) })
	}
	wg.Wait()
	anna.Messages(room)
	p.said("")
	p.post(room, "1")
	if queries := p.said("keys/query"); len(queries) > 1 {
		t.Errorf("%d queries", len(queries))
	}
	for _, r := range readers {
		r.Await(room, 2, func(i int) bool { return i == 1 })
	}
}

// failOnce answers the first call with part in its path with 500.
func (p *poster) failOnce(part string) {
	done := false
	p.failing(func(r *http.Request) (*http.Response, error) {
		if done || !strings.Contains(r.URL.Path, part) {
			return nil, nil
		}
		done = true
		return refusal(http.StatusInternalServerError, "M_UNKNOWN"), nil
	})
}

// TestCallsFail shows that each call that fails, also with a restart after it, makes Prepare fail, and that nobody is lost by it for good.
func TestCallsFail(t *testing.T) {
	p, anna, reader, room := inRoom(t, nil)
	p.post(room, "0")
	n := 1
	for _, part := range []string{"sync", "keys/query", "keys/claim", "sendToDevice", "account_data"} {
		for _, restart := range []bool{false, true} {
			name := strings.ToLower(fmt.Sprintf("m%s%t", strings.ReplaceAll(part, "/", ""), restart))
			u, r, _ := signed(t, p.s, name)
			anna.Invite(room, u)
			u.Join(room)
			anna.Messages(room)
			p.failOnce(part)
			failed := e2eetest.Eventually(t, func() bool {
				_, err := p.Prepare(t.Context(), room)
				return err != nil
			})
			if !failed {
				t.Fatalf("%s: Prepare did not fail", part)
			}
			p.failing(nil)
			if restart {
				p.reopen()
			}
			p.post(room, fmt.Sprint(n))
			n++
			r.Await(room, n, func(i int) bool { return i == n-1 })
		}
	}
	reader.Await(room, n, nil)
}

// TestAskedAgain shows that who has no one-time key left, or is missing in an answer, is asked for again after a while, and reads from then on.
func TestAskedAgain(t *testing.T) {
	p, anna, reader, room := inRoom(t, nil)
	for part, nothing := range map[string]string{"keys/claim": `{"one_time_keys": {}}`, "keys/query": `{"device_keys": {}}`} {
		u, r, _ := signed(t, p.s, strings.ReplaceAll(part, "/", ""))
		anna.Invite(room, u)
		u.Join(room)
		anna.Messages(room)
		p.failing(func(r *http.Request) (*http.Response, error) {
			if !strings.HasSuffix(r.URL.Path, part) {
				return nil, nil
			}
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body(nothing)}, nil
		})
		before := len(reader.Read(room))
		if !e2eetest.Eventually(t, func() bool {
			_, err := p.Prepare(t.Context(), room)
			try(t, err)
			return len(p.said(part)) > 0
		}) {
			t.Fatalf("%s: no such call", part)
		}
		told := p.post(room, part+"0")
		named := slices.ContainsFunc(told.Excluded, func(e Excluded) bool { return e.User == u.ID && e.Why == NoKeysLeft })
		if named != (part == "keys/claim") {
			t.Errorf("%s: %+v", part, told.Excluded)
		}
		p.said("")
		p.post(room, part+"1")
		if calls := p.said("keys"); len(calls) > 0 {
			t.Errorf("%s: asked again at once: %q", part, calls)
		}
		p.failing(nil)
		_, err := p.raw.Exec("UPDATE outdated SET tried = 0") // some time passes
		try(t, err)
		_, err = p.raw.Exec("UPDATE room SET settled = 1")
		try(t, err)
		if told := p.post(room, part+"2"); len(told.Excluded) > 0 {
			t.Errorf("%s: %+v", part, told.Excluded)
		}
		for i, m := range r.Await(room, before+3, func(i int) bool { return i == before+2 }) {
			if i < before+2 && m.Err == nil {
				t.Errorf("%s: it reads message %d", part, i)
			}
		}
	}
}

// TestForgottenPlace shows that a homeserver that does not know any more up to where it told what was new is asked for everything, and that what
// changed meanwhile is followed.
func TestForgottenPlace(t *testing.T) {
	p, anna, reader, room := inRoom(t, nil)
	p.post(room, "0")
	ben, second, _ := signed(t, p.s, "ben")
	anna.Invite(room, ben)
	ben.Join(room)
	anna.Messages(room)
	p.failing(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "sync") && r.URL.Query().Has("since") {
			return refusal(http.StatusBadRequest, "M_UNKNOWN"), nil
		}
		return nil, nil
	})
	p.post(room, "1")
	second.Await(room, 2, func(i int) bool { return i == 1 })
	p.failing(nil)
	p.post(room, "2")
	reader.Await(room, 3, nil)
	second.Await(room, 3, func(i int) bool { return i > 0 })
}

// TestUntoldChanges shows that changes that a homeserver never tells of are followed with the next session, and with the next start.
func TestUntoldChanges(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) { untoldChanges(t, restart) })
	}
}

func untoldChanges(t *testing.T, restart bool) {
	p, anna, reader, room := inRoom(t, map[string]any{"rotation_period_msgs": 2})
	ben, second, _ := signed(t, p.s, "ben")
	eve, third, _ := signed(t, p.s, "eve")
	anna.Invite(room, ben)
	ben.Join(room)
	anna.Messages(room)
	p.post(room, "0")
	p.failing(func(r *http.Request) (*http.Response, error) {
		if !strings.HasSuffix(r.URL.Path, "sync") {
			return nil, nil
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body(`{"next_batch": "` + r.URL.Query().Get("since") + `"}`)}, nil
	})
	anna.Kick(room, ben, "enough")
	anna.Invite(room, eve)
	eve.Join(room)
	anna.Messages(room)
	n := 2
	if restart {
		p.reopen()
	} else {
		p.post(room, "1")
		n = 3
	}
	p.post(room, "2")
	reader.Await(room, n, nil)
	third.Await(room, n, func(i int) bool { return i == n-1 })
	// Ben looks once he is let in again.
	anna.Invite(room, ben)
	ben.Join(room)
	anna.Messages(room)
	all := second.Await(room, n, func(i int) bool { return i == 0 })
	if all[n-1].Err == nil {
		t.Error("ben reads what was posted when he was not in the room")
	}
}

// TestStates shows what is told of a room: of the own membership, of its end, and that it became encrypted.
func TestStates(t *testing.T) {
	s := dendritetest.Start(t, dendritetest.Options{})
	p := newPoster(t, s, "poster")
	anna, reader, _ := signed(t, s, "anna")
	room := anna.NewRoom(dendritetest.Room{Name: "scans", Users: []*dendritetest.User{p.User}})
	other := anna.NewRoom(dendritetest.Room{Name: "elsewhere", State: encryptedRoom(nil)})
	strange := anna.NewRoom(dendritetest.Room{Name: "strange", State: map[string]map[string]any{"m.room.encryption": {"algorithm": "rot13"}}, Users: []*dendritetest.User{p.User}})
	anna.Messages(room)
	ctx := t.Context()
	if told, err := p.Prepare(ctx, room); err != nil || told.Encrypted || told.Membership != "join" {
		t.Errorf("plain: %+v, %v", told, err)
	}
	if err := p.trySend(room, "x"); !errors.Is(err, ErrNotEncrypted) {
		t.Errorf("plain: %v", err)
	}
	if told, err := p.Prepare(ctx, other); err != nil || told.Membership == "join" {
		t.Errorf("not in it: %+v, %v", told, err)
	}
	if _, err := p.Prepare(ctx, strange); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("strange: %v", err)
	}
	anna.SetState(room, "m.room.encryption", map[string]any{"algorithm": megolm})
	p.post(room, "0")
	reader.Await(room, 1, nil)
	p.reopen()
	if encrypted, err := p.IsEncrypted(ctx, room); err != nil || !encrypted {
		t.Errorf("after a restart: %t, %v", encrypted, err)
	}
	anna.SetState(room, "m.room.tombstone", map[string]any{"body": "moved", "replacement_room": other})
	anna.Messages(room)
	if told, err := p.Prepare(ctx, room); err != nil || !told.Tombstone || told.Successor != other || !told.Encrypted {
		t.Errorf("closed: %+v, %v", told, err)
	}
	anna.Kick(room, p.User, "enough")
	anna.Messages(room)
	if told, err := p.Prepare(ctx, room); err != nil || told.Membership != "leave" || !told.Encrypted {
		t.Errorf("removed: %+v, %v", told, err)
	}
	if err := p.trySend(room, "x"); !errors.Is(err, ErrNotMember) {
		t.Errorf("removed: %v", err)
	}
	anna.Invite(room, p.User)
	anna.Messages(room)
	if told, err := p.Prepare(ctx, room); err != nil || told.Membership == "join" {
		t.Errorf("invited: %+v, %v", told, err)
	}
	p.Join(room)
	anna.Messages(room)
	p.post(room, "1")
	reader.Await(room, 2, nil)
}
