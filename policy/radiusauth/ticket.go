package radiusauth

import (
	"errors"
	"net/netip"

	"duoradiusd/policy"
)

// ticket is what the State of an AskBack stands for: whose challenge it was, and how far the conversation is. It stays
// with the daemon; the door gives the client a State of its own.
type ticket struct {
	server  string // as configured
	addr    netip.AddrPort
	eap     bool
	offered byte   // the method of the upstream's last EAP request, Identity and Notification apart
	spoken  byte   // the method that the peer answered with
	state   string // the upstream's own
}

// String puts a ticket into a State; redeem gets it back.
func (t ticket) String() string {
	addr := t.addr.String()
	b := []byte{0, t.offered, t.spoken, byte(len(addr))}
	if t.eap {
		b[0] = 1
	}
	b = append(b, addr...)
	b = append(b, byte(len(t.server)>>8), byte(len(t.server)))
	b = append(b, t.server...)
	return string(append(b, t.state...))
}

// redeem returns the ticket that r answers, an empty one for a fresh login. An answer by EAP to a question of words, or
// the other way round, is a refusal.
func redeem(r policy.FirstRequest) (t ticket, err error) {
	t.eap = r.Method == policy.EAP
	if r.State == "" {
		return t, nil
	}
	unknown := errors.New("a State that is none of ours")
	s := r.State
	if len(s) < 4 || len(s) < 4+int(s[3])+2 {
		return t, unknown
	}
	if s[0] == 1 != t.eap {
		return t, &policy.Refusal{Why: "the challenge was of another method"}
	}
	t.offered, t.spoken = s[1], s[2]
	at := 4 + int(s[3])
	if t.addr, err = netip.ParseAddrPort(s[4:at]); err != nil {
		return t, unknown
	}
	name := int(s[at])<<8 | int(s[at+1])
	if at += 2; len(s) < at+name {
		return t, unknown
	}
	t.server, t.state = s[at:at+name], s[at+name:]
	return t, nil
}
