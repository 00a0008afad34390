package radiusd

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"layeh.com/radius"

	"duoradiusd/policy"
)

const (
	maxValue   = 253 // octets of one attribute
	maxMessage = 4   // Reply-Messages in a reply; more is no message
)

func outcomeCode(o policy.Outcome) radius.Code {
	switch o {
	case policy.Accept:
		return radius.CodeAccessAccept
	case policy.Challenge:
		return radius.CodeAccessChallenge
	}
	return radius.CodeAccessReject
}

// errNoRoom says that a reply would be longer than a packet can be. A part of the attributes is no substitute for them:
// the one left out may be the one that restricts.
var errNoRoom = errors.New("radiusd: the reply's attributes are longer than a packet")

// answer builds the signed reply to an Access-Request: Message-Authenticator first, so that no chosen prefix can be
// put before it (CVE-2024-3596), then what the Verdict says, then every Proxy-State as it came and in order
// (RFC 2865 §5.33). A reject can always be built. It lies in
// room, or where that is nil or too small, in room of its own.
func (p *packet) answer(room []byte, c *Client, v *policy.Verdict) ([]byte, error) {
	b := p.begin(room, c, outcomeCode(v.Outcome))
	tail, err := p.appendAttributes(nil, c, v.Attributes)
	if err != nil {
		return nil, err
	}
	if v.Outcome == policy.Challenge {
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
		return nil, errNoRoom
	}
	return finish(b, c), nil
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

// begin returns the head of a reply, with the Request Authenticator in its header and a Message-Authenticator of zeros.
func (p *packet) begin(room []byte, c *Client, code radius.Code) []byte {
	if room == nil {
		room = make([]byte, 0, usualReply)
	}
	b := append(room, byte(code), p.identifier(), 0, 0)
	b = append(b, p.b[4:headerLength]...)
	if !c.OmitReplyAuthenticator {
		b = appendAttribute(b, typeMessageAuthenticator, string(zeros[:]))
	}
	return b
}

func finish(b []byte, c *Client) []byte {
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

// chunks cuts a message into Reply-Messages of 253 octets at most, between runes (RFC 2865 §5.18). What a terminal or a
// web portal could take for more than text does not pass.
func chunks(message string) (list []string) {
	message = plain(message)
	for message != "" && len(list) < maxMessage {
		n := len(message)
		if n > maxValue {
			for n = maxValue; !utf8.RuneStart(message[n]); n-- {
			}
		}
		list = append(list, message[:n])
		message = message[n:]
	}
	return list
}

func plain(message string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == utf8.RuneError || !unicode.IsPrint(r) || strings.ContainsRune(`<>"`, r):
			return -1
		}
		return r
	}, message)
}
