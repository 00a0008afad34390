package radiusd

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// dropped is why a datagram gets no reply. The set is closed: each is a counter.
type dropped int

const (
	passed dropped = iota
	tooLarge
	unknownClient
	malformed
	tooManyAttributes
	ambiguous
	wrongCode
	mixedMethods
	noMethod
	needsMessageAuthenticator
	ratcheted
	limitedProxyState
	wrongMessageAuthenticator
	statusTooOften
	statusUnable
	inProgress
	tooManyGenerations
	overtaken
	replayed
	overloaded
	panicked
	reasons // how many there are
)

var reasonNames = [reasons]string{
	passed:                    "passed",
	tooLarge:                  "larger than 4096 octets",
	unknownClient:             "unknown client",
	malformed:                 "malformed",
	tooManyAttributes:         "too many attributes",
	ambiguous:                 "an attribute twice that may come once",
	wrongCode:                 "unexpected code",
	mixedMethods:              "more than one of User-Password, CHAP-Password and EAP-Message",
	noMethod:                  "no credentials and no Message-Authenticator",
	needsMessageAuthenticator: "no Message-Authenticator",
	ratcheted:                 "no Message-Authenticator from a client that always sent it",
	limitedProxyState:         "Proxy-State without Message-Authenticator",
	wrongMessageAuthenticator: "wrong Message-Authenticator",
	statusTooOften:            "Status-Server too often",
	statusUnable:              "Status-Server while Duo can't be asked",
	inProgress:                "repeated while in progress",
	tooManyGenerations:        "a third request on one Identifier",
	overtaken:                 "given up for a newer one on its Identifier",
	replayed:                  "replayed",
	overloaded:                "too many logins in progress",
	panicked:                  "panic",
}

var reasonHints = [reasons]string{
	needsMessageAuthenticator: `the client must send it, or message_authenticator = "accept"`,
	ratcheted:                 `an attack, or the client was changed; message_authenticator = "accept" allows it`,
	limitedProxyState:         "the client should send a Message-Authenticator; limit_proxy_state = false allows it without",
	wrongMessageAuthenticator: "is the secret right? (pfSense CE 2.8.1 sends a wrong one whatever the secret)",
	replayed:                  "somebody may have captured it",
}

func (d dropped) String() string { return reasonNames[d] }

// quietly is how long one reason is not logged again.
const quietly = 10 * time.Second

// drops counts what got no reply, and logs each reason at most once in a while.
type drops struct {
	counts [reasons]atomic.Uint64

	mu     sync.Mutex // guards logged
	logged [reasons]struct {
		at    time.Time
		count uint64
	}
}

// add counts one drop and reports how many there were since the last that was due for a log line; 0 when none is due.
func (d *drops) add(why dropped, now time.Time) (since uint64) {
	count := d.counts[why].Add(1)
	if why == inProgress || why == overtaken {
		return 0 // what every client does
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	last := &d.logged[why]
	if !last.at.IsZero() && now.Sub(last.at) < quietly {
		return 0
	}
	since = count - last.count
	last.at, last.count = now, count
	return since
}

// DropReasons returns all reasons why a datagram may get no reply.
func DropReasons() []string { return append([]string(nil), reasonNames[passed+1:]...) }

// Drops returns how many datagrams got no reply, by reason.
func (s *Server) Drops() map[string]uint64 {
	m := make(map[string]uint64, reasons)
	for why := range s.drops.counts {
		if n := s.drops.counts[why].Load(); n > 0 {
			m[dropped(why).String()] = n
		}
	}
	return m
}

func (s *Server) drop(d *datagram, why dropped) {
	since := s.drops.add(why, d.at)
	if since == 0 {
		return
	}
	args := []any{"reason", why.String(), "from", d.from.String(), "count", since}
	if d.client != nil {
		args = append(args, "client", d.client.Name)
	}
	if hint := reasonHints[why]; hint != "" {
		args = append(args, "hint", hint)
	}
	level := slog.LevelInfo
	if reasonHints[why] != "" || why == overloaded {
		level = slog.LevelWarn
	}
	s.log().Log(context.Background(), level, "dropped", args...)
}
