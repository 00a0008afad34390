package radiusauth

import (
	"crypto/rand"
	"encoding/binary"
	"time"
)

// These are the parameters of RFC 5080 §2.2.1. Config.Timeout bounds the whole time (MRD).
const (
	initialWait = 2 * time.Second  // IRT
	maxWait     = 16 * time.Second // MRT
	maxCopies   = 5                // MRC: the most copies of a request, with the first one
)

// retransmission says when a request is sent again.
type retransmission struct {
	sent int
	wait time.Duration // the last wait
	rand func() float64
}

// next returns how long to wait after sending, and whether to send again after that.
func (s *retransmission) next() (wait time.Duration, again bool) {
	if s.sent++; s.sent >= maxCopies {
		return 0, false
	}
	part := func(d time.Duration) time.Duration { return time.Duration(s.rand() * float64(d)) }
	switch {
	case s.wait == 0:
		s.wait = initialWait + part(initialWait)
	default:
		s.wait = 2*s.wait + part(s.wait)
	}
	if s.wait > maxWait {
		s.wait = maxWait + part(maxWait)
	}
	return s.wait, true
}

// jitter returns RAND of RFC 5080 §2.2.1, a random number between -0.1 and 0.1.
func jitter() float64 {
	var b [4]byte
	rand.Read(b[:])
	return float64(binary.BigEndian.Uint32(b[:]))/(1<<32)*0.2 - 0.1
}
