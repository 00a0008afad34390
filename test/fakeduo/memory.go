package fakeduo

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Request is one request as the server received it.
type Request struct {
	Time             time.Time // of arrival
	Method           string
	Path             string
	Params           url.Values // of the query or the body; nil if it was never read. Shared: do not change
	Proto            string     // HTTP/1.1 or HTTP/2.0
	ContentLength    int64      // -1: the client gave none
	TransferEncoding []string
	Conn             int // the connection it came over, numbered from 1; 0 without one

	UserAgent     string
	ContentType   string
	Date          string
	XDuoDate      string
	Authorization string

	// Repeated says that an /auth with the same signature, hence date and parameters, came before: a try that
	// was not signed anew, or the same login twice within a second. Duo takes both, so it is not refused.
	Repeated bool
	Fault    string // what was done to it, in words; "" for nothing
	Status   int    // the HTTP status answered; 0: no answer, or none yet
	Code     int    // Duo's code; 0: stat OK, or an answer that was not an envelope
}

// Allow is one "allow" of the server.
type Allow struct {
	Time     time.Time
	Username string
	Via      string // "preauth", or the factor: push, phone, passcode
	Txid     string // "" for preauth
}

// memory holds what the clients have sent. The oldest entries are forgotten first.
type memory struct {
	limit int

	mu       sync.Mutex // guards what follows, and every Request
	requests ring[*Request]
	allows   ring[Allow]
	counts   map[string]int // requests by path
	pushes   int
	signed   map[string]int // remembered /auth requests by date and signature
}

func newMemory(limit int) *memory {
	m := &memory{limit: limit}
	m.forget()
	return m
}

func (m *memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests = ring[*Request]{limit: m.limit}
	m.allows = ring[Allow]{limit: m.limit}
	m.counts = map[string]int{}
	m.signed = map[string]int{}
	m.pushes = 0
}

// begin remembers a request on its arrival.
func (m *memory) begin(r *http.Request, conn int) *Request {
	rec := &Request{
		Time:             time.Now(),
		Method:           r.Method,
		Path:             r.URL.Path,
		Proto:            r.Proto,
		ContentLength:    r.ContentLength,
		TransferEncoding: r.TransferEncoding,
		Conn:             conn,
		UserAgent:        r.UserAgent(),
		ContentType:      r.Header.Get("Content-Type"),
		Date:             r.Header.Get("Date"),
		XDuoDate:         r.Header.Get("X-Duo-Date"),
		Authorization:    r.Header.Get("Authorization"),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[rec.Path]++
	if key := rec.signature(); key != "" {
		rec.Repeated = m.signed[key] > 0
		m.signed[key]++
	}
	if old, ok := m.requests.add(rec); ok {
		m.unsign(old)
	}
	return rec
}

// unsign forgets a request's signature with the request.
func (m *memory) unsign(rec *Request) {
	key := rec.signature()
	if m.signed[key]--; m.signed[key] <= 0 {
		delete(m.signed, key)
	}
}

// signature is what two requests have in common if they were signed once; "" for others than /auth. The
// signature covers method, host, path and parameters.
func (r *Request) signature() string {
	if r.Path != "/auth/v2/auth" || r.Authorization == "" {
		return ""
	}
	return r.XDuoDate + "\n" + r.Date + "\n" + r.Authorization
}

func (m *memory) suffers(rec *Request, f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rec.Fault = f.String()
}

func (m *memory) read(rec *Request, params url.Values) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rec.Params = params
}

func (m *memory) answered(rec *Request, r reply) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rec.Status, rec.Code = r.status, r.code
}

func (m *memory) pushed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pushes++
}

func (m *memory) allowed(a Allow) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.allows.add(a)
}

// Requests returns every request remembered, in the order of arrival.
func (s *Server) Requests() []Request {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	list := make([]Request, 0, len(s.memory.requests.items))
	for rec := range s.memory.requests.all() {
		list = append(list, *rec)
	}
	return list
}

// Forget clears the memory: requests, counts, pushes, allows, the most connections seen. Users and
// transactions stay.
func (s *Server) Forget() {
	s.memory.forget()
	s.conns.forget()
}

// Count returns how many requests came for path since the start or the last Forget; "" counts all paths. It also counts
// requests that Requests has forgotten.
func (s *Server) Count(path string) int {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	if path != "" {
		return s.memory.counts[path]
	}
	sum := 0
	for n := range maps.Values(s.memory.counts) {
		sum += n
	}
	return sum
}

// Pushes returns how many times a phone rang or lit up: the /auth calls that began a push or a phone call.
func (s *Server) Pushes() int {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	return s.memory.pushes
}

// Allows returns every "allow" of preauth or of a factor, in order. A push is there once the user approves it, even if nobody
// asks for its result.
func (s *Server) Allows() []Allow {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	return slices.Collect(s.memory.allows.all())
}
