package matrix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/media"
)

// watchedRoom is a homeserver with a room that may become encrypted at any call.
type watchedRoom struct {
	mu                   sync.Mutex
	encrypted            bool
	looks, uploads, sent int
	onCall               func(r *http.Request) // before it is acted on; nil: nothing
	afterLook            func()                // when what it says is fixed, and nobody knows it yet; nil: nothing
}

func (w *watchedRoom) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	if w.onCall != nil {
		w.onCall(r)
	}
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	status, body, isLook := w.answer(r.URL.Path)
	if isLook && w.afterLook != nil {
		w.afterLook()
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (w *watchedRoom) answer(path string) (status int, body string, isLook bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case strings.Contains(path, "/state/m.room.encryption"):
		w.looks++
		if w.encrypted {
			return 200, `{"algorithm":"m.megolm.v1.aes-sha2"}`, true
		}
		return 404, `{"errcode":"M_NOT_FOUND"}`, true
	case strings.Contains(path, "/state/m.room.member"):
		return 200, `{"membership":"join"}`, false
	case strings.Contains(path, "/state/"):
		return 404, `{"errcode":"M_NOT_FOUND"}`, false
	case strings.Contains(path, "/upload"):
		w.uploads++
		return 200, fmt.Sprintf(`{"content_uri":"mxc://here/%d"}`, w.uploads), false
	case strings.Contains(path, "/send/"):
		w.sent++
		return 200, fmt.Sprintf(`{"event_id":"$%d"}`, w.sent), false
	}
	return 200, `{"user_id":"@bot:here"}`, false
}

func (w *watchedRoom) encrypt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.encrypted = true
}

func (w *watchedRoom) want(t *testing.T, looks, uploads, sent int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.looks != looks || w.uploads != uploads || w.sent != sent {
		t.Errorf("%d looks, %d uploads, %d events, want %d, %d, %d", w.looks, w.uploads, w.sent, looks, uploads, sent)
	}
}

// inWatchedRoom runs a test with a client of such a homeserver, on a clock of its own.
func inWatchedRoom(t *testing.T, test func(t *testing.T, w *watchedRoom, c *Client)) {
	synctest.Test(t, func(t *testing.T) {
		w := &watchedRoom{}
		c, err := New(Options{Homeserver: "https://here.example", AccessToken: "syt_secret", Transport: w, Encryption: Never})
		must(t, err)
		test(t, w, c)
	})
}

// uploadSince uploads files that were taken up then.
func uploadSince(t *testing.T, c *Client, since time.Time, files int) (destination.Message, error) {
	t.Helper()
	some := make([]destination.File, files)
	for i := range some {
		some[i] = fileOf("a.png", "image/png", "x")
		some[i].TakenUp = since
	}
	ref, err := c.Upload(t.Context(), "!r", some)
	return destination.Message{Target: "!r", Kind: media.Image, Ref: ref, Key: "K"}, err
}

// TestOneLookForManyUploads shows that a room is looked at once for all files that were taken up before, but not for longer than
// sightingLife; for each post; for what was taken up later; and where it is not known when it was.
func TestOneLookForManyUploads(t *testing.T) {
	inWatchedRoom(t, func(t *testing.T, w *watchedRoom, c *Client) {
		var m destination.Message
		upload := func(since time.Time) {
			t.Helper()
			var err error
			m, err = uploadSince(t, c, since, 1)
			must(t, err)
		}
		early := time.Now()
		time.Sleep(time.Second)
		for range 3 {
			upload(early)
		}
		w.want(t, 1, 3, 0)
		for range 3 {
			_, err := c.Post(t.Context(), m)
			must(t, err)
		}
		w.want(t, 4, 3, 3)
		upload(early)
		w.want(t, 4, 4, 3)
		upload(time.Now())
		w.want(t, 5, 5, 3)
		time.Sleep(time.Second)
		upload(time.Time{})
		w.want(t, 6, 6, 3)
		time.Sleep(sightingLife)
		upload(early)
		w.want(t, 7, 7, 3)
	})
}

// TestRoomThatBecomesEncrypted shows that nothing is posted to a room that became encrypted before the post, whenever it was looked at, and
// that no bytes are sent of what was taken up after that, or after a look that found it so.
func TestRoomThatBecomesEncrypted(t *testing.T) {
	inWatchedRoom(t, func(t *testing.T, w *watchedRoom, c *Client) {
		early := time.Now()
		time.Sleep(time.Second)
		m, err := uploadSince(t, c, early, 1)
		must(t, err)
		w.encrypt()
		refused := func(err error) {
			t.Helper()
			if e := fault(t, err); e.Fault != destination.OfTarget || !strings.Contains(e.Error(), "is encrypted") {
				t.Errorf("got %+v", e)
			}
		}
		_, err = uploadSince(t, c, time.Now(), 1)
		refused(err)
		_, err = c.Post(t.Context(), m)
		refused(err)
		_, err = uploadSince(t, c, early, 1)
		refused(err)
		w.want(t, 6, 1, 0) // an upload looks whether the address leads elsewhere by now
	})
}

// TestLookUnderWay shows that a post does not rely on a look that began before it and is still under way, and an upload only if it was taken
// up before.
func TestLookUnderWay(t *testing.T) {
	inWatchedRoom(t, func(t *testing.T, w *watchedRoom, c *Client) {
		m, err := uploadSince(t, c, time.Time{}, 1)
		must(t, err)
		early := time.Now()
		time.Sleep(time.Second)
		goOn, fixed := make(chan struct{}), 0
		w.afterLook = func() {
			if fixed++; fixed == 1 {
				<-goOn
			}
		}
		var all sync.WaitGroup
		errs := make([]error, 4)
		try := func(i int, since time.Time) {
			all.Go(func() { _, errs[i] = uploadSince(t, c, since, 1) })
			synctest.Wait()
		}
		try(0, early)
		try(1, early)
		time.Sleep(time.Second)
		w.encrypt()
		try(2, time.Now())
		all.Go(func() { _, errs[3] = c.Post(t.Context(), m) })
		synctest.Wait()
		close(goOn)
		all.Wait()
		if errs[0] != nil || errs[1] != nil || errs[2] == nil || errs[3] == nil {
			t.Errorf("got %v", errs)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.uploads != 3 || w.sent != 0 {
			t.Errorf("%d uploads, %d events", w.uploads, w.sent)
		}
	})
}

// TestLookThatIsBrokenOff shows that who waits for a look of another call that is given up looks itself, and that one who is given up
// meanwhile does not wait.
func TestLookThatIsBrokenOff(t *testing.T) {
	inWatchedRoom(t, func(t *testing.T, w *watchedRoom, c *Client) {
		early := time.Now()
		time.Sleep(time.Second)
		first, brokenOff := true, make(chan struct{})
		w.onCall = func(r *http.Request) {
			if strings.Contains(r.URL.Path, "m.room.encryption") && first {
				first = false
				<-brokenOff
			}
		}
		file := fileOf("a.png", "image/png", "x")
		file.TakenUp = early
		one, stopOne := context.WithCancel(t.Context())
		three, stopThree := context.WithCancel(t.Context())
		var all sync.WaitGroup
		errs := make([]error, 3)
		for i, ctx := range []context.Context{one, t.Context(), three} {
			all.Go(func() { _, errs[i] = c.Upload(ctx, "!r", []destination.File{file}) })
			synctest.Wait()
		}
		stopThree()
		synctest.Wait()
		if errs[2] == nil {
			t.Error("a call that is given up waits for another one")
		}
		stopOne()
		close(brokenOff)
		all.Wait()
		if !errors.Is(errs[0], context.Canceled) || errs[1] != nil || !errors.Is(errs[2], context.Canceled) {
			t.Errorf("got %v", errs)
		}
		w.want(t, 1, 1, 0)
	})
}

// TestAlbumThatIsOvertaken shows that of an album nothing more is sent once its room is encrypted, and which pictures are there, and that a
// room is looked at again before a picture that is uploaded long after the first.
func TestAlbumThatIsOvertaken(t *testing.T) {
	inWatchedRoom(t, func(t *testing.T, w *watchedRoom, c *Client) {
		early := time.Now()
		time.Sleep(time.Second)
		m, err := uploadSince(t, c, early, 4)
		must(t, err)
		w.onCall = func(r *http.Request) {
			if strings.Contains(r.URL.Path, "/send/") && w.sent == 1 {
				w.encrypt()
			}
		}
		receipt, err := c.Post(t.Context(), m)
		if e := fault(t, err); e.Fault != destination.OfTarget || e.MayHaveActed || !slices.Equal(receipt.Shown, []string{"$1", "$2"}) {
			t.Errorf("got %+v, %+v", receipt, e)
		}
		w.want(t, 4, 4, 2)
	})
	inWatchedRoom(t, func(t *testing.T, w *watchedRoom, c *Client) {
		w.onCall = func(r *http.Request) {
			if strings.Contains(r.URL.Path, "/upload") && w.uploads == 1 {
				time.Sleep(time.Minute)
				w.encrypt()
			}
		}
		early := time.Now()
		time.Sleep(time.Second)
		_, err := uploadSince(t, c, early, 4)
		if e := fault(t, err); e.Fault != destination.OfTarget {
			t.Errorf("got %+v", e)
		}
		w.want(t, 2, 2, 0)
	})
}
