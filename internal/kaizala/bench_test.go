package kaizala

import (
	"io"
	"net/http"
	"testing"

	"kaizala-drop/internal/destination"
)

// BenchmarkUpload measures uploading a large file to a server on this machine.
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
		if _, err := k.Upload(b.Context(), "", []destination.File{bulk(size)}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUploadAndPost measures uploading and posting a small file.
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
	parts := []destination.File{bulk(20 << 10)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Upload(b.Context(), "", parts); err != nil {
			b.Fatal(err)
		}
		if _, err := k.Post(b.Context(), post("hello")); err != nil {
			b.Fatal(err)
		}
	}
}
