// Package sandbox turns a folder into a server that speaks Kaizala's wire, and what was posted to it into a page: a
// place to try, test and demonstrate a client without the service.
//
// It is strict where the wire is documented (Microsoft's connector reference) and says in a comment where it had to
// decide by itself. It is made for the loopback interface and for one person: there is no TLS, no limit on what may be
// uploaded, and whoever reaches the page sees everything.
package sandbox

import (
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
	Dir    string  // media are kept here, never in memory; created if missing; the caller removes it
	Groups []Group // the groups there are; every other one is answered with 404

	// What GET /v1/accessToken accepts, and the login. Empty: any value but an empty one. The refresh tokens of logins are
	// accepted as well.
	ApplicationID, ApplicationSecret, RefreshToken string

	AccessToken string           // a fixed token, accepted beside the issued ones; empty: none
	Endpoint    string           // endpointUrl given with a token; empty: scheme and host of the request
	Now         func() time.Time // nil: time.Now
	Chaos       *Chaos           // how it misbehaves; nil: not at all
	// OnPIN shows a PIN to whoever would have the phone; nil: nobody sees it. It may be called concurrently.
	OnPIN func(mobileNumber, pin string)
}

// Group is a conversation that can be posted to.
type Group struct {
	ID   string // any bytes but none; real ones look like "<guid>@2"
	Name string // empty: the ID
}

// Post is one action that arrived.
type Post struct {
	GroupID     string
	ActionType  string
	Caption     string // empty: none
	Resource    string // the mediaResource it was posted with
	ReferenceID string
	At          time.Time
	Media       []Media // in the order of the upload; several in an album only
}

// Media is one uploaded file.
type Media struct {
	Name   string // as the client sent it: untrusted bytes, perhaps not UTF-8
	MIME   string
	Size   int64  // bytes
	SHA256 string // hex
	Path   string // absolute, on disk, under a name of the server's own
}

// Stats count what was asked of a Server since New.
type Stats struct {
	Calls   int // requests below /v1/, whatever the answer
	Uploads int // media calls answered with 200
	Posts   int // actions answered with 200
}

// Server is an http.Handler that answers as Kaizala does, and shows on its page what arrived. Its methods may be
// called concurrently.
type Server struct {
	o       Options
	dir     string
	run     string // tells one Server from the next on the same address
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

// group, upload and post are never changed once they are published, but for group.posts, which Server.mu guards.
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

// New makes a Server and its folder. It fails when the folder cannot be made or used, and on a group without an ID or
// with one that was there already.
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
	if s.chaos, err = newChaos(s, *or(o.Chaos, &Chaos{})); err != nil {
		return nil, fmt.Errorf("sandbox: chaos: %w", err)
	}
	// The one chain every request goes through.
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

// ServeHTTP answers the API below /v1/ and serves the page at /.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close ends the pages' event streams, which http.Server.Shutdown would wait for: hand it to RegisterOnShutdown. It
// touches nothing else, and may be called more than once.
func (s *Server) Close() { s.close() }

// Groups lists the groups in the order of Options.
func (s *Server) Groups() []Group {
	groups := make([]Group, len(s.groups))
	for i, g := range s.groups {
		groups[i] = g.Group
	}
	return groups
}

// Posts returns a copy of what arrived, oldest first. Its cost grows with the number of posts; Stats only counts them.
func (s *Server) Posts() []Post {
	s.mu.Lock()
	posts := slices.Clip(s.posts) // appending never touches what is below its length
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

// Stats counts what has been asked so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Calls: int(s.calls.Load()), Uploads: len(s.uploads), Posts: len(s.posts)}
}

// Disturbed counts the calls that Options.Chaos disturbed, by what was done to them; "throttled" are those over the limit.
func (s *Server) Disturbed() map[string]int { return s.chaos.counts() }

// Changed returns a channel that is closed when the next post arrives. To miss none: take it, look, then wait.
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

// upload returns the one with that number; ok is false when there is none.
func (s *Server) upload(number int) (u *upload, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number < 0 || number >= len(s.uploads) {
		return nil, false
	}
	return s.uploads[number], true
}

// publish puts a post on its group's timeline and wakes whoever waits for one.
func (s *Server) publish(p *post) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.at = s.o.Now() // under the lock, so that times never go back along a timeline
	s.posts = append(s.posts, p)
	p.group.posts = append(p.group.posts, p)
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}
