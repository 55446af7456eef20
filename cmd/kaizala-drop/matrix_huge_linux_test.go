package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"kaizala-drop/internal/matrix/dendritetest"
)

// TestMatrixHugeFile: 2 GiB in CI go through the real binary to the homeserver within 32 MiB of memory, and somebody else reads back the
// same bytes.
func TestMatrixHugeFile(t *testing.T) {
	t.Parallel()
	if raceEnabled || testing.Short() {
		t.Skip("2 GiB with the race detector take minutes, and tell nothing about memory")
	}
	size := int64(volume(2<<30)) &^ 7
	w := newMatrixWorld(t, dendritetest.Options{MaxUpload: size}, "", "drop")
	w.url = w.server.URL // the proxy only costs time
	w.configure("", "drop")
	want := makeHuge(t, w.folder("drop")+"/huge.bin", size)
	p := startProcess(t, exec.Command(buildProgram(t), "run", "--config", w.config))
	w.filedAs(p, "drop", "huge.bin")
	shown := w.shown("drop")
	if len(shown) != 1 {
		t.Fatalf("%d messages", len(shown))
	}
	about, _ := shown[0].Content["info"].(map[string]any)
	if got := w.streamedSum(shown[0]); got != want || about["size"] != float64(size) {
		t.Errorf("other bytes were read back than were dropped, %v", shown[0].Content)
	}
	peak := peakMemory(t, p)
	t.Logf("%d bytes went through with a peak of %d KiB", size, peak)
	if peak >= 32<<10 {
		t.Errorf("peak memory %d KiB, want under 32 MiB", peak)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// makeHuge makes a file in which each MiB is another one, and gives its checksum.
func makeHuge(t *testing.T, path string, size int64) string {
	t.Helper()
	made := path + ".part"
	f, err := os.Create(made)
	must(t, err)
	sum, block := sha256.New(), make([]byte, 1<<20)
	rand.Read(block)
	for left := size; left > 0; left -= int64(len(block)) {
		block = block[:min(left, int64(len(block)))]
		binary.BigEndian.PutUint64(block, uint64(left))
		_, err := io.MultiWriter(f, sum).Write(block)
		must(t, err)
	}
	must(t, errors.Join(f.Close(), os.Rename(made, path)))
	return hex.EncodeToString(sum.Sum(nil))
}

// filedAs waits until a file lies in done/ of a drop folder, whose content is too much to be read for that. It gives up when the daemon
// reads nothing any more.
func (w *matrixWorld) filedAs(p *process, folder, name string) {
	w.t.Helper()
	eventually(w.t, func() error {
		if reason, err := os.ReadFile(w.folder(folder) + "/failed/" + name + ".reason.txt"); err == nil {
			w.t.Fatalf("%s failed: %s", name, reason)
		}
		_, err := os.Lstat(w.folder(folder) + "/done/" + name)
		if err != nil {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.Process.Pid)) // proc(5)
			var read int64
			_, _ = fmt.Sscanf(string(text), "rchar: %d", &read) // 0 says it as well
			err = fmt.Errorf("%w after %d MiB were read", err, read>>20)
		}
		return err
	})
}

// streamedSum gives the checksum of what an event shows, as the reader gets it, without holding it.
func (w *matrixWorld) streamedSum(e dendritetest.Event) string {
	w.t.Helper()
	mxc, _ := e.Content["url"].(string)
	return w.streamed(mxc, func(r io.Reader) io.Reader { return r })
}

// streamed gives the checksum of a media of the homeserver, as read has it.
func (w *matrixWorld) streamed(mxc string, read func(io.Reader) io.Reader) string {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.server.URL+"/_matrix/client/v1/media/download/"+strings.TrimPrefix(mxc, "mxc://"), nil)
	must(w.t, err)
	req.Header.Set("Authorization", "Bearer "+w.reader.Token)
	resp, err := http.DefaultClient.Do(req)
	must(w.t, err)
	defer resp.Body.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, read(resp.Body))
	must(w.t, err)
	if resp.StatusCode != http.StatusOK {
		w.t.Fatal(fmt.Sprint(resp.Status, " after ", n, " bytes"))
	}
	return hex.EncodeToString(sum.Sum(nil))
}
