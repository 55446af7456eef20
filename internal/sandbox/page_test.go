package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestPageIsGuarded shows that each part of the page has its type and the headers that keep uploaded files from running.
func TestPageIsGuarded(t *testing.T) {
	b := newBench(t, nil)
	b.mustPost(reception, "Image", "", filePart("a.jpg", "x"))
	for path, kind := range map[string]string{
		"/": "text/html", "/app.js": "text/javascript", "/style.css": "text/css", "/icon.svg": "image/svg+xml",
		"/media/0/0": "image/jpeg", "/timeline?group=" + reception: "application/json",
	} {
		r := b.get(path, "accessToken", "")
		if r.StatusCode != 200 || !strings.HasPrefix(r.Header.Get("Content-Type"), kind) || len(r.body) == 0 {
			t.Errorf("%s: %d %s, %d bytes", path, r.StatusCode, r.Header.Get("Content-Type"), len(r.body))
		}
		policy := r.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "script-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: Content-Security-Policy is %q", path, policy)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: no nosniff", path)
		}
	}
}

// TestPageStandsAlone shows that the page refers to nothing outside of it, and obeys its own policy.
func TestPageStandsAlone(t *testing.T) {
	checked := 0
	err := fs.WalkDir(pageFiles, "page", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := pageFiles.ReadFile(path)
		text := strings.ReplaceAll(string(data), "http://www.w3.org/2000/svg", "")
		for _, bad := range []string{"http://", "https://", "innerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=", " onclick=", "javascript:"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s holds %q", path, bad)
			}
		}
		checked++
		return err
	})
	if err != nil || checked < 4 {
		t.Errorf("checked %d files: %v", checked, err)
	}
}

func (b *bench) timeline(query string) (numbers []int, posts []shownPost) {
	b.Helper()
	r := b.get("/timeline?group=" + url.QueryEscape(reception) + query)
	var got struct{ Posts []shownPost }
	if err := json.Unmarshal(r.body, &got); err != nil {
		b.Fatalf("%v: %s", err, r.body)
	}
	for _, p := range got.Posts {
		numbers = append(numbers, p.Number)
	}
	return numbers, got.Posts
}

// TestTimelineShowsWhatWasSent shows that odd captions and names reach the page as data.
func TestTimelineShowsWhatWasSent(t *testing.T) {
	b := newBench(t, nil)
	const caption, name = "<script>alert('1')</script> & \"two\"\nline\u2028", "<img src=x>\"\n\xff\u202e.pdf"
	b.mustPost(reception, "Document", caption, filePart(name, "%PDF"))
	_, posts := b.timeline("")
	if len(posts) != 1 || posts[0].Caption != caption || posts[0].Type != "Document" || posts[0].Ref != b.Posts()[0].ReferenceID {
		t.Fatalf("timeline is %+v", posts)
	}
	m := posts[0].Media[0]
	if m.Name != `<img src=x>"\n\xff\u202e.pdf` || m.Size != 4 || m.MIME != "application/pdf" {
		t.Errorf("media is %+v", m)
	}
	raw := string(b.get("/timeline?group=" + url.QueryEscape(reception)).body)
	if strings.ContainsAny(raw, "<>&\u2028") {
		t.Errorf("the JSON could be taken for markup: %s", raw)
	}
	r := b.get(m.URL)
	how, params, err := mime.ParseMediaType(r.Header.Get("Content-Disposition"))
	if err != nil || how != "attachment" || params["filename"] != m.Name || string(r.body) != "%PDF" {
		t.Errorf("served as %q (%v), %q", r.Header.Get("Content-Disposition"), err, r.body)
	}
}

// TestTimelineShowsAnAlbum shows that an album is one post with each of its images.
func TestTimelineShowsAnAlbum(t *testing.T) {
	b := newBench(t, nil)
	var parts []part
	for i := range 10 {
		parts = append(parts, filePart(fmt.Sprintf("IMG_%d.jpg", i), fmt.Sprint("image ", i)))
	}
	b.mustPost(reception, "Album", "ten pictures", parts...)
	_, posts := b.timeline("")
	if len(posts) != 1 || posts[0].Type != "Album" || len(posts[0].Media) != len(parts) {
		t.Fatalf("timeline is %+v", posts)
	}
	for i, m := range posts[0].Media {
		r := b.get(m.URL)
		if want := fmt.Sprint("image ", i); r.StatusCode != 200 || string(r.body) != want || r.Header.Get("Content-Type") != "image/jpeg" {
			t.Errorf("%s, image %d, is served as %d, %q: %q", m.Name, i, r.StatusCode, r.Header.Get("Content-Type"), r.body)
		}
	}
}

// TestTimelineIsBounded shows which posts a timeline has, whatever range is asked for.
func TestTimelineIsBounded(t *testing.T) {
	b := newBench(t, nil)
	const count = screenful + 50
	resource := b.mustUpload(filePart("a.jpg", "x"))
	for range count {
		b.act(reception, action("Image", resource, ""))
	}
	for query, want := range map[string][2]int{ // the newest and the oldest post
		"": {count - 1, count - screenful}, "&before=50": {49, 0}, "&before=1": {0, 0}, "&after=240": {count - 1, 241},
		"&after=10": {count - 1, count - screenful}, "&before=100&after=90": {99, 91}, "&before=x": {count - 1, count - screenful},
		"&before=99999": {count - 1, count - screenful}, "&before=-5": {count - 1, count - screenful},
	} {
		got, _ := b.timeline(query)
		if len(got) == 0 || got[0] != want[0] || got[len(got)-1] != want[1] || len(got) != want[0]-want[1]+1 {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
	for _, query := range []string{"&before=0", "&after=249", "&after=9223372036854775806", "&before=5&after=7"} {
		if got, _ := b.timeline(query); len(got) != 0 {
			t.Errorf("%q: %v, want none", query, got)
		}
	}
}

// TestMediaRange shows that ranges, and requests for a changed file only, are answered.
func TestMediaRange(t *testing.T) {
	b := newBench(t, nil)
	b.mustPost(reception, "Audio", "", filePart("a.mp3", "0123456789"))
	r := b.get("/media/0/0", "Range", "bytes=2-4")
	if r.StatusCode != 206 || string(r.body) != "234" || r.Header.Get("Content-Range") != "bytes 2-4/10" || r.Header.Get("Content-Type") != "audio/mpeg" {
		t.Errorf("%d %q %v", r.StatusCode, r.body, r.Header)
	}
	if how := r.Header.Get("Content-Disposition"); !strings.HasPrefix(how, "inline") {
		t.Errorf("served as %q", how)
	}
	if r := b.get("/media/0/0", "Range", "bytes=20-"); r.StatusCode != 416 {
		t.Errorf("a range behind the end: %d", r.StatusCode)
	}
	if r := b.get("/media/0/0", "If-None-Match", r.Header.Get("ETag")); r.StatusCode != 304 {
		t.Errorf("not modified: %d", r.StatusCode)
	}
	if r := b.get("/media/0/1"); r.StatusCode != 404 {
		t.Errorf("no second file: %d", r.StatusCode)
	}
}

// stream is an open /events.
type stream struct{ *bufio.Scanner }

func (b *bench) stream(ctx context.Context) stream {
	b.Helper()
	req := b.request(http.MethodGet, "/events", nil).WithContext(ctx)
	resp, err := b.http.Client().Do(req)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { resp.Body.Close() })
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		b.Fatalf("Content-Type is %q", kind)
	}
	return stream{bufio.NewScanner(resp.Body)}
}

// next reads an event. It returns the number of posts of the first group and the caption of its last post.
func (s stream) next(t *testing.T) (count int, caption string) {
	t.Helper()
	for s.Scan() {
		data, ok := strings.CutPrefix(s.Text(), "data: ")
		if !ok {
			continue
		}
		var state struct {
			Run    string
			Groups []struct {
				Count int
				Last  *shownPost
			}
		}
		if err := json.Unmarshal([]byte(data), &state); err != nil || state.Run == "" || len(state.Groups) != 2 {
			t.Fatalf("event %s: %v", data, err)
		}
		if last := state.Groups[0].Last; last != nil {
			caption = last.Caption
		}
		return state.Groups[0].Count, caption
	}
	t.Fatalf("the stream ended: %v", s.Err())
	return 0, ""
}

// TestEvents shows that a stream tells of each post, and of many posts in few events.
func TestEvents(t *testing.T) {
	b := newBench(t, nil)
	s := b.stream(t.Context())
	if count, _ := s.next(t); count != 0 {
		t.Errorf("starts with %d posts", count)
	}
	b.mustPost(reception, "Document", "first\n\nevent: x", filePart("a.pdf", "x"))
	if count, caption := s.next(t); count != 1 || caption != "first\n\nevent: x" {
		t.Errorf("after the first: %d, %q", count, caption)
	}
	const more = 50
	for i := range more {
		b.mustPost(reception, "Document", fmt.Sprint(i), filePart("a.pdf", "x"))
	}
	events := 0
	for count := 0; count < 1+more; events++ {
		count, _ = s.next(t)
	}
	if events > more/2 {
		t.Errorf("%d posts in a row made %d events", more, events)
	}
	if count, _ := b.stream(t.Context()).next(t); count != 1+more {
		t.Errorf("a second stream starts with %d", count)
	}
	b.Close()
	b.Close()
	for s.Scan() { // a stream that does not end hangs the test
	}
	if s.Err() != nil {
		t.Errorf("ended by Close: %v", s.Err())
	}
}

// TestEventsEndWithTheirReader shows that the handler of a stream ends when its client goes.
func TestEventsEndWithTheirReader(t *testing.T) {
	b := newBench(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	b.stream(ctx).next(t)
	cancel()
	done := make(chan struct{})
	go func() { defer close(done); b.http.Close() }() // waits for the handler
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("the stream's handler goes on")
	}
}

// TestChanged shows that the channel is closed by a post and not before.
func TestChanged(t *testing.T) {
	b := newBench(t, nil)
	changed := b.Changed()
	select {
	case <-changed:
		t.Fatal("changed before the first post")
	default:
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		resource := b.upload(filePart("a.pdf", "x")).field("mediaResource")
		b.act(reception, action("Document", resource, ""))
	})
	<-changed
	wg.Wait()
	if len(b.Posts()) != 1 {
		t.Errorf("%d posts after the change", len(b.Posts()))
	}
}
