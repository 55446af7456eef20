package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"kaizala-drop/internal/config"
)

// TestSecondSignalStopsAtOnce while an upload hangs; and nothing is lost by it. A job that a shell starts in the
// background has SIGINT ignored.
func TestSecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			w := newWorld(t, "", "drop")
			w.reconfigure("log_format", "shutdown_grace = \"1h\"\nlog_format")
			w.drop("drop", "a.pdf", "x")
			arrived, goOn := make(chan bool, 10), make(chan bool)
			w.between(func(_ http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/v1/media" {
					arrived <- true
					<-goOn
				}
				return false
			})
			cmd := exec.Command("sh", "-c", `trap "" INT; exec "$@"`, "-", os.Args[0], "run", "--config", w.config)
			cmd.Env = append(os.Environ(), runMain+"=1")
			p := startProcess(t, cmd)
			<-arrived
			must(t, p.Process.Signal(s))
			p.waitFor("stopping")
			must(t, p.Process.Signal(s))
			if code := p.wait(); code != 128+int(s) { // which does not wait for the grace
				t.Errorf("exit code %d", code)
			}
			close(goOn)
			w.between(nil)
			if code := w.start("run", "--once", "--config", w.config).wait(); code != 0 {
				t.Errorf("exit code %d of the next run", code)
			}
			w.filed("drop", 1)
		})
	}
}

// TestStopWithoutGrace is quiet, and says what it must.
func TestStopWithoutGrace(t *testing.T) {
	w := newWorld(t, "", "drop")
	w.reconfigure("log_format", "shutdown_grace = \"0s\"\nlog_format")
	p := w.daemon()
	if code := p.stop(); code != 0 || strings.Contains(p.log(), "does not answer") {
		t.Errorf("exit code %d", code)
	}
	must(t, os.RemoveAll(w.folder("drop")))
	must(t, os.WriteFile(w.folder("drop"), nil, 0o644))
	for range 5 {
		if code := w.start("run", "--once", "--config", w.config).wait(); code == 0 {
			t.Error("exit code 0 although the folder cannot be listed")
		}
	}
}

// TestStoppingInTime: the unit gives as much time as is taken, and a longer grace asks for more.
func TestStoppingInTime(t *testing.T) {
	unit, err := os.ReadFile("../../systemd/kaizala-drop.service")
	must(t, err)
	found := regexp.MustCompile(`(?m)^TimeoutStopSec=(\S+)$`).FindSubmatch(unit)
	if found == nil {
		t.Fatal("the unit has no TimeoutStopSec=")
	}
	given, err := time.ParseDuration(string(found[1]))
	must(t, err)
	w := newWorld(t, "", "drop")
	c, err := config.Load(w.config, config.Environment{})
	must(t, err)
	if need := c.ShutdownGrace + leaveAfter; given < need {
		t.Errorf("the unit gives %v, and with the defaults %v may be needed", given, need)
	}

	w.reconfigure("log_format", "shutdown_grace = \"2m\"\nlog_format")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: w.dir + "/notify", Net: "unixgram"})
	must(t, err)
	defer socket.Close()
	cmd := exec.Command(os.Args[0], "run", "--config", w.config)
	cmd.Env = append(os.Environ(), runMain+"=1", "NOTIFY_SOCKET="+w.dir+"/notify")
	p := startProcess(t, cmd)
	p.waitFor(`"message":"watching"`)
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	told := ""
	for buffer := make([]byte, 4096); !strings.Contains(told, "STOPPING=1"); {
		must(t, socket.SetReadDeadline(time.Now().Add(time.Minute)))
		n, err := socket.Read(buffer)
		must(t, err)
		told += string(buffer[:n]) + "\n"
	}
	if want := fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (2*time.Minute + leaveAfter + endMargin).Microseconds()); !strings.Contains(told, want) {
		t.Errorf("systemd was told %q, want %q in it", told, want)
	}
}

// TestOldHistoryIsRemoved by the daemon, and what waits is not.
func TestOldHistoryIsRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "drop")
	w.drop("drop", "a.pdf", "x")
	if code := w.start("run", "--once", "--config", w.config).wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	db, err := sql.Open("sqlite", w.dir+"/state/ledger.db")
	must(t, err)
	_, err = db.ExecContext(context.Background(), `UPDATE delivery SET finished_at = '2020-01-01T00:00:00.000Z'`)
	must(t, err)
	must(t, db.Close())
	w.drop("drop", "b.pdf", "y")
	if code := w.start("run", "--once", "--config", w.config).wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	var names []string
	query(t, w.dir+"/state/ledger.db", func(rows *sql.Rows) {
		var name string
		must(t, rows.Scan(&name))
		names = append(names, name)
	}, "SELECT name FROM history")
	if len(names) != 1 || names[0] != "b.pdf" {
		t.Errorf("the history knows %q, want b.pdf alone", names)
	}
}
