//go:build goolm

package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/matrix/dendritetest"
	"kaizala-drop/internal/matrix/e2ee/e2eetest"
	"kaizala-drop/internal/matrix/elementtest"
)

// sealedWorld is a world whose rooms are encrypted. Its bot logs in by "login", and two devices of Element's code read: one of them
// excludes insecure devices.
type sealedWorld struct {
	*matrixWorld
	recovery string // the bot's recovery key
	open     *elementtest.Reader
	strict   *elementtest.Reader
}

func newSealedWorld(t testing.TB, o dendritetest.Options, settings string, folders ...string) *sealedWorld {
	t.Helper()
	w := &sealedWorld{matrixWorld: newMatrixWorld(t, o, settings, folders...)}
	must(t, os.MkdirAll(w.dir+"/state", 0o700))
	w.reconfigure(fmt.Sprintf("access_token = %q\n", w.bot.Token), "")
	w.reconfigure("[defaults]", fmt.Sprintf("[control]\nsocket = %q\n[defaults]", w.dir+"/control.sock"))
	strict := w.server.NewUser("strict")
	for _, room := range w.rooms {
		w.reader.Invite(room, strict)
		strict.Join(room)
		w.reader.SetState(room, "m.room.encryption", map[string]any{"algorithm": "m.megolm.v1.aes-sha2"})
	}
	w.open = elementtest.Start(t, w.server, w.reader, elementtest.Options{})
	w.strict = elementtest.Start(t, w.server, strict, elementtest.Options{SignedOnly: true})
	w.open.MakeIdentity()
	w.strict.MakeIdentity()
	return w
}

// logIn logs the bot in as somebody does who has what the homeserver knows: a password, and after the first time the recovery key.
func (w *sealedWorld) logIn() (said string) {
	w.t.Helper()
	answers := "bot\n" + w.bot.Password + "\n"
	if w.recovery != "" {
		answers += w.recovery + "\n"
	}
	said = w.says(0, answers, "login", "chat")
	if key := regexp.MustCompile(`(?m)^    (E\S+(?: \S+)+)$`).FindStringSubmatch(said); key != nil {
		if w.recovery != "" {
			w.t.Errorf("another recovery key was made:\n%s", said)
		}
		w.recovery = key[1]
	}
	return said
}

// readBy has a reader read all that a folder's room shows, and gives the content of each file by its name. Each must be read without a shield.
func (w *sealedWorld) readBy(r *elementtest.Reader, folder string) map[string][]byte {
	w.t.Helper()
	read := map[string][]byte{}
	for _, e := range w.shown(folder) {
		if e.Sender != w.bot.ID {
			continue
		}
		got := r.Read(w.rooms[folder], e.ID)
		if e.Type != "m.room.encrypted" || got.Failure != "" || got.Shield != "NONE" {
			w.t.Errorf("%s sees of %s, which is %s: failure %q, shield %s %s", r.User.ID, e.ID, e.Type, got.Failure, got.Shield, got.Reason)
			continue
		}
		name, _ := got.Content["filename"].(string)
		if _, twice := read[name]; twice {
			w.t.Errorf("%s sees %q twice", r.User.ID, name)
		}
		read[name] = r.Fetch(got.Content["file"]).Bytes
	}
	return read
}

// TestMatrixSealed: somebody logs in, keeps the recovery key, and drops files; two readers, of whom one excludes insecure devices, read them
// all, pictures with their small ones, and the homeserver has neither names nor bytes in the clear.
func TestMatrixSealed(t *testing.T) {
	t.Parallel()
	w := newSealedWorld(t, dendritetest.Options{}, "", "in")
	said := w.logIn()
	if w.recovery == "" || !strings.Contains(said, "is verified") {
		t.Fatalf("login said:\n%s", said)
	}
	if said := w.says(0, "", "check", "--online"); !strings.Contains(said, ", encrypted") || !strings.Contains(said, "is verified") {
		t.Errorf("check said:\n%s", said)
	}
	p := w.daemon()
	want := map[string][]byte{"Bericht März.pdf": []byte("%PDF-1.4\nsecret words\n%%EOF\n"), "notes.txt": []byte("secret words too"),
		"photo.jpg": photograph(t, rand.New(rand.NewPCG(1, 2)))}
	for name, content := range want {
		w.drop("in", name, string(content))
	}
	w.filed("in", len(want))
	for _, r := range []*elementtest.Reader{w.open, w.strict} {
		read := w.readBy(r, "in")
		for name, content := range want {
			if !bytes.Equal(read[name], content) {
				t.Errorf("%s: %s has %d bytes, and not its own %d", r.User.ID, name, len(read[name]), len(content))
			}
		}
	}
	for _, e := range w.shown("in") {
		text, err := json.Marshal(e)
		must(t, err)
		if bytes.Contains(text, []byte("Bericht")) || bytes.Contains(text, []byte("photo")) || !bytes.Contains(text, []byte(`"kaizala-drop.key"`)) {
			t.Errorf("the homeserver has %s", text)
		}
	}
	if said := w.says(0, "", "status"); strings.Contains(said, "!") {
		t.Errorf("status said:\n%s", said)
	}

	w.mu.Lock()
	w.calls = nil
	w.mu.Unlock()
	w.drop("in", "one more.txt", "one more")
	w.filed("in", len(want)+1)
	w.mu.Lock()
	calls := slices.Clone(w.calls)
	w.mu.Unlock()
	if len(calls) != 3 || !strings.Contains(calls[0], "/upload") || !strings.Contains(calls[1], "/sync") || !strings.Contains(calls[2], "/send/m.room.encrypted/") {
		t.Errorf("one more file took these calls:\n%s", strings.Join(calls, "\n"))
	}
	p.stop()
}

// TestMatrixUnverified: a device that the account has not signed posts, as Element does; who excludes such devices reads nothing, "check" and
// "status" say so and what to do, and after a login with the recovery key all is read, while the daemon goes on.
func TestMatrixUnverified(t *testing.T) {
	t.Parallel()
	w := newSealedWorld(t, dendritetest.Options{}, "", "in")
	w.bot.LogIn("")
	first := elementtest.Start(t, w.server, w.bot, elementtest.Options{})
	w.recovery = ""
	key := first.MakeIdentity()

	said := w.logIn()
	if !strings.Contains(said, "is not verified") || !strings.Contains(said, "recovery key") {
		t.Errorf("login without a recovery key said:\n%s", said)
	}
	w.daemon()
	w.drop("in", "one.txt", "one")
	w.filed("in", 1)
	one := w.shown("in")[0].ID
	if e := w.open.Read(w.rooms["in"], one); e.Shield != "RED" || e.Reason != "UNSIGNED_DEVICE" {
		t.Errorf("of an unverified device: %+v", e)
	}
	if e := w.strict.ReadNow(w.rooms["in"], one); e.Failure == "" {
		t.Errorf("who excludes unverified devices sees %+v", e)
	}
	eventually(t, func() error {
		if said := w.says(0, "", "status"); !strings.Contains(said, "! chat: device ") || !strings.Contains(said, "give the account's recovery key") {
			return fmt.Errorf("status said:\n%s", said)
		}
		return nil
	})
	if said := w.says(0, "", "check", "--online"); !strings.Contains(said, "warning  chat: device ") || !strings.Contains(said, "is not verified") {
		t.Errorf("check said:\n%s", said)
	}

	w.recovery = "EsTc this is another one"
	if said := w.says(1, "bot\n"+w.bot.Password+"\n"+w.recovery+"\n", "login", "chat"); !strings.Contains(said, "not the account's recovery key") {
		t.Errorf("with a wrong recovery key login said:\n%s", said)
	}
	w.recovery = key
	if said := w.logIn(); !strings.Contains(said, "is verified") {
		t.Errorf("login said:\n%s", said)
	}
	w.drop("in", "two.txt", "two")
	w.filed("in", 2)
	all := w.shown("in")
	for _, r := range []*elementtest.Reader{w.open, w.strict} {
		if e := r.Read(w.rooms["in"], all[1].ID); e.Failure != "" || e.Shield != "NONE" {
			t.Errorf("after the login %s sees %+v", r.User.ID, e)
		}
	}
	eventually(t, func() error {
		if said := w.says(0, "", "status"); strings.Contains(said, "!") {
			return fmt.Errorf("status said:\n%s", said)
		}
		return nil
	})
}

// TestMatrixBlind: somebody in the room none of whose devices is verified reads nothing; status and the log name them, and what to do; once
// a device of theirs is verified, what is posted is read, and nothing needs a person.
func TestMatrixBlind(t *testing.T) {
	t.Parallel()
	w := newSealedWorld(t, dendritetest.Options{}, "", "in")
	w.logIn()
	bob := w.server.NewUser("bob")
	w.reader.Invite(w.rooms["in"], bob)
	bob.Join(w.rooms["in"])
	blind := elementtest.Start(t, w.server, bob, elementtest.Options{})
	p := w.daemon()
	w.drop("in", "one.txt", "one")
	w.filed("in", 1)
	if e := blind.ReadNow(w.rooms["in"], w.shown("in")[0].ID); e.Failure == "" {
		t.Errorf("with an unverified device: %+v", e)
	}
	p.waitFor("these devices cannot read")
	if said := w.says(0, "", "status"); !strings.Contains(said, "! chat: @bob:localhost cannot read what is posted in #in:localhost") || !strings.Contains(said, "have them verify a device") {
		t.Errorf("status said:\n%s", said)
	}
	blind.MakeIdentity()
	w.drop("in", "two.txt", "two")
	w.filed("in", 2)
	if e := blind.Read(w.rooms["in"], w.shown("in")[1].ID); e.Failure != "" || e.Shield != "NONE" {
		t.Errorf("with a verified device: %+v", e)
	}
	if said := w.says(0, "", "status"); strings.Contains(said, "!") {
		t.Errorf("status said:\n%s", said)
	}
	p.stop()
}

// TestMatrixSealedCopy: a state directory that was copied away, used on, and put back posts nothing, and says what to do; after a login with
// the recovery key all goes on, and all is read.
func TestMatrixSealedCopy(t *testing.T) {
	t.Parallel()
	w := newSealedWorld(t, dendritetest.Options{}, "", "in")
	w.logIn()
	p := w.daemon()
	w.drop("in", "1.txt", "1")
	w.filed("in", 1)
	p.stop()
	copied := w.dir + "/copy"
	copyAll(t, w.dir+"/state", copied)

	p = w.daemon()
	w.drop("in", "2.txt", "2")
	w.filed("in", 2)
	p.stop()
	must(t, os.RemoveAll(w.dir+"/state"))
	must(t, os.Rename(copied, w.dir+"/state"))

	p = w.daemon()
	w.drop("in", "3.txt", "3")
	p.waitFor("put back from a copy")
	p.waitFor("kaizala-drop login --config")
	if n := len(w.shown("in")); n != 2 {
		t.Errorf("%d messages while the state is a copy", n)
	}
	w.logIn()
	w.filed("in", 3)
	for _, r := range []*elementtest.Reader{w.open, w.strict} {
		if read := w.readBy(r, "in"); len(read) != 3 || string(read["1.txt"])+string(read["2.txt"])+string(read["3.txt"]) != "123" {
			t.Errorf("%s reads %q", r.User.ID, read)
		}
	}
	p.stop()
}

// TestMatrixSealedTwice: of two copies of a state directory whose daemons are started side by side, one posts and the other one stops, and says
// what to do; all that is shown is read.
func TestMatrixSealedTwice(t *testing.T) {
	t.Parallel()
	w := newSealedWorld(t, dendritetest.Options{}, "", "in", "beside")
	w.logIn()
	p := w.daemon()
	w.drop("in", "first.txt", "first")
	w.filed("in", 1)
	p.stop()

	one, err := os.ReadFile(w.config)
	must(t, err)
	copyAll(t, w.dir+"/state", w.dir+"/other")
	both := []string{w.config, w.dir + "/other.toml"}
	sections := strings.Split(string(one), "[[folder]]")
	for i, folder := range sections[1:] {
		text := sections[0] + "[[folder]]" + folder
		if i == 1 {
			text = strings.NewReplacer(w.dir+"/state", w.dir+"/other", w.dir+"/control.sock", w.dir+"/other.sock").Replace(text)
		}
		must(t, os.WriteFile(both[i], []byte(text), 0o600))
	}
	w.drop("in", "in.txt", "in")
	w.drop("beside", "beside.txt", "beside")
	var all []*process
	for _, config := range both {
		cmd := exec.Command(os.Args[0], "run", "--config", config)
		cmd.Env = append(os.Environ(), runMain+"=1")
		all = append(all, startProcess(t, cmd))
	}
	eventually(t, func() error {
		stopped, posted := 0, len(w.shown("in"))+len(w.shown("beside"))
		for _, p := range all {
			if strings.Contains(p.log(), "put back from a copy, or is used by a copy") {
				stopped++
			}
		}
		if stopped != 1 || posted != 2 {
			return fmt.Errorf("%d stopped, and %d messages are there", stopped, posted)
		}
		return nil
	})
	for _, folder := range []string{"in", "beside"} {
		for _, r := range []*elementtest.Reader{w.open, w.strict} {
			w.readBy(r, folder)
		}
	}
}

// TestMatrixBecomesSealed: a room that becomes encrypted while a file is on its way to it gets the file encrypted, and those who are in it read
// it.
func TestMatrixBecomesSealed(t *testing.T) {
	t.Parallel()
	w := newSealedWorld(t, dendritetest.Options{}, "", "in")
	late := w.reader.NewRoom(dendritetest.Room{Name: "late", Users: []*dendritetest.User{w.bot, w.strict.User}})
	w.reconfigure("#in:localhost", late)
	w.rooms["in"] = late
	w.logIn()
	uploads := 0
	w.between(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/upload") {
			return false
		}
		w.forward.ServeHTTP(rw, r)
		if uploads++; uploads == 1 {
			w.reader.SetState(late, "m.room.encryption", map[string]any{"algorithm": "m.megolm.v1.aes-sha2"})
		}
		return true
	})
	p := w.daemon()
	w.drop("in", "1.txt", "one")
	w.filed("in", 1)
	for _, r := range []*elementtest.Reader{w.open, w.strict} {
		if read := w.readBy(r, "in"); string(read["1.txt"]) != "one" {
			t.Errorf("%s reads %q", r.User.ID, read)
		}
	}
	p.stop()
	if uploads != 2 {
		t.Errorf("%d uploads", uploads)
	}
}

func copyAll(t testing.TB, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// sealedCrash is a sealed world whose daemon does not live long.
type sealedCrash struct {
	*sealedWorld
	mautrix *e2eetest.Reader
	folders []string
	random  *rand.Rand
	number  map[string]int // of files, by folder
}

func newSealedCrash(t *testing.T, shownWithin string) *sealedCrash {
	t.Helper()
	c := &sealedCrash{folders: strings.Fields("a b c d e f"), random: rand.New(rand.NewPCG(firstSeed(t), 3)), number: map[string]int{}}
	c.sealedWorld = newSealedWorld(t, dendritetest.Options{}, "", c.folders...)
	c.reconfigure(`shown_within = "0s"`, fmt.Sprintf("shown_within = %q", shownWithin))
	c.logIn()
	third := c.server.NewUser("third")
	for _, room := range c.rooms {
		c.reader.Invite(room, third)
		third.Join(room)
	}
	c.mautrix = e2eetest.New(t, c.server, third)
	c.mautrix.MakeIdentity()
	return c
}

// live drops two files, and kills a daemon at a random moment after it has had the time that the guard takes at a start.
func (c *sealedCrash) live() {
	c.t.Helper()
	for range 2 {
		folder := c.folders[c.random.IntN(len(c.folders))]
		c.number[folder]++
		c.drop(folder, fmt.Sprintf("%04d.txt", c.number[folder]), fmt.Sprint("file ", c.number[folder], " of ", folder))
	}
	p := c.start("run")
	time.Sleep(1500*time.Millisecond + time.Duration(c.random.IntN(2500))*time.Millisecond) // the moment of the kill
	must(c.t, p.Process.Kill())
	p.wait()
}

// settle lets a daemon live until all is filed. Posts in doubt wait for shown_within.
func (c *sealedCrash) settle(patience time.Duration) {
	c.t.Helper()
	p := c.daemon()
	end := time.Now().Add(patience)
	eventually(c.t, func() error {
		for _, folder := range c.folders {
			if done := len(files(c.t, c.folder(folder)+"/done")); done != c.number[folder] {
				err := fmt.Errorf("%d of %d files of %s are filed", done, c.number[folder], folder)
				if time.Now().Before(end) {
					err = fmt.Errorf("%w, with %s left", err, time.Until(end).Round(time.Second)) // another text each time: go on waiting
				}
				return err
			}
		}
		return nil
	})
	p.stop()
}

// wantOnce fails the test unless each reader reads each file once.
func (c *sealedCrash) wantOnce() {
	c.t.Helper()
	all := 0
	for _, folder := range c.folders {
		n := c.number[folder]
		all += n
		for _, r := range []*elementtest.Reader{c.open, c.strict} {
			if read := c.readBy(r, folder); len(read) != n {
				c.t.Errorf("%s reads %d files of %s, and not %d", r.User.ID, len(read), folder, n)
			}
		}
		names := map[any]bool{}
		for _, m := range c.mautrix.Await(c.rooms[folder], n, nil) {
			if names[m.Content["filename"]] = true; !m.Trusted {
				c.t.Errorf("mautrix does not trust the sender of %v", m.Content["filename"])
			}
		}
		if len(names) != n {
			c.t.Errorf("mautrix reads %d files of %s, and not %d", len(names), folder, n)
		}
	}
	c.t.Logf("%d files", all)
}

// TestMatrixSealedCrash kills the daemon at random, while files are posted to encrypted rooms: each is shown once, and read by Element's code,
// also where it excludes insecure devices, and by mautrix.
func TestMatrixSealedCrash(t *testing.T) {
	t.Parallel()
	c := newSealedCrash(t, "15s") // a busy homeserver may still work on a call of a daemon that was killed
	rounds, kills := 1, 4
	if thorough() {
		rounds, kills = 7, 12
	}
	for range rounds {
		for range kills {
			c.live()
		}
		c.settle(time.Minute)
	}
	c.wantOnce()
	t.Logf("%d kills", rounds*kills)
}

// TestMatrixSealedServerKilled kills the homeserver together with the daemon: what it shows only minutes later is not posted again, and all is
// read.
func TestMatrixSealedServerKilled(t *testing.T) {
	t.Parallel()
	takesLong(t)
	if raceEnabled {
		t.Skip("it waits for the homeserver: the race detector would see nothing new")
	}
	c := newSealedCrash(t, "6m")
	const kills = 25
	for range kills {
		c.live()
		c.server.Kill()
		c.server.Begin()
		c.reader.Mend(c.rooms["a"])
	}
	c.settle(15 * time.Minute)
	c.wantOnce()
	t.Logf("%d kills", kills)
}

// TestMatrixSealedHugeFile: 300 MiB in CI are encrypted on their way to the homeserver within 32 MiB of memory, and what a reader decrypts is
// the same.
func TestMatrixSealedHugeFile(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("it takes minutes with the race detector, and tells nothing about memory")
	}
	size := int64(volume(300<<20)) &^ 7
	w := newSealedWorld(t, dendritetest.Options{MaxUpload: size}, "", "in")
	w.reconfigure(w.url, w.server.URL) // the proxy only costs time
	w.logIn()
	want := makeHuge(t, w.folder("in")+"/huge.bin", size)
	p := startProcess(t, exec.Command(buildProgram(t), "run", "--config", w.config))
	w.filedAs(p, "in", "huge.bin")
	e := w.open.Read(w.rooms["in"], w.shown("in")[0].ID)
	text, err := json.Marshal(e.Content["file"])
	must(t, err)
	var file struct {
		URL, IV string
		Key     struct{ K string }
	}
	must(t, json.Unmarshal(text, &file))
	key, err := base64.RawURLEncoding.DecodeString(file.Key.K)
	must(t, err)
	iv, err := base64.RawStdEncoding.DecodeString(file.IV)
	must(t, err)
	block, err := aes.NewCipher(key)
	must(t, err)
	got := w.streamed(file.URL, func(r io.Reader) io.Reader { return cipher.StreamReader{S: cipher.NewCTR(block, iv), R: r} })
	if got != want {
		t.Error("other bytes were read back than were dropped")
	}
	peak := peakMemory(t, p)
	t.Logf("%d bytes went through with a peak of %d KiB", size, peak)
	if peak >= 32<<10 {
		t.Errorf("peak memory %d KiB, want under 32 MiB", peak)
	}
	p.stop()
}

// TestMatrixSealedLost: keys that were removed, damaged, or ended at the homeserver are each told in words of their own, while the file stays
// where it is; after a login with the recovery key it is posted, and read.
func TestMatrixSealedLost(t *testing.T) {
	t.Parallel()
	w := newSealedWorld(t, dendritetest.Options{}, "", "in")
	for i, c := range []struct {
		name   string
		lose   func(device string)
		logged string
	}{
		{"removed", func(device string) { must(t, os.RemoveAll(device)) }, "the keys of this device are lost"},
		{"damaged", func(device string) {
			must(t, os.WriteFile(device+"/crypto.db", []byte("no database at all, but long enough to be read as one"), 0o600))
		}, "the store of the keys is damaged"},
		{"of another", func(device string) {
			must(t, os.Rename(device, device+".away"))
			must(t, os.Mkdir(device, 0o700))
			copyAll(t, w.dir+"/first/crypto.db", device)
		}, "the stored keys are those of another account or device"},
	} {
		w.logIn()
		p := w.daemon()
		name := fmt.Sprintf("%d.txt", 2*i)
		w.drop("in", name, c.name)
		w.filed("in", 2*i+1)
		p.stop()
		devices, err := filepath.Glob(w.dir + "/state/matrix-chat/device-*")
		if err != nil || len(devices) != 1 {
			t.Fatalf("%s: %q, %v", c.name, devices, err)
		}
		if i == 0 {
			copyAll(t, devices[0], w.dir+"/first")
		}
		c.lose(devices[0])

		p = w.daemon()
		name = fmt.Sprintf("%d.txt", 2*i+1)
		w.drop("in", name, c.name)
		p.waitFor(c.logged)
		if _, err := os.Lstat(w.folder("in") + "/" + name); err != nil || len(w.shown("in")) != 2*i+1 {
			t.Errorf("%s: %v, %d messages", c.name, err, len(w.shown("in")))
		}
		w.logIn()
		w.filed("in", 2*i+2)
		p.stop()
	}
	for _, r := range []*elementtest.Reader{w.open, w.strict} {
		if read := w.readBy(r, "in"); len(read) != 6 {
			t.Errorf("%s reads %q", r.User.ID, read)
		}
	}
}
