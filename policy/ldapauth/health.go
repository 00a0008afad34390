package ldapauth

import (
	"sync"
	"time"
)

// shunned is how long a server that could not be asked is asked last.
const shunned = 30 * time.Second

// ServerHealth is what the logins so far have shown of a server.
type ServerHealth struct {
	URL   string
	Up    bool      // it answered when it was last asked, or was never asked
	Since time.Time // of the first answer, or of the last change; zero: never asked
	Err   error     // the last, also while it is up; nil: none
}

// health is one server's.
type health struct {
	telling sync.Mutex // held while OnHealth is called

	mu    sync.Mutex // guards what follows
	down  bool
	since time.Time
	err   error
	retry time.Time // while down: when it is asked in its place again
}

// Health returns the state of each server, in the order of Config.URLs.
func (d *Directory) Health() []ServerHealth {
	list := make([]ServerHealth, len(d.servers))
	for i, s := range d.servers {
		s.health.mu.Lock()
		list[i] = ServerHealth{URL: s.url, Up: !s.health.down, Since: s.health.since, Err: s.health.err}
		s.health.mu.Unlock()
	}
	return list
}

// order lists the servers as they are to be asked: those that are down last, each in its place again after a while.
func (d *Directory) order(now time.Time) []*server {
	first := make([]*server, 0, len(d.servers))
	var last []*server
	for _, s := range d.servers {
		if s.health.due(now, len(first) == 0) {
			first = append(first, s)
		} else {
			last = append(last, s)
		}
	}
	return append(first, last...)
}

// due reports whether a server is to be asked in its place. Where that is the head, and so certain to be asked, one
// login tries it, and the others go on shunning it meanwhile.
func (h *health) due(now time.Time, head bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.down {
		return true
	}
	if now.Before(h.retry) {
		return false
	}
	if head {
		h.retry = now.Add(shunned)
	}
	return true
}

// mark remembers how asking s went, and tells of a change.
func (s *server) mark(err error) {
	h := &s.health
	if err == nil && h.up(time.Now()) {
		return
	}
	h.telling.Lock()
	defer h.telling.Unlock()
	if h.turn(err, time.Now()) && s.config.OnHealth != nil {
		s.config.OnHealth(s.url, err)
	}
}

// up reports whether a server that has just answered was up anyway.
func (h *health) up(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.since.IsZero() && !h.down {
		h.since = now
	}
	return !h.down
}

// turn takes in an answer, or its absence, and reports whether that is news.
func (h *health) turn(err error, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	news := h.down != (err != nil)
	if news {
		h.down, h.since = err != nil, now
	}
	if err != nil {
		h.err, h.retry = err, now.Add(shunned)
	}
	return news
}
