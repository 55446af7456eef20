package kaizala

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/media"
	"kaizala-drop/internal/wire"
	"kaizala-drop/internal/wire/wiretest"
)

const (
	goodMedia  = `{"mediaResource":"r+/="}`
	goodAction = `{"referenceId":"6007fe3a"}`
)

// fixed is a client with a fixed token; change may alter its options.
func fixed(t testing.TB, endpoint string, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{Endpoint: endpoint, AccessToken: "token-fixed"}
	for _, f := range change {
		f(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// say gives every request the same answer.
func say(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func part(name, content string) destination.File {
	open := func() io.Reader { return strings.NewReader(content) }
	return destination.File{Name: name, MIME: "application/pdf", Size: int64(len(content)), Open: open}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// bulk is a file of zeros.
func bulk(size int64) destination.File {
	return destination.File{Name: "bulk.mp4", MIME: "video/mp4", Size: size, Open: func() io.Reader { return io.LimitReader(zeros{}, size) }}
}

func post(caption string) destination.Message {
	return destination.Message{Target: "0f8b@2", Kind: media.Document, Ref: "r+/=", Caption: caption}
}

func wireError(t *testing.T, err error) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got %v (%T), want an *Error", err, err)
	}
	return e
}

// TestUploadOnTheWire shows what an upload sends, and how it spells odd names.
func TestUploadOnTheWire(t *testing.T) {
	long := strings.Repeat("é", 125) + "x.pdf" // 255 bytes, as long as a name can be
	for _, c := range []struct {
		name, sent string
	}{
		{"scan.pdf", "scan.pdf"},
		{"folder/a b.v1.final.PDF", "a b.v1.final.PDF"},
		{`say "hi"\now.pdf`, `say \"hi\"\\now.pdf`},
		{"a\r\nContent-Type: text/html\r\n\r\n.pdf", "a%0D%0AContent-Type: text%2Fhtml"},
		{"tab\tnul\x00del\x7fnel\u0085.pdf", "tab%09nul%00del%7Fnel%C2%85.pdf"},
		{"Über 日本 🎉.pdf", "Über 日本 🎉.pdf"},
		{"bad\xff\xfe.pdf", "bad\uFFFD\uFFFD.pdf"},
		{long, long},
		{"%41.pdf", "%41.pdf"},
	} {
		if strings.Contains(c.name, "text/html") { // only the part after the slash is sent
			c.sent = "html%0D%0A%0D%0A.pdf"
		}
		t.Run(c.sent, func(t *testing.T) {
			var body, boundary string
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				body = string(b)
				boundary, _ = strings.CutPrefix(r.Header.Get("Content-Type"), "multipart/form-data; boundary=")
				if r.ContentLength != int64(len(b)) || r.TransferEncoding != nil {
					t.Errorf("Content-Length %d for %d bytes, Transfer-Encoding %v", r.ContentLength, len(b), r.TransferEncoding)
				}
				if r.Method != "POST" || r.URL.Path != "/v1/media" || r.Header.Get("accessToken") != "token-fixed" {
					t.Errorf("got %s %s with token %q", r.Method, r.URL, r.Header.Get("accessToken"))
				}
				io.WriteString(w, goodMedia)
			})
			two := part("b.png", "")
			two.MIME = "image/png"
			got, err := fixed(t, s.URL+"/").Upload(t.Context(), "", []destination.File{part(c.name, "%PDF content"), two})
			if err != nil || got != "r+/=" {
				t.Fatalf("got %q, %v", got, err)
			}
			want := "--B\r\nContent-Disposition: form-data; name=\"files\"; filename=\"" + c.sent + "\"\r\n" +
				"Content-Type: application/pdf\r\n\r\n%PDF content\r\n" +
				"--B\r\nContent-Disposition: form-data; name=\"files\"; filename=\"b.png\"\r\n" +
				"Content-Type: image/png\r\n\r\n\r\n--B--\r\n"
			if got := strings.ReplaceAll(body, boundary, "B"); boundary == "" || got != want {
				t.Errorf("got\n%q\nwant\n%q", got, want)
			}
		})
	}
}

// TestHeaderSpelling shows by raw bytes that the header is spelled accessToken; net/http would write Accesstoken.
func TestHeaderSpelling(t *testing.T) {
	head := make(chan string, 1)
	s := wiretest.Serve(t, func(_ int, c net.Conn) {
		text, _ := wiretest.ReadRequest(c)
		head <- text
		wiretest.Answer(c, goodAction)
	})
	if _, err := fixed(t, s).Post(t.Context(), post("hi")); err != nil {
		t.Fatal(err)
	}
	got := <-head
	for _, want := range []string{"POST /v1/groups/0f8b@2/actions HTTP/1.1\r\n", "\r\naccessToken: token-fixed\r\n",
		"\r\nContent-Type: application/json\r\n", "\r\nUser-Agent: kaizala-drop\r\n", "\r\nContent-Length: 78\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	if strings.Contains(strings.ToLower(got), "transfer-encoding") {
		t.Errorf("chunked: %q", got)
	}
}

// TestPostOnTheWire shows what a post sends, and what is read of its answer.
func TestPostOnTheWire(t *testing.T) {
	for _, c := range []struct {
		group, path, caption, body string
	}{
		{"0f8b@2", "/v1/groups/0f8b@2/actions", "", `{"actionType":"Document","actionBody":{"mediaResource":"r+/="}}`},
		{"a/b c%?#ü", "/v1/groups/a%2Fb%20c%25%3F%23%C3%BC/actions", "é \"q\"\n",
			`{"actionType":"Document","actionBody":{"mediaResource":"r+/=","caption":"é \"q\"\n"}}`},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			if string(b) != c.body || r.RequestURI != c.path {
				t.Errorf("got %s %s, want %s %s", r.RequestURI, b, c.path, c.body)
			}
			io.WriteString(w, `{"referenceId":"x","failedResult":[{"subscriber":"+49\n1","errorReason":"left","errorCode":7}]}`)
		})
		p := post(c.caption)
		p.Target = c.group
		got, err := fixed(t, s.URL).Post(t.Context(), p)
		want := destination.Receipt{ID: "x", Missed: []destination.Missed{{Subscriber: `+49\n1`, Reason: "left", Code: "7"}}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

// TestPostTakenWhateverIsSaidBeside shows that a post succeeds although the list of subscribers cannot be read.
func TestPostTakenWhateverIsSaidBeside(t *testing.T) {
	s := serve(t, say(200, "\uFEFF"+`{"referenceId":"x","failedResult":{"odd":[1]}}`))
	if got, err := fixed(t, s.URL).Post(t.Context(), post("")); err != nil || got.ID != "x" || got.Missed != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestGroups shows the call that lists groups, and how its answer is read.
func TestGroups(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.RequestURI != "/v1/groups?fetchAllGroups=true" {
			t.Errorf("got %s %s", r.Method, r.RequestURI)
		}
		io.WriteString(w, `{"groups":[{"groupId":"a@2","groupName":"Ü","callerRole":"Admin","groupType":"Group","more":1}]}`)
	})
	got, err := fixed(t, s.URL).Groups(t.Context())
	if want := []Group{{"a@2", "Ü", "Admin", "Group"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestRefusedLocally shows that an upload or a post without what it needs is refused before a call is made.
func TestRefusedLocally(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a call was made") })
	c := fixed(t, s.URL)
	open := part("", "").Open
	for _, parts := range [][]destination.File{
		nil, {{}}, {part("", "x")}, {part("dir/", "x")},
		{{Name: "a.pdf", MIME: "a\r\nb", Open: open}}, {{Name: "a.pdf", Open: open}},
		{{Name: "a.pdf", MIME: "b/c"}}, {{Name: "a.pdf", MIME: "b/c", Size: -1, Open: open}},
	} {
		if _, err := c.Upload(t.Context(), "", parts); err == nil || wireError(t, err).Fault != FaultFile {
			t.Errorf("%+v: got %v", parts, err)
		}
	}
	for _, group := range []string{"", ".", ".."} {
		p := post("")
		p.Target = group
		_, err := c.Post(t.Context(), p)
		if e := wireError(t, err); e.Fault != FaultGroup || e.MayHaveActed {
			t.Errorf("%q: got %v", group, err)
		}
	}
	if _, err := c.Post(t.Context(), destination.Message{Target: "g"}); err == nil || wireError(t, err).Fault != FaultFile {
		t.Errorf("got %v", err)
	}
}

// TestNewRefuses shows that wrong options are refused by an error that shows no secret.
func TestNewRefuses(t *testing.T) {
	app := Options{Endpoint: "https://h", ApplicationID: "i", ApplicationSecret: "hush-secret", RefreshToken: "hush-refresh"}
	for name, change := range map[string]func(*Options){
		"nothing":        func(o *Options) { *o = Options{} },
		"both":           func(o *Options) { o.AccessToken = "x" },
		"no id":          func(o *Options) { o.ApplicationID = "" },
		"no secret":      func(o *Options) { o.ApplicationSecret = "" },
		"token alone":    func(o *Options) { o.ApplicationID, o.ApplicationSecret = "", "" },
		"line break":     func(o *Options) { o.ApplicationSecret += "\n" },
		"plain http":     func(o *Options) { o.Endpoint = "http://example.org" },
		"plain http ip":  func(o *Options) { o.Endpoint = "http://10.0.0.1" },
		"no endpoint":    func(o *Options) { o.Endpoint = "" },
		"no scheme":      func(o *Options) { o.Endpoint = "api.kaiza.la" },
		"other scheme":   func(o *Options) { o.Endpoint = "ftp://h" },
		"no host":        func(o *Options) { o.Endpoint = "https:///x" },
		"user":           func(o *Options) { o.Endpoint = "https://me:hush-word@h" },
		"bad with user":  func(o *Options) { o.Endpoint = "https://me:hush-word@h:x" },
		"negative conns": func(o *Options) { o.MaxConns = -1 },
	} {
		o := app
		change(&o)
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, endpoint := range []string{"https://h/", "http://127.0.0.1:1", "http://localhost:1/x/", "http://[::1]:1"} {
		o := app
		o.Endpoint = endpoint
		if c, err := New(o); err != nil || strings.HasSuffix(c.root.get(), "/") {
			t.Errorf("%s: got %v", endpoint, err)
		}
	}
}

func filename(t *testing.T, disposition string) string {
	t.Helper()
	kind, params, err := mime.ParseMediaType(disposition)
	if err != nil || kind != "form-data" || len(params) != 2 {
		t.Fatalf("%q parses as %q %q, %v", disposition, kind, params, err)
	}
	return params["filename"]
}

// TestContent shows that a file which is not as it was said to be is that file's fault, whatever other files are in the form.
func TestContent(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, c := range []struct {
		name    string
		size    int64
		content io.Reader
		want    string
	}{
		{"shrank", 100, strings.NewReader("only this"), "ended after 9 of 100 bytes"},
		{"grew", 4, strings.NewReader("five!"), "longer than 4 bytes"},
		{"unreadable", 100, iotest.ErrReader(broken), "disk on fire"},
	} {
		t.Run(c.name, func(t *testing.T) {
			whole := false
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, err := io.Copy(io.Discard, r.Body)
				whole = err == nil
				io.WriteString(w, goodMedia)
			})
			p := destination.File{Name: "bad\nname.pdf", MIME: "application/pdf", Size: c.size, Open: func() io.Reader { return c.content }}
			_, err := fixed(t, s.URL).Upload(t.Context(), "", []destination.File{part("first.pdf", "x"), p, part("last.pdf", "x")})
			e := wireError(t, err)
			if !errors.Is(err, wire.ErrContent) || e.Fault != FaultFile || e.Status != 0 || e.MayHaveActed || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %+v", err, e)
			}
			if c.name == "unreadable" && !errors.Is(err, broken) {
				t.Errorf("%v does not wrap the reader's error", err)
			}
			if !strings.Contains(err.Error(), `bad\nname.pdf`) || strings.Contains(err.Error(), "\n") {
				t.Errorf("name not printable in %q", err)
			}
			s.CloseClientConnections()
			s.Close()
			if whole {
				t.Error("the server got a whole request")
			}
		})
	}
}

// FuzzFormName shows that no file name can break the form.
func FuzzFormName(f *testing.F) {
	for _, s := range []string{"a.pdf", "a\"b\\c.pdf", "x\r\ny: z", "\xff", "é\u0085", `\"`, "a;b=c", "=?utf-8?q?x?=", "%0A", "\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		form, err := newForm([]destination.File{{Name: name, MIME: "image/png", Open: func() io.Reader { return bytes.NewReader(nil) }}})
		if name == "" || strings.HasSuffix(name, "/") {
			if err == nil {
				t.Fatal("no name, but a form")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var text []byte
		for _, p := range form.Pieces {
			if text = append(text, p.Text...); p.File != nil && (p.File.Size != 0 || p.File.Name != name) {
				t.Fatalf("got %+v", p.File)
			}
		}
		if int64(len(text)) != form.Length() {
			t.Fatalf("%d of %d bytes", len(text), form.Length())
		}
		boundary := strings.TrimPrefix(form.ContentType, "multipart/form-data; boundary=")
		for _, end := range []string{"\r\n", "\n", "\r"} {
			if n := bytes.Count(text, []byte(end)); n != 6 {
				t.Fatalf("%d times %q in %q", n, end, text)
			}
		}
		p, err := multipart.NewReader(bytes.NewReader(text), boundary).NextRawPart()
		if err != nil || p.FormName() != "files" {
			t.Fatalf("%q: %v", text, err)
		}
		disposition := p.Header.Get("Content-Disposition")
		if got := filename(t, disposition); got != formName(name) {
			t.Fatalf("%q parses as %q, want %q", disposition, got, formName(name))
		}
	})
}

// TestStringsOfErrors shows the texts of errors and faults.
func TestStringsOfErrors(t *testing.T) {
	e := &Error{Call: callMedia, Status: 429, Code: "Busy", Message: "later", RetryAfter: 30 * time.Second, Err: errors.New("x")}
	if got, want := e.Error(), "cannot upload: answered 429 Too Many Requests: Busy: later: x, try again in 30s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := fmt.Sprint(FaultDestination, FaultFile, FaultGroup); got != "destination file group" {
		t.Errorf("got %q", got)
	}
	var zero Fault
	if zero != FaultDestination {
		t.Error("the zero Fault must be the safe one")
	}
}

// TestCanceledBeforehand shows that no call is made with a context that has ended, and that its error wraps the cause.
func TestCanceledBeforehand(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a call was made") })
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("closing time")
	cancel(why)
	_, err := fixed(t, s.URL).Post(ctx, post(""))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || wireError(t, err).MayHaveActed {
		t.Errorf("got %v", err)
	}
}
