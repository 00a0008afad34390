package duo

import (
	"errors"
	"net/http"

	"duoradiusd/policy"
)

// Model is the transport that makes the connections. A test may change it before the first call.
func (c *Client) Model() *http.Transport { return c.pool.transport }

// Waiting returns how many requests are in progress, and over how many connections.
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

// KindOf names the error of package policy that an error of a call matches.
func KindOf(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return "none"
	}
	return map[error]string{
		nil: "unknown", policy.ErrUnavailable: "unavailable", policy.ErrMisconfigured: "misconfigured",
		policy.ErrRefused: "refused", policy.ErrOverloaded: "overloaded", policy.ErrCutShort: "cut short",
	}[e.kind]
}
