package duo

import (
	"fmt"
	"math"

	"golang.org/x/net/http2"
)

// send writes as much of a request's body as the windows let through (RFC 9113, 5.2); what remains waits in blocked.
func (c *conn) send(s *stream) {
	for len(s.unsent) > 0 {
		n := int(min(int64(len(s.unsent)), int64(c.peer.frame), s.window, c.window))
		if n <= 0 {
			c.blocked = append(c.blocked, s)
			return
		}
		c.framer.WriteData(s.id, n == len(s.unsent), s.unsent[:n])
		s.unsent = s.unsent[n:]
		s.window -= int64(n)
		c.window -= int64(n)
	}
}

// unblock sends on what a window has opened for.
func (c *conn) unblock() {
	if len(c.blocked) == 0 {
		return
	}
	list := c.blocked
	c.blocked = nil
	for _, s := range list {
		c.send(s)
	}
	c.wake.Signal()
}

// windowUpdate takes in that more may be sent.
func (c *conn) windowUpdate(f *http2.WindowUpdateFrame) error {
	more := int64(f.Increment)
	if f.StreamID == 0 {
		if c.window += more; c.window > math.MaxInt32 {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		c.unblock()
		return nil
	}
	s, err := c.stream(f.StreamID)
	if s == nil {
		return err
	}
	if s.window += more; s.window > math.MaxInt32 {
		c.reset(s, http2.ErrCodeFlowControl, errWindow)
		return nil
	}
	c.unblock()
	return nil
}

// received counts what Duo has sent, on whatever stream, and lets it send more (RFC 9113, 6.9).
func (c *conn) received(n uint32) error {
	if c.credit -= int64(n); c.credit < 0 {
		return http2.ConnectionError(http2.ErrCodeFlowControl)
	}
	if c.credit < connWindow/2 {
		c.framer.WriteWindowUpdate(0, uint32(connWindow-c.credit))
		c.credit = connWindow
		c.wake.Signal()
	}
	return nil
}

// settings takes in what Duo says of itself (RFC 9113, 6.5).
func (c *conn) settings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		if c.unacked--; c.unacked < 0 {
			return http2.ConnectionError(http2.ErrCodeProtocol)
		}
		return nil
	}
	if err := f.ForeachSetting(c.setting); err != nil {
		return err
	}
	c.settled = true
	c.leaving = c.leaving || c.peer.streams == 0
	c.framer.WriteSettingsAck()
	c.unblock()
	c.wake.Signal()
	return nil
}

func (c *conn) setting(s http2.Setting) error {
	if err := s.Valid(); err != nil {
		return err
	}
	switch s.ID {
	case http2.SettingMaxConcurrentStreams:
		c.peer.streams = min(s.Val, perConnection)
	case http2.SettingMaxFrameSize:
		c.peer.frame = int(s.Val)
	case http2.SettingEnablePush:
		if s.Val != 0 {
			return http2.ConnectionError(http2.ErrCodeProtocol)
		}
	case http2.SettingInitialWindowSize: // of streams that are open too (RFC 9113, 6.9.2)
		more := int64(s.Val) - c.peer.window
		c.peer.window = int64(s.Val)
		for _, open := range c.streams {
			if open.window += more; open.window > math.MaxInt32 {
				return fmt.Errorf("%w: a window beyond its bound", http2.ConnectionError(http2.ErrCodeFlowControl))
			}
		}
	}
	return nil
}
