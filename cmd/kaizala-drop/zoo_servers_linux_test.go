package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// servers are the programs through which folders are reached, each on a port of its own on the loopback interface. Each
// serves the whole directory of the zoo.
type servers struct {
	vsftpd, proftpd, smbd, sshd string // ports
	downloads                   string // the URL of a web server
	dir                         string // of their configurations, keys and locks
}

// startServers starts those that are there; who needs another one is told so.
func (z *zoo) startServers() {
	t, s := z.t, &z.servers
	s.dir = z.folder("servers")
	must(t, os.MkdirAll(s.dir+"/empty", 0o755))
	web := httptest.NewServer(http.HandlerFunc(z.serveDownload))
	t.Cleanup(web.Close)
	s.downloads = web.URL
	for _, known := range []struct {
		name  string
		port  *string
		start func(port string) []string
	}{{"vsftpd", &s.vsftpd, z.vsftpd}, {"proftpd", &s.proftpd, z.proftpd}, {"smbd", &s.smbd, z.smbd}, {"sshd", &s.sshd, z.sshd}} {
		if unserved([]string{known.name}) == "" {
			*known.port = freePort(t)
			args := known.start(*known.port)
			startServer(t, *known.port, args[0], args[1:]...)
		}
	}
}

// serveDownload serves the files of the zoo. Of a URL with a query it sends half, and no more.
func (z *zoo) serveDownload(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery == "" {
		http.FileServer(http.Dir(z.dir)).ServeHTTP(w, r)
		return
	}
	content, err := os.ReadFile(filepath.Join(z.dir, filepath.Clean(r.URL.Path)))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content[:len(content)/2])
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done() // the client has gone
}

// unserved tells what is missing here for a writer that needs these programs and servers, or "".
func unserved(programs []string) string {
	if names := missing(programs); len(names) > 0 {
		return strings.Join(names, " and ")
	}
	for _, server := range []string{"vsftpd", "proftpd", "smbd", "sshd"} {
		if slices.Contains(programs, server) && os.Geteuid() != 0 {
			return "root, to start " + server
		}
	}
	return ""
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	must(t, err)
	return port
}

// startServer starts a server in a process group of its own and waits until it listens. All of it ends with the test.
func startServer(t testing.TB, port, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	must(t, err)
	cmd := exec.Command(path, args...) // sshd wants its whole path
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := startProcess(t, cmd)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-p.exited:
			p.exited <- err
		case <-time.After(5 * time.Second):
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	})
	eventually(t, func() error {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-p.exited:
			p.exited <- err
			t.Fatalf("%s ended: %s", name, p.log())
		default:
		}
		return err
	})
}

func (z *zoo) configFile(name, format string, args ...any) string {
	path := filepath.Join(z.servers.dir, name)
	must(z.t, os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o644))
	return path
}

func (z *zoo) vsftpd(port string) []string {
	return []string{"vsftpd", z.configFile("vsftpd.conf", `listen=YES
listen_address=127.0.0.1
listen_port=%s
background=NO
anonymous_enable=YES
no_anon_password=YES
write_enable=YES
anon_upload_enable=YES
anon_other_write_enable=YES
anon_umask=022
anon_root=%s
ftp_username=daemon
nopriv_user=nobody
secure_chroot_dir=%s/empty
mdtm_write=YES
`, port, z.dir, z.servers.dir)}
}

func (z *zoo) proftpd(port string) []string {
	return []string{"proftpd", "-n", "-q", "-c", z.configFile("proftpd.conf", `ServerType standalone
DefaultAddress 127.0.0.1
Port %s
UseIPv6 off
User nobody
Group nogroup
PidFile %[3]s/proftpd.pid
ScoreboardFile %[3]s/proftpd.scoreboard
SystemLog none
TransferLog none
WtmpLog off
UseReverseDNS off
AllowOverwrite on
HiddenStores on
<Anonymous %[2]s>
  User nobody
  Group nogroup
  UserAlias anonymous nobody
  AnonRequirePassword off
  RequireValidShell off
  UseFtpUsers off
</Anonymous>
`, port, z.dir, z.servers.dir)}
}

func (z *zoo) smbd(port string) []string {
	var dirs strings.Builder
	for _, d := range []string{"private dir", "lock directory", "state directory", "cache directory", "pid directory", "ncalrpc dir"} {
		path := z.servers.dir + "/" + strings.ReplaceAll(d, " ", "-")
		must(z.t, os.Mkdir(path, 0o755))
		fmt.Fprintf(&dirs, "%s = %s\n", d, path)
	}
	return []string{"smbd", "--foreground", "--no-process-group", "--configfile", z.configFile("smb.conf", `[global]
server role = standalone server
map to guest = bad user
guest account = root
interfaces = lo
bind interfaces only = yes
smb ports = %s
disable netbios = yes
smb2 max write = 65536
disable spoolss = yes
load printers = no
printcap name = /dev/null
log file = %s/smbd.log
%s
[zoo]
path = %s
guest ok = yes
writeable = yes
`, port, z.servers.dir, dirs.String(), z.dir)}
}

func (z *zoo) sshd(port string) []string {
	dir := z.servers.dir
	for _, key := range []string{"host", "client"} {
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", dir+"/"+key).CombinedOutput()
		if err != nil {
			z.t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	must(z.t, os.MkdirAll("/run/sshd", 0o755)) // it does not start without; its unit makes it elsewhere
	return []string{"sshd", "-D", "-e", "-f", z.configFile("sshd_config", `ListenAddress 127.0.0.1
Port %s
HostKey %[2]s/host
AuthorizedKeysFile %[2]s/client.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
MaxStartups 100
Subsystem sftp /usr/lib/openssh/sftp-server
`, port, dir)}
}

// ftp is the URL of the file of v at the server on that port.
func (v *visit) ftp(port string) string {
	return "ftp://127.0.0.1:" + port + "/" + v.name + "/" + filepath.Base(v.path)
}

// ssh gives the options that ssh's programs need to get in.
func (v *visit) ssh(args ...string) []string {
	s := v.z.servers
	return append([]string{"-F", "none", "-i", s.dir + "/client", "-o", "Port=" + s.sshd, "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"}, args...)
}
