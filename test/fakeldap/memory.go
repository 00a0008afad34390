package fakeldap

import (
	"fmt"
	"sync"
)

// Request is one request of a client, with the result.
type Request struct {
	Op       string // connect, starttls, bind, search, unbind
	Conn     int    // counted from 1
	TLS      bool
	BoundAs  string // the name that the connection was bound as before; "": nobody
	DN       string // a bind's name, a search's base
	Password string // a bind's
	Filter   string // a search's, and what follows
	Scope    int
	Size     int // limit
	Time     int // limit, in seconds
	Wanted   []string
	Controls []string // their types

	Fault string // what was done to it, in words; "" for nothing
	Code  int    // the result code answered; -1: none, or none yet
}

// memory holds what the clients have sent. The oldest entries are forgotten first.
type memory struct {
	limit int

	mu         sync.Mutex // guards what follows, and every Request
	requests   []*Request
	violations []string
}

func (m *memory) begin(r Request) *Request {
	r.Code = -1
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.requests) == m.limit {
		m.requests = append([]*Request(nil), m.requests[1:]...)
	}
	m.requests = append(m.requests, &r)
	return &r
}

func (m *memory) suffers(r *Request, f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.Fault = f.String()
}

func (m *memory) answered(r *Request, code uint16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.Code = int(code)
}

func (m *memory) violated(conn int, format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.violations = append(m.violations, fmt.Sprintf("fakeldap: connection %d: ", conn)+fmt.Sprintf(format, args...))
}

// Requests returns those of one kind, "" for all, in the order of arrival.
func (s *Server) Requests(op string) []Request {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	var list []Request
	for _, r := range s.memory.requests {
		if op == "" || op == r.Op {
			list = append(list, *r)
		}
	}
	return list
}

// Count returns how many requests of one kind came.
func (s *Server) Count(op string) int { return len(s.Requests(op)) }

// Violations returns the requests that LDAP forbids.
func (s *Server) Violations() []string {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	return append([]string(nil), s.memory.violations...)
}

// Forget clears the memory of requests.
func (s *Server) Forget() {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	s.memory.requests = nil
}
