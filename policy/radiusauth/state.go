package radiusauth

import (
	"errors"
	"net/netip"

	"duoradiusd/policy"
)

// conversation is the content of the State of an AskBack. It says which server sent the challenge, and how far the
// conversation has come. This State stays within the daemon; the client gets another one.
type conversation struct {
	server       string // as configured
	addr         netip.AddrPort
	eap          bool
	serverMethod byte   // the method of the upstream's last EAP request, except Identity and Notification
	peerMethod   byte   // the method that the peer answered with
	state        string // the State that the upstream sent
}

// encode returns the State of a conversation. conversationOf decodes it.
func (t conversation) encode() string {
	addr := t.addr.String()
	b := []byte{0, t.serverMethod, t.peerMethod, byte(len(addr))}
	if t.eap {
		b[0] = 1
	}
	b = append(b, addr...)
	b = append(b, byte(len(t.server)>>8), byte(len(t.server)))
	b = append(b, t.server...)
	return string(append(b, t.state...))
}

// conversationOf returns the conversation that r continues, or an empty one for a new login. It returns a refusal if EAP is
// used in only one of a challenge and its answer.
func conversationOf(r policy.FirstRequest) (t conversation, err error) {
	t.eap = r.Method == policy.MethodEAP
	if r.State == "" {
		return t, nil
	}
	unknown := errors.New("a State that this daemon did not send")
	s := r.State
	if len(s) < 4 || len(s) < 4+int(s[3])+2 {
		return t, unknown
	}
	if s[0] == 1 != t.eap {
		return t, &policy.Refusal{Why: "the challenge belonged to another method"}
	}
	t.serverMethod, t.peerMethod = s[1], s[2]
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
