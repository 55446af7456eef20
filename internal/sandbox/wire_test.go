package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"kaizala-drop/internal/media"
)

// TestUploadRefused shows the status for each kind of wrong part.
func TestUploadRefused(t *testing.T) {
	b := newBench(t, nil)
	pdf := filePart("a.pdf", "x")
	for name, c := range map[string]struct {
		status int
		parts  []part
	}{
		"octet-stream":       {415, []part{{pdf.disposition, "application/octet-stream", "x"}}},
		"no type":            {415, []part{{pdf.disposition, "", "x"}}},
		"another's type":     {415, []part{{pdf.disposition, "image/png", "x"}}},
		"unsupported":        {415, []part{filePart("a.exe", "x")}},
		"no extension":       {415, []part{filePart("README", "x")}},
		"no part":            {400, nil},
		"no name":            {400, []part{{`form-data; name="files"`, pdf.mime, "x"}}},
		"empty name":         {400, []part{{`form-data; name="files"; filename=""`, pdf.mime, "x"}}},
		"extended name only": {400, []part{{`form-data; name="files"; filename*=UTF-8''a.pdf`, pdf.mime, "x"}}},
		"wrong field":        {400, []part{{`form-data; name="file"; filename="a.pdf"`, pdf.mime, "x"}}},
		"no disposition":     {400, []part{{"", pdf.mime, "x"}}},
		"not a form's":       {400, []part{{`attachment; name="files"; filename="a.pdf"`, pdf.mime, "x"}}},
		"quote left open":    {400, []part{{`form-data; name="files"; filename="a.pdf`, pdf.mime, "x"}}},
		"empty file":         {400, []part{filePart("a.pdf", "")}},
		"empty in an album":  {400, []part{filePart("a.jpg", "x"), filePart("b.jpg", "")}},
		"mixed album":        {400, []part{filePart("a.jpg", "x"), filePart("b.pdf", "y")}},
		"album, images last": {400, []part{filePart("a.pdf", "x"), filePart("b.jpg", "y")}},
		"two documents":      {400, []part{pdf, filePart("b.pdf", "y")}},
		"second of no type":  {415, []part{filePart("a.jpg", "x"), filePart("b.gif", "y")}},
	} {
		t.Run(name, func(t *testing.T) {
			(&bench{t, b.Server, b.http}).expectProblem(b.upload(c.parts...), c.status)
		})
	}
	if left := b.files(); len(left) > 0 {
		t.Errorf("refused uploads left %q", left)
	}
}

// TestUploadOfAnotherForm shows the status for each kind of wrong form.
func TestUploadOfAnotherForm(t *testing.T) {
	b := newBench(t, nil)
	body, kind := form(filePart("a.pdf", "x"))
	cut := bytes.TrimSuffix(bytes.TrimSpace(body), []byte("--"))
	noEnd := body[:bytes.LastIndex(body, []byte("\r\n--"))]
	for name, c := range map[string]struct {
		status int
		body   io.Reader
		kind   string
		token  string
	}{
		"no content type":         {415, bytes.NewReader(body), "", goodToken},
		"not multipart":           {415, bytes.NewReader(body), "application/pdf", goodToken},
		"multipart/mixed":         {415, bytes.NewReader(body), strings.Replace(kind, "form-data", "mixed", 1), goodToken},
		"no boundary":             {400, bytes.NewReader(body), "multipart/form-data", goodToken},
		"broken parameters":       {400, bytes.NewReader(body), `multipart/form-data; boundary="`, goodToken},
		"no body":                 {400, nil, kind, goodToken},
		"other boundary":          {400, bytes.NewReader(body), "multipart/form-data; boundary=other", goodToken},
		"end of form missing":     {400, bytes.NewReader(noEnd), kind, goodToken},
		"form cut after its part": {400, bytes.NewReader(cut), kind, goodToken},
		"chunked":                 {411, io.MultiReader(bytes.NewReader(body)), kind, goodToken},
		"no token":                {401, bytes.NewReader(body), kind, ""},
		"bad token":               {401, bytes.NewReader(body), kind, "bad"},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.do(b.request(http.MethodPost, "/v1/media", c.body, "Content-Type", c.kind, "accessToken", c.token))
			(&bench{t, b.Server, b.http}).expectProblem(r, c.status)
		})
	}
	if left := b.files(); len(left) > 0 {
		t.Errorf("refused uploads left %q", left)
	}
}

// TestEveryTypeIsTaken shows that a file of each type of package media can be uploaded and posted.
func TestEveryTypeIsTaken(t *testing.T) {
	b := newBench(t, nil)
	for _, ext := range media.Extensions() {
		name := "A.b" + strings.ToUpper(ext)
		typ, _ := media.ByName(name)
		b.mustPost(reception, string(typ.Kind), "", filePart(name, "x"))
	}
	if got, want := len(b.Posts()), len(media.Extensions()); got != want || want == 0 {
		t.Errorf("%d posts, want %d", got, want)
	}
}

// TestBytesAndSum shows that the bytes of a file are kept, and its size and sum are right, at each size around the buffer's.
func TestBytesAndSum(t *testing.T) {
	b := newBench(t, nil)
	random := rand.NewChaCha8([32]byte{1})
	for _, size := range []int{1, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20} {
		data := make([]byte, size)
		_, _ = random.Read(data)
		data[size-1] = '\n' // looks like the beginning of a boundary
		b.mustPost(reception, "Video", "", filePart("clip.mp4", string(data)))
		posts := b.Posts()
		m := posts[len(posts)-1].Media[0]
		sum := sha256.Sum256(data)
		kept, err := os.ReadFile(m.Path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(kept, data) || m.SHA256 != hex.EncodeToString(sum[:]) || m.Size != int64(size) || m.MIME != "video/mp4" {
			t.Errorf("%d bytes: kept %d, %+v", size, len(kept), m)
		}
	}
}

// TestTransferEncodingIsNotApplied shows that the bytes of a part are kept although a header calls them encoded.
func TestTransferEncodingIsNotApplied(t *testing.T) {
	b := newBench(t, nil)
	const text = "a=3Db=\r\n"
	body := "--B\r\nContent-Disposition: form-data; name=files; filename=a.pdf\r\nContent-Type: application/pdf\r\n" +
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + text + "\r\n--B--\r\n"
	r := b.do(b.request(http.MethodPost, "/v1/media", strings.NewReader(body), "Content-Type", "multipart/form-data; boundary=B"))
	b.act(reception, action("Document", r.field("mediaResource"), ""))
	posts := b.Posts()
	if len(posts) != 1 {
		t.Fatalf("%d posts; the upload was answered with %s", len(posts), r.body)
	}
	if kept, err := os.ReadFile(posts[0].Media[0].Path); err != nil || string(kept) != text {
		t.Errorf("kept %q, %v", kept, err)
	}
}

// TestNames shows that any file name arrives as it is, and names no file on disk.
func TestNames(t *testing.T) {
	b := newBench(t, nil)
	for _, name := range []string{
		"scan 1.v2.pdf", `"quoted" \ and \" .pdf`, `\\server\share\x.pdf`, "a/b/../c.pdf", "line\r\nbreak.pdf", "; name=x.pdf",
		"Übergröße 文書.pdf", "\xff\xfe latin \xe9.pdf", "<script>alert(1)</script>.pdf", "tab\tin.pdf", "100%.pdf", "%2e%2e%2f.pdf",
		strings.Repeat("x", 251) + ".pdf", "../../../../etc/x.pdf", "=?utf-8?q?a?=.pdf", " .pdf",
	} {
		b.mustPost(reception, "Document", name+"'s caption", filePart(name, "x"))
		posts := b.Posts()
		m := posts[len(posts)-1].Media[0]
		if m.Name != name {
			t.Errorf("name %q arrived as %q", name, m.Name)
		}
		if filepath.Dir(m.Path) != b.dir || len(filepath.Base(m.Path)) > 30 {
			t.Errorf("name %q is kept as %q", name, m.Path)
		}
	}
}

// TestDisposition shows how the Content-Disposition of different clients is read.
func TestDisposition(t *testing.T) {
	for header, want := range map[string]disposition{
		`form-data; name="files"; filename="a.pdf"`:            {"files", "a.pdf"},
		`Form-Data;NAME=files;FILENAME=a.pdf`:                  {"files", "a.pdf"},
		`form-data; filename="a;b=c.pdf" ; name = "files" ;`:   {"files", "a;b=c.pdf"},
		`form-data; name="files"; filename="say %22hi%22.pdf"`: {"files", `say "hi".pdf`},
		`form-data; name="files"; filename="a%0D%0Ab%25.pdf"`:  {"files", "a\r\nb%25.pdf"},
		`form-data; name="files"; filename="C:\dir\a.pdf"`:     {"files", `C:\dir\a.pdf`},
		`form-data; name="files"; filename="a\\b\".pdf"`:       {"files", `a\b".pdf`},
		`form-data; name="files"; filename*=utf-8''x; other=`:  {"files", ""},
		"form-data; name=\"files\";\tfilename=\"\xff.pdf\"":    {"files", "\xff.pdf"},
		`form-data`: {},
	} {
		if got, ok := parseDisposition(header); !ok || got != want {
			t.Errorf("%s: %q, %v, want %q", header, got, ok, want)
		}
	}
	for _, header := range []string{"", "inline; name=x", `form-data; name`, `form-data; name="x`, `form-data; name="x\"`, `form-data; name="x"y`} {
		if got, ok := parseDisposition(header); ok {
			t.Errorf("%q is read as %q", header, got)
		}
	}
}

// TestAlbum shows that several images can be posted as an album only, in their order, and that one image may be an album.
func TestAlbum(t *testing.T) {
	b := newBench(t, nil)
	resource := b.mustUpload(filePart("1.jpg", "one"), filePart("2.PNG", "two"), filePart("3.jpeg", "three"))
	b.expectProblem(b.act(reception, action("Image", resource, "")), 400)
	b.expectProblem(b.act(reception, action("Document", resource, "")), 400)
	if r := b.act(reception, action("Album", resource, "all")); r.StatusCode != 200 {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	b.mustPost(reception, "Album", "", filePart("alone.jpg", "x"))
	posts := b.Posts()
	if len(posts) != 2 || len(posts[0].Media) != 3 || posts[0].Caption != "all" || posts[0].Resource != resource || len(posts[1].Media) != 1 {
		t.Fatalf("posts are %+v", posts)
	}
	for i, want := range []Media{{Name: "1.jpg", MIME: "image/jpeg", Size: 3}, {Name: "2.PNG", MIME: "image/png", Size: 3}, {Name: "3.jpeg", MIME: "image/jpeg", Size: 5}} {
		m := posts[0].Media[i]
		if m.Name != want.Name || m.MIME != want.MIME || m.Size != want.Size {
			t.Errorf("image %d is %+v, want %+v", i, m, want)
		}
	}
	posts[0].Media[0].Name = "changed"
	if b.Posts()[0].Media[0].Name != "1.jpg" {
		t.Error("Posts() gives away what the server works with")
	}
}

// TestActionRefused shows the status for each kind of wrong action.
func TestActionRefused(t *testing.T) {
	b := newBench(t, nil)
	doc, image := b.mustUpload(filePart("a.pdf", "x")), b.mustUpload(filePart("a.jpg", "x"))
	good := action("Document", doc, "")
	for name, c := range map[string]struct {
		status            int
		group, body, kind string
	}{
		"unknown group":         {404, "nobody@2", good, ""},
		"no content type":       {415, reception, good, "-"},
		"a form":                {415, reception, good, "application/x-www-form-urlencoded"},
		"empty":                 {400, reception, "", ""},
		"not JSON":              {400, reception, `{actionType:"Document"}`, ""},
		"cut":                   {400, reception, good[:len(good)-1], ""},
		"more behind":           {400, reception, good + "{}", ""},
		"an array":              {400, reception, "[" + good + "]", ""},
		"null":                  {400, reception, "null", ""},
		"no body":               {400, reception, `{"actionType":"Document"}`, ""},
		"body of text":          {400, reception, `{"actionType":"Document","actionBody":"x"}`, ""},
		"other case of letters": {400, reception, strings.Replace(good, "actionType", "ActionType", 1), ""},
		"type is a number":      {400, reception, strings.Replace(good, `"Document"`, `1`, 1), ""},
		"caption is a number":   {400, reception, strings.Replace(good, `"caption":""`, `"caption":1`, 1), ""},
		"not UTF-8":             {400, reception, strings.Replace(good, `"caption":""`, "\"caption\":\"\xff\"", 1), ""},
		"no type":               {400, reception, action("", doc, ""), ""},
		"unknown type":          {400, reception, action("Sticker", doc, ""), ""},
		"no resource":           {400, reception, action("Document", "", ""), ""},
		"unknown resource":      {400, reception, action("Document", "x"+doc[1:], ""), ""},
		"resource of no upload": {400, reception, action("Document", b.mint.resource(99), ""), ""},
		"document as image":     {400, reception, action("Image", doc, ""), ""},
		"document as album":     {400, reception, action("Album", doc, ""), ""},
		"image as document":     {400, reception, action("Document", image, ""), ""},
		"image as video":        {400, reception, action("Video", image, ""), ""},
		"image as audio":        {400, reception, action("Audio", image, ""), ""},
		"longer than it may be": {413, reception, action("Document", doc, strings.Repeat("x", maxAction)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			kind := "application/json"
			if c.kind != "" {
				kind = strings.Trim(c.kind, "-")
			}
			(&bench{t, b.Server, b.http}).expectProblem(b.act(c.group, c.body, "Content-Type", kind), c.status)
		})
	}
	b.expectProblem(b.act(reception, good, "accessToken", ""), 401)
	b.expectProblem(b.act(reception, good, "accessToken", "x"), 401)
	if posts := b.Posts(); len(posts) > 0 {
		t.Errorf("refused actions made %d posts", len(posts))
	}
}

// TestActionTaken shows which actions are accepted, and that each gets a reference of its own.
func TestActionTaken(t *testing.T) {
	b := newBench(t, nil)
	resource := b.mustUpload(filePart("a.pdf", "x"))
	bodies := []string{
		action("Document", resource, "one"),
		action("Document", resource, ""),
		fmt.Sprintf(`{"actionType":"Document","actionBody":{"mediaResource":%q,"caption":null}}`, resource),
		fmt.Sprintf(` {"actionType":"Document","actionBody":{"mediaResource":%q}} `, resource),
	}
	refs := make(map[string]bool)
	for _, body := range bodies {
		r := b.act(oddGroup, body, "Content-Type", "application/json; charset=utf-8")
		if r.StatusCode != 200 {
			t.Fatalf("%d %s for %s", r.StatusCode, r.body, body)
		}
		refs[r.field("referenceId")] = true
	}
	posts := b.Posts()
	if len(posts) != len(bodies) || len(refs) != len(bodies) || posts[0].Caption != "one" || posts[2].Caption != "" {
		t.Fatalf("%d references, posts %+v", len(refs), posts)
	}
	for _, p := range posts {
		if p.GroupID != oddGroup || p.ActionType != "Document" || !refs[p.ReferenceID] || p.Resource != resource || p.At.IsZero() {
			t.Errorf("post is %+v", p)
		}
	}
}

// TestUploadMemory shows that the memory which client and server allocate does not depend on the size of an upload.
func TestUploadMemory(t *testing.T) {
	b := newBench(t, nil)
	const size = 64 << 20
	head := "--B\r\nContent-Disposition: form-data; name=\"files\"; filename=\"big.mp4\"\r\nContent-Type: video/mp4\r\n\r\n"
	const tail = "\r\n--B--\r\n"
	sum := sha256.New()
	random := io.LimitReader(rand.NewChaCha8([32]byte{2}), size)
	body := io.MultiReader(strings.NewReader(head), io.TeeReader(random, sum), strings.NewReader(tail))
	req := b.request(http.MethodPost, "/v1/media", body, "Content-Type", "multipart/form-data; boundary=B")
	req.ContentLength = int64(len(head)) + size + int64(len(tail))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := b.do(req)
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 2<<20 {
		t.Errorf("64 MiB allocated %d bytes", grown)
	}
	b.act(reception, action("Video", r.field("mediaResource"), ""))
	posts := b.Posts()
	if len(posts) != 1 {
		t.Fatalf("the upload was answered with %d %s", r.StatusCode, r.body)
	}
	if m := posts[0].Media[0]; m.Size != size || m.SHA256 != hex.EncodeToString(sum.Sum(nil)) {
		t.Errorf("arrived as %+v", m)
	}
}

// TestBrokenOffUploadLeavesNothing shows that an upload which is broken off leaves no file.
func TestBrokenOffUploadLeavesNothing(t *testing.T) {
	b := newBench(t, nil)
	conn, err := net.Dial("tcp", b.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/media HTTP/1.1\r\nHost: localhost\r\naccessToken: %s\r\nContent-Length: 1000000\r\n"+
		"Content-Type: multipart/form-data; boundary=B\r\n\r\n", goodToken)
	for _, name := range []string{"1.jpg", "2.jpg"} {
		fmt.Fprintf(conn, "--B\r\nContent-Disposition: form-data; name=\"files\"; filename=%q\r\nContent-Type: image/jpeg\r\n\r\n%s\r\n",
			name, strings.Repeat("x", 100_000))
	}
	for len(b.files()) < 2 { // until both are being received
		runtime.Gosched()
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 400 ")) {
		t.Errorf("answered with %q, %v", answer, err)
	}
	if left := b.files(); len(left) > 0 || b.Stats().Uploads != 0 {
		t.Errorf("left %q", left)
	}
}

// TestFolderGone shows that an upload is answered with 500 if the folder is gone.
func TestFolderGone(t *testing.T) {
	b := newBench(t, nil)
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	b.expectProblem(b.upload(filePart("a.pdf", "x")), 500)
}

// TestConcurrentUse shows that uploads, posts and reads can be made at the same time.
func TestConcurrentUse(t *testing.T) {
	b := newBench(t, nil)
	const clients, each = 8, 25
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range each {
				name := fmt.Sprintf("%d-%d.jpg", c, i)
				r := b.upload(filePart(name, name))
				b.act(reception, action("Image", r.field("mediaResource"), name))
				b.get("/timeline?group=" + reception)
				b.Posts()
			}
		})
	}
	wg.Wait()
	posts := b.Posts()
	seen := make(map[string]bool)
	for i, p := range posts {
		sum := sha256.Sum256([]byte(p.Caption))
		if p.Media[0].Name != p.Caption || p.Media[0].SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("post %q shows %+v", p.Caption, p.Media)
		}
		if i > 0 && p.At.Before(posts[i-1].At) {
			t.Errorf("post %d is older than the one before", i)
		}
		seen[p.Caption] = true
	}
	if len(posts) != clients*each || len(seen) != clients*each || len(b.files()) != clients*each {
		t.Errorf("%d posts of %d files", len(posts), len(seen))
	}
	if b.MaxActive() > b.MaxConns() || b.MaxActive() < 2 {
		t.Errorf("%d connections, %d active", b.MaxConns(), b.MaxActive())
	}
}

// TestConnStates shows how connections are counted.
func TestConnStates(t *testing.T) {
	s := newBench(t, nil).Server
	one, two := net.Pipe()
	for _, step := range []struct {
		conn            net.Conn
		state           http.ConnState
		open, activeNow int
	}{
		{one, http.StateNew, 1, 0}, {one, http.StateActive, 1, 1}, {two, http.StateNew, 2, 1}, {one, http.StateIdle, 2, 0},
		{two, http.StateActive, 2, 1}, {two, http.StateClosed, 1, 0}, {one, http.StateActive, 1, 1}, {one, http.StateClosed, 0, 0},
	} {
		s.ConnState(step.conn, step.state)
		if got := []int{len(s.conns.active), s.conns.now}; !reflect.DeepEqual(got, []int{step.open, step.activeNow}) {
			t.Errorf("after %v: %d open and active", step.state, got)
		}
	}
	if s.MaxConns() != 2 || s.MaxActive() != 1 {
		t.Errorf("%d connections, %d active", s.MaxConns(), s.MaxActive())
	}
}

// BenchmarkUploadAndPost measures uploading and posting a file of 20 kB by a single client.
func BenchmarkUploadAndPost(b *testing.B) {
	w := newBench(b, nil)
	body, kind := form(filePart("scan.pdf", strings.Repeat("x", 20_000)))
	b.ReportAllocs()
	for b.Loop() {
		w.uploadAndPost(body, kind)
	}
}

// BenchmarkUploadAndPostParallel measures the same by many clients.
func BenchmarkUploadAndPostParallel(b *testing.B) {
	w := newBench(b, nil)
	body, kind := form(filePart("scan.pdf", strings.Repeat("x", 20_000)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			w.uploadAndPost(body, kind)
		}
	})
}

func (b *bench) uploadAndPost(body []byte, kind string) {
	r := b.do(b.request(http.MethodPost, "/v1/media", bytes.NewReader(body), "Content-Type", kind))
	if a := b.act(reception, action("Document", r.field("mediaResource"), "")); a.StatusCode != 200 {
		b.Errorf("%d %s", a.StatusCode, a.body)
	}
}
