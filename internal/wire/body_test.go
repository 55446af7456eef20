package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"kaizala-drop/internal/wire/wiretest"
)

// TestContent shows that a file which has not its size, or cannot be read, breaks the request off, so that the server never
// gets a whole one.
func TestContent(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, c := range []struct {
		name    string
		size    int64
		content string
		err     error
		want    string
	}{
		{"shrank", 100, "only this", nil, "ended after 9 of 100 bytes"},
		{"grew", 4, "five!", nil, "longer than 4 bytes"},
		{"grew from nothing", 0, "x", nil, "longer than 0 bytes"},
		{"unreadable", 100, "some", broken, "disk on fire"},
		{"unreadable at the end", 4, "some", broken, "disk on fire"},
		{"large, unreadable at the end", 3 << 20, strings.Repeat("x", 3<<20), broken, "disk on fire"},
	} {
		for _, form := range []string{"POST", "PUT", "POST, with more"} {
			t.Run(c.name+" "+form, func(t *testing.T) {
				whole := make(chan bool, 1)
				s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
					_, err := io.Copy(io.Discard, r.Body)
					whole <- err == nil
				})
				open := func() io.Reader { return io.MultiReader(strings.NewReader(c.content), errorOrEOF(c.err)) }
				pieces := []Piece{{File: &File{Name: "bad\nname.pdf", Size: c.size, Open: open}}}
				method, more := strings.CutSuffix(form, ", with more")
				if more {
					pieces = []Piece{textPiece("before"), {File: &File{Name: "first.pdf", Size: 1, Open: func() io.Reader { return strings.NewReader("x") }}},
						pieces[0], textPiece("after")}
				}
				_, err := callerTo(t, s.URL).do(t.Context(), method, pieces...)
				e := wireError(t, err)
				if !errors.Is(err, ErrContent) || e.MayHaveActed || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, %+v", err, e)
				}
				if c.err != nil && !errors.Is(err, c.err) {
					t.Errorf("%v does not wrap the reader's error", err)
				}
				if !strings.Contains(err.Error(), `bad\nname.pdf`) || strings.Contains(err.Error(), "\n") {
					t.Errorf("name not printable in %q", err)
				}
				s.CloseClientConnections()
				s.Close() // waits for the handler; a small request that was broken off may not have reached one
				select {
				case got := <-whole:
					if got {
						t.Error("the server got a whole request")
					}
				default:
				}
			})
		}
	}
}

func errorOrEOF(err error) io.Reader {
	if err == nil {
		return strings.NewReader("")
	}
	return iotest.ErrReader(err)
}

// TestNoReaderInUseAfterDo shows that no reader is used after Do has returned, because callers close their files then.
func TestNoReaderInUseAfterDo(t *testing.T) {
	s := wiretest.Serve(t, func(_ int, c net.Conn) {
		io.ReadFull(c, make([]byte, 2000))
		io.WriteString(c, "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
		io.Copy(io.Discard, c)
	})
	c := callerTo(t, s)
	for range 20 {
		var done, late atomic.Bool
		p := bulk(1<<20-1000, nil)
		open := p.File.Open
		p.File.Open = func() io.Reader { return tattler{open(), &done, &late} }
		a, err := c.do(t.Context(), "POST", p)
		done.Store(true)
		if err != nil || a.Status != 413 {
			t.Fatalf("got %+v, %v", a, err)
		}
		c.Close()
		if late.Load() {
			t.Fatal("read after Do returned")
		}
	}
}

type tattler struct {
	io.Reader
	done, late *atomic.Bool
}

func (r tattler) Read(p []byte) (int, error) {
	if r.done.Load() {
		r.late.Store(true)
	}
	return r.Reader.Read(p)
}

// twice is a transport that reads some of a body, starts over with GetBody, as net/http does on a connection that turns out to
// be closed, and then reads all of it.
type twice struct {
	t    *testing.T
	some int64
}

func (tr twice) RoundTrip(r *http.Request) (*http.Response, error) {
	io.CopyN(io.Discard, r.Body, tr.some)
	r.Body.Close()
	body, err := r.GetBody()
	if err != nil {
		tr.t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, body); err != nil || n != r.ContentLength {
		tr.t.Errorf("%d of %d bytes, %v", n, r.ContentLength, err)
	}
	body.Close()
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
}

// TestBodyStartsOver shows that a body can be read again from its beginning after a part of it was read.
func TestBodyStartsOver(t *testing.T) {
	for _, some := range []int64{0, 100, 5000, 100_000} {
		c := callerTo(t, "https://calls.example", func(o *Options) { o.Transport = twice{t, some} })
		if a, err := c.do(t.Context(), "POST", textPiece("form"), bulk(1, nil), textPiece("form"), bulk(10_000, nil), textPiece("form")); err != nil || a.Early {
			t.Errorf("got %+v, %v", a, err)
		}
	}
}

// hasty is a transport whose server answers after the first 1000 bytes.
type hasty struct{}

func (hasty) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.CopyN(io.Discard, r.Body, 1000); err != nil && err != io.EOF {
		return nil, err
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
}

// TestEarlyAnswer shows that a 200 which came before the whole file was sent is marked as early.
func TestEarlyAnswer(t *testing.T) {
	c := callerTo(t, "https://calls.example", func(o *Options) { o.Transport = hasty{} })
	for size, early := range map[int64]bool{1000: false, 1001: true, 100_000: true} {
		a, err := c.do(t.Context(), "PUT", bulk(size, nil))
		if err != nil || a.Status != 200 || a.Early != early || (a.JSON(&struct{}{}) != nil) != early {
			t.Errorf("%d bytes: got %+v, %v", size, a, err)
		}
	}
}

// TestMemory shows that the memory that a call allocates does not depend on its size.
func TestMemory(t *testing.T) {
	c := callerTo(t, serve(t, say(200, "{}")).URL)
	const size = 256 << 20
	if _, err := c.do(t.Context(), "POST", bulk(1000, nil)); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := c.do(t.Context(), "POST", bulk(size, nil)); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	got := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d KiB allocated, the server's included", got>>10)
	if got > 2<<20 {
		t.Errorf("%d KiB for a body of %d MiB", got>>10, size>>20)
	}
}

// TestEmptyBody shows that an empty body is sent with its length and not chunked, and that an empty file which has grown is
// noticed before anything is sent.
func TestEmptyBody(t *testing.T) {
	calls := 0
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		calls++
		if n, _ := io.Copy(io.Discard, r.Body); n != 0 || r.Header.Get("Content-Length") != "0" || r.TransferEncoding != nil {
			t.Errorf("%s: %d bytes, %v, %v", r.Method, n, r.Header, r.TransferEncoding)
		}
	})
	for _, method := range []string{"POST", "PUT"} {
		for _, empty := range []Piece{textPiece(""), bulk(0, nil)} {
			a, err := callerTo(t, s.URL).do(t.Context(), method, empty)
			if err != nil || a.Status != 200 || a.Early {
				t.Errorf("%s: got %+v, %v", method, a, err)
			}
		}
		for _, content := range []io.Reader{strings.NewReader("x"), iotest.ErrReader(fmt.Errorf("disk on fire: %w", io.EOF))} {
			torn := Piece{File: &File{Name: "a.pdf", Open: func() io.Reader { return content }}}
			if _, err := callerTo(t, s.URL).do(t.Context(), method, torn); !errors.Is(err, ErrContent) || wireError(t, err).MayHaveActed {
				t.Errorf("%s: got %v", method, err)
			}
		}
	}
	if calls != 4 {
		t.Errorf("%d calls", calls)
	}
}

// TestBodyCanBeSentAgain shows that a body can be sent several times, even at the same time.
func TestBodyCanBeSentAgain(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	})
	c := callerTo(t, s.URL)
	pieces := []Piece{textPiece("begin"), bulk(100_000, nil), textPiece("end")}
	errs := make(chan error)
	for range 4 {
		go func() {
			var err error
			for range 5 {
				a, failed := c.do(t.Context(), "POST", pieces...)
				if failed != nil || string(a.Body) != "100008" {
					err = fmt.Errorf("got %+v, %w", a, failed)
				}
			}
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestJSONBody shows that a value which cannot be JSON is an error.
func TestJSONBody(t *testing.T) {
	b, err := JSON(map[string]string{"a": "<é>"})
	if err != nil || b.ContentType != "application/json" || string(b.Pieces[0].Text) != `{"a":"\u003cé\u003e"}` || b.Length() != 22 {
		t.Errorf("got %+v, %d, %v", b, b.Length(), err)
	}
	if _, err := JSON(func() {}); err == nil {
		t.Error("a function was taken")
	}
}

// FuzzBody shows that any body, read in any portions, is handed over as a whole if each file has its size. Otherwise the error
// says so, and fewer than Length bytes are handed over.
func FuzzBody(f *testing.F) {
	f.Add([]byte{3, 5, 5, 0, 4, 4, 2, 0, 0}, uint8(3), uint8(2))
	f.Add([]byte{3, 0, 1}, uint8(9), uint8(9))          // an empty file at the end has grown
	f.Add([]byte{0, 9, 9, 0, 0, 1}, uint8(1), uint8(9)) // so has one after a whole file
	f.Add([]byte{0, 7, 3, 1}, uint8(7), uint8(0))
	f.Fuzz(func(t *testing.T, shape []byte, portion, chunk uint8) {
		body, want, torn := &Body{}, "", false
		for ; len(shape) >= 3; shape = shape[3:] { // the length of a text, the said size of a file, and its real size
			before, content := strings.Repeat("t", int(shape[0])), strings.Repeat("f", int(shape[2]))
			open := func() io.Reader { return &choppy{strings.NewReader(content), max(1, int(chunk)), false} }
			body.Pieces = append(body.Pieces, textPiece(before), Piece{File: &File{Name: "a", Size: int64(shape[1]), Open: open}})
			want += before + content
			torn = torn || shape[1] != shape[2]
		}
		w := newWatchdog(time.Hour, func() {})
		defer w.stop()
		r := newBodyReader(body, w)
		got, err := io.ReadAll(&choppy{r, max(1, int(portion)), true})
		switch {
		case !torn && (err != nil || string(got) != want || int64(len(got)) != body.Length() || !r.complete()):
			t.Errorf("got %d of %d bytes, %v", len(got), len(want), err)
		case torn && (!errors.Is(err, ErrContent) || r.failed() != err || len(got) > 0 && int64(len(got)) >= body.Length()):
			t.Errorf("got %d of %d bytes, %v", len(got), body.Length(), err)
		}
	})
}

// choppy reads in portions. Every other portion is empty, unless it must not be.
type choppy struct {
	io.Reader
	most  int
	never bool // no portion is empty
}

func (c *choppy) Read(p []byte) (int, error) {
	if !c.never {
		if c.most = -c.most; c.most <= 0 {
			return 0, nil
		}
	}
	return c.Reader.Read(p[:min(len(p), c.most)])
}

// BenchmarkBody measures reading a body.
func BenchmarkBody(b *testing.B) {
	const size = 10 << 20
	w := newWatchdog(time.Hour, func() {})
	defer w.stop()
	b.SetBytes(size)
	b.ReportAllocs()
	buf := make([]byte, 32<<10)
	for b.Loop() {
		body := &Body{Pieces: []Piece{textPiece("begin"), bulk(size, nil), textPiece("end")}}
		if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, newBodyReader(body, w), buf); err != nil || n != body.Length() {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkDo measures sending a large file to a server on this machine.
func BenchmarkDo(b *testing.B) {
	const size = 64 << 20
	c := callerTo(b, serve(b, say(200, "{}")).URL)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.do(b.Context(), "POST", bulk(size, nil)); err != nil {
			b.Fatal(err)
		}
	}
}
