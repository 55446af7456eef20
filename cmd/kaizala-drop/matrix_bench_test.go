package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"kaizala-drop/internal/matrix/dendritetest"
)

// BenchmarkMatrix posts pictures of 200 kB with the daemon, and then with a bare client of the two calls, one after the other of the same
// number at a time. The share is the daemon's files a second by the bare client's.
func BenchmarkMatrix(b *testing.B) {
	const pictures, size = 200, 200_000
	for b.Loop() {
		w := newMatrixWorld(b, dendritetest.Options{}, "", "in")
		contents := make([]string, pictures)
		for i := range contents {
			noise := make([]byte, size)
			rand.Read(noise)
			contents[i] = "GIF89a" + string(noise) // which Dendrite does not make small
			must(b, os.WriteFile(w.folder("in")+fmt.Sprintf("/%d.gif", i), []byte(contents[i]), 0o644))
		}
		w.server.NewUser("warm")
		begun := time.Now()
		if code := w.start("run", "--once").within(10 * time.Minute); code != 0 {
			b.Fatalf("exit code %d", code)
		}
		daemon := time.Since(begun)
		begun = time.Now()
		w.bare(contents, 4)
		bare := time.Since(begun)
		if n := len(w.shown("in")); n != 2*pictures {
			b.Fatalf("%d messages", n)
		}
		b.ReportMetric(pictures/daemon.Seconds(), "files/s")
		b.ReportMetric(pictures/bare.Seconds(), "bare-files/s")
		b.ReportMetric(bare.Seconds()/daemon.Seconds(), "share")
	}
}

// bare uploads and posts, so many at a time, through the same proxy.
func (w *matrixWorld) bare(contents []string, atOnce int) {
	w.t.Helper()
	call := func(method, path, mime, body string) (answer map[string]string) {
		req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
		must(w.t, err)
		req.Header.Set("Authorization", "Bearer "+w.bot.Token)
		req.Header.Set("Content-Type", mime)
		resp, err := http.DefaultClient.Do(req)
		must(w.t, err)
		defer resp.Body.Close()
		must(w.t, json.NewDecoder(resp.Body).Decode(&answer))
		return answer
	}
	var wg sync.WaitGroup
	next := make(chan int)
	for range atOnce {
		wg.Go(func() {
			for i := range next {
				uri := call(http.MethodPost, "/_matrix/media/v3/upload?filename=x.gif", "image/gif", contents[i]+"!")["content_uri"]
				body := fmt.Sprintf(`{"msgtype":"m.image","body":"x.gif","url":%q,"info":{"size":%d,"mimetype":"image/gif"}}`, uri, len(contents[i]))
				call(http.MethodPut, "/_matrix/client/v3/rooms/"+url.PathEscape(w.rooms["in"])+"/send/m.room.message/"+rand.Text(), "application/json", body)
			}
		})
	}
	for i := range contents {
		next <- i
	}
	close(next)
	wg.Wait()
}
