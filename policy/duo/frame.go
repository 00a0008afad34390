package duo

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// read takes in what Duo sends until the connection ends.
func (c *conn) read() {
	in := bufio.NewReader(c.nc)
	framer := http2.NewFramer(io.Discard, in)
	framer.SetMaxReadFrameSize(defaultFrame)
	framer.SetReuseFrames()
	framer.ReadMetaHeaders = hpack.NewDecoder(defaultTable, nil)
	framer.MaxHeaderListSize = maxHeader
	var now time.Time
	for {
		fresh := in.Buffered() == 0
		header, err := framer.ReadFrameHeader()
		if fresh {
			now = time.Now()
		}
		var frame http2.Frame
		if err == nil {
			frame, err = framer.ReadFrameForHeader(header)
		}
		room := -1
		if err == nil {
			room, err = c.take(frame, now)
		}
		if err != nil {
			err = c.spoiled(header, err)
		}
		if err != nil {
			c.end(codeOf(err), explain(err, framer.ErrorDetail()))
			return
		}
		if room >= 0 {
			c.room(room)
		}
	}
}

// codeOf says in HTTP/2's terms why a connection ends.
func codeOf(err error) http2.ErrCode {
	if code, ok := errors.AsType[http2.ConnectionError](err); ok {
		return http2.ErrCode(code)
	}
	if errors.Is(err, http2.ErrFrameTooLarge) {
		return http2.ErrCodeFrameSize
	}
	return http2.ErrCodeNo
}

func explain(err, detail error) error {
	if detail != nil {
		return fmt.Errorf("http2: %w: %w", err, detail)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("http2: %w", err)
}

// spoiled takes in a frame that breaks the rules of its stream only (RFC 9113, 5.4.2). Anything else is err, and the end.
func (c *conn) spoiled(header http2.FrameHeader, err error) error {
	broken, ok := errors.AsType[http2.StreamError](err)
	if !ok {
		return err
	}
	if header.Type == http2.FrameHeaders && broken.Cause == nil { // not decoded: the tables differ from now on
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.stream(broken.StreamID)
	if s != nil {
		c.reset(s, broken.Code, fmt.Errorf("http2: %w", broken))
	}
	c.heard(time.Now())
	return err
}

// stream returns the stream that a frame belongs to; nil when it is over. One that has not begun is an error
// (RFC 9113, 5.1).
func (c *conn) stream(id uint32) (*stream, error) {
	if s := c.streams[id]; s != nil {
		return s, nil
	}
	if id%2 == 0 || id >= c.nextID {
		return nil, http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil, nil
}

// take takes in one frame. It returns how many requests may be under way at once when that has changed, else -1.
func (c *conn) take(frame http2.Frame, now time.Time) (room int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return -1, c.err
	}
	if _, ok := frame.(*http2.SettingsFrame); !ok && !c.settled {
		return -1, fmt.Errorf("%w: no SETTINGS first", http2.ConnectionError(http2.ErrCodeProtocol))
	}
	if len(c.out) > maxUnwritten {
		return -1, http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	before := c.capacity()
	if err := c.sort(frame); err != nil {
		return -1, err
	}
	c.heard(now)
	if room = c.capacity(); room == before {
		return -1, nil
	}
	return room, nil
}

// capacity is how many requests may be under way at once; -1 = not known yet.
func (c *conn) capacity() int {
	switch {
	case c.leaving:
		return 0
	case !c.settled:
		return -1
	}
	return int(c.peer.streams)
}

func (c *conn) sort(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		s, err := c.stream(f.StreamID)
		if s != nil {
			c.headers(s, f)
		}
		return err
	case *http2.DataFrame:
		if err := c.received(f.Length); err != nil {
			return err
		}
		s, err := c.stream(f.StreamID)
		if s != nil {
			c.data(s, f)
		}
		return err
	case *http2.RSTStreamFrame:
		s, err := c.stream(f.StreamID)
		if s != nil {
			c.refused(s, f.ErrCode)
		}
		return err
	case *http2.SettingsFrame:
		return c.settings(f)
	case *http2.WindowUpdateFrame:
		return c.windowUpdate(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			c.framer.WritePing(true, f.Data)
			c.wake.Signal()
		}
	case *http2.GoAwayFrame:
		c.goAway(f)
	case *http2.PushPromiseFrame: // we have said that we take none
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil // PRIORITY, and what is not known (RFC 9113, 4.1)
}

// refused ends a stream that Duo has reset. REFUSED_STREAM says that it has not looked at it (RFC 9113, 8.7), unless it
// has begun to answer.
func (c *conn) refused(s *stream, code http2.ErrCode) {
	err := fmt.Errorf("http2: Duo has reset the stream: %v", code)
	if code == http2.ErrCodeRefusedStream && s.status == 0 {
		err = unseen{err}
	}
	c.finish(s, err)
}

// goAway: no more streams. Those above the last that Duo names have not been looked at (RFC 9113, 6.8), unless it has
// begun to answer them; the others go on.
func (c *conn) goAway(f *http2.GoAwayFrame) {
	c.leaving = true
	if f.ErrCode != http2.ErrCodeNo {
		c.farewell = fmt.Errorf("http2: Duo has ended the connection: %v", f.ErrCode)
	}
	for id, s := range c.streams {
		switch {
		case id <= f.LastStreamID:
		case s.status != 0:
			c.finish(s, errLeaving)
		default:
			c.finish(s, unseen{errLeaving})
		}
	}
	c.wake.Signal()
}
