package matrix

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/matrix/dendritetest"
	"kaizala-drop/internal/media"
)

// office is a homeserver with somebody who reads, a room, and a client of an account in it.
type office struct {
	*dendritetest.Server
	reader, bot *dendritetest.User
	room        string
	client      *Client
}

func newOffice(t *testing.T, o dendritetest.Options, change ...func(*Options)) *office {
	t.Helper()
	s := dendritetest.Start(t, o)
	f := &office{Server: s, reader: s.NewUser("reader"), bot: s.NewUser("bot")}
	f.room = f.reader.NewRoom(dendritetest.Room{Name: "Scans", Alias: "scans", Users: []*dendritetest.User{f.bot}})
	f.client = f.newClient(t, change...)
	return f
}

// never has a client post to no room that is encrypted.
func never(o *Options) { o.Encryption = Never }

func (f *office) newClient(t *testing.T, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{Homeserver: f.URL, AccessToken: f.bot.Token, Join: true}
	for _, c := range change {
		c(&o)
	}
	c, err := New(o)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

const alias = "#scans:localhost"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fileOf(name, mime, content string) destination.File {
	return destination.File{Name: name, MIME: mime, Size: int64(len(content)), Open: func() io.Reader { return strings.NewReader(content) }}
}

// fault is the *destination.Error that err must be.
func fault(t *testing.T, err error) *destination.Error {
	t.Helper()
	e, ok := errors.AsType[*destination.Error](err)
	if !ok {
		t.Fatalf("%v is no *destination.Error", err)
	}
	return e
}

// TestPost shows that files of each kind are uploaded and posted, and that somebody else reads them back byte for byte, with their
// names, types, sizes and captions, by the alias of a room and by its id.
func TestPost(t *testing.T) {
	f := newOffice(t, dendritetest.Options{})
	for i, c := range []struct {
		kind                          media.Kind
		target, name, mime, body, say string
		want                          map[string]any
	}{
		{media.Image, alias, "photo 1.jpg", "image/jpeg", "a picture", "at the door", map[string]any{"msgtype": "m.image", "body": "at the door"}},
		{media.Document, f.room, "Bericht für März & Co #1?.pdf", "application/pdf", "a text", "", map[string]any{"msgtype": "m.file", "body": "Bericht für März & Co #1?.pdf"}},
		{media.Audio, alias, "x.mp3", "audio/mpeg", "a sound", "", map[string]any{"msgtype": "m.audio", "body": "x.mp3"}},
		{media.Video, alias, "a/b/x.mp4", "video/mp4", "a film", "<b>&\n\"é\"</b>", map[string]any{"msgtype": "m.video", "filename": "x.mp4", "body": "<b>&\n\"é\"</b>"}},
		{media.Document, alias, "broken \xff\n\u202efdp.exe", "application/octet-stream", "any", "", map[string]any{"filename": "broken \ufffd\ufffd\ufffdfdp.exe"}},
	} {
		ref, err := f.client.Upload(t.Context(), c.target, []destination.File{fileOf(c.name, c.mime, c.body)})
		must(t, err)
		if n := len(f.reader.Messages(f.room)); n != i {
			t.Fatalf("%d messages after an upload, want %d", n, i)
		}
		receipt, err := f.client.Post(t.Context(), destination.Message{Target: c.target, Kind: c.kind, Ref: ref, Caption: c.say, Key: "KEY" + c.name[:1]})
		must(t, err)
		all := f.reader.Messages(f.room)
		if len(all) != i+1 {
			t.Fatalf("%d messages, want %d", len(all), i+1)
		}
		e := all[i]
		if e.ID != receipt.ID || e.Sender != f.bot.ID {
			t.Errorf("%s: event %s of %s, receipt %+v", c.name, e.ID, e.Sender, receipt)
		}
		for key, want := range c.want {
			if e.Content[key] != want {
				t.Errorf("%s: %s is %q, want %q", c.name, key, e.Content[key], want)
			}
		}
		about := e.Content["info"].(map[string]any)
		got, mime := f.reader.Download(e.Content["url"].(string))
		if string(got) != c.body || mime != c.mime || about["mimetype"] != c.mime || about["size"] != float64(len(c.body)) {
			t.Errorf("%s: read back %q, %s, %v", c.name, got, mime, about)
		}
	}
}

// TestPostAlbum shows that several pictures are an event each, in their order, the caption with the first, and that what is shown
// already is not sent again.
func TestPostAlbum(t *testing.T) {
	f := newOffice(t, dendritetest.Options{})
	ref, err := f.client.Upload(t.Context(), alias, []destination.File{fileOf("1.png", "image/png", "1"), fileOf("2.png", "image/png", "22"), fileOf("3.png", "image/png", "333")})
	must(t, err)
	m := destination.Message{Target: alias, Kind: media.Album, Ref: ref, Caption: "three", Key: "KEY"}
	receipt, err := f.client.Post(t.Context(), m)
	must(t, err)
	all := f.reader.Messages(f.room)
	var bodies, ids []string
	for _, e := range all {
		bodies, ids = append(bodies, e.Content["body"].(string)), append(ids, e.ID)
		if e.Content["msgtype"] != "m.image" {
			t.Errorf("%v", e.Content)
		}
	}
	if strings.Join(bodies, " ") != "three 2.png 3.png" || receipt.ID != strings.Join(ids, " ") {
		t.Errorf("got %q, receipt %+v", bodies, receipt)
	}
	f.Stop()
	f.Begin() // and so forget the transactions
	m.Shown = ids[:2]
	receipt, err = f.client.Post(t.Context(), m)
	must(t, err)
	if again := f.reader.Messages(f.room); len(again) != 4 || again[3].Content["body"] != "3.png" || receipt.ID != ids[0]+" "+ids[1]+" "+again[3].ID {
		t.Errorf("%d messages, receipt %+v", len(again), receipt)
	}
}

// TestRefusedRooms shows whose fault each refusal of a room is, what a person reads, that the room can be posted to once that is
// mended, and that nothing was shown before.
func TestRefusedRooms(t *testing.T) {
	f := newOffice(t, dendritetest.Options{})
	private := func(t *testing.T) string { return f.reader.NewRoom(dendritetest.Room{Name: "private"}) }
	joined := func(t *testing.T) string {
		return f.reader.NewRoom(dendritetest.Room{Name: "joined", Users: []*dendritetest.User{f.bot}})
	}
	for _, c := range []struct {
		name    string
		room    func(*testing.T) string
		change  func(room string)
		after   bool // the change comes between upload and post
		want    []string
		mend    func(room string)
		options func(*Options)
	}{
		{name: "not invited", room: private, want: []string{"@bot:localhost is not in !", "was not invited", "have it invited"},
			mend: func(room string) { f.reader.Invite(room, f.bot) }},
		{name: "invited, and join = false", room: private, change: func(room string) { f.reader.Invite(room, f.bot) }, options: func(o *Options) { o.Join = false },
			want: []string{"is invited into !", "join = false"}, mend: func(room string) { f.bot.Join(room) }},
		{name: "kicked", room: joined, change: func(room string) { f.reader.Kick(room, f.bot, "too loud") },
			want: []string{"it was removed, or left", `"too loud"`}, mend: func(room string) { f.reader.Invite(room, f.bot) }},
		{name: "kicked after the upload", room: joined, change: func(room string) { f.reader.Kick(room, f.bot, "") }, after: true,
			want: []string{"it was removed, or left. Have it invited again"}, mend: func(room string) { f.reader.Invite(room, f.bot) }},
		{name: "left", room: joined, change: func(room string) { f.bot.Leave(room) },
			want: []string{"it was removed, or left"}, mend: func(room string) { f.reader.Invite(room, f.bot) }},
		{name: "banned", room: joined, change: func(room string) { f.reader.Ban(room, f.bot, "spam") },
			want: []string{"is banned from !", `"spam"`}, mend: func(room string) { f.reader.Unban(room, f.bot); f.reader.Invite(room, f.bot) }},
		{name: "level", room: joined, change: func(room string) { f.reader.SetLevel(room, 50) }, after: true,
			want: []string{"needs the power level 50, and it has 0"}, mend: func(room string) { f.reader.SetLevel(room, 0) }},
		{name: "unknown", room: func(*testing.T) string { return "!nobody:localhost" }, want: []string{"is not in !nobody:localhost"}},
		{name: "no such alias", room: func(*testing.T) string { return "#nobody:localhost" }, want: []string{"#nobody:localhost leads to no room"}},
		{name: "no room at all", room: func(*testing.T) string { return "scans" }, want: []string{"neither #alias:server nor !id"}},
		{name: "replaced", room: joined, change: func(room string) {
			f.reader.SetState(room, "m.room.tombstone", map[string]any{"body": "moved", "replacement_room": "!new:localhost"})
		}, want: []string{"was replaced by the room !new:localhost"}},
		{name: "closed", room: joined, change: func(room string) { f.reader.SetState(room, "m.room.tombstone", map[string]any{"body": "over"}) },
			want: []string{"was closed"}},
		{name: "encrypted", room: joined, change: func(room string) {
			f.reader.SetState(room, "m.room.encryption", map[string]any{"algorithm": "m.megolm.v1.aes-sha2"})
		}, options: never, want: []string{"is encrypted", `encryption = "never"`, "nothing is sent there"}},
		{name: "not encrypted", room: joined, options: func(o *Options) { o.Encryption = Require }, want: []string{"is not encrypted", `encryption = "require"`}},
		{name: "encrypted after the upload", room: joined, change: func(room string) {
			f.reader.SetState(room, "m.room.encryption", map[string]any{"algorithm": "m.megolm.v1.aes-sha2"})
		}, options: never, after: true, want: []string{"is encrypted"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			room := c.room(t)
			client := f.client
			if c.options != nil {
				client = f.newClient(t, c.options)
			}
			post := func(between func(string)) error {
				ref, err := client.Upload(t.Context(), room, []destination.File{fileOf("a.txt", "text/plain", "x")})
				if between != nil {
					between(room)
				}
				if err == nil {
					_, err = client.Post(t.Context(), destination.Message{Target: room, Kind: media.Document, Ref: ref, Key: "KEY" + room})
				}
				return err
			}
			between := c.change
			if c.change != nil && !c.after {
				c.change(room)
				between = nil
			}
			err := post(between)
			e := fault(t, err)
			if e.Fault != destination.OfTarget || !e.Proven() || e.MayHaveActed {
				t.Errorf("got %+v", e)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			t.Log(err)
			if strings.HasPrefix(room, "!") && room != "!nobody:localhost" {
				if n := len(f.reader.Messages(room)); n != 0 {
					t.Errorf("%d messages", n)
				}
			}
			if c.mend != nil {
				c.mend(room)
				must(t, post(nil))
				if n := len(f.reader.Messages(room)); n != 1 {
					t.Errorf("%d messages after it was mended", n)
				}
			}
		})
	}
}

// TestAliasMoves shows that what is uploaded for one room is not posted in the one that its address leads to by now, that the address
// is asked again where the old room was replaced, and that the post then goes to the new one.
func TestAliasMoves(t *testing.T) {
	f := newOffice(t, dendritetest.Options{})
	files := []destination.File{fileOf("a.txt", "text/plain", "x")}
	ref, err := f.client.Upload(t.Context(), alias, files)
	must(t, err)
	next := f.reader.NewRoom(dendritetest.Room{Name: "new", Users: []*dendritetest.User{f.bot}})
	f.reader.SetState(f.room, "m.room.tombstone", map[string]any{"replacement_room": next})
	f.reader.SetAlias(alias, next)
	f.reader.SetLevel(f.room, 50)
	if _, err = f.client.Post(t.Context(), destination.Message{Target: alias, Kind: media.Document, Ref: ref, Key: "K"}); fault(t, err).Fault != destination.OfTarget {
		t.Errorf("got %v", err)
	}
	_, err = f.client.Post(t.Context(), destination.Message{Target: alias, Kind: media.Document, Ref: ref, Key: "K"})
	if e := fault(t, err); !e.Stale || e.MayHaveActed {
		t.Errorf("got %+v", e)
	}
	ref, err = f.client.Upload(t.Context(), alias, files)
	must(t, err)
	_, err = f.client.Post(t.Context(), destination.Message{Target: alias, Kind: media.Document, Ref: ref, Key: "K"})
	must(t, err)
	if old, now := len(f.reader.Messages(f.room)), len(f.reader.Messages(next)); old != 0 || now != 1 {
		t.Errorf("%d messages in the old room, %d in the new one", old, now)
	}
}

// TestUploadLimit shows that a file that is larger than the server allows is refused before a byte of it is read, that the largest one
// passes, and that files which are of no use are refused here, since the server takes them.
func TestUploadLimit(t *testing.T) {
	const most = 1000
	f := newOffice(t, dendritetest.Options{MaxUpload: most})
	if _, err := f.client.Upload(t.Context(), alias, []destination.File{fileOf("a.bin", "application/octet-stream", strings.Repeat("x", most))}); err != nil {
		t.Error(err)
	}
	unread := func(size int64, mime string) destination.File {
		return destination.File{Name: "a.bin", MIME: mime, Size: size, Open: func() io.Reader { t.Error("read"); return strings.NewReader("") }}
	}
	for _, file := range []destination.File{unread(most+1, "application/octet-stream"), unread(0, "application/octet-stream"), unread(1, ""), unread(1, "a\nb")} {
		_, err := f.client.Upload(t.Context(), alias, []destination.File{fileOf("first.txt", "text/plain", "x"), file})
		if e := fault(t, err); e.Fault != destination.OfFile || !e.Proven() {
			t.Errorf("%d bytes of %q: %+v", file.Size, file.MIME, e)
		}
		if file.Size > most {
			e := fault(t, err)
			if want := "it has 1001 bytes, and the homeserver takes at most 1000"; e.Reason != want || !e.Same {
				t.Errorf("got %+v", e)
			}
		}
	}
}

// TestTornFile shows that a file which is not what it was is never uploaded whole, and that it is not the network's fault.
func TestTornFile(t *testing.T) {
	f := newOffice(t, dendritetest.Options{})
	for _, content := range []string{"short", strings.Repeat("long", 1000)} {
		torn := destination.File{Name: "a.txt", MIME: "text/plain", Size: 100, Open: func() io.Reader { return strings.NewReader(content) }}
		_, err := f.client.Upload(t.Context(), alias, []destination.File{torn})
		if e := fault(t, err); e.Fault != destination.OfContent {
			t.Errorf("got %+v", e)
		}
	}
}

// TestMemory shows that an upload of many megabytes streams.
func TestMemory(t *testing.T) {
	const size = 64 << 20
	f := newOffice(t, dendritetest.Options{MaxUpload: size})
	pattern := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	file := destination.File{Name: "a.bin", MIME: "application/octet-stream", Size: size, Open: func() io.Reader { return io.LimitReader(&endless{pattern: pattern}, size) }}
	if allocated := testing.AllocsPerRun(1, func() {
		if _, err := f.client.Upload(t.Context(), alias, []destination.File{file}); err != nil {
			t.Error(err)
		}
	}); allocated > 10_000 {
		t.Errorf("%v allocations for %d MiB", allocated, size>>20)
	}
}

type endless struct {
	pattern []byte
	at      int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.pattern[e.at:])
	e.at = (e.at + n) % len(e.pattern)
	return n, nil
}

// TestTokens shows that a token which is refused is said to be, with what to do, and that one of another account is not used.
func TestTokens(t *testing.T) {
	f := newOffice(t, dendritetest.Options{})
	if me, err := f.client.WhoAmI(t.Context()); err != nil || me != f.bot.ID {
		t.Errorf("got %s, %v", me, err)
	}
	other := f.newClient(t, func(o *Options) { o.User = "@somebody:localhost" })
	if _, err := other.WhoAmI(t.Context()); err == nil || !strings.Contains(err.Error(), "the token belongs to @bot:localhost, and user says @somebody:localhost") {
		t.Errorf("got %v", err)
	}
	ref, err := f.client.Upload(t.Context(), alias, []destination.File{fileOf("a.txt", "text/plain", "x")})
	must(t, err)
	if _, err := other.Upload(t.Context(), alias, []destination.File{fileOf("a.txt", "text/plain", "x")}); fault(t, err).Fault != destination.OfAccess {
		t.Errorf("got %v", err)
	}
	if _, err := other.Post(t.Context(), destination.Message{Target: alias, Kind: media.Document, Ref: ref, Key: "K"}); fault(t, err).Fault != destination.OfAccess {
		t.Errorf("got %v", err)
	}
	token := f.bot.Token
	f.bot.LogOut()
	_, err = f.client.Upload(t.Context(), alias, []destination.File{fileOf("a.txt", "text/plain", "x")})
	e := fault(t, err)
	if e.Fault != destination.OfAccess || !e.Spoken || !strings.Contains(e.Advice, "kaizala-drop login matrix") || strings.Contains(err.Error(), token) {
		t.Errorf("got %+v", e)
	}
}

// TestTooManyCalls shows that a homeserver that has had too many calls is understood although it sends no Retry-After.
func TestTooManyCalls(t *testing.T) {
	var asked []time.Duration
	f := newOffice(t, dendritetest.Options{RateLimit: true, Slots: 40, Cooloff: time.Minute}, func(o *Options) {
		o.OnThrottled = func(d time.Duration) { asked = append(asked, d) }
	})
	for range 100 {
		_, err := f.client.Upload(t.Context(), f.room, []destination.File{fileOf("a.txt", "text/plain", "x")})
		if err == nil {
			continue
		}
		e := fault(t, err)
		if e.Fault != destination.OfTraffic || e.RetryAfter <= 0 || e.RetryAfter > time.Minute || len(asked) != 1 || asked[0] != e.RetryAfter {
			t.Errorf("got %+v, asked %v", e, asked)
		}
		return
	}
	t.Error("100 uploads were not too many")
}

// TestServerGone shows that nothing that has not left is in doubt, and that the end of a context is the caller's own.
func TestServerGone(t *testing.T) {
	f := newOffice(t, dendritetest.Options{})
	ref, err := f.client.Upload(t.Context(), alias, []destination.File{fileOf("a.txt", "text/plain", "x")})
	must(t, err)
	f.Kill()
	_, err = f.client.Post(t.Context(), destination.Message{Target: alias, Kind: media.Document, Ref: ref, Key: "K"})
	if e := fault(t, err); e.Fault != destination.OfDestination || e.MayHaveActed || e.Answered {
		t.Errorf("got %+v", e)
	}
	f.Begin()
	ended, end := context.WithCancel(t.Context())
	end()
	_, err = f.client.Post(ended, destination.Message{Target: alias, Kind: media.Document, Ref: ref, Key: "K"})
	if e := fault(t, err); !errors.Is(err, context.Canceled) || e.MayHaveActed {
		t.Errorf("got %+v", e)
	}
	if n := len(f.reader.Messages(f.room)); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// TestRooms shows which rooms are listed, with what is to be known of each, and that looking at one enters none.
func TestRooms(t *testing.T) {
	f := newOffice(t, dendritetest.Options{}, never)
	secret := f.reader.NewRoom(dendritetest.Room{Name: "secret", Users: []*dendritetest.User{f.bot}, State: map[string]map[string]any{
		"m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
	}})
	quiet := f.reader.NewRoom(dendritetest.Room{Name: "quiet", Users: []*dendritetest.User{f.bot}})
	f.reader.SetLevel(quiet, 50)
	invited := f.reader.NewRoom(dendritetest.Room{Name: "come in"})
	f.reader.Invite(invited, f.bot)
	f.reader.SetState(f.room, "m.room.canonical_alias", map[string]any{"alias": alias})
	other := f.reader.NewRoom(dendritetest.Room{Name: "other"})
	rooms, err := f.client.Rooms(t.Context())
	must(t, err)
	want := []Room{
		{ID: f.room, Alias: alias, Name: "Scans"}, {ID: invited, Name: "come in", Invited: true},
		{ID: quiet, Name: "quiet", Trouble: "may not post"}, {ID: secret, Name: "secret", Encrypted: true, Trouble: "is encrypted"},
	}
	if len(rooms) != len(want) {
		t.Fatalf("got %+v", rooms)
	}
	same := func(got, want Room) {
		t.Helper()
		if !strings.Contains(got.Trouble, want.Trouble) || (got.Trouble == "") != (want.Trouble == "") {
			t.Errorf("got %+v, want %+v", got, want)
		}
		got.Trouble, want.Trouble = "", ""
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	for i := range rooms {
		same(rooms[i], want[i])
	}
	for target, want := range map[string]Room{
		alias: want[0], invited: {ID: invited, Invited: true}, secret: want[3], "#nobody:localhost": {Trouble: "leads to no room"}, other: {ID: other, Trouble: "was not invited"},
	} {
		got, err := f.client.Look(t.Context(), target)
		must(t, err)
		same(got, want)
	}
	if rooms, err := f.client.Rooms(t.Context()); err != nil || len(rooms) != len(want) || !rooms[1].Invited {
		t.Errorf("got %+v, %v", rooms, err)
	}
}
