package radiusauth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"duoradiusd/policy"
)

// EAP (RFC 3748 §4, §5).
const (
	eapRequest  = 1
	eapResponse = 2
	eapSuccess  = 3
	eapFailure  = 4

	eapIdentity     = 1
	eapNotification = 2
	eapNak          = 3
	eapExpanded     = 254 // §5.7
)

// eapCode returns an EAP packet's code, 0 for what is no EAP packet.
func eapCode(packet string) byte {
	const header = 4
	if len(packet) < header || len(packet) < eapLength(packet) || eapLength(packet) < header {
		return 0
	}
	return packet[0]
}

func eapLength(packet string) int { return int(binary.BigEndian.Uint16([]byte(packet[2:4]))) }

// eapType returns the type of a request or response and what follows it; 0 where there is none.
func eapType(packet string) (kind byte, data string) {
	if code := eapCode(packet); code != eapRequest && code != eapResponse || eapLength(packet) < 5 {
		return 0, ""
	}
	return packet[4], packet[5:eapLength(packet)]
}

// eapPacket puts together the EAP packet of a request (RFC 3579 §3.1).
func eapPacket(b []byte) (packet string) {
	list, _ := attributes(b)
	for _, a := range list {
		if a.kind == typeEAPMessage {
			packet += string(a.value)
		}
	}
	return packet
}

// hear takes in what the peer says. An identity must be the User-Name, which the policy has judged already; an EAP-Start
// is an empty packet.
func (t *ticket) hear(packet, typed string) error {
	if packet == "" {
		return nil
	}
	if eapCode(packet) != eapResponse { // a request would turn the roles (RFC 3579 §2.6.2)
		return &policy.Refusal{Why: "the EAP packet is no response"}
	}
	switch kind, data := eapType(packet); kind {
	case 0:
		return &policy.Refusal{Why: "the EAP response has no type"}
	case eapIdentity:
		if data != typed {
			return &policy.Refusal{Why: "the EAP identity is not the User-Name"}
		}
	case eapNotification, eapNak:
	case eapExpanded:
		const expandedNak = "\x00\x00\x00\x00\x00\x00\x03" // §5.3.2
		if !strings.HasPrefix(data, expandedNak) {
			t.spoken = kind
		}
	default:
		if t.spoken == 0 || plainMethod(t.spoken) { // what once named nobody in the clear does not begin to
			t.spoken = kind
		}
	}
	return nil
}

// offer takes in what the upstream asks the peer.
func (t *ticket) offer(packet string) {
	if kind, _ := eapType(packet); kind != eapIdentity && kind != eapNotification {
		t.offered = kind
	}
}

// plainMethod reports whether a method proves the very identity that the peer gave in the clear: MD5-Challenge, GTC,
// MSCHAPv2. Of all others, tunnels and certificates, that is not said.
func plainMethod(kind byte) bool { return kind == 4 || kind == 6 || kind == 26 }

// user returns who an accepted EAP peer is, "" for who it said, and whether the method proved that very name. named is
// what the Access-Accept says of it. A server that names the outside of a tunnel again (FreeRADIUS by default), or nobody
// (NPS), leaves open who was inside: somebody with another's password perhaps.
func (t *ticket) user(named []string, typed string) (name string, proven bool, err error) {
	if len(named) > 1 {
		return "", false, errors.New("an Access-Accept with more than one User-Name")
	}
	if len(named) == 1 {
		name = named[0]
	}
	switch plain := plainMethod(t.spoken) && t.spoken == t.offered; {
	case plain, name != "" && name != typed:
		return name, true, nil
	case t.spoken == 0:
		return "", false, errors.New("an Access-Accept before any EAP method")
	case anonymous(typed):
		return "", false, fmt.Errorf("an Access-Accept that does not say who EAP method %d proved inside of %q: "+
			"let the upstream put the name of inside the tunnel into User-Name (FreeRADIUS: use_tunneled_reply, "+
			"or update outer.session-state { User-Name := &User-Name })", t.spoken, typed)
	}
	return name, false, nil
}

// anonymous reports whether a name is one that peers give who keep theirs for the tunnel (RFC 7542 §2.4).
func anonymous(name string) bool {
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, '\\'); i >= 0 {
		name = name[i+1:]
	}
	name = strings.ToLower(name)
	return name == "" || name == "anon" || strings.HasPrefix(name, "anonymous")
}
