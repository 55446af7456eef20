package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"kaizala-drop/internal/matrix/dendritetest"
	"kaizala-drop/internal/samples"
)

// TestMatrixPosts: every kind of file that Kaizala takes, and a dozen that it does not, dropped into two folders, comes to the room of its
// folder and to no other, and somebody else reads it back byte for byte, with its name, its type, its size and its caption.
func TestMatrixPosts(t *testing.T) {
	t.Parallel()
	w := newMatrixWorld(t, dendritetest.Options{}, "plain: caption = \"from {{.Folder}}: {{.Name}}\"\n", "plain", "bare")
	type drop struct{ content, msgtype, mime string }
	drops := map[string]drop{
		"notes.txt": {"some notes\n", "m.file", "text/plain"}, "list.csv": {"a;b\n1;2\n", "m.file", "text/csv"},
		"plan.dwg": {"AC1032 drawing", "m.file", "image/vnd.dwg"}, "logo.svg": {"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "m.file", "image/svg+xml"},
		"talk.ogg": {"OggS and more of it", "m.audio", "audio/ogg"}, "dance.gif": {"GIF89a and more of it", "m.image", "image/gif"},
		"web.webp": {"RIFF\x10\x00\x00\x00WEBPVP8 and", "m.image", "image/webp"}, "all.7z": {"7z\xbc\xaf\x27\x1c and more", "m.file", "application/x-7z-compressed"},
		"old.rar": {"Rar!\x1a\x07\x01\x00 and more", "m.file", "application/vnd.rar"}, "a.tar.gz": {"\x1f\x8b\x08 and more of it", "m.file", "application/gzip"},
		"letter.rtf": {"{\\rtf1 hello}", "m.file", "application/rtf"}, "page.html": {"<!doctype html><p>x", "m.file", "text/html"},
		"film.mkv": {"\x1a\x45\xdf\xa3 and more of it", "m.video", "video/matroska"}, "strange.xyz": {"nobody knows", "m.file", "application/octet-stream"},
		"no extension": {"nobody knows this either", "m.file", "application/octet-stream"},
	}
	for _, s := range samples.All() {
		drops[s.Name] = drop{content: string(s.Bytes)}
	}
	p := w.daemon()
	for name, d := range drops {
		w.drop("plain", name, d.content)
		w.drop("bare", name, d.content)
	}
	for _, folder := range []string{"plain", "bare"} {
		w.filed(folder, len(drops))
		events := w.shown(folder)
		if len(events) != len(drops) {
			t.Errorf("%s: %d messages of %d files", folder, len(events), len(drops))
		}
		for _, e := range events {
			name, _ := e.Content["filename"].(string)
			d, ok := drops[name]
			about, _ := e.Content["info"].(map[string]any)
			switch {
			case !ok || e.Sender != w.bot.ID:
				t.Errorf("%s: %+v is none of ours", folder, e)
			case w.sumOf(e) != digest(d.content) || about["size"] != float64(len(d.content)):
				t.Errorf("%s: %s was not read back: %v", folder, name, e.Content)
			case d.mime != "" && (about["mimetype"] != d.mime || e.Content["msgtype"] != d.msgtype):
				t.Errorf("%s: %s is shown as %v, want %+v", folder, name, e.Content, d)
			}
			if want := map[string]string{"plain": "from plain: " + name, "bare": name}[folder]; e.Content["body"] != want {
				t.Errorf("%s: the body of %s is %q", folder, name, e.Content["body"])
			}
			if about["mimetype"] == "image/jpeg" && e.Content["msgtype"] != "m.image" || about["mimetype"] == "video/mp4" && e.Content["msgtype"] != "m.video" {
				t.Errorf("%s: %v", folder, e.Content)
			}
		}
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestMatrixBesideKaizala: one daemon posts to both, each folder to its own, and an outage of the homeserver holds up nothing of Kaizala's.
func TestMatrixBesideKaizala(t *testing.T) {
	t.Parallel()
	k := newWorld(t, "", "group")
	w := newMatrixWorld(t, dendritetest.Options{}, "", "room")
	both, err := os.ReadFile(k.config)
	must(t, err)
	destination := fmt.Sprintf("[destination.chat]\ntype = \"matrix\"\nhomeserver = %q\naccess_token = %q\n[defaults]\n", w.url, w.bot.Token)
	text := strings.Replace(string(both), "[defaults]\n", destination, 1) + fmt.Sprintf("[[folder]]\npath = %q\nroom = \"#room:localhost\"\n", w.folder("room"))
	must(t, os.WriteFile(k.config, []byte(text), 0o600))
	w.server.Kill()
	p := k.daemon()
	for i := range 5 {
		w.drop("room", fmt.Sprint(i, ".txt"), fmt.Sprint("room ", i))
		must(t, os.WriteFile(k.folder("group")+fmt.Sprintf("/%d.pdf", i), fmt.Append(nil, "group ", i), 0o644))
	}
	k.filed("group", 5)
	if left := len(files(t, w.folder("room"))); left != 5 {
		t.Errorf("%d files wait for the homeserver", left)
	}
	w.server.Begin()
	w.filed("room", 5)
	if shown, posts := len(w.shown("room")), k.sandbox.Stats().Posts; shown != 5 || posts != 5 {
		t.Errorf("%d messages in the room, %d in the group", shown, posts)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestMatrixLostAnswers: of every third post the answer is lost, half of those the homeserver never had. Every file is shown once, also
// where a folder does not post again, and images that go together stay in their order.
func TestMatrixLostAnswers(t *testing.T) {
	t.Parallel()
	w := newMatrixWorld(t, dendritetest.Options{}, "hold: when_unknown = \"hold\"\nalbum: album = \"window\"\nalbum: when_unknown = \"hold\"\n", "near", "hold", "album")
	var sends atomic.Int64
	w.between(func(_ http.ResponseWriter, r *http.Request) bool {
		if n := sends.Add(1); !isSend(r) || n%3 != 0 {
			return false
		}
		w.lose(r, sends.Load()%2 == 0)
		return true
	})
	p := w.daemon()
	const each = 8
	for i := range each {
		for _, folder := range []string{"near", "hold"} {
			w.drop(folder, fmt.Sprint(i, ".txt"), fmt.Sprint(folder, " ", i))
		}
		must(t, os.WriteFile(w.folder("album")+fmt.Sprintf("/%d.gif", i), fmt.Append(nil, "GIF89a picture ", i), 0o644))
	}
	for _, folder := range []string{"near", "hold", "album"} {
		w.filed(folder, each)
		w.wantOnce(folder)
	}
	last := ""
	for _, e := range w.shown("album") {
		if name := e.Content["filename"].(string); name <= last {
			t.Errorf("%s comes after %s", name, last)
		} else {
			last = name
		}
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// wantOnce compares what a room shows with what lies in done/ of the folders that post to it.
func (w *matrixWorld) wantOnce(folders ...string) {
	w.t.Helper()
	times, events := map[string]int{}, map[string][]dendritetest.Event{}
	for _, e := range w.shown(folders[0]) {
		times[w.sumOf(e)]++
		events[w.sumOf(e)] = append(events[w.sumOf(e)], e)
	}
	for _, folder := range folders {
		for name, content := range files(w.t, w.folder(folder)) {
			if sum := digest(content); times[sum] != 1 || !strings.HasPrefix(name, "done/") {
				w.t.Errorf("%s: %s is shown %d times: %+v", folder, name, times[sum], events[sum])
			}
			delete(times, digest(content))
		}
	}
	for sum, n := range times {
		w.t.Errorf("%q: %s is shown %d times, and no file of it is in done/", folders, sum, n)
	}
}

// TestMatrixCommands: from a configuration without a token to a posted file, with what a person types; and a token that is revoked while
// the daemon runs is replaced by a login.
func TestMatrixCommands(t *testing.T) {
	t.Parallel()
	w := newMatrixWorld(t, dendritetest.Options{}, "", "in")
	text, err := os.ReadFile(w.config)
	must(t, err)
	must(t, os.WriteFile(w.config, []byte(strings.Replace(string(text), fmt.Sprintf("access_token = %q\n", w.bot.Token), "", 1)), 0o600))
	must(t, os.Mkdir(w.dir+"/state", 0o700))
	w.reconfigure("[defaults]", fmt.Sprintf("[control]\nsocket = %q\n[defaults]", w.dir+"/socket"))
	wants := func(said string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(said, want) {
				t.Errorf("%q is not in\n%s", want, said)
			}
		}
		if strings.Contains(said, w.bot.Password) {
			t.Errorf("it shows the password:\n%s", said)
		}
	}
	wants(w.says(78, "", "run"), "chat: no access token: run kaizala-drop login --config "+w.config+" chat, or set access_token")
	wants(w.says(78, "", "check", "--online"), "no access token")
	wants(w.says(78, "", "groups"), "no access token")
	wants(w.says(1, "bot\nwrong\n", "login"), "the account or its password is wrong")
	wants(w.says(1, "bot\n", "login"), "no password")
	wants(w.says(1, " \n\n", "login"), "no account was given")
	wants(w.says(1, "no token\n", "login", "--token-stdin"), "401")
	wants(w.says(0, "bot\n"+w.bot.Password+"\n", "login"), "logged in to chat as @bot:localhost")
	wants(w.says(0, "", "check", "--online"), "answers @bot:localhost, and takes files of up to 10485760 bytes", `posts to "in"`)
	wants(w.says(0, "", "groups"), "#in:localhost", "may post", w.folder("in"))
	wants(w.says(0, "", "groups", "--toml"), `room = "#in:localhost"   # in (room, may post)`)
	p := w.daemon()
	w.drop("in", "a.txt", "a")
	w.filed("in", 1)
	wants(w.says(0, "", "logout"), "the token of chat is ended")
	w.drop("in", "b.txt", "b")
	p.waitFor("or log in anew: kaizala-drop login --config ")
	wants(w.says(0, "", "status"), "cannot use the token") // refused, or seen to be gone already
	wants(w.says(0, "", "explain", w.folder("in")+"/b.txt"), "cannot use the token", "log in anew: kaizala-drop login --config ")
	wants(w.says(0, w.bot.Token+"\n", "login", "chat", "--token-stdin"), "logged in to chat as @bot:localhost")
	w.filed("in", 2)
	w.bot.LogOut() // with another client
	w.drop("in", "c.txt", "c")
	p.waitFor("M_UNKNOWN_TOKEN")
	wants(w.says(0, "", "status"), "401 Unauthorized: M_UNKNOWN_TOKEN")
	wants(w.says(0, "", "explain", w.folder("in")+"/c.txt"), "M_UNKNOWN_TOKEN", "log in anew: kaizala-drop login --config ")
	wants(w.says(0, "bot\n"+w.bot.Password+"\n", "login"), "logged in to chat as @bot:localhost")
	w.filed("in", 3)
	w.wantOnce("in")
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestMatrixOutage: while the homeserver's disk is full, a proxy in front of it has nobody to ask, or there are too many calls, files
// stay where they are, and go on by themselves; and a proxy's error after the homeserver took the post makes no second one.
func TestMatrixOutage(t *testing.T) {
	t.Parallel()
	w := newMatrixWorld(t, dendritetest.Options{}, "in: when_unknown = \"hold\"\n", "in")
	var uploads, sends atomic.Int64
	w.between(func(rw http.ResponseWriter, r *http.Request) bool {
		n, answer := int64(0), ""
		switch {
		case strings.Contains(r.URL.Path, "/upload"):
			n = uploads.Add(1)
			answer = map[int64]string{
				1: `507 {"errcode":"M_UNKNOWN","error":"no space left on device"}`, 2: "502 <html>bad gateway</html>",
				3: `429 {"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":300}`, 4: "413 <html>too large</html>", 5: "404 <html>nginx</html>",
			}[n]
		case isSend(r):
			n = sends.Add(1)
			answer = map[int64]string{1: "502 <html>bad gateway</html>", 3: `500 {"errcode":"M_UNKNOWN","error":"oh"}`, 5: "403 <html>portal</html>"}[n]
			if n == 1 || n == 3 { // and the homeserver has it
				w.forward.ServeHTTP(httptest.NewRecorder(), r)
			}
		}
		if answer == "" {
			return false
		}
		var status int
		_, _ = fmt.Sscan(answer, &status)
		rw.WriteHeader(status)
		fmt.Fprint(rw, answer[4:])
		return true
	})
	p := w.daemon()
	for i := range 5 {
		w.drop("in", fmt.Sprint(i, ".txt"), fmt.Sprint("content ", i))
	}
	w.filed("in", 5)
	w.wantOnce("in")
	if uploads.Load() < 6 || sends.Load() < 6 {
		t.Errorf("%d uploads, %d posts: nothing went wrong", uploads.Load(), sends.Load())
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
