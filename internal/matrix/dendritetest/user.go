package dendritetest

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// User is an account that is logged in.
type User struct {
	ID       string // @name:localhost
	Name     string
	Password string
	Token    string
	Device   string

	s *Server
}

// NewUser makes an account, and logs it in.
func (s *Server) NewUser(name string) *User {
	s.t.Helper()
	u := &User{Name: name, Password: "password of " + name, s: s}
	var nonce struct{ Nonce string }
	u.must(http.MethodGet, "/_synapse/admin/v1/register", nil, &nonce)
	mac := hmac.New(sha1.New, []byte(secret))
	fmt.Fprintf(mac, "%s\x00%s\x00%s\x00notadmin", nonce.Nonce, name, u.Password)
	u.must(http.MethodPost, "/_synapse/admin/v1/register", map[string]any{
		"nonce": nonce.Nonce, "username": name, "password": u.Password, "admin": false, "mac": hex.EncodeToString(mac.Sum(nil)),
	}, nil)
	u.LogIn("")
	return u
}

// LogIn logs the account in once more, with a device of that name; "": a new one.
func (u *User) LogIn(device string) {
	u.s.t.Helper()
	var got struct {
		UserID      string `json:"user_id"`
		AccessToken string `json:"access_token"`
		DeviceID    string `json:"device_id"`
	}
	body := map[string]any{
		"type": "m.login.password", "identifier": map[string]string{"type": "m.id.user", "user": u.Name}, "password": u.Password,
	}
	if device != "" {
		body["device_id"] = device
	}
	u.Token = ""
	u.must(http.MethodPost, client+"/login", body, &got)
	u.ID, u.Token, u.Device = got.UserID, got.AccessToken, got.DeviceID
}

// LogOut ends the token.
func (u *User) LogOut() { u.must(http.MethodPost, client+"/logout", map[string]any{}, nil) }

const client = "/_matrix/client/v3"

// Room is what NewRoom makes.
type Room struct {
	Name  string
	Alias string // its local part; "": none
	State map[string]map[string]any
	// Version "": the server's own.
	Version string
	Users   []*User // who are invited, and join
}

// NewRoom makes a room of the user's, and gives its id.
func (u *User) NewRoom(r Room) (id string) {
	u.s.t.Helper()
	body := map[string]any{"preset": "private_chat", "name": r.Name}
	if r.Alias != "" {
		body["room_alias_name"] = r.Alias
	}
	if r.Version != "" {
		body["room_version"] = r.Version
	}
	var state []any
	for kind, content := range r.State {
		state = append(state, map[string]any{"type": kind, "state_key": "", "content": content})
	}
	body["initial_state"] = state
	var got struct {
		RoomID string `json:"room_id"`
	}
	u.must(http.MethodPost, client+"/createRoom", body, &got)
	for _, member := range r.Users {
		u.Invite(got.RoomID, member)
		member.Join(got.RoomID)
	}
	return got.RoomID
}

// Invite invites who into a room of the user's.
func (u *User) Invite(room string, who *User) { u.member(room, "invite", who, "") }

// Kick has who leave a room.
func (u *User) Kick(room string, who *User, reason string) { u.member(room, "kick", who, reason) }

// Ban bans who from a room.
func (u *User) Ban(room string, who *User, reason string) { u.member(room, "ban", who, reason) }

// Unban lets who be invited again.
func (u *User) Unban(room string, who *User) { u.member(room, "unban", who, "") }

func (u *User) member(room, change string, who *User, reason string) {
	u.s.t.Helper()
	body := map[string]any{"user_id": who.ID}
	if reason != "" {
		body["reason"] = reason
	}
	u.must(http.MethodPost, roomPath(room)+"/"+change, body, nil)
}

// Join joins a room.
func (u *User) Join(room string) {
	u.s.t.Helper()
	u.must(http.MethodPost, client+"/join/"+url.PathEscape(room), map[string]any{}, nil)
}

// Leave leaves a room.
func (u *User) Leave(room string) {
	u.s.t.Helper()
	u.must(http.MethodPost, roomPath(room)+"/leave", map[string]any{}, nil)
}

// SetState sets a state of a room whose key is "".
func (u *User) SetState(room, kind string, content map[string]any) {
	u.s.t.Helper()
	u.must(http.MethodPut, roomPath(room)+"/state/"+kind, content, nil)
}

// State gives a state of a room whose key is "".
func (u *User) State(room, kind string) (content map[string]any) {
	u.s.t.Helper()
	u.must(http.MethodGet, roomPath(room)+"/state/"+kind, nil, &content)
	return content
}

// SetLevel sets the level that a message needs.
func (u *User) SetLevel(room string, level int) {
	u.s.t.Helper()
	levels := u.State(room, "m.room.power_levels")
	levels["events_default"] = level
	u.SetState(room, "m.room.power_levels", levels)
}

// SetAlias has an alias lead to a room, whatever it led to.
func (u *User) SetAlias(alias, room string) {
	u.s.t.Helper()
	path := client + "/directory/room/" + url.PathEscape(alias)
	_, _, _ = u.Do(http.MethodDelete, path, nil)
	u.must(http.MethodPut, path, map[string]any{"room_id": room}, nil)
}

// Redact takes the content of an event away.
func (u *User) Redact(room, event string) {
	u.s.t.Helper()
	u.must(http.MethodPut, roomPath(room)+"/redact/"+url.PathEscape(event)+"/"+random(), map[string]any{}, nil)
}

// Event is an event of a room's history.
type Event struct {
	ID       string `json:"event_id"`
	Type     string `json:"type"`
	Sender   string `json:"sender"`
	Time     int64  `json:"origin_server_ts"` // milliseconds
	Content  map[string]any
	Unsigned map[string]any
}

// Say sends a text.
func (u *User) Say(room, text string) {
	u.s.t.Helper()
	u.must(http.MethodPut, roomPath(room)+"/send/m.room.message/"+random(), map[string]any{"msgtype": "m.text", "body": text}, nil)
}

// Messages gives all messages of a room that the user is in, oldest first. The server shows some events only a while after it has
// taken them, so a mark is sent first, and waited for: all that was taken before is shown then.
func (u *User) Messages(room string) []Event {
	u.s.t.Helper()
	events, ok := u.messagesWithin(room, patience)
	if !ok {
		u.s.t.Fatal("the server does not show what it took")
	}
	return events
}

// Mend makes sure that the server, which was killed, shows in a room what it takes, and reports whether that was to be mended. After a kill
// its queue (JetStream) may count from 1 again while those who read it wait for a higher number ("ack floor is ahead of stream's last
// sequence"): nothing is shown any more, whatever is restarted, until the queue is made anew.
func (u *User) Mend(room string) (mended bool) {
	u.s.t.Helper()
	for range 3 {
		if _, ok := u.messagesWithin(room, 10*time.Second); ok {
			return mended
		}
		u.s.Stop()
		if err := os.RemoveAll(filepath.Join(u.s.dir, "js")); err != nil {
			u.s.t.Fatal(err)
		}
		u.s.Begin()
		mended = true
	}
	u.s.t.Fatal("the server shows nothing any more")
	return mended
}

func (u *User) messagesWithin(room string, patience time.Duration) (events []Event, ok bool) {
	u.s.t.Helper()
	var mark struct {
		EventID string `json:"event_id"`
	}
	u.must(http.MethodPut, roomPath(room)+"/send/test.mark/"+random(), map[string]any{}, &mark)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); ; {
		if events, ok := u.messages(room, mark.EventID); ok {
			return events, true
		}
		select {
		case <-tick.C:
		case <-end:
			return nil, false
		}
	}
}

// messages gives what is shown now, and whether the mark is.
func (u *User) messages(room, mark string) (events []Event, marked bool) {
	u.s.t.Helper()
	from := ""
	for {
		var page struct {
			Chunk []Event
			End   string
		}
		u.must(http.MethodGet, roomPath(room)+"/messages?dir=b&limit=100"+from, nil, &page)
		for _, e := range page.Chunk {
			marked = marked || e.ID == mark
			if e.Type == "m.room.message" || e.Type == "m.room.encrypted" {
				events = append(events, e)
			}
		}
		if page.End == "" || len(page.Chunk) == 0 {
			slices.Reverse(events)
			return events, marked
		}
		from = "&from=" + url.QueryEscape(page.End)
	}
}

// Download gives the bytes of a media, an mxc address, and their type.
func (u *User) Download(mxc string) (content []byte, mime string) {
	u.s.t.Helper()
	status, header, body := u.Do(http.MethodGet, "/_matrix/client/v1/media/download/"+strings.TrimPrefix(mxc, "mxc://"), nil)
	if status != http.StatusOK {
		u.s.t.Fatalf("downloading %s: %d %s", mxc, status, body)
	}
	return body, header.Get("Content-Type")
}

func roomPath(room string) string { return client + "/rooms/" + url.PathEscape(room) }

func random() string { return rand.Text() }

// must makes a call that has to succeed, and decodes its answer.
func (u *User) must(method, path string, body, into any) {
	u.s.t.Helper()
	status, _, got := u.Do(method, path, body)
	if status/100 != 2 {
		u.s.t.Fatalf("%s %s: %d %s", method, path, status, got)
	}
	if into != nil {
		if err := json.Unmarshal(got, into); err != nil {
			u.s.t.Fatalf("%s %s: %v: %s", method, path, err, got)
		}
	}
}

// Do makes a call as the user. body may be nil.
func (u *User) Do(method, path string, body any) (status int, header http.Header, answer []byte) {
	u.s.t.Helper()
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			u.s.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, u.s.URL+path, &content)
	if err != nil {
		u.s.t.Fatal(err)
	}
	if u.Token != "" {
		req.Header.Set("Authorization", "Bearer "+u.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		u.s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		u.s.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, answer
}
