package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"kaizala-drop/internal/matrix/dendritetest"
	"kaizala-drop/internal/mounts"
)

// TestMatrixServerDiskFull: while the disk of the homeserver for what is uploaded is full, files stay where they are, and status says what
// it answers; nothing goes to failed/. Once there is room, all follow by themselves, each of them once.
func TestMatrixServerDiskFull(t *testing.T) {
	t.Parallel()
	disk := mounts.Tmpfs(t, "size=2m")
	w := newMatrixWorld(t, dendritetest.Options{Media: disk + "/media"}, "", "in", "large")
	w.reconfigure("[defaults]", fmt.Sprintf("[control]\nsocket = %q\n[defaults]", w.dir+"/socket"))
	var refused atomic.Int64
	w.between(func(rw http.ResponseWriter, r *http.Request) bool {
		answer := &statusSeen{ResponseWriter: rw}
		w.forward.ServeHTTP(answer, r)
		if strings.Contains(r.URL.Path, "/upload") && answer.status >= 400 {
			refused.Add(1)
		}
		return true
	})
	p := w.daemon()
	w.drop("in", "before.txt", "before")
	w.filed("in", 1)
	filler := disk + "/filler"
	fill(t, filler)
	const each = 5
	for i := range each {
		w.drop("in", fmt.Sprint(i, ".txt"), fmt.Sprint("small ", i, strings.Repeat("x", 10_000)))
		w.drop("large", fmt.Sprint(i, ".txt"), fmt.Sprint("large ", i, strings.Repeat("y", 200_000)))
	}
	eventually(t, func() error {
		if n := refused.Load(); n < 7 {
			return fmt.Errorf("refused %d times", n)
		}
		return nil
	})
	for _, said := range []string{w.says(0, "", "status"), w.says(0, "", "explain", w.folder("in")+"/0.txt")} {
		if !strings.Contains(said, "cannot upload: answered ") {
			t.Errorf("it does not say what is wrong:\n%s", said)
		}
	}
	if said := w.says(0, "", "explain", w.folder("in")+"/4.txt"); !strings.Contains(said, "room on its disk") {
		t.Errorf("explain does not say what may help:\n%s", said)
	}
	for folder, want := range map[string]int{"in": each + 1, "large": each} {
		lies := files(t, w.folder(folder))
		for name := range lies {
			if strings.HasPrefix(name, "failed/") {
				t.Errorf("%s/%s", folder, name)
			}
		}
		if len(lies) != want {
			t.Errorf("%s: %d files", folder, len(lies))
		}
	}
	must(t, os.Remove(filler))
	w.filed("in", each+1)
	w.filed("large", each)
	w.wantOnce("in")
	w.wantOnce("large")
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// statusSeen remembers the status of an answer.
type statusSeen struct {
	http.ResponseWriter
	status int
}

func (s *statusSeen) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// fill leaves no byte of a file system free.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for err = nil; err == nil; {
		_, err = f.Write(make([]byte, 4096))
	}
}
