package duo

import (
	"errors"
	"net/http"
)

// Model is the transport that makes the connections: change it before the first call.
func (c *Client) Model() *http.Transport { return c.pool.transport }

// Waiting is how many requests are under way, and over how many connections.
func (c *Client) Waiting() (requests, connections int) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	for _, conn := range c.pool.conns {
		requests += conn.busy
		connections++
	}
	return requests, connections
}

var PushInfo = pushInfo

// KindOf says in a word which kind an error of a call is.
func KindOf(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return "none"
	}
	return [...]string{"unknown", "unavailable", "misconfigured", "refused", "overloaded", "cut short"}[e.kind]
}
