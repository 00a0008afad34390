package duo

import "net/http"

// Model is the transport that each connection's is a copy of: change it before the first call.
func (c *Client) Model() *http.Transport { return c.lanes.model }

var PushInfo = pushInfo
