package sandbox

import (
	"net"
	"net/http"
	"sync"
)

// conns remembers how many connections there were at once.
type conns struct {
	mu                 sync.Mutex
	active             map[net.Conn]bool // of the open ones, whether a request is under way
	now                int               // active ones
	maxOpen, maxActive int
}

// ConnState follows the connections of the http.Server it is given to as its ConnState hook; MaxConns and MaxActive
// say what it saw.
func (s *Server) ConnState(c net.Conn, state http.ConnState) { s.conns.follow(c, state) }

// MaxConns is the highest number of connections that were open at once, 0 without the ConnState hook.
func (s *Server) MaxConns() int {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return s.conns.maxOpen
}

// MaxActive is the highest number of connections that had a request under way at once, 0 without the ConnState hook.
// A page's event stream is one of them for as long as it is open.
func (s *Server) MaxActive() int {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return s.conns.maxActive
}

func (c *conns) follow(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active == nil {
		c.active = make(map[net.Conn]bool)
	}
	if c.active[conn] {
		c.now--
	}
	switch state {
	case http.StateNew, http.StateIdle:
		c.active[conn] = false
	case http.StateActive:
		c.active[conn] = true
		c.now++
	case http.StateClosed, http.StateHijacked:
		delete(c.active, conn)
	}
	c.maxOpen = max(c.maxOpen, len(c.active))
	c.maxActive = max(c.maxActive, c.now)
}
