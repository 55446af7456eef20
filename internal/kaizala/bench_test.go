package kaizala

import (
	"io"
	"log"
	"net/http"
	"runtime"
	"testing"
	"time"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// TestMemory: what an upload allocates does not depend on its size.
func TestMemory(t *testing.T) {
	s := serve(t, say(200, goodMedia))
	k := fixed(t, s.URL)
	const size = 256 << 20
	if _, err := k.Upload(t.Context(), []Part{bulk(1000, nil)}); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := k.Upload(t.Context(), []Part{bulk(size, nil)}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	got := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d KiB allocated, the server's included", got>>10)
	if got > 2<<20 {
		t.Errorf("%d KiB for a body of %d MiB", got>>10, size>>20)
	}
}

func BenchmarkForm(b *testing.B) {
	const size = 10 << 20
	parts := []Part{bulk(size, nil)}
	w := newWatchdog(time.Hour, func() {})
	defer w.stop()
	b.SetBytes(size)
	b.ReportAllocs()
	buf := make([]byte, 32<<10)
	for b.Loop() {
		form, err := newForm(parts)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, newSending(form, w), buf); err != nil || n != form.length {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkUpload(b *testing.B) {
	const size = 64 << 20
	s := serve(b, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, goodMedia)
	})
	k := fixed(b, s.URL)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Upload(b.Context(), []Part{bulk(size, nil)}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUploadAndPost(b *testing.B) {
	s := serve(b, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/v1/media" {
			io.WriteString(w, goodMedia)
			return
		}
		io.WriteString(w, goodAction)
	})
	k := fixed(b, s.URL)
	parts := []Part{bulk(20<<10, nil)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Upload(b.Context(), parts); err != nil {
			b.Fatal(err)
		}
		if _, err := k.Post(b.Context(), post("hello")); err != nil {
			b.Fatal(err)
		}
	}
}
