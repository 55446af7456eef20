package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"kaizala-drop/internal/matrix/dendritetest"
)

// BenchmarkMatrix posts 1,000 pictures of 200 kB to a real homeserver with the daemon, from its start to its end, and with a bare client of
// the two calls, as many at once as the daemon has uploads: half of them before the daemon, half after it, because the server gets slower with
// what it holds. The share is the daemon's files a second by the bare client's. 0.7 at least is wanted.
func BenchmarkMatrix(b *testing.B) {
	for _, c := range []struct {
		name    string
		folders []string
	}{{"one folder", []string{"in"}}, {"four folders", []string{"one", "two", "three", "four"}}} {
		b.Run(c.name, func(b *testing.B) { benchmarkMatrix(b, 1000, 200_000, c.folders) })
	}
}

func benchmarkMatrix(b *testing.B, pictures, size int, folders []string) {
	program := buildProgram(b)
	var daemon, bare time.Duration
	rounds := 0
	for b.Loop() {
		w := newMatrixWorld(b, dendritetest.Options{}, "", folders...)
		w.url = w.server.URL // nothing in between
		w.configure("", folders...)
		contents := make([][]byte, pictures)
		for i := range contents {
			contents[i] = paddedPicture(b, size)
			must(b, os.WriteFile(fmt.Sprintf("%s/%d.jpg", w.folder(folders[i%len(folders)]), i), contents[i], 0o644))
		}
		w.bare(contents[:pictures/10], folders, 4) // the first time everything is slow
		bare += w.bare(contents[:pictures/2], folders, 4)
		begun := time.Now()
		p := startProcess(b, exec.Command(program, "run", "--once", "--config", w.config))
		if code := p.within(10 * time.Minute); code != 0 {
			b.Fatalf("exit code %d", code)
		}
		daemon += time.Since(begun)
		bare += w.bare(contents[pictures/2:], folders, 4)
		shown := 0
		for _, folder := range folders {
			shown += len(w.shown(folder))
		}
		if shown != 2*pictures+pictures/10 {
			b.Fatalf("%d messages", shown)
		}
		rounds++
	}
	total := float64(pictures * rounds)
	b.ReportMetric(total/daemon.Seconds(), "files/s")
	b.ReportMetric(total/bare.Seconds(), "bare-files/s")
	b.ReportMetric(bare.Seconds()/daemon.Seconds(), "share")
}

// paddedPicture is a real JPEG, too small for a thumbnail, that has so many bytes: the rest are comments (ITU-T T.81, B.2.4.5) of noise.
func paddedPicture(t testing.TB, size int) []byte {
	t.Helper()
	var small bytes.Buffer
	must(t, jpeg.Encode(&small, image.NewGray(image.Rect(0, 0, 160, 120)), nil))
	picture := append(make([]byte, 0, size), small.Bytes()[:2]...)
	for left := size - small.Len(); left > 0; {
		n := min(left, 60_000)
		if rest := left - n; rest > 0 && rest < 4 { // too little for a comment of its own
			n -= 4
		}
		picture = binary.BigEndian.AppendUint16(append(picture, 0xff, 0xfe), uint16(n-2))
		noise := make([]byte, n-4)
		rand.Read(noise)
		picture = append(picture, noise...)
		left -= n
	}
	return append(picture, small.Bytes()[2:]...)
}

// bare uploads and posts pictures to the rooms of the folders, so many at a time, and gives how long that took.
func (w *matrixWorld) bare(contents [][]byte, folders []string, atOnce int) time.Duration {
	w.t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: atOnce}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	call := func(method, path, mime string, body []byte) (answer map[string]string) {
		req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, bytes.NewReader(body))
		must(w.t, err)
		req.Header.Set("Authorization", "Bearer "+w.bot.Token)
		req.Header.Set("Content-Type", mime)
		resp, err := client.Do(req)
		must(w.t, err)
		defer resp.Body.Close()
		must(w.t, json.NewDecoder(resp.Body).Decode(&answer))
		if resp.StatusCode != http.StatusOK {
			w.t.Errorf("%s %s: %d %v", method, path, resp.StatusCode, answer)
		}
		return answer
	}
	var wg sync.WaitGroup
	next := make(chan int)
	begun := time.Now()
	for range atOnce {
		wg.Go(func() {
			for i := range next {
				// Bytes of its own, or the server would find that it has them.
				uri := call(http.MethodPost, "/_matrix/media/v3/upload?filename=x.jpg", "image/jpeg", append(contents[i], rand.Text()...))["content_uri"]
				body := fmt.Sprintf(`{"msgtype":"m.image","body":"x.jpg","filename":"x.jpg","url":%q,"info":{"size":%d,"mimetype":"image/jpeg","w":160,"h":120},`+
					`"kaizala-drop.key":%q}`, uri, len(contents[i]), strings.Repeat("x", 28))
				room := w.rooms[folders[i%len(folders)]]
				call(http.MethodPut, "/_matrix/client/v3/rooms/"+url.PathEscape(room)+"/send/m.room.message/"+rand.Text(), "application/json", []byte(body))
			}
		})
	}
	for i := range contents {
		next <- i
	}
	close(next)
	wg.Wait()
	return time.Since(begun)
}
