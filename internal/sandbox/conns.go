package sandbox

import (
	"net"
	"net/http"
	"sync"
)

// conns remembers how many connections there were at the same time.
type conns struct {
	mu                 sync.Mutex
	active             map[net.Conn]bool // by open connection: a request is under way
	now                int               // connections with a request under way
	maxOpen, maxActive int
}

// ConnState is for the hook of that name in an http.Server. MaxConns and MaxActive return what it saw.
func (s *Server) ConnState(c net.Conn, state http.ConnState) { s.conns.follow(c, state) }

// MaxConns is the highest number of connections that were open at the same time, or 0 without the ConnState hook.
func (s *Server) MaxConns() int {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return s.conns.maxOpen
}

// MaxActive is the highest number of connections that had a request under way at the same time, or 0 without the ConnState
// hook. The event stream of an open page is one of them.
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
