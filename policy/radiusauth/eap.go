package radiusauth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"duoradiusd/policy"
	"duoradiusd/policy/canonical"
	"duoradiusd/radiusd/wire"
)

// These are the codes and types of EAP packets (RFC 3748 §4, §5).
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

// eapCode returns the code of an EAP packet, or 0 if packet is not an EAP packet.
func eapCode(packet string) byte {
	const header = 4
	if len(packet) < header || len(packet) < eapLength(packet) || eapLength(packet) < header {
		return 0
	}
	return packet[0]
}

func eapLength(packet string) int { return int(binary.BigEndian.Uint16([]byte(packet[2:4]))) }

// eapType returns the type of an EAP request or response and its data. It returns 0 for any other packet.
func eapType(packet string) (kind byte, data string) {
	if code := eapCode(packet); code != eapRequest && code != eapResponse || eapLength(packet) < 5 {
		return 0, ""
	}
	return packet[4], packet[5:eapLength(packet)]
}

// eapPacket joins the EAP-Message attributes of a request into one EAP packet (RFC 3579 §3.1).
func eapPacket(b []byte) (packet string) {
	for a := range wire.All(b) {
		if a.Type == wire.EAPMessage {
			packet += string(a.Value)
		}
	}
	return packet
}

// fromPeer notes what the EAP peer sends and checks its form. An Identity must be the User-Name, because the policy has
// already decided about that name. An EAP-Start is an empty packet.
func (t *conversation) fromPeer(packet, typed string) error {
	if packet == "" {
		return nil
	}
	if eapCode(packet) != eapResponse { // a request from the peer would exchange the roles (RFC 3579 §2.6.2)
		return &policy.Refusal{Why: "the EAP packet is not a response"}
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
			t.peerMethod = kind
		}
	default:
		if t.peerMethod == 0 || plainMethod(t.peerMethod) { // a method that may hide the name is not replaced
			t.peerMethod = kind
		}
	}
	return nil
}

// fromServer notes which method the upstream asks the peer for.
func (t *conversation) fromServer(packet string) {
	if kind, _ := eapType(packet); kind != eapIdentity && kind != eapNotification {
		t.serverMethod = kind
	}
}

// plainMethod reports whether an EAP method proves the identity that the peer sent unencrypted. MD5-Challenge, GTC and
// MSCHAPv2 do. Tunnels and certificates may prove another identity.
func plainMethod(kind byte) bool { return kind == 4 || kind == 6 || kind == 26 }

// provenName returns the name of an accepted EAP peer ("" means the name as typed) and whether the method proved that name.
// named holds the User-Names of the Access-Accept. FreeRADIUS repeats the outer name by default, and NPS sends no name. In
// both cases nobody knows whose password was used inside the tunnel. inner says that the upstream always sends the name from
// inside the tunnel. If inner is false, a name counts as proven only if the upstream can't have derived it from the outer
// name.
func (t *conversation) provenName(named []string, typed string, inner bool) (name string, proven bool, err error) {
	if len(named) > 1 {
		return "", false, errors.New("an Access-Accept with more than one User-Name")
	}
	if len(named) == 1 {
		name = named[0]
	}
	switch plain := plainMethod(t.peerMethod) && t.peerMethod == t.serverMethod; {
	case plain, name != "" && (inner || !mayBeEcho(name, typed)):
		return name, true, nil
	case t.peerMethod == 0:
		return "", false, errors.New("an Access-Accept before any EAP method")
	case anonymous(typed):
		return "", false, fmt.Errorf("an Access-Accept that does not name the user whom EAP method %d proved inside the tunnel of %q: "+
			"let the upstream put the name from inside the tunnel into User-Name (FreeRADIUS: use_tunneled_reply, "+
			"or update outer.session-state { User-Name := &User-Name })", t.peerMethod, typed)
	}
	return name, false, nil
}

// mayBeEcho reports whether an upstream may have derived the name that it sends from the name outside of the tunnel. That is
// the case if both are spellings of one person's name, or if the sent name consists of whole words of the outer one. An
// upstream that strips more than a domain sends such a name ("lab/alice", "alice%lab", "alice.ppp").
func mayBeEcho(name, typed string) bool {
	told := canonical.Fold(name)
	if told == canonical.Fold(typed) {
		return true
	}
	if at := strings.LastIndexByte(typed, '@'); at >= 0 && !strings.Contains(typed[at:], `\`) {
		typed = typed[:at] // no upstream sends the realm as the name
	}
	return slices.ContainsFunc(strings.FieldsFunc(typed, func(r rune) bool { return r == '@' || r == '\\' }), func(part string) bool {
		return holdsWords(canonical.Fold(part), told)
	})
}

// holdsWords reports whether s contains words without a letter or a digit directly before or after them.
func holdsWords(s, words string) bool {
	for rest := s; ; {
		before, after, found := strings.Cut(rest, words)
		if !found || words == "" {
			return false
		}
		left, _ := utf8.DecodeLastRuneInString(s[:len(s)-len(rest)+len(before)])
		right, _ := utf8.DecodeRuneInString(after)
		if !inWord(left) && !inWord(right) {
			return true
		}
		_, size := utf8.DecodeRuneInString(words)
		rest = rest[len(before)+size:]
	}
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// anonymous reports whether peers use a name outside of a tunnel to hide their own (RFC 7542 §2.4).
func anonymous(name string) bool {
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, '\\'); i >= 0 {
		name = name[i+1:]
	}
	name = strings.ToLower(name)
	return name == "" || name == "anon" || strings.HasPrefix(name, "anonymous")
}
