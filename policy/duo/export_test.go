package duo

import "net/http"

// Model is the transport that each connection's is a copy of: change it before the first call.
func (c *Client) Model() *http.Transport { return c.lanes.model }

// Waiting is how many requests are under way over HTTP/2, and over how many connections.
func (c *Client) Waiting() (requests, connections int) {
	c.lanes.mu.Lock()
	defer c.lanes.mu.Unlock()
	for _, lane := range c.lanes.all {
		if conn := lane.way.Load().conn; conn != nil {
			conn.mu.Lock()
			requests += len(conn.streams)
			connections++
			conn.mu.Unlock()
		}
	}
	return requests, connections
}

var PushInfo = pushInfo
