package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kaizala-drop/internal/sandbox"
)

// The real program reaches its destination through a real Squid, which wants a name and a password. The destination is known to Squid
// alone, so that nothing passes it by.

// serviceName is a host that only the proxy finds.
const serviceName = "kaizala.test"

// squid is a proxy at work.
type squid struct {
	t      *testing.T
	dir    string
	port   string
	config string
}

// newSquid has a Squid that knows one user, clerk, whose password is passphrase, and connects to the ports that are allowed.
func newSquid(t *testing.T, passphrase, allowed string) *squid {
	t.Helper()
	for _, program := range []string{"squid", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			needs(t, program)
		}
	}
	dir, err := os.MkdirTemp("", "kaizala-drop-squid") // t.TempDir lets its user alone in, and Squid is another one where root tests
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o777))
	s := &squid{t: t, dir: dir, port: freePort(t)}
	s.config = filepath.Join(s.dir, "squid.conf")
	hash, err := exec.Command("openssl", "passwd", "-apr1", passphrase).Output()
	must(t, err)
	must(t, os.WriteFile(s.dir+"/users", []byte("clerk:"+string(hash)), 0o644))
	must(t, os.WriteFile(s.dir+"/hosts", []byte("127.0.0.1 "+serviceName+"\n"), 0o644))
	must(t, os.WriteFile(s.config, fmt.Appendf(nil, `http_port 127.0.0.1:%[1]s
hosts_file %[2]s/hosts
pid_filename none
cache_log %[2]s/cache.log
access_log stdio:%[2]s/access.log
coredump_dir %[2]s
cache deny all
netdb_filename none
pinger_enable off
max_filedescriptors 1024
shutdown_lifetime 0 seconds
auth_param basic program /usr/lib/squid/basic_ncsa_auth %[2]s/users
auth_param basic children 1 startup=1
acl known proxy_auth REQUIRED
acl allowed port %[3]s
http_access deny !allowed
http_access allow known
http_access deny all
`, s.port, s.dir, allowed), 0o644))
	return s
}

func (s *squid) address() string { return "127.0.0.1:" + s.port }

// name tells its shared memory from that of others.
func (s *squid) name() string { return "kaizaladrop" + s.port }

// run starts it, and waits until it listens. stop kills it.
func (s *squid) run() (stop func()) {
	s.t.Helper()
	p := startProcess(s.t, exec.Command("squid", "-N", "-n", s.name(), "-f", s.config))
	eventually(s.t, func() error {
		c, err := net.Dial("tcp", s.address())
		if err == nil {
			err = c.Close()
		}
		return err
	})
	stop = sync.OnceFunc(func() {
		_ = p.Process.Kill()
		p.wait()
		left, _ := filepath.Glob("/dev/shm/" + s.name() + "-*")
		for _, path := range left {
			_ = os.Remove(path)
		}
	})
	s.t.Cleanup(stop)
	return stop
}

// served reports how often it answered so to CONNECT, for this user ("-": nobody).
func (s *squid) served(status, user string) (n int) {
	log, _ := os.ReadFile(s.dir + "/access.log")
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, status+" ") && strings.Contains(line, "CONNECT "+serviceName) && strings.Contains(line, " "+user+" ") {
			n++
		}
	}
	return n
}

// newWorldBehindTLS has its sandbox at https://kaizala.test:PORT. authority is the file of the certificate to trust.
func newWorldBehindTLS(t *testing.T) (w *world, port, authority string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	sheet := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: serviceName}, DNSNames: []string{serviceName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, sheet, sheet, &key.PublicKey, key)
	must(t, err)
	server := httptest.NewUnstartedServer(nil)
	_, port, err = net.SplitHostPort(server.Listener.Addr().String())
	must(t, err)
	endpoint := "https://" + serviceName + ":" + port
	w = newWorldOf(t, sandbox.Options{Endpoint: endpoint}, "", "in")
	w.reconfigure(fmt.Sprintf("endpoint = %q", w.url), fmt.Sprintf("endpoint = %q", endpoint))
	authority = filepath.Join(w.dir, "authority.pem")
	must(t, os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
	server.Config.Handler = w
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return w, port, authority
}

// through starts the program with a proxy in its environment.
func (w *world) through(proxy, authority string, args ...string) *process {
	w.t.Helper()
	cmd := w.command(args...)
	cmd.Env = append(cmd.Env, "HTTPS_PROXY="+proxy, "SSL_CERT_FILE="+authority)
	return startProcess(w.t, cmd)
}

// TestProxy: what is dropped goes through the proxy of the environment, with its name and password; a proxy that refuses, and one that
// is away, lose nothing and are named in what is said, without the password; once it lets the calls pass, all follows.
func TestProxy(t *testing.T) {
	t.Parallel()
	takesLong(t)
	const passphrase = "s3cret@word"
	w, port, authority := newWorldBehindTLS(t)
	s := newSquid(t, passphrase, port)
	stop := s.run()
	at := "clerk:s3cret%40word@" + s.address()
	wrong := strings.Replace(at, "s3cret", "secr3t", 1)

	p := w.through("http://"+wrong, authority, "run")
	w.drop("in", "one.pdf", "one")
	p.waitFor("the proxy " + s.address() + " does not connect to " + serviceName + ":" + port + ": 407 Proxy Authentication Required: HTTPS_PROXY needs a name and a password")
	p.stop()
	told := p.log()

	p = w.through("http://"+at, authority, "run")
	w.posted(1)
	p.stop()
	stop()
	told += p.log()
	p = w.through("http://"+at, authority, "run")
	w.drop("in", "two.pdf", strings.Repeat("two", 1<<20))
	p.waitFor("proxyconnect tcp: dial tcp " + s.address() + ": connect: connection refused")
	if n := w.sandbox.Stats().Posts; n != 1 {
		t.Errorf("%d messages have arrived past the proxy", n)
	}
	s.run()
	w.filed("in", 2)
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	told += p.log()
	if s.served("/407", "-")+s.served("/407", "clerk") == 0 || s.served("/200", "clerk") == 0 {
		t.Error("the proxy knows nothing of it")
	}
	for _, secret := range []string{passphrase, "s3cret", "secr3t"} {
		if strings.Contains(told, secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}

// TestProxyForbids: check --online says what a proxy that forbids the destination answers, and what to do.
func TestProxyForbids(t *testing.T) {
	t.Parallel()
	w, port, authority := newWorldBehindTLS(t)
	s := newSquid(t, "word", "1")
	s.run()
	p := w.through("http://clerk:word@"+s.address(), authority, "check", "--online")
	if code := p.wait(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, text := range []string{
		"HTTPS_PROXY: calls go through the proxy " + s.address() + ", but for the hosts of NO_PROXY and this machine",
		"the proxy " + s.address() + " does not connect to " + serviceName + ":" + port + ": 403 Forbidden: have whoever runs the proxy allow it",
	} {
		if !strings.Contains(p.log(), text) {
			t.Errorf("it says\n%s\nand not %q", p.log(), text)
		}
	}
}

// TestProxyThatIsNone: a variable that names no proxy ends the start with 78, without its password, instead of calls past the proxy.
func TestProxyThatIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "in")
	for _, command := range []string{"run", "check", "groups"} {
		for _, value := range []string{"http://clerk:12#pass@127.0.0.1:3128", "socks4://127.0.0.1:1080", "clerk:pa ss@127.0.0.1:x", "http://:pass@"} {
			p := w.through(value, "/dev/null", command)
			if code := p.wait(); code != exitConfig || !strings.Contains(p.log(), "HTTPS_PROXY is no proxy's address: ") || strings.Contains(p.log(), "pass") {
				t.Errorf("%s with %s: exit code %d\n%s", command, value, code, p.log())
			}
		}
	}
}
