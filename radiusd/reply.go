package radiusd

import (
	"encoding/binary"
	"net/netip"
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

// answer builds the signed reply to an Access-Request: Message-Authenticator first, so that no chosen prefix can be
// put before it (CVE-2024-3596), then what the Verdict says, then every Proxy-State as it came and in order
// (RFC 2865 §5.33).
func (p *packet) answer(c *Client, v policy.Verdict) []byte {
	b := p.begin(c, outcomeCode(v.Outcome))
	var tail []byte
	if v.Outcome == policy.Challenge {
		tail = appendAttribute(tail, typeState, v.State)
		tail = appendInteger(tail, typeSessionTimeout, uint32(v.Wait/time.Second))
		tail = appendInteger(tail, typePrompt, 1) // echo: a passcode is good once
	}
	tail = p.appendProxyStates(tail)
	if len(b)+len(tail) > maxLength {
		return p.answer(c, policy.Verdict{}) // a challenge has no room beside so many Proxy-States; a reject has
	}
	if p.eap.present() {
		return finish(append(p.appendEAPFailure(b, len(tail)), tail...), c)
	}
	for _, chunk := range chunks(v.Message) {
		if len(b)+2+len(chunk)+len(tail) > maxLength {
			break
		}
		b = appendAttribute(b, typeReplyMessage, chunk)
	}
	return finish(append(b, tail...), c)
}

// begin returns the head of a reply, with the Request Authenticator in its header and a Message-Authenticator of zeros.
func (p *packet) begin(c *Client, code radius.Code) []byte {
	b := make([]byte, headerLength, 128)
	b[0], b[1] = byte(code), p.identifier()
	copy(b[4:], p.b[4:20])
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

// appendEAPFailure ends the EAP conversation of a reject (RFC 3579 §2.6.3), where no Reply-Message may stand
// (§2.6.5). An EAP-Start has no Identifier that it could answer.
func (p *packet) appendEAPFailure(b []byte, tail int) []byte {
	const failure, length = 4, 4 // RFC 3748 §4.2
	if p.eap.length < 2 || len(b)+2+length+tail > maxLength {
		return b
	}
	identifier := p.b[p.eap.at+1]
	return append(b, typeEAPMessage, 2+length, failure, identifier, 0, length)
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

func addrOrNone(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}
