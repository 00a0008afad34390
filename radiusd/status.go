package radiusd

import (
	"sync"
	"time"

	"duoradiusd/radiusd/wire"
)

// The limits of one client's Status-Servers: how many per second on average, and how many at once.
const (
	statusRate  = 5
	statusBurst = 20
)

// statusServers holds what the server knows of one client's Status-Servers (RFC 5997).
type statusServers struct {
	limiter limiter

	mu      sync.Mutex // guards everything below
	replies map[requestKey]statusReply
	seen    replays
}

type statusReply struct {
	octets  []byte
	expires time.Time
}

// copied returns the kept reply if d is a copy of a Status-Server that was answered. replay is true if d is a copy but its
// reply is no longer kept. Such a copy must be dropped, because an attacker who repeats a captured Status-Server must not
// use up the client's limit.
func (s *statusServers) copied(d *datagram) (reply []byte, replay bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.replies[d.requestKey()]; ok && d.received.Before(r.expires) {
		return r.octets, false
	}
	replay, _ = s.seen.seen(d.packet.authenticator(), d.packet.identifier(), true, d.received)
	return nil, replay
}

// keep stores a reply for copies of its request. The limiter bounds the number of stored replies.
func (s *statusServers) keep(d *datagram, reply []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, r := range s.replies {
		if !d.received.Before(r.expires) {
			delete(s.replies, key)
		}
	}
	if s.replies == nil {
		s.replies = make(map[requestKey]statusReply)
	}
	s.replies[d.requestKey()] = statusReply{reply, d.received.Add(keepReply)}
	replay, reused := s.seen.seen(d.packet.authenticator(), d.packet.identifier(), true, d.received)
	s.seen.add(d.packet.authenticator(), d.packet.identifier(), replay || reused, d.received)
}

// answerStatus answers a Status-Server. The reply says only that the server can answer logins (RFC 5997 §4.2). A
// Status-Server changes no login count and concerns no user. answerStatus returns a drop reason if there is no reply.
func (s *Server) answerStatus(d *datagram) dropReason {
	if d.client.NoStatusServer {
		return dropStatusOff
	}
	statuses := &d.client.traffic.statuses
	reply, replay := statuses.copied(d)
	switch {
	case reply != nil:
		d.answer(reply)
		return notDropped
	case replay:
		return dropReplayed
	case !statuses.limiter.allow(d.received, statusRate, statusBurst):
		return dropStatusTooOften
	case s.Able != nil && !s.Able():
		return dropStatusUnable
	}
	reply = d.packet.startReply(nil, d.client, wire.AccessAccept)
	d.client.Secret.SignReply(reply)
	statuses.keep(d, reply)
	d.answer(reply)
	return notDropped
}
