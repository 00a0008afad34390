package radiusauth

import (
	"encoding/binary"
	"time"
)

// RFC 5080 §2.2.1. How long it lasts in all is Config.Timeout's business (MRD).
const (
	firstWait = 2 * time.Second  // IRT
	longest   = 16 * time.Second // MRT
	copies    = 5                // MRC: of a request, the first among them
)

// schedule says when a request is repeated.
type schedule struct {
	sent int
	wait time.Duration // the last
	rand func() float64
}

// next returns how long to wait after sending, and whether to send again then.
func (s *schedule) next() (wait time.Duration, again bool) {
	if s.sent++; s.sent >= copies {
		return 0, false
	}
	part := func(d time.Duration) time.Duration { return time.Duration(s.rand() * float64(d)) }
	switch {
	case s.wait == 0:
		s.wait = firstWait + part(firstWait)
	default:
		s.wait = 2*s.wait + part(s.wait)
	}
	if s.wait > longest {
		s.wait = longest + part(longest)
	}
	return s.wait, true
}

// jitter is RAND: between -0.1 and 0.1.
func jitter() float64 {
	var b [4]byte
	random(b[:])
	return float64(binary.BigEndian.Uint32(b[:]))/(1<<32)*0.2 - 0.1
}
