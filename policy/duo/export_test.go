package duo

import (
	"encoding/json"
	"net/http"
)

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

// Decode reads an answer to a call of path.
func Decode(path string, body []byte) error {
	var pre preauth
	var end status
	to := into{status: &end}
	if path == preauthPath {
		to = into{preauth: &pre}
	}
	return decode(path, &response{status: http.StatusOK, body: body}, to)
}

// DecodeByReflection does so by encoding/json.
func DecodeByReflection(path string, body []byte) error {
	if path == preauthPath {
		return json.Unmarshal(body, new(reference[referencePreauth]))
	}
	return json.Unmarshal(body, new(reference[referenceStatus]))
}
