package radiusd

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"layeh.com/radius"
	"layeh.com/radius/rfc2868"

	"duoradiusd/internal/display"
	"duoradiusd/policy"
)

// usualReplyLength is the length of a reply that says little, in octets.
const usualReplyLength = 64

const (
	maxValue   = 253 // octets of one attribute
	maxMessage = 4   // Reply-Messages in a reply; more is no message
)

func outcomeCode(o policy.Outcome) radius.Code {
	switch o {
	case policy.OutcomeAccept:
		return radius.CodeAccessAccept
	case policy.OutcomeChallenge:
		return radius.CodeAccessChallenge
	}
	return radius.CodeAccessReject
}

// errTooLong says that a reply would be longer than a packet can be. A part of the attributes is no substitute for them:
// the one left out may be the one that restricts.
var errTooLong = errors.New("radiusd: the reply's attributes are longer than a packet")

// answer builds the signed reply to an Access-Request: Message-Authenticator first, so that no chosen prefix can be
// put before it (CVE-2024-3596), then what the Verdict says, then every Proxy-State as it came and in order
// (RFC 2865 §5.33). A reject can always be built. It lies
// in buffer, or where that is nil or too small, in memory of its own.
func (p *packet) answer(buffer []byte, c *Client, v *policy.Verdict) ([]byte, error) {
	b := p.startReply(buffer, c, outcomeCode(v.Outcome))
	tail, err := p.appendAttributes(nil, c, v.Attributes)
	if err != nil {
		return nil, err
	}
	if v.Outcome == policy.OutcomeChallenge {
		tail = p.appendChallenge(tail, v)
	}
	tail = p.appendProxyStates(tail)
	if p.eap.present() {
		if b, err = p.appendEAP(b, v, len(tail)); err != nil {
			return nil, err
		}
		b = append(b, tail...)
	} else {
		b = append(appendMessage(b, v.Message, len(tail)), tail...)
	}
	if len(b) > maxLength {
		return nil, errTooLong
	}
	return signReply(b, c), nil
}

// appendChallenge appends what the client needs to answer a challenge.
func (p *packet) appendChallenge(b []byte, v *policy.Verdict) []byte {
	b = appendAttribute(b, typeState, v.State)
	if v.Wait > 0 {
		b = appendInteger(b, typeSessionTimeout, uint32(v.Wait/time.Second))
	}
	said := slices.ContainsFunc(v.Attributes, func(a policy.Attribute) bool { return a.Vendor == 0 && a.Type == typePrompt })
	if !p.eap.present() && !said {
		b = appendInteger(b, typePrompt, 1) // echo: a passcode is good once
	}
	return b
}

// appendMessage appends as many Reply-Messages as fit beside what else there is to say.
func appendMessage(b []byte, message string, rest int) []byte {
	for _, chunk := range chunks(message) {
		if len(b)+2+len(chunk)+rest > maxLength {
			break
		}
		b = appendAttribute(b, typeReplyMessage, chunk)
	}
	return b
}

// startReply returns the head of a reply, with the Request Authenticator in its header and a Message-Authenticator of zeros.
func (p *packet) startReply(buffer []byte, c *Client, code radius.Code) []byte {
	if buffer == nil {
		buffer = make([]byte, 0, usualReplyLength)
	}
	b := append(buffer, byte(code), p.identifier(), 0, 0)
	b = append(b, p.b[4:headerLength]...)
	if !c.OmitReplyAuthenticator || p.eap.present() { // RFC 3579 §3.2 leaves EAP no choice
		b = appendAttribute(b, typeMessageAuthenticator, string(zeros[:]))
	}
	return b
}

func signReply(b []byte, c *Client) []byte {
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	c.seal(b)
	return b
}

func appendAttribute(b []byte, kind byte, value string) []byte {
	b = append(b, kind, byte(2+len(value)))
	return append(b, value...)
}

func appendInteger(b []byte, kind byte, value uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, kind, 6), value)
}

func appendVendor(b []byte, id policy.AttributeID, value string) []byte {
	b = append(b, typeVendorSpecific, byte(8+len(value)))
	b = binary.BigEndian.AppendUint32(b, id.Vendor)
	b = append(b, id.Type, byte(2+len(value)))
	return append(b, value...)
}

func (p *packet) appendProxyStates(b []byte) []byte {
	if p.proxyState == 0 {
		return b
	}
	p.each(func(kind byte, value []byte) bool {
		if kind == typeProxyState {
			b = append(append(b, kind, byte(2+len(value))), value...)
		}
		return true
	})
	return b
}

// chunks cuts a message into Reply-Messages of 253 octets at most, at line ends where there are any and otherwise between
// runes (RFC 2865 §5.18): some clients show each one on a line of its own. What a terminal or a web portal could take for
// more than text does not pass.
func chunks(message string) (list []string) {
	message = plain(message)
	for message != "" && len(list) < maxMessage {
		n := len(message)
		if n > maxValue {
			if n = strings.LastIndexByte(message[:maxValue], '\n') + 1; n == 0 {
				for n = maxValue; !utf8.RuneStart(message[n]); n-- {
				}
			}
		}
		list = append(list, message[:n])
		message = message[n:]
	}
	return list
}

// plain returns a message as every client can show it: some put it into a page of HTML as it is.
func plain(message string) string { return htmlMarks.Replace(display.Lines(message)) }

var htmlMarks = strings.NewReplacer("<", "", ">", "", `"`, "")

// Attributes that go over the wire encrypted with the client's secret.
var (
	tunnelPassword = policy.AttributeID{Type: byte(rfc2868.TunnelPassword_Type)} // RFC 2868 §3.5; its Value: the tag, then the password
	msCHAPMPPEKeys = policy.AttributeID{Vendor: vendorMicrosoft, Type: 12}       // RFC 2548 §2.4.1
	msMPPESendKey  = policy.AttributeID{Vendor: vendorMicrosoft, Type: 16}       // RFC 2548 §2.4.2
	msMPPERecvKey  = policy.AttributeID{Vendor: vendorMicrosoft, Type: 17}       // RFC 2548 §2.4.3
)

var replyMessage = policy.AttributeID{Type: typeReplyMessage}

// appendAttributes appends what a Verdict adds to its reply, encrypting what must be. An EAP conversation takes no
// Reply-Message (RFC 3579 §2.6.5).
func (p *packet) appendAttributes(b []byte, c *Client, list []policy.Attribute) ([]byte, error) {
	salts := newSalts(list)
	for _, a := range list {
		if p.eap.present() && a.AttributeID == replyMessage {
			continue
		}
		if a.AttributeID == replyMessage { // portals show it
			a.Value = plain(a.Value)
		}
		value, err := p.encrypt(c, a, &salts)
		if err != nil {
			return nil, fmt.Errorf("radiusd: attribute %d of vendor %d: %w", a.Type, a.Vendor, err)
		}
		switch {
		case value == "": // RFC 2865 §5
		case a.Vendor == 0 && len(value) <= maxValue:
			b = appendAttribute(b, a.Type, value)
		case a.Vendor != 0 && len(value) <= maxValue-6:
			b = appendVendor(b, a.AttributeID, value)
		default:
			return nil, errTooLong
		}
	}
	return b, nil
}

func (p *packet) encrypt(c *Client, a policy.Attribute, salts *salts) (string, error) {
	authenticator := p.b[4:20]
	switch a.AttributeID {
	case msMPPESendKey, msMPPERecvKey:
		b, err := radius.NewTunnelPassword([]byte(a.Value), salts.next(), c.Secret, authenticator)
		return string(b), err
	case msCHAPMPPEKeys:
		b, err := radius.NewUserPassword([]byte(a.Value), c.Secret, authenticator)
		return string(b), err
	case tunnelPassword:
		if a.Value == "" {
			return "", nil
		}
		b, err := radius.NewTunnelPassword([]byte(a.Value[1:]), salts.next(), c.Secret, authenticator)
		return a.Value[:1] + string(b), err
	}
	return a.Value, nil
}

// salts are the Salts of one packet, each another (RFC 2868 §3.5), with the first bit set.
type salts uint16

func newSalts(list []policy.Attribute) salts {
	if len(list) == 0 {
		return 0
	}
	var b [2]byte
	rand.Read(b[:])
	return salts(binary.BigEndian.Uint16(b[:]))
}

func (s *salts) next() []byte {
	*s++
	return binary.BigEndian.AppendUint16(nil, uint16(*s)|0x8000)
}

// The codes of EAP packets (RFC 3748 §4).
const (
	eapRequest = 1
	eapSuccess = 3
	eapFailure = 4
)

var errNoEAP = errors.New("radiusd: the EAP conversation has no packet that fits this reply")

// appendEAP appends the EAP packet of a reply, cut into EAP-Messages (RFC 3579 §3.1). Its code must say the same as the
// reply's (§2.6.3); no Reply-Message stands beside it (§2.6.5).
func (p *packet) appendEAP(b []byte, v *policy.Verdict, rest int) ([]byte, error) {
	code := byte(eapFailure)
	switch v.Outcome {
	case policy.OutcomeAccept:
		code = eapSuccess
	case policy.OutcomeChallenge:
		code = eapRequest
	}
	if v.EAP == "" && v.Outcome == policy.OutcomeReject {
		return p.appendEAPFailure(b, rest), nil
	}
	if len(v.EAP) < 4 || v.EAP[0] != code {
		return nil, errNoEAP
	}
	for eap := v.EAP; eap != ""; {
		n := min(len(eap), maxValue)
		b = appendAttribute(b, typeEAPMessage, eap[:n])
		eap = eap[n:]
	}
	return b, nil
}

// appendEAPFailure ends the conversation where nobody else does, if there is room beside rest more octets. An EAP-Start
// has no Identifier that it could answer.
func (p *packet) appendEAPFailure(b []byte, rest int) []byte {
	const length = 4 // RFC 3748 §4.2
	if p.eap.length < 2 || len(b)+2+length+rest > maxLength {
		return b
	}
	identifier := p.b[p.eap.offset+1]
	return append(b, typeEAPMessage, 2+length, eapFailure, identifier, 0, length)
}
