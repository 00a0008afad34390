package main

import "encoding/binary"

const (
	roomOf   = 144     // octets that a request has, at most
	quickest = 200_000 // logins a second that a load is ready for; what goes beyond is signed when it is due
)

// answered is, in a request's place, the code of one that has its reply there.
const answered = 0

// stock is a source's requests, signed before the first is sent, and the replies to them, verified after the last has come:
// the machine is for the servers that are measured, and these signatures cost a third of what the floor takes for a login.
type stock []byte

// prepare signs as many requests as this source will send, one in a place, the Identifiers counted up.
func (s *source) prepare() {
	n := s.load.count
	if n == 0 {
		n = int(quickest * s.load.duration.Seconds())
	}
	s.stock = make(stock, (n+s.load.sources-1)/s.load.sources*roomOf)
	for k := range s.stock.len() {
		place := s.stock.place(k)
		if b := s.scribe.request(place[:0], byte(k), s.who(s.login(k)), uint32(s.login(k))); len(b) > roomOf {
			panic("a request is longer than its place")
		}
	}
}

func (s stock) len() int { return len(s) / roomOf }

func (s stock) place(k int) []byte { return s[k*roomOf : (k+1)*roomOf : (k+1)*roomOf] }

// request returns the k-th request, with room for its reply; nil where there is none, or its Identifier is in use.
func (s stock) request(k int, identifier byte) []byte {
	if k >= s.len() || byte(k) != identifier {
		return nil
	}
	place := s.place(k)
	return place[:binary.BigEndian.Uint16(place[2:])]
}

// lay puts the reply to request where its attributes were. It reports false where there is no room.
func lay(reply, request []byte) bool {
	if len(reply) > cap(request)-headerLength {
		return false
	}
	place := request[:headerLength+len(reply)]
	place[0] = answered
	binary.BigEndian.PutUint16(place[2:], uint16(len(place)))
	copy(place[headerLength:], reply)
	return true
}

// verify verifies the replies that were laid down. One that is not right is none: its login is lost.
func (s *source) verify() {
	for k := range s.stock.len() {
		place := s.stock.place(k)
		if place[0] != answered {
			continue
		}
		reply := place[headerLength:binary.BigEndian.Uint16(place[2:])]
		if !s.scribe.right(reply, place, s.load.bare) {
			s.tally.accepted--
			s.tally.lost++
		}
	}
}
