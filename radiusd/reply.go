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

// usualReplyLength is the capacity of a new reply buffer in octets. A reply with few attributes fits into it.
const usualReplyLength = 64

// maxMessages is the largest number of Reply-Messages in a reply. The rest of a longer text is left out.
const maxMessages = 4

// replyCode returns the code of the reply for an Outcome.
func replyCode(o policy.Outcome) byte {
	switch o {
	case policy.OutcomeAccept:
		return wire.AccessAccept
	case policy.OutcomeChallenge:
		return wire.AccessChallenge
	}
	return wire.AccessReject
}

// errTooLong says that a reply would be longer than a packet can be. The server does not send such a reply with some
// attributes left out, because one of these attributes may restrict what the user may do.
var errTooLong = errors.New("the reply's attributes are longer than a packet")

// answer builds the signed reply to an Access-Request. The Message-Authenticator is the first attribute, so that an
// attacker can't put a chosen prefix before it (CVE-2024-3596). Then come the attributes of the Verdict, then every
// Proxy-State, unchanged and in the order of the request (RFC 2865 §5.33). A reject without attributes and without an EAP
// packet never fails. answer uses the memory of buffer, and allocates new memory if buffer is nil or too small.
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
		b = wire.AppendUint32(b, wire.Prompt, 1) // 1 means echo: the user may see a passcode, because it is valid only once
	}
	return b
}

// appendMessage appends message as Reply-Messages. It stops when the packet has no room for another one and rest more
// octets.
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

// startReply returns the start of a reply. It uses the memory of buffer unless buffer is nil.
func (p *packet) startReply(buffer []byte, c *Client, code byte) []byte {
	if buffer == nil {
		buffer = make([]byte, 0, usualReplyLength)
	}
	signed := !c.OmitReplyAuthenticator || p.eap.present() // RFC 3579 §3.2 requires it for EAP
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

// plain returns a message that every client can show safely. It removes HTML characters, because some clients put the
// message unchanged into an HTML page.
func plain(message string) string { return htmlMarks.Replace(display.Lines(message)) }

var htmlMarks = strings.NewReplacer("<", "", ">", "", `"`, "")

// The server encrypts the values of these attributes with the client's secret before it sends them.
var (
	tunnelPassword = policy.AttributeID{Type: wire.TunnelPassword} // its Value is the Tag, then the password
	msCHAPMPPEKeys = policy.AttributeID{Vendor: wire.Microsoft, Type: wire.MSCHAPMPPEKeys}
	msMPPESendKey  = policy.AttributeID{Vendor: wire.Microsoft, Type: wire.MSMPPESendKey}
	msMPPERecvKey  = policy.AttributeID{Vendor: wire.Microsoft, Type: wire.MSMPPERecvKey}
)

var replyMessage = policy.AttributeID{Type: wire.ReplyMessage}

// appendAttributes appends the attributes of a Verdict, and encrypts those that must be encrypted. It leaves out
// Reply-Message in an EAP conversation (RFC 3579 §2.6.5).
func (p *packet) appendAttributes(b []byte, c *Client, list []policy.Attribute) ([]byte, error) {
	salts := newSalts(list)
	for _, a := range list {
		if p.eap.present() && a.AttributeID == replyMessage {
			continue
		}
		if a.AttributeID == replyMessage { // login pages show it
			a.Value = plain(a.Value)
		}
		value, err := p.encrypt(c, a, &salts)
		if err != nil {
			return nil, fmt.Errorf("attribute %d of vendor %d: %w", a.Type, a.Vendor, err)
		}
		switch {
		case value == "": // an empty value is left out (RFC 2865 §5)
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

// encrypt returns the value of a in the form in which it is sent.
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

// salts makes the Salts of one packet. Each Salt is different (RFC 2868 §3.5).
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

// appendEAP appends the EAP packet of a reply, cut into EAP-Messages (RFC 3579 §3.1). The code of the EAP packet must match
// the code of the reply (§2.6.3). A reply with EAP holds no Reply-Message (§2.6.5).
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

// appendEAPFailure appends an EAP-Failure for a reject without an EAP packet. It appends nothing if there is no room for it
// and rest more octets, or if the request is an EAP-Start, which has no Identifier to answer.
func (p *packet) appendEAPFailure(b []byte, rest int) []byte {
	const length = 4 // RFC 3748 §4.2
	if p.eap.length < 2 || len(b)+2+length+rest > wire.MaxLength {
		return b
	}
	identifier := p.b[p.eap.offset+1]
	return append(b, wire.EAPMessage, 2+length, eapFailure, identifier, 0, length)
}
