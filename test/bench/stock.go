package main

import "encoding/binary"

const (
	roomOf   = 192     // octets that a request has, at most
	quickest = 160_000 // logins a second that a load is ready for; what goes beyond is signed when it is due
)

// stock is a source's requests, signed before the first is sent: the machine is for the servers that are measured, and a
// signature costs a fourth of what the floor takes for a login.
type stock []byte

// prepare signs as many requests as this source will send, one in a place, the Identifiers counted up.
func (s *source) prepare() {
	n := s.load.count
	if n == 0 {
		n = int(quickest * s.load.duration.Seconds())
	}
	s.stock = make(stock, (n+s.load.sources-1)/s.load.sources*roomOf)
	for k := range len(s.stock) / roomOf {
		place := s.stock[k*roomOf:]
		if b := s.scribe.request(place[:0:roomOf], byte(k), s.who(s.login(k)), uint32(s.login(k))); len(b) > roomOf {
			panic("a request is longer than its place")
		}
	}
}

// request returns the k-th request; nil where there is none, or its Identifier is in use.
func (s stock) request(k int, identifier byte) []byte {
	if (k+1)*roomOf > len(s) || byte(k) != identifier {
		return nil
	}
	b := s[k*roomOf:]
	return b[:binary.BigEndian.Uint16(b[2:])]
}
