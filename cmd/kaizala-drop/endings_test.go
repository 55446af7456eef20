package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const mediaTestdata = "../../internal/media/testdata/"

// endings is a world whose one folder has the endings of its files verified.
func endings(t *testing.T) *world {
	w := newWorld(t, "truncated_after = \"2s\"", "in")
	w.reconfigure("verify_ending = false", "verify_ending = true")
	return w
}

// fieldFiles gives, by name, files as real programs left them. One of them is torn.
func fieldFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(mediaTestdata)
	must(t, err)
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		name := strings.TrimSuffix(e.Name(), ".gz")
		f, err := os.Open(mediaTestdata + e.Name())
		must(t, err)
		var r io.Reader = f
		if name != e.Name() {
			r, err = gzip.NewReader(f)
			must(t, err)
		}
		data, err := io.ReadAll(r)
		must(t, err)
		must(t, f.Close())
		files[name] = string(data)
	}
	return files
}

// TestEndingsOfTheField drops files as real programs left them: the whole ones are posted, and the torn one is put aside
// with a note that names the way out, and does not send it on the same way.
func TestEndingsOfTheField(t *testing.T) {
	t.Parallel()
	w := endings(t)
	torn := "torn-mp4-moov-zeroed.mp4"
	field := fieldFiles(t)
	whole := len(field) - 1
	for name, content := range field {
		must(t, os.WriteFile(filepath.Join(w.folder("in"), name), []byte(content), 0o644))
	}
	p := w.daemon()
	eventually(t, func() error {
		done, _ := os.ReadDir(w.folder("in") + "/done")
		_, err := os.Lstat(w.folder("in") + "/failed/" + torn)
		if err != nil || len(done) < whole {
			return fmt.Errorf("%d of %d in done/, %v", len(done), whole, err)
		}
		return nil
	})
	note := files(t, w.folder("in"))["failed/"+torn+".reason.txt"]
	if !strings.Contains(note, "verify_ending = false") || strings.Contains(note, "To send the file, put it into the folder again") {
		t.Errorf("the note names no way out:\n%s", note)
	}
	if whole != 10 || w.sandbox.Stats().Posts != whole {
		t.Errorf("%d of %d whole files were posted, want 10", w.sandbox.Stats().Posts, whole)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestEndingsOfRealPrograms has the daemon post what some thirty programs write: all of it.
func TestEndingsOfRealPrograms(t *testing.T) {
	t.Parallel()
	inCI := os.Getenv("KAIZALA_DROP_CI") != ""
	if !inCI && os.Getenv("KAIZALA_DROP_CORPUS") == "" {
		t.Skip("takes a minute; KAIZALA_DROP_CI or KAIZALA_DROP_CORPUS asks for it")
	}
	if raceEnabled {
		t.Skip("the same without the race detector is enough")
	}
	w := endings(t)
	testdata, err := filepath.Abs(mediaTestdata)
	must(t, err)
	scripts, err := filepath.Glob(testdata + "/writers/*.sh")
	must(t, err)
	programs, dropped := 0, 0
	for _, script := range scripts {
		program := strings.TrimSuffix(filepath.Base(script), ".sh")
		dir := t.TempDir()
		must(t, os.Mkdir(dir+"/out", 0o755))
		sh := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", script)
		sh.Dir = dir
		sh.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TESTDATA="+testdata)
		if out, err := sh.CombinedOutput(); err != nil {
			if inCI {
				t.Fatalf("%s: %v; the test of internal/media says how to get it\n%s", program, err, out)
			}
			t.Logf("left out: %s: %v", program, err)
			continue
		}
		programs++
		made, err := filepath.Glob(dir + "/out/*")
		must(t, err)
		for _, path := range made {
			must(t, os.Chmod(path, 0o644))
			dest := filepath.Join(w.folder("in"), program+"-"+filepath.Base(path))
			data, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(dest, data, 0o644))
			dropped++
		}
	}
	if programs < 20 && inCI {
		t.Errorf("%d programs, want 20", programs)
	}
	p := w.daemon()
	w.filed("in", dropped)
	t.Logf("%d files of %d programs were posted", dropped, programs)
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
