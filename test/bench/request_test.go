package main

import (
	"bytes"
	"encoding/binary"
	"testing"

	"duoradiusd/test/nas"
)

var someone = identity{"user00001", "198.18.0.1"}

// twin returns the same request as package test/nas reads it. That package shares no code with this one.
func twin(request []byte) *nas.Request {
	r := &nas.Request{Code: nas.CodeAccessRequest, Identifier: request[1], Authenticator: [16]byte(request[4:20]),
		Secret: []byte(secret), MessageAuthenticator: nas.First}
	r.AddString(nas.UserName, someone.name)
	r.Attributes = append(r.Attributes, nas.Attribute{Type: nas.UserPassword, Value: []byte("push"), Hide: true})
	return r.Add(nas.NASIPAddress, []byte{192, 0, 2, 1}).AddUint32(nas.NASPort, 77).AddUint32(nas.ServiceType, 8).
		AddString(nas.CalledStationID, "203.0.113.5").AddString(nas.CallingStationID, someone.ip).
		AddString(32, "gateway-1").AddUint32(nas.NASPortType, 5)
}

func TestRequest(t *testing.T) {
	s := newScribe()
	var before []byte
	for id := range byte(3) {
		b := s.request(nil, id, someone, 77)
		if want := twin(b).Bytes(); !bytes.Equal(b, want) {
			t.Fatalf("request\n% x, want\n% x", b, want)
		}
		if before != nil && bytes.Equal(b[4:20], before[4:20]) {
			t.Error("the same Request Authenticator twice")
		}
		before = b
	}
}

// TestFloor checks that a strict NAS accepts the reply of the bare UDP loop, and that requests that are not authentic
// get no reply.
func TestFloor(t *testing.T) {
	s := newScribe()
	b := s.request(nil, 9, someone, 77)
	reply := s.respond(nil, bytes.Clone(b))
	if _, err := twin(b).Verify(reply); err != nil {
		t.Error(err)
	}
	for i := range b {
		forged := bytes.Clone(b)
		forged[i] ^= 1
		if s.respond(nil, forged) != nil {
			t.Errorf("octet %d changed, and it answers", i)
		}
	}
}

func TestRight(t *testing.T) {
	s := newScribe()
	b := s.request(nil, 9, someone, 77)
	reply := s.respond(nil, bytes.Clone(b))
	if !s.right(bytes.Clone(reply), b, false) || !s.right(bytes.Clone(reply), b, true) {
		t.Fatal("a right reply is refused")
	}
	if s.right(bytes.Clone(reply), s.request(nil, 9, someone, 77), false) {
		t.Error("a reply to another request is taken")
	}
	for i := range reply {
		if i == 1 {
			continue // the caller selects the request by its Identifier, so right does not look at it
		}
		forged := bytes.Clone(reply)
		forged[i] ^= 1
		if s.right(forged, b, false) {
			t.Errorf("octet %d changed, and it is taken", i)
		}
	}
	for n := range reply {
		if s.right(bytes.Clone(reply[:n]), b, false) {
			t.Errorf("cut to %d octets, and it is taken", n)
		}
	}
}

// TestRightBare checks that a reply without Message-Authenticator is accepted only if that is allowed.
func TestRightBare(t *testing.T) {
	s := newScribe()
	b := s.request(nil, 9, someone, 77)
	reply := append([]byte{accessAccept, 9, 0, headerLength}, b[4:headerLength]...)
	s.plain.Reset()
	s.plain.Write(reply)
	s.plain.Write([]byte(secret))
	copy(reply[4:], s.plain.Sum(nil))
	if !s.right(bytes.Clone(reply), b, true) {
		t.Error("a right bare reply is refused")
	}
	if s.right(bytes.Clone(reply), b, false) {
		t.Error("a bare reply is taken for a signed one")
	}
}

func TestCrowd(t *testing.T) {
	people := crowd(100_000)
	names, ips := map[string]bool{}, map[string]bool{}
	for _, who := range people {
		names[who.name], ips[who.ip] = true, true
	}
	if len(names) != len(people) || len(ips) != len(people) {
		t.Errorf("%d people have %d names and %d addresses", len(people), len(names), len(ips))
	}
}

func TestFind(t *testing.T) {
	b := make([]byte, headerLength)
	b = attribute(b, 1, "jo")
	b = attribute(b, 80, "x")
	if at := find(b, 80); at != headerLength+6 {
		t.Errorf("found at %d", at)
	}
	if at := find(append(b, 0, 0, 80, 18), 81); at != 0 {
		t.Errorf("found at %d in rubbish", at)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	if at := find(b, 2); at != 0 {
		t.Errorf("found at %d what is not there", at)
	}
}
