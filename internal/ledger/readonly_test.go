package ledger

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stateOf tells all there is in a folder, with what is in it and when it was changed last.
func stateOf(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	try(t, err)
	var b strings.Builder
	for _, e := range entries {
		info, err := e.Info()
		try(t, err)
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		try(t, err)
		fmt.Fprintf(&b, "%s %d %v %v %x\n", e.Name(), info.Size(), info.Mode(), info.ModTime(), sums256(data))
	}
	return b.String()
}

func sums256(data []byte) (sum uint64) {
	for _, b := range data {
		sum = sum*1099511628211 + uint64(b)
	}
	return sum
}

// left is a ledger of three deliveries, as the daemon left it in several ways.
func left(t *testing.T, how string) (dir string) {
	t.Helper()
	from := t.TempDir()
	l := run(t, from)
	for i := range 3 {
		claim(t, l, sample(i+1, 1))
	}
	dir = t.TempDir()
	if how == "stopped" {
		try(t, l.Close())
	}
	files := []string{fileName, madeName, "lock"}
	switch how {
	case "running":
		return from
	case "killed":
		files = append(files, fileName+"-wal", fileName+"-shm")
	case "killed, without its -shm":
		files = append(files, fileName+"-wal")
	}
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(from, name))
		try(t, err)
		try(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	if how == "stopped, with an empty -wal" {
		try(t, l.Close())
		data, err := os.ReadFile(filepath.Join(from, fileName))
		try(t, err)
		try(t, os.WriteFile(filepath.Join(dir, fileName), data, 0o600))
		try(t, os.WriteFile(filepath.Join(dir, fileName+"-wal"), nil, 0o600))
	}
	return dir
}

// TestReadOnly asks a ledger however its daemon left it, or has it: all of it is found, and nothing is changed.
func TestReadOnly(t *testing.T) {
	for _, how := range []string{"running", "stopped", "stopped, with an empty -wal", "killed", "killed, without its -shm"} {
		t.Run(how, func(t *testing.T) {
			dir := left(t, how)
			before := stateOf(t, dir)
			if how == "running" { // by this very process, whose mark in the -shm says how far it reads
				before = ""
			}
			if how == "killed" { // nobody may write there
				try(t, os.Chmod(dir, 0o500))
				t.Cleanup(func() { os.Chmod(dir, 0o700) })
			}
			temporary := t.TempDir()
			t.Setenv("TMPDIR", temporary)
			l, err := OpenReadOnly(dir)
			try(t, err)
			found, err := l.Search(t.Context(), Query{Name: "scan 2-0.jpg"})
			open, openErr := l.Unfinished(t.Context(), "")
			questions, askErr := l.Asked(t.Context(), Questions{})
			if err := errors.Join(err, openErr, askErr); err != nil || len(found) != 1 || len(open) != 3 || len(questions) != 0 {
				t.Errorf("%v: %+v, %+v, %+v", err, found, open, questions)
			}
			if _, err := l.read.Exec("DELETE FROM delivery"); err == nil && how != "killed, without its -shm" {
				t.Error("it can be written")
			}
			try(t, l.Close())
			if after := stateOf(t, dir); before != "" && after != before {
				t.Errorf("it was\n%sand is\n%s", before, after)
			}
			if entries, err := os.ReadDir(temporary); err != nil || len(entries) > 0 {
				t.Errorf("left %v, %v", entries, err)
			}
		})
	}
}

// TestReadOnlyBesideADaemon: what another process commits is seen, and it goes on as if nobody asked.
func TestReadOnlyBesideADaemon(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	try(t, err)
	try(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	go func() {
		buffer := make([]byte, 1<<16)
		for _, err := out.Read(buffer); err == nil; _, err = out.Read(buffer) {
		}
	}()
	var l *ReadOnly
	for deadline := time.Now().Add(time.Minute); ; {
		if l, err = OpenReadOnly(dir); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	defer l.Close()
	most := int64(0)
	for rounds := 0; rounds < 200 || most < 20; rounds++ {
		found, err := l.Search(t.Context(), Query{Limit: 3})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range found {
			most = max(most, d.ID)
		}
	}
	try(t, cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait()
	if found, err := l.Search(t.Context(), Query{Limit: 3}); err != nil || len(found) != 3 {
		t.Errorf("after it was killed: %v, %+v", err, found)
	}
}

// TestReadOnlyMeanwhile: what is read as if nobody wrote is not believed once a daemon has started.
func TestReadOnlyMeanwhile(t *testing.T) {
	dir := left(t, "stopped")
	l, err := OpenReadOnly(dir)
	try(t, err)
	defer l.Close()
	daemon := run(t, dir)
	claim(t, daemon, sample(9, 1))
	try(t, daemon.Close())
	if _, err := l.Search(t.Context(), Query{}); !errors.Is(err, ErrMeanwhile) {
		t.Error(err)
	}
}

// TestReadOnlySaysWhatIsWrong: each thing that can be wrong is told in other words, and left as it is.
func TestReadOnlySaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, path string)
		say   string
		is    error
	}{
		"never made": {func(t *testing.T, path string) {
			try(t, errors.Join(os.Remove(path), os.Remove(filepath.Dir(path)+"/"+madeName)))
		},
			"there is no ledger yet", ErrNone},
		"missing": {func(t *testing.T, path string) { try(t, os.Remove(path)) }, "missing or empty, though one was made here", nil},
		"empty":   {func(t *testing.T, path string) { try(t, os.Truncate(path, 0)) }, "missing or empty, though one was made here", nil},
		"a directory": {func(t *testing.T, path string) { try(t, errors.Join(os.Remove(path), os.Mkdir(path, 0o700))) },
			"is a directory", nil},
		"older": {func(t *testing.T, path string) { query(t, path, "PRAGMA user_version = 3") }, "start the daemon", ErrOlder},
		"newer": {func(t *testing.T, path string) { query(t, path, "PRAGMA user_version = 99") }, "written by a newer kaizala-drop (schema 99", nil},
		"another's": {func(t *testing.T, path string) { query(t, path, "PRAGMA application_id = 7") },
			"of another program", nil},
		"not a database": {func(t *testing.T, path string) {
			try(t, os.WriteFile(path, []byte(strings.Repeat("text ", 5000)), 0o600))
		},
			"not a ledger", nil},
		"no state_dir": {func(t *testing.T, path string) { try(t, os.RemoveAll(filepath.Dir(path))) }, "there is no ledger yet", ErrNone},
		"damaged -wal": {func(t *testing.T, path string) {
			wal, err := os.ReadFile(left(t, "killed") + "/" + fileName + "-wal")
			try(t, err)
			wal[walHeader+frameHeader+7]++
			try(t, os.WriteFile(path+"-wal", wal, 0o600))
		}, "damaged", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := left(t, "stopped")
			c.spoil(t, filepath.Join(dir, fileName))
			before := ""
			if name != "no state_dir" && name != "a directory" {
				before = stateOf(t, dir)
			}
			l, err := OpenReadOnly(dir)
			if err == nil {
				l.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.say) || !strings.Contains(err.Error(), dir) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v", err)
			}
			if before != "" && stateOf(t, dir) != before {
				t.Error("it was changed")
			}
		})
	}
}

// TestReadOnlyDamagedWithin: a page that is damaged is named when it is read.
func TestReadOnlyDamagedWithin(t *testing.T) {
	dir := left(t, "stopped")
	path := filepath.Join(dir, fileName)
	data, err := os.ReadFile(path)
	try(t, err)
	for i := 2 * 4096; i < len(data); i += 4096 {
		copy(data[i:], strings.Repeat("\xee", 100))
	}
	try(t, os.WriteFile(path, data, 0o600))
	l, err := OpenReadOnly(dir)
	if err == nil {
		_, err = l.Search(t.Context(), Query{})
		l.Close()
	}
	if err == nil || !strings.Contains(err.Error(), damaged) {
		t.Error(err)
	}
}

// TestReadOnlyByAStranger: who may not read it is told so.
func TestReadOnlyByAStranger(t *testing.T) {
	dir := left(t, "stopped")
	if os.Geteuid() != 0 {
		try(t, os.Chmod(filepath.Join(dir, fileName), 0))
		_, err := OpenReadOnly(dir)
		if err == nil || !strings.Contains(err.Error(), "ask as root") {
			t.Error(err)
		}
		return
	}
	try(t, os.Chmod(dir, 0o700))
	open, err := os.MkdirTemp("", "stranger-")
	try(t, err)
	t.Cleanup(func() { os.RemoveAll(open) })
	try(t, os.Chmod(open, 0o755))
	try(t, copyFile(filepath.Join(open, "test"), os.Args[0]))
	try(t, os.Chmod(filepath.Join(open, "test"), 0o755))
	cmd := exec.Command(filepath.Join(open, "test"))
	cmd.Env = append(os.Environ(), strangerDir+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "permission denied: ask as root") {
		t.Errorf("%v: %s", err, out)
	}
}

const strangerDir = "KAIZALA_DROP_LEDGER_STRANGER"

func stranger(dir string) int {
	_, err := OpenReadOnly(dir)
	fmt.Println(err)
	return 0
}
