package radiusd

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"layeh.com/radius"

	"duoradiusd/internal/display"
	"duoradiusd/radiusd/wire"
)

// dropReason is the reason why a datagram gets no reply. Each reason has a counter.
type dropReason int

const (
	notDropped dropReason = iota
	dropTooLarge
	dropUnknownClient
	dropMalformed
	dropTooManyAttributes
	dropAttributeTwice
	dropWrongCode
	dropMixedMethods
	dropNoMethod
	dropUnsigned
	dropUnsignedByRatchet
	dropProxyState
	dropWrongSignature
	dropStatusTooOften
	dropStatusUnable
	dropStatusOff
	dropInProgress
	dropThirdOnIdentifier
	dropReplayed
	dropOverloaded
	dropPanicked
	dropReasonCount // the number of reasons
)

var dropNames = [dropReasonCount]string{
	notDropped:            "passed",
	dropTooLarge:          "larger than 4096 octets",
	dropUnknownClient:     "unknown client",
	dropMalformed:         "malformed",
	dropTooManyAttributes: "too many attributes",
	dropAttributeTwice:    "an attribute twice that may come once",
	dropWrongCode:         "unexpected code",
	dropMixedMethods:      "more than one of User-Password, CHAP-Password and EAP-Message",
	dropNoMethod:          "no credentials and no Message-Authenticator",
	dropUnsigned:          "no Message-Authenticator",
	dropUnsignedByRatchet: "no Message-Authenticator from a client that always sent it",
	dropProxyState:        "Proxy-State without Message-Authenticator",
	dropWrongSignature:    "wrong Message-Authenticator",
	dropStatusTooOften:    "Status-Server too often",
	dropStatusUnable:      "Status-Server while Duo can't be asked",
	dropStatusOff:         "Status-Server, which is switched off",
	dropInProgress:        "repeated while in progress",
	dropThirdOnIdentifier: "a third request on one Identifier",
	dropReplayed:          "replayed",
	dropOverloaded:        "too many logins in progress",
	dropPanicked:          "panic",
}

var dropHints = [dropReasonCount]string{
	dropUnknownClient:     "add the address to a [[client]], or find out why the request came from this address (NAT, a container, a second interface); duoradiusd status lists the latest unknown sources",
	dropStatusOff:         "set status_server = true to have it answered",
	dropUnsigned:          `set the client to send a Message-Authenticator; message_authenticator = "accept" allows requests without it`,
	dropUnsignedByRatchet: `this is an attack, or the client was changed; message_authenticator = "accept" allows requests without it`,
	dropProxyState:        "set the client to send a Message-Authenticator; limit_proxy_state = false allows Proxy-State without it",
	dropWrongSignature:    "check that the secret is the same on both sides (pfSense CE 2.8.1 sends a wrong Message-Authenticator with every secret)",
	dropReplayed:          "this is a late copy of a request, or somebody has captured the request and sends it again",
}

func (d dropReason) String() string { return dropNames[d] }

// dropLogInterval is the shortest time between two log lines for the same reason.
const dropLogInterval = 10 * time.Second

// drops counts the datagrams that got no reply, and limits the log lines of each reason.
type drops struct {
	counts [dropReasonCount]atomic.Uint64

	mu     sync.Mutex // guards logged
	logged [dropReasonCount]struct {
		when  time.Time
		count uint64
	}
}

// add counts one drop. If a log line is due, it returns the number of drops since the last line; otherwise it returns 0.
func (d *drops) add(why dropReason, now time.Time) (since uint64) {
	count := d.counts[why].Add(1)
	if why == dropInProgress {
		return 0 // every client retransmits, so this is never logged
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	last := &d.logged[why]
	if !last.when.IsZero() && now.Sub(last.when) < dropLogInterval {
		return 0
	}
	since = count - last.count
	last.when, last.count = now, count
	return since
}

// DropReasons returns the names of all reasons why a datagram may get no reply.
func DropReasons() []string { return append([]string(nil), dropNames[notDropped+1:]...) }

// Drops returns how many datagrams got no reply, by reason.
func (s *Server) Drops() map[string]uint64 {
	m := make(map[string]uint64, dropReasonCount)
	for why := range s.drops.counts {
		if n := s.drops.counts[why].Load(); n > 0 {
			m[dropReason(why).String()] = n
		}
	}
	return m
}

// drop counts a datagram that gets no reply, and logs it if a log line is due.
func (s *Server) drop(d *datagram, why dropReason) {
	if why == dropUnknownClient {
		s.unknown.add(d.host(), d.received)
	}
	since := s.drops.add(why, d.received)
	if why == dropWrongSignature { // one client's wrong secret must not hide another's
		since = d.client.traffic.wrongSecret.add(d.received)
	}
	if since == 0 {
		return
	}
	args := []any{"reason", why.String(), "from", d.from.String(), "count", since}
	if d.client != nil {
		args = append(args, "client", d.client.Name)
	}
	if p := &d.packet; d.client != nil && p.userName.present() && isProbe(d.client, p) {
		args = append(args, "user", display.Visible(string(p.value(p.userName))))
	}
	switch why {
	case dropAttributeTwice:
		args = append(args, "attribute", attributeName(d.packet.twice))
	case dropWrongCode:
		args = append(args, "code", codeName(d.packet.code()))
	}
	level := slog.LevelInfo
	if hint := d.hint(why); hint != "" {
		args = append(args, "hint", hint)
		level = slog.LevelWarn
	}
	if why == dropOverloaded {
		level = slog.LevelWarn
	}
	s.log().Log(context.Background(), level, "dropped", args...)
}

// hint says what the administrator should do about a drop. It returns "" if there is nothing to do.
func (d *datagram) hint(why dropReason) string {
	switch {
	case why == dropUnknownClient && d.authentic:
		return fmt.Sprintf("no [[client]] of this address fits NAS-Identifier %q and Called-Station-Id %q",
			display.Visible(string(d.packet.value(d.packet.nasIdentifier))), display.Visible(string(d.packet.value(d.packet.calledStationID))))
	case why == dropReplayed && d.reusesAuthenticator:
		return "the client uses a Request Authenticator again, but RFC 2865 §3 requires a new one for each request; such requests are accepted if they have a Message-Authenticator"
	case why == dropWrongCode && d.packet.code() == wire.AccountingRequest:
		return "duoradiusd does not accept accounting requests: set the client to send them to another server, or switch accounting off at the client"
	case (why == dropUnsigned || why == dropUnsignedByRatchet) && isProbe(d.client, &d.packet):
		return "this is the connectivity test of the client (its name is one of probe_users); the logins of users are not affected"
	case why == dropUnsigned && d.packet.code() == wire.StatusServer:
		return "every Status-Server must have a Message-Authenticator (RFC 5997 §3): update or configure the client"
	case why == dropUnsigned && d.packet.eap.present():
		return "every request with EAP must have a Message-Authenticator (RFC 3579 §3.1): update or configure the client"
	}
	return dropHints[why]
}

// attributeName returns the name of an attribute that may be present only once, or the number of any other type.
func attributeName(kind byte) string {
	switch kind {
	case wire.UserName:
		return "User-Name"
	case wire.UserPassword:
		return "User-Password"
	case wire.CHAPPassword:
		return "CHAP-Password"
	case wire.State:
		return "State"
	case wire.MessageAuthenticator:
		return "Message-Authenticator"
	}
	return strconv.Itoa(int(kind))
}

// codeName returns the name of a packet's code, or its number if it has no name.
func codeName(code byte) string {
	if name := radius.Code(code).String(); !strings.HasPrefix(name, "Code(") {
		return name
	}
	return strconv.Itoa(int(code))
}

// tally counts events that are logged at most once a minute.
type tally struct {
	mu    sync.Mutex // guards all
	count uint64     // since the last line
	last  time.Time  // the time of the last line
}

const tallyInterval = time.Minute

// add counts one event. If a log line is due, it returns the number of events since the last line; otherwise it returns 0.
func (t *tally) add(now time.Time) (since uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count++
	if !t.last.IsZero() && now.Sub(t.last) < tallyInterval {
		return 0
	}
	since, t.count, t.last = t.count, 0, now
	return since
}
