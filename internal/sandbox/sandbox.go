// Package sandbox is a server that answers as Kaizala does, keeps uploaded files in a folder, and shows the posts on a page. It
// is for trying, testing and demonstrating a client without the service.
//
// It is strict where Kaizala is documented (Microsoft's connector reference); comments say where it decides by itself. It is
// meant for the loopback interface and for one person: there is no TLS, uploads have no limit, and anybody who reaches the page
// sees everything.
package sandbox

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kaizala-drop/internal/media"
)

// Options say what a Server knows and accepts.
type Options struct {
	Dir    string  // the folder for uploaded files, made if it is missing; the caller removes it
	Groups []Group // all groups; an action for another one is answered with 404

	// GET /v1/accessToken and the login accept these values. If one is empty, they accept any value that is not empty. The
	// refresh token of a login is accepted too.
	ApplicationID, ApplicationSecret, RefreshToken string

	AccessToken string           // a fixed token, accepted beside the issued ones; empty: none
	Endpoint    string           // the endpointUrl that comes with a token; empty: scheme and host of the request
	Now         func() time.Time // nil: time.Now
	Chaos       *Chaos           // how the server misbehaves; nil: not at all
	// OnPIN shows a PIN in place of the phone that it is for. It may be nil, and is called concurrently.
	OnPIN func(mobileNumber, pin string)
}

// Group is a conversation to which a client can post.
type Group struct {
	ID   string // not empty; Kaizala's look like "<guid>@2"
	Name string // empty: the ID
}

// Post is one action that was accepted.
type Post struct {
	GroupID     string
	ActionType  string
	Caption     string // empty: none
	Resource    string // the mediaResource in the action
	ReferenceID string
	At          time.Time
	Media       []Media // in the order of the upload; only an album has several
}

// Media is one uploaded file.
type Media struct {
	Name   string // the bytes that the client sent, perhaps not UTF-8
	MIME   string
	Size   int64  // bytes
	SHA256 string // hex
	Path   string // absolute; the server chose the name
}

// Stats count the requests to a Server since New.
type Stats struct {
	Calls   int // requests below /v1/, whatever the answer
	Uploads int // media calls answered with 200
	Posts   int // actions answered with 200
}

// Server is an http.Handler that answers as Kaizala does, and shows on its page what was posted. It is safe for concurrent
// use.
type Server struct {
	o       Options
	dir     string
	run     string // tells this Server from the next one on the same address
	handler http.Handler
	calls   atomic.Int64
	conns   conns
	tokens  tokens
	logins  logins
	mint    mint
	chaos   *chaos
	closing chan struct{}
	close   func()

	transfers sync.Pool // of *transfer

	mu      sync.Mutex
	groups  []*group
	byID    map[string]*group
	uploads []*upload // by number
	posts   []*post
	changed chan struct{} // closed at the next post; nil while nobody waits
}

// group, like upload and post, never changes after it was published, except for group.posts, which Server.mu guards.
type group struct {
	Group
	posts []*post
}

type upload struct {
	number int // index in Server.uploads
	media  []Media
}

type post struct {
	group   *group
	upload  *upload
	action  media.Kind
	caption string
	ref     string
	at      time.Time
}

// New makes a Server and its folder. It fails if the folder cannot be made, if the ID of a group is empty or given twice, or
// if Options.Chaos is wrong.
func New(o Options) (*Server, error) {
	if o.Dir == "" {
		return nil, errors.New("sandbox: no folder for the media: set Dir")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("sandbox: cannot make the folder for the media: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	closing := make(chan struct{})
	s := &Server{o: o, dir: dir, run: rand.Text(), mint: newMint(), byID: make(map[string]*group),
		closing: closing, close: sync.OnceFunc(func() { close(closing) }), transfers: sync.Pool{New: newTransfer}}
	for _, g := range o.Groups {
		if err := s.add(g); err != nil {
			return nil, err
		}
	}
	if s.chaos, err = newChaos(s, *cmp.Or(o.Chaos, &Chaos{})); err != nil {
		return nil, fmt.Errorf("sandbox: chaos: %w", err)
	}
	// Each request passes these handlers in this order.
	s.handler = s.ownHost(s.counted(s.chaos.disturb(http.HandlerFunc(s.route))))
	return s, nil
}

func (s *Server) add(g Group) error {
	if g.ID == "" {
		return fmt.Errorf("sandbox: group %q has no ID", g.Name)
	}
	if s.byID[g.ID] != nil {
		return fmt.Errorf("sandbox: group ID %q is there twice", g.ID)
	}
	if g.Name == "" {
		g.Name = g.ID
	}
	added := &group{Group: g}
	s.groups = append(s.groups, added)
	s.byID[g.ID] = added
	return nil
}

// ServeHTTP answers the API below /v1/, and serves the page at /.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close ends the event streams of the pages, for which http.Server.Shutdown would wait: RegisterOnShutdown can call it. It
// ends nothing else, and may be called many times.
func (s *Server) Close() { s.close() }

// Groups lists the groups in the order of Options.
func (s *Server) Groups() []Group {
	groups := make([]Group, len(s.groups))
	for i, g := range s.groups {
		groups[i] = g.Group
	}
	return groups
}

// Posts returns a copy of all posts, the oldest first. Its cost grows with their number; Stats only counts them.
func (s *Server) Posts() []Post {
	s.mu.Lock()
	posts := slices.Clip(s.posts) // appending never changes elements below the length
	s.mu.Unlock()
	copied := make([]Post, len(posts))
	for i, p := range posts {
		copied[i] = Post{
			GroupID:     p.group.ID,
			ActionType:  string(p.action),
			Caption:     p.caption,
			Resource:    s.mint.resource(p.upload.number),
			ReferenceID: p.ref,
			At:          p.at,
			Media:       slices.Clone(p.upload.media),
		}
	}
	return copied
}

// Stats counts the requests so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Calls: int(s.calls.Load()), Uploads: len(s.uploads), Posts: len(s.posts)}
}

// Disturbed counts the calls that Options.Chaos disturbed, by the name of the disturbance. "throttled" counts the calls over
// the limit.
func (s *Server) Disturbed() map[string]int { return s.chaos.counts() }

// Changed returns a channel that is closed at the next post. A caller that must miss no post gets the channel, then reads the
// posts, then waits.
func (s *Server) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// keep publishes an upload and returns its number.
func (s *Server) keep(files []Media) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &upload{number: len(s.uploads), media: files}
	s.uploads = append(s.uploads, u)
	return u.number
}

// upload returns the upload with this number, if there is one.
func (s *Server) upload(number int) (u *upload, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number < 0 || number >= len(s.uploads) {
		return nil, false
	}
	return s.uploads[number], true
}

// publish adds a post to the timeline of its group, and wakes those who wait for one.
func (s *Server) publish(p *post) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.at = s.o.Now() // with the lock held, so that times never go back along a timeline
	s.posts = append(s.posts, p)
	p.group.posts = append(p.group.posts, p)
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}
