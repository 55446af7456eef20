// Package dendritetest runs a real Matrix homeserver for tests: Dendrite, on loopback, in a directory of the test.
//
// It has none of the product's own Matrix code in it, so that what was posted is read back by somebody else.
package dendritetest

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Version is the Dendrite that .ci/run installs.
const Version = "v0.13.8"

const (
	secret = "s3cret" // of the registration
	// patience is how long the server may take to start or to stop; it takes seconds.
	patience = 2 * time.Minute
)

// Options change the server's configuration. The zero value has no rate limits and takes uploads of up to 10 MiB.
type Options struct {
	MaxUpload int64         // bytes; 0: 10 MiB
	RateLimit bool          // slots for each account but @reader:localhost; they are for uploads and for looking around, not for messages
	Slots     int           // 0: 20, as Dendrite has by default
	Cooloff   time.Duration // how long one is taken; 0: 500 ms, as there
	// Media is where uploads are kept: a directory of its own file system, to be filled up. "": with all else.
	Media string
}

// Server is a homeserver named "localhost".
type Server struct {
	URL string // without a slash at its end

	t       testing.TB
	program string
	dir     string
	log     *os.File
	command *exec.Cmd
	ended   chan struct{} // closed once command has
}

// Start runs a server until the test ends. Without Dendrite it skips the test, and fails it in CI.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	program, err := exec.LookPath("dendrite")
	if err != nil {
		need := "this needs Dendrite in $PATH: go install github.com/matrix-org/dendrite/cmd/dendrite@" + Version
		if os.Getenv("KAIZALA_DROP_CI") != "" {
			t.Fatal(need)
		}
		t.Skip(need)
	}
	s := &Server{t: t, program: program, dir: t.TempDir(), URL: "http://" + freeAddress(t)}
	s.write("key.pem", pem.EncodeToMemory(&pem.Block{
		Type: "MATRIX PRIVATE KEY", Headers: map[string]string{"Key-ID": "ed25519:test"}, Bytes: seed(),
	}))
	s.write("dendrite.yaml", []byte(configuration(o)))
	if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		s.log.Close()
		if t.Failed() {
			s.tellLog()
		}
	})
	s.Begin()
	return s
}

func seed() []byte {
	bytes := make([]byte, 32)
	rand.Read(bytes)
	return bytes
}

func configuration(o Options) string {
	o.Cooloff = cmp.Or(o.Cooloff, 500*time.Millisecond)
	o.MaxUpload, o.Slots, o.Media = cmp.Or(o.MaxUpload, 10<<20), cmp.Or(o.Slots, 20), cmp.Or(o.Media, "./media")
	return fmt.Sprintf(`version: 2
global: {server_name: localhost, private_key: key.pem, disable_federation: true, cache: {max_size_estimated: 8mb}, jetstream: {storage_path: ./js}}
client_api: {registration_shared_secret: %s, rate_limiting: {enabled: %t, threshold: %d, cooloff_ms: %d, exempt_user_ids: ["@reader:localhost"]}}
user_api: {bcrypt_cost: 4, account_database: {connection_string: "file:user.db"}}
room_server: {database: {connection_string: "file:room.db"}}
key_server: {database: {connection_string: "file:key.db"}}
sync_api: {database: {connection_string: "file:sync.db"}, search: {enabled: false, index_path: idx, language: en}}
federation_api: {database: {connection_string: "file:fed.db"}}
relay_api: {database: {connection_string: "file:relay.db"}}
mscs: {database: {connection_string: "file:mscs.db"}}
media_api: {base_path: %q, max_file_size_bytes: %d, database: {connection_string: "file:media.db"}}
logging: [{type: std, level: warn}]
`, secret, o.RateLimit, o.Slots, o.Cooloff.Milliseconds(), o.Media, o.MaxUpload)
}

func (s *Server) write(name string, content []byte) {
	if err := os.WriteFile(filepath.Join(s.dir, name), content, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// freeAddress is one that nobody listens on now, and that the server keeps over its restarts.
func freeAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Begin starts a server that was stopped or killed, and waits until it answers.
func (s *Server) Begin() {
	s.t.Helper()
	s.command = exec.Command(s.program, "-config", "dendrite.yaml", "-http-bind-address", strings.TrimPrefix(s.URL, "http://"))
	s.command.Dir, s.command.Stdout, s.command.Stderr = s.dir, s.log, s.log
	if err := s.command.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	s.ended = ended
	go func(c *exec.Cmd) {
		_ = c.Wait() // it is killed
		close(ended)
	}(s.command)
	s.await()
}

// await asks until the server answers. Each try that fails has waited for a connection, or for the next tick.
func (s *Server) await() {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); ; {
		resp, err := http.Get(s.URL + "/_matrix/client/versions")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-s.ended:
			s.tellLog()
			s.t.Fatal("Dendrite ended by itself")
		case <-end:
			s.tellLog()
			s.t.Fatal("Dendrite does not answer: ", err)
		case <-tick.C:
		}
	}
}

// Kill ends the server at once, as a power cut would. It may have ended before.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop has the server end by itself.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

func (s *Server) end(by syscall.Signal) {
	_ = s.command.Process.Signal(by) // it may have ended
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Errorf("Dendrite does not end by %v", by)
		_ = s.command.Process.Kill()
		<-s.ended
	}
}

// tellLog shows the end of what the server had to say.
func (s *Server) tellLog() {
	said, _ := os.ReadFile(s.log.Name())
	s.t.Logf("Dendrite's log ends with:\n%s", bytes.TrimSpace(said[max(0, len(said)-4000):]))
}
