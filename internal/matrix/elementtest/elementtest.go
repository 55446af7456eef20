// Package elementtest reads rooms as Element does: with its own code, matrix-js-sdk, whose crypto is Rust's, in Node.js.
//
// It has none of the product's own Matrix code in it, and shares no line with the library that encrypts there, so that what was posted is
// read by somebody else.
package elementtest

import (
	"bufio"
	"cmp"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"kaizala-drop/internal/matrix/dendritetest"
)

// Reader is an account's device in Element's code. Its methods are for one goroutine.
type Reader struct {
	User *dendritetest.User

	t       testing.TB
	to      io.WriteCloser
	answers *bufio.Reader
}

// Options say how a device reads.
type Options struct {
	// SignedOnly hides what unsigned devices send, as Element does where it excludes insecure devices.
	SignedOnly bool
}

// Start runs a device, with the token that the account has now, until the test ends. Without matrix-js-sdk it skips the test, and fails it
// in CI.
func Start(t testing.TB, s *dendritetest.Server, u *dendritetest.User, o Options) *Reader {
	t.Helper()
	need := ""
	if _, err := exec.LookPath("node"); err != nil {
		need = "this needs Node.js in $PATH"
	} else if !installed() {
		need = "this needs matrix-js-sdk: npm ci in a copy of internal/matrix/elementtest/testdata/npm, and its node_modules in NODE_PATH"
	}
	switch {
	case need != "" && os.Getenv("KAIZALA_DROP_CI") != "":
		t.Fatal(need)
	case need != "":
		t.Skip(need)
	}
	r := &Reader{User: u, t: t}
	command := exec.Command("node", script())
	var said strings.Builder
	command.Stderr = &said
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.to, r.answers = in, bufio.NewReader(out)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := command.Wait(); err != nil {
			t.Errorf("the reader ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the reader of %s said at last:\n%s", u.ID, said.String()[max(0, said.Len()-4000):])
		}
	})
	r.ask("start", map[string]any{"homeserver": s.URL, "user": u.ID, "device": u.Device, "token": u.Token, "signedOnly": o.SignedOnly}, nil)
	return r
}

func installed() bool {
	for _, folder := range filepath.SplitList(os.Getenv("NODE_PATH")) {
		if _, err := os.Stat(filepath.Join(folder, "matrix-js-sdk")); err == nil {
			return true
		}
	}
	return false
}

func script() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "testdata", "npm", "reader.mjs")
}

// ask gives a command, and has its answer in into, which may be nil.
func (r *Reader) ask(command string, args map[string]any, into any) {
	r.t.Helper()
	if err := r.try(command, args, into); err != "" {
		r.t.Fatalf("%s of %s: %s", command, r.User.ID, err)
	}
}

func (r *Reader) try(command string, args map[string]any, into any) (failed string) {
	r.t.Helper()
	if args == nil {
		args = map[string]any{}
	}
	args["command"] = command
	line, err := json.Marshal(args)
	if err == nil {
		_, err = r.to.Write(append(line, '\n'))
	}
	if err != nil {
		r.t.Fatal(err)
	}
	answer, err := r.answers.ReadBytes('\n')
	if err != nil {
		r.t.Fatalf("no answer to %s: %v", command, err)
	}
	var said struct{ Error string }
	if err := json.Unmarshal(answer, &said); err != nil {
		r.t.Fatalf("%v: %s", err, answer)
	}
	if said.Error == "" && into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			r.t.Fatalf("%v: %s", err, answer)
		}
	}
	return said.Error
}

// MakeIdentity makes the cross-signing keys of a fresh account, as Element does at the first login, has them sign this device, and gives
// their recovery key.
func (r *Reader) MakeIdentity() (recoveryKey string) {
	r.t.Helper()
	var got struct{ Key string }
	r.ask("identity", map[string]any{"user": r.User.ID, "password": r.User.Password}, &got)
	return got.Key
}

// Recover takes the cross-signing keys of an account that has some, and has them sign this device. failed is what Element's code says of
// a key that does not fit.
func (r *Reader) Recover(recoveryKey string) (failed string) {
	r.t.Helper()
	return r.try("recover", map[string]any{"key": recoveryKey}, nil)
}

// Say sends a text.
func (r *Reader) Say(room, text string) (event string) {
	r.t.Helper()
	var got struct{ ID string }
	r.ask("send", map[string]any{"room": room, "text": text}, &got)
	return got.ID
}

// Event is one as Element has it.
type Event struct {
	ID      string
	Type    string // after decryption
	Wire    string // as it was sent
	Sender  string
	Content map[string]any // after decryption
	Clear   map[string]any // as it was sent
	Failure string         // why it cannot be read; "": it can
	Shield  string         // the colour of the warning beside it: NONE, GREY, RED; "": it was not encrypted
	Reason  string         // of the shield
}

// patience is how many seconds an event may take to be there and readable.
const patience = 60

// Read waits until an event is shown and readable.
func (r *Reader) Read(room, event string) Event {
	r.t.Helper()
	return r.read(room, event, patience)
}

// ReadNow gives an event as it is a moment from now, readable or not.
func (r *Reader) ReadNow(room, event string) Event {
	r.t.Helper()
	return r.read(room, event, 5)
}

func (r *Reader) read(room, event string, seconds int) (e Event) {
	r.t.Helper()
	r.ask("read", map[string]any{"room": room, "event": event, "seconds": seconds}, &e)
	return e
}

// Devices tells which devices of an account are signed by it.
func (r *Reader) Devices(user string) (signed map[string]bool) {
	r.t.Helper()
	var got struct {
		Devices []struct {
			Device string
			Signed bool
		}
	}
	r.ask("devices", map[string]any{"user": user}, &got)
	signed = map[string]bool{}
	for _, one := range got.Devices {
		signed[one.Device] = one.Signed
	}
	return signed
}

// Attachment is a file as it was sent.
type Attachment struct {
	MIME  string // what the server was told
	Sent  string // Content-Disposition: its name, if the server was told one
	Bytes []byte // decrypted
}

// Fetch downloads and decrypts an attachment: what stands under "file" or "thumbnail_file" of a content.
func (r *Reader) Fetch(file any) (a Attachment) {
	r.t.Helper()
	r.ask("fetch", map[string]any{"file": file}, &a)
	a.MIME = cmp.Or(a.MIME, "?")
	return a
}
