package radiusd

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"duoradiusd/internal/display"
	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
)

// usualReplyLength is the length of a reply that says little, in octets.
const usualReplyLength = 64

// maxMessages is how many Reply-Messages a reply has; more is no message.
const maxMessages = 4

// replyCode is the code of the reply that tells an Outcome.
func replyCode(o policy.Outcome) byte {
	switch o {
	case policy.OutcomeAccept:
		return wire.AccessAccept
	case policy.OutcomeChallenge:
		return wire.AccessChallenge
	}
	return wire.AccessReject
}

// errTooLong says that a reply would be longer than a packet can be. A part of the attributes is no substitute for them:
// the one left out may be the one that restricts.
var errTooLong = errors.New("the reply's attributes are longer than a packet")

// answer builds the signed reply to an Access-Request: Message-Authenticator first, so that no chosen prefix can be
// put before it (CVE-2024-3596), then what the Verdict says, then every Proxy-State as it came and in order
// (RFC 2865 §5.33). A reject can always be built. The reply lies in buffer, or where that is nil or too small, in memory of
// its own.
func (p *packet) answer(buffer []byte, c *Client, v *policy.Verdict) ([]byte, error) {
	b := p.startReply(buffer, c, replyCode(v.Outcome))
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
	if len(b) > wire.MaxLength {
		return nil, errTooLong
	}
	c.Secret.SignReply(b)
	return b, nil
}

// appendChallenge appends what the client needs to answer a challenge.
func (p *packet) appendChallenge(b []byte, v *policy.Verdict) []byte {
	b = wire.Append(b, wire.State, v.State)
	if v.Wait > 0 {
		b = wire.AppendUint32(b, wire.SessionTimeout, uint32(v.Wait/time.Second))
	}
	said := slices.ContainsFunc(v.Attributes, func(a policy.Attribute) bool { return a.Vendor == 0 && a.Type == wire.Prompt })
	if !p.eap.present() && !said {
		b = wire.AppendUint32(b, wire.Prompt, 1) // echo: a passcode is good once
	}
	return b
}

// appendMessage appends as many Reply-Messages as fit beside what else there is to say.
func appendMessage(b []byte, message string, rest int) []byte {
	count := 0
	for part := range wire.SplitMessage(plain(message)) {
		if count++; count > maxMessages || len(b)+2+len(part)+rest > wire.MaxLength {
			break
		}
		b = wire.Append(b, wire.ReplyMessage, part)
	}
	return b
}

// startReply returns the start of a reply, in buffer where there is one.
func (p *packet) startReply(buffer []byte, c *Client, code byte) []byte {
	if buffer == nil {
		buffer = make([]byte, 0, usualReplyLength)
	}
	signed := !c.OmitReplyAuthenticator || p.eap.present() // RFC 3579 §3.2 leaves EAP no choice
	return wire.AppendReply(buffer, code, p.b, signed)
}

func (p *packet) appendProxyStates(b []byte) []byte {
	if p.proxyState == 0 {
		return b
	}
	for a := range p.attributes() {
		if a.Type == wire.ProxyState {
			b = wire.Append(b, a.Type, a.Value)
		}
	}
	return b
}

// plain returns a message as every client can show it: some put it into a page of HTML as it is.
func plain(message string) string { return htmlMarks.Replace(display.Lines(message)) }

var htmlMarks = strings.NewReplacer("<", "", ">", "", `"`, "")

// Attributes that go over the wire encrypted with the client's secret.
var (
	tunnelPassword = policy.AttributeID{Type: wire.TunnelPassword} // its Value: the Tag, then the password
	msCHAPMPPEKeys = policy.AttributeID{Vendor: wire.Microsoft, Type: wire.MSCHAPMPPEKeys}
	msMPPESendKey  = policy.AttributeID{Vendor: wire.Microsoft, Type: wire.MSMPPESendKey}
	msMPPERecvKey  = policy.AttributeID{Vendor: wire.Microsoft, Type: wire.MSMPPERecvKey}
)

var replyMessage = policy.AttributeID{Type: wire.ReplyMessage}

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
			return nil, fmt.Errorf("attribute %d of vendor %d: %w", a.Type, a.Vendor, err)
		}
		switch {
		case value == "": // RFC 2865 §5
		case a.Vendor == 0 && len(value) <= wire.MaxValue:
			b = wire.Append(b, a.Type, value)
		case a.Vendor != 0 && len(value) <= wire.MaxVendorValue:
			b = wire.AppendVendor(b, a.Vendor, a.Type, value)
		default:
			return nil, errTooLong
		}
	}
	return b, nil
}

// encrypt returns the value of a as it goes over the wire.
func (p *packet) encrypt(c *Client, a policy.Attribute, salts *salts) (string, error) {
	var b []byte
	var err error
	switch a.AttributeID {
	case msMPPESendKey, msMPPERecvKey:
		b, err = c.Secret.HideSalted(a.Value, salts.next(), p.authenticator())
	case msCHAPMPPEKeys:
		b, err = c.Secret.HidePassword(a.Value, p.authenticator())
	case tunnelPassword:
		if a.Value == "" {
			return "", nil
		}
		b, err = c.Secret.HideSalted(a.Value[1:], salts.next(), p.authenticator())
		return a.Value[:1] + string(b), err
	default:
		return a.Value, nil
	}
	return string(b), err
}

// salts are the Salts of one packet, each another (RFC 2868 §3.5).
type salts uint16

func newSalts(list []policy.Attribute) salts {
	if len(list) == 0 {
		return 0
	}
	var b [2]byte
	rand.Read(b[:])
	return salts(binary.BigEndian.Uint16(b[:]))
}

func (s *salts) next() uint16 {
	*s++
	return uint16(*s)
}

// The codes of EAP packets (RFC 3748 §4).
const (
	eapRequest = 1
	eapSuccess = 3
	eapFailure = 4
)

var errNoEAP = errors.New("the EAP conversation has no packet that fits this reply")

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
		n := min(len(eap), wire.MaxValue)
		b = wire.Append(b, wire.EAPMessage, eap[:n])
		eap = eap[n:]
	}
	return b, nil
}

// appendEAPFailure ends the conversation where nobody else does, if there is room beside rest more octets. An EAP-Start
// has no Identifier that it could answer.
func (p *packet) appendEAPFailure(b []byte, rest int) []byte {
	const length = 4 // RFC 3748 §4.2
	if p.eap.length < 2 || len(b)+2+length+rest > wire.MaxLength {
		return b
	}
	identifier := p.b[p.eap.offset+1]
	return append(b, wire.EAPMessage, 2+length, eapFailure, identifier, 0, length)
}
