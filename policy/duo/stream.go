package duo

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"golang.org/x/net/http2"
)

// stream is one request and its answer. The connection's mutex guards it until done is closed.
type stream struct {
	id     uint32
	unsent []byte // of the body
	window int64  // octets that may be sent
	credit int64  // octets that Duo may send
	length int64  // Content-Length; -1 = not said
	response

	err  error
	done chan struct{}
}

var (
	errLength  = errors.New("http2: the answer is not as long as its Content-Length says")
	errHeaders = errors.New("http2: headers where none belong")
	errStatus  = errors.New("http2: an answer without a proper status")
	errLarge   = errors.New("http2: the answer's headers are too long")
	errEarly   = errors.New("http2: an answer that begins with its body")
	errWindow  = errors.New("http2: more than the window lets in")
)

// finish tells the caller. mu is held.
func (c *conn) finish(s *stream, err error) {
	delete(c.streams, s.id)
	if len(s.unsent) > 0 {
		c.blocked = slices.DeleteFunc(c.blocked, func(b *stream) bool { return b == s })
	}
	s.err = err
	close(s.done)
	if len(c.streams) == 0 && c.leaving {
		c.wake.Signal()
	}
}

// reset ends a stream from our side.
func (c *conn) reset(s *stream, code http2.ErrCode, err error) {
	c.framer.WriteRSTStream(s.id, code)
	c.wake.Signal()
	c.finish(s, err)
}

// malformed is an answer that breaks the rules (RFC 9113, 8.1.1).
func (c *conn) malformed(s *stream, err error) {
	c.reset(s, http2.ErrCodeProtocol, err)
}

// complete ends a stream that Duo has ended.
func (c *conn) complete(s *stream) {
	switch {
	case s.status == 0:
		c.malformed(s, errStatus)
	case s.length >= 0 && s.length != int64(len(s.body)):
		c.malformed(s, errLength)
	case len(s.unsent) > 0: // Duo has heard enough (RFC 9113, 8.1)
		c.reset(s, http2.ErrCodeCancel, nil)
	default:
		c.finish(s, nil)
	}
}

// headers takes in the headers of an answer, or its trailers.
func (c *conn) headers(s *stream, f *http2.MetaHeadersFrame) {
	switch {
	case f.Truncated:
		c.reset(s, http2.ErrCodeCancel, errLarge)
		return
	case s.status != 0: // trailers, which say nothing to us
		if !f.StreamEnded() || len(f.PseudoFields()) > 0 {
			c.malformed(s, errHeaders)
			return
		}
		c.complete(s)
		return
	}
	text := f.PseudoValue("status")
	status, err := strconv.ParseUint(text, 10, 16)
	switch {
	case err != nil || len(text) != 3 || status < 100 || len(f.PseudoFields()) != 1:
		c.malformed(s, errStatus)
		return
	case status < 200: // interim (RFC 9110, 15.2); 101 is none in HTTP/2
		if f.StreamEnded() || status == http.StatusSwitchingProtocols {
			c.malformed(s, errStatus)
		}
		return
	}
	s.status = int(status)
	for _, field := range f.RegularFields() {
		switch field.Name {
		case "date":
			s.date = field.Value
		case "retry-after":
			s.retryAfter[0] = field.Value
		case "x-retry-after":
			s.retryAfter[1] = field.Value
		case "content-length":
			n, err := strconv.ParseUint(field.Value, 10, 63)
			if err != nil || s.length >= 0 && s.length != int64(n) {
				c.malformed(s, errLength)
				return
			}
			s.length = int64(n)
		}
	}
	switch {
	case f.StreamEnded():
		c.complete(s)
	case s.length > maxBody:
		c.reset(s, http2.ErrCodeCancel, &http.MaxBytesError{Limit: maxBody})
	}
}

// firstBody is the room made for a body at once, however long it says it is.
const firstBody = 4 << 10

// data takes in a part of an answer's body.
func (c *conn) data(s *stream, f *http2.DataFrame) {
	data := f.Data()
	s.credit -= int64(f.Length)
	switch {
	case s.credit < 0:
		c.reset(s, http2.ErrCodeFlowControl, errWindow)
		return
	case s.status == 0:
		c.malformed(s, errEarly)
		return
	case len(s.body)+len(data) > maxBody:
		c.reset(s, http2.ErrCodeCancel, &http.MaxBytesError{Limit: maxBody})
		return
	case s.length >= 0 && int64(len(s.body)+len(data)) > s.length:
		c.malformed(s, errLength)
		return
	}
	if s.body == nil && len(data) > 0 {
		s.body = make([]byte, 0, max(len(data), int(min(s.length, firstBody))))
	}
	s.body = append(s.body, data...)
	if f.StreamEnded() {
		c.complete(s)
		return
	}
	if padding := f.Length - uint32(len(data)); padding > 0 { // it leaves the window to the body
		s.credit += int64(padding)
		c.framer.WriteWindowUpdate(s.id, padding)
		c.wake.Signal()
	}
}
