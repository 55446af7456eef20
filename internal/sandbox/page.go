package sandbox

import (
	"embed"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"kaizala-drop/internal/media"
	"kaizala-drop/internal/text"
)

//go:embed page
var pageFiles embed.FS

// screenful is how many posts a timeline shows at a time, few enough for any browser.
const screenful = 200

const (
	// eventPause is the shortest time between two events of one stream, so that thousands of posts a second do not become
	// thousands of events.
	eventPause = 150 * time.Millisecond
	// eventInterval is the longest time between two events, so that a quiet stream does not look dead.
	eventInterval = 15 * time.Second
)

// findPage returns the endpoint of a part of the page, or nil. None of them asks for a token.
func (s *Server) findPage(path string) endpoint {
	switch path {
	case "/":
		return asset("index.html", "text/html; charset=utf-8")
	case "/app.js":
		return asset("app.js", "text/javascript; charset=utf-8")
	case "/style.css":
		return asset("style.css", "text/css; charset=utf-8")
	case "/icon.svg":
		return asset("icon.svg", "image/svg+xml")
	case "/timeline":
		return s.showTimeline
	case "/events":
		return s.streamEvents
	}
	if rest, ok := strings.CutPrefix(path, "/media/"); ok {
		return s.showMedia(rest)
	}
	return nil
}

// guard sets the headers of all answers for browsers, so that no text or file of a client is ever run.
func guard(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
}

// asset serves a file of the page with this MIME type, because the table of the host may have another one.
func asset(name, mimeType string) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		guard(w.Header())
		w.Header().Set("Content-Type", mimeType)
		http.ServeFileFS(w, r, pageFiles, "page/"+name)
		return nil
	}
}

// showMedia serves /media/<upload>/<index>, in ranges if they are asked for, with the MIME type of package media.
func (s *Server) showMedia(rest string) endpoint {
	number, index, _ := strings.Cut(rest, "/")
	n, err1 := strconv.Atoi(number)
	i, err2 := strconv.Atoi(index)
	u, ok := s.upload(n)
	if err1 != nil || err2 != nil || !ok || i < 0 || i >= len(u.media) {
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		m := u.media[i]
		f, err := os.Open(m.Path)
		if err != nil {
			return fmt.Errorf("cannot show %q: %w", text.Printable(m.Name), err)
		}
		defer f.Close()
		guard(w.Header())
		w.Header().Set("Content-Type", m.MIME)
		w.Header().Set("Content-Disposition", shownAs(m))
		w.Header().Set("ETag", `"`+m.SHA256+`"`) // a restarted sandbox gives the same numbers to other files
		http.ServeContent(w, r, "", time.Time{}, f)
		return nil
	}
}

// shownAs makes browsers download documents, which they might run something in, and show all other files.
func shownAs(m Media) string {
	how := "inline"
	if typ, _ := media.ByName(m.Name); typ.Kind == media.Document {
		how = "attachment"
	}
	return mime.FormatMediaType(how, map[string]string{"filename": text.Printable(m.Name)})
}

// shownPost is a post in the JSON for the page. Number counts the posts of one group from 0.
type shownPost struct {
	Number  int          `json:"n"`
	Type    media.Kind   `json:"type"`
	Caption string       `json:"caption"`
	Ref     string       `json:"ref"`
	At      int64        `json:"at"` // epoch milliseconds
	Media   []shownMedia `json:"media"`
}

type shownMedia struct {
	Name string `json:"name"`
	MIME string `json:"mime"`
	Size int64  `json:"size"`
	URL  string `json:"url"`
}

// showTimeline serves /timeline?group=ID, the newest post first: at most a screenful of the posts with numbers below before=N
// and above after=N. Either may be left out.
func (s *Server) showTimeline(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	g := s.byID[query.Get("group")]
	if g == nil {
		return refuse(http.StatusNotFound, "there is no group %q here", query.Get("group"))
	}
	s.mu.Lock()
	posts := g.posts // its elements never change
	s.mu.Unlock()
	end := min(bound(query.Get("before"), len(posts)), len(posts))
	start := max(bound(query.Get("after"), -1)+1, end-screenful, 0)
	shown := make([]shownPost, 0, max(end-start, 0))
	for n := end - 1; n >= start; n-- {
		shown = append(shown, show(n, posts[n]))
	}
	guard(w.Header())
	answer(w, http.StatusOK, map[string]any{"run": s.run, "total": len(posts), "posts": shown})
	return nil
}

func bound(text string, otherwise int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return otherwise
	}
	return n
}

func show(n int, p *post) shownPost {
	files := make([]shownMedia, len(p.upload.media))
	for i, m := range p.upload.media {
		files[i] = shownMedia{text.Printable(m.Name), m.MIME, m.Size, fmt.Sprintf("/media/%d/%d", p.upload.number, i)}
	}
	return shownPost{n, p.action, p.caption, p.ref, p.at.UnixMilli(), files}
}

// streamEvents serves /events: the state of all groups, first at once, then whenever it has changed and after each
// eventInterval. An event says how long each timeline is and what its last post is, so that a page which has missed events
// needs the last one only.
func (s *Server) streamEvents(w http.ResponseWriter, r *http.Request) error {
	guard(w.Header())
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return nil
	}
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Time{}) // a stream outlives the server's timeout; not every writer has one
	for {
		changed, paced, beats := s.Changed(), time.After(eventPause), time.After(eventInterval)
		if _, err := fmt.Fprintf(w, "event: state\ndata: %s\n\n", s.state()); err != nil || out.Flush() != nil {
			return nil
		}
		select {
		case <-changed:
		case <-beats:
		case <-r.Context().Done():
			return nil
		case <-s.closing:
			return nil
		}
		<-paced
	}
}

// state is the JSON of one event. Its size grows with the number of groups and not with that of posts.
func (s *Server) state() []byte {
	type entry struct {
		ID    string     `json:"id"`
		Name  string     `json:"name"`
		Count int        `json:"count"`
		Last  *shownPost `json:"last"`
	}
	entries := make([]entry, len(s.groups))
	s.mu.Lock()
	for i, g := range s.groups {
		entries[i] = entry{ID: g.ID, Name: g.Name, Count: len(g.posts)}
		if n := len(g.posts) - 1; n >= 0 {
			last := show(n, g.posts[n])
			entries[i].Last = &last
		}
	}
	s.mu.Unlock()
	state, err := json.Marshal(map[string]any{"run": s.run, "groups": entries})
	if err != nil { // no value of this package fails
		return []byte("{}")
	}
	return state
}
