package main

import (
	"bytes"
	"testing"
	"time"
)

// sourceOf returns a source without a socket that has begun the given number of logins.
func sourceOf(t *testing.T, l load, begun int) *source {
	t.Helper()
	l.sources, l.crowd, l.inFlight = 1, crowd(3), begun
	s := &source{load: &l, scribe: newScribe()}
	for i := range s.slots {
		s.slots[i].packet = make([][]byte, 1)
	}
	s.prepare()
	for range begun {
		s.begin(time.Now())
	}
	return s
}

// TestStock checks that a request is the same whether it was signed before the turn or when it is sent.
func TestStock(t *testing.T) {
	s := sourceOf(t, load{count: 100}, 200)
	if n := s.stock.len(); n != 100 {
		t.Fatalf("%d requests in stock", n)
	}
	for i, m := range s.out {
		b := m.Buffers[0]
		if at := find(b, typeMessageAuthenticator); b[1] != byte(i) || at != headerLength+2 || newScribe().respond(nil, bytes.Clone(b)) == nil {
			t.Fatalf("request %d: % x", i, b)
		}
	}
	if s.stock.request(100, 100) != nil || s.stock.request(7, 8) != nil {
		t.Error("a request that is not in stock")
	}
}

// TestVerify checks that each reply is verified, during the turn or after it, and that an invalid reply is not an
// accepted login.
func TestVerify(t *testing.T) {
	for _, signed := range []int{0, 300} { // the number of requests that are signed before the turn
		s := sourceOf(t, load{count: signed, duration: 0}, 20)
		wrong := 0
		for i, m := range s.out {
			reply := s.scribe.respond(nil, bytes.Clone(m.Buffers[0]))
			if i%4 == 3 {
				reply[len(reply)-1-i]++
				wrong++
			}
			s.take(bytes.Clone(reply), time.Now())
			s.take(reply, time.Now()) // the reply to a copy
		}
		s.verify()
		s.tally.lost += s.pending
		if s.tally.accepted != 20-wrong || s.tally.lost != wrong {
			t.Errorf("%d signed before: %d accepted, %d lost, want %d lost", signed, s.tally.accepted, s.tally.lost, wrong)
		}
	}
}

// TestLateCopy checks that the reply to a copy of an earlier request is not accepted as the reply to the request that
// has the same Identifier now.
func TestLateCopy(t *testing.T) {
	s := sourceOf(t, load{count: 300, twice: 1}, 1) // each request is sent twice
	late := s.scribe.respond(nil, bytes.Clone(s.out[0].Buffers[0]))
	s.take(bytes.Clone(late), time.Now())
	for s.begun < 256 {
		s.begin(time.Now())
		s.take(s.scribe.respond(nil, bytes.Clone(s.out[len(s.out)-1].Buffers[0])), time.Now())
	}
	s.begin(time.Now())
	newer := bytes.Clone(s.out[len(s.out)-1].Buffers[0])
	if newer[1] != late[1] {
		t.Fatalf("the Identifiers are %d and %d", newer[1], late[1])
	}
	s.take(late, time.Now())
	if s.pending != 1 || s.tally.late != 1 {
		t.Errorf("a late copy's reply is taken for another's: %d pending, %d late", s.pending, s.tally.late)
	}
	s.take(s.scribe.respond(nil, newer), time.Now())
	if s.verify(); s.tally.accepted != 257 || s.tally.lost != 0 {
		t.Errorf("%d accepted, %d lost", s.tally.accepted, s.tally.lost)
	}
}

// TestLongReply checks that a reply that is too long for its request's place is verified at once.
func TestLongReply(t *testing.T) {
	s := sourceOf(t, load{count: 300}, 1)
	reply := bytes.Repeat([]byte{accessAccept}, 200)
	reply[1] = 0
	s.take(reply, time.Now())
	if s.tally.late != 1 || s.pending != 1 {
		t.Errorf("a wrong long reply: %+v", s.tally)
	}
}
