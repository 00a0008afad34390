package nas

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Response is a packet from a server.
type Response struct {
	Code       byte
	Identifier byte
	Attributes []Attribute
	Raw        []byte
}

// Get returns the values of one type, in order.
func (p *Response) Get(typ byte) [][]byte { return values(p.Attributes, typ) }

// VSA returns the values of a vendor's sub-attributes of one type.
func (p *Response) VSA(vendor uint32, subtype byte) [][]byte {
	return vsa(p.Attributes, vendor, subtype)
}

// ReplyMessage returns the text for the user, all Reply-Messages joined.
func (p *Response) ReplyMessage() string { return string(bytes.Join(p.Get(ReplyMessage), nil)) }

// State returns the State of a challenge; nil if there is none.
func (p *Response) State() []byte {
	if v := p.Get(State); len(v) > 0 {
		return v[0]
	}
	return nil
}

// String names the packet as a log would.
func (p *Response) String() string {
	name, ok := map[byte]string{CodeAccessAccept: "Access-Accept", CodeAccessReject: "Access-Reject",
		CodeAccessChallenge: "Access-Challenge"}[p.Code]
	if !ok {
		name = fmt.Sprintf("Code %d", p.Code)
	}
	if text := p.ReplyMessage(); text != "" {
		return fmt.Sprintf("%s %q", name, text)
	}
	return name
}

// Parse parses a reply without verifying it. The form must be right: no octet after its Length, no empty attribute.
func Parse(b []byte) (*Response, error) {
	if len(b) < header || len(b) > maxPacket {
		return nil, fmt.Errorf("nas: reply of %d octets", len(b))
	}
	if n := int(binary.BigEndian.Uint16(b[2:])); n != len(b) {
		return nil, fmt.Errorf("nas: reply of %d octets with Length %d", len(b), n)
	}
	raw := slices.Clone(b)
	attributes, err := parseAttributes(raw[header:])
	if err != nil {
		return nil, fmt.Errorf("nas: reply: %w", err)
	}
	return &Response{Code: raw[0], Identifier: raw[1], Attributes: attributes, Raw: raw}, nil
}

// Verify parses b as the reply to r. It checks Code, Identifier and Response Authenticator, that the Message-Authenticator is
// right and is the first attribute, and that all Proxy-States of r are there in order.
func (r *Request) Verify(b []byte) (*Response, error) {
	p, err := Parse(b)
	if err != nil {
		return nil, err
	}
	if p.Identifier != r.Identifier {
		return nil, fmt.Errorf("nas: reply with Identifier %d, want %d", p.Identifier, r.Identifier)
	}
	if !slices.Contains(r.replyCodes(), p.Code) {
		return nil, fmt.Errorf("nas: reply with Code %d to Code %d", p.Code, r.Code)
	}
	if err := r.verifyAuthenticators(p); err != nil {
		return nil, fmt.Errorf("nas: %v: %w", p, err)
	}
	got, want := p.Get(ProxyState), values(r.Attributes, ProxyState)
	if r.Code == CodeAccessRequest && !slices.EqualFunc(got, want, bytes.Equal) { // RFC 2865 §5.33
		return nil, fmt.Errorf("nas: %v: Proxy-State %s, want %s", p, quoted(got), quoted(want))
	}
	return p, nil
}

func (r *Request) replyCodes() []byte {
	if r.Code == CodeStatusServer { // RFC 5997 §4.2
		return []byte{CodeAccessAccept}
	}
	return []byte{CodeAccessAccept, CodeAccessReject, CodeAccessChallenge}
}

// verifyAuthenticators checks RFC 2865 §3's Response Authenticator and RFC 3579 §3.2's Message-Authenticator.
func (r *Request) verifyAuthenticators(p *Response) error {
	asked := slices.Concat(p.Raw[:4], r.Authenticator[:], p.Raw[header:])
	if want := md5.Sum(slices.Concat(asked, r.Secret)); !bytes.Equal(p.Raw[4:header], want[:]) {
		return errors.New("wrong Response Authenticator")
	}
	switch n := len(p.Get(MessageAuthenticator)); {
	case r.BareReply && n > 0:
		return errors.New("a Message-Authenticator, want none")
	case r.BareReply:
		return nil
	case n != 1:
		return fmt.Errorf("%d Message-Authenticators, want 1", n)
	case p.Attributes[0].Type != MessageAuthenticator:
		return fmt.Errorf("attribute %d first, want Message-Authenticator", p.Attributes[0].Type)
	}
	mac := p.Attributes[0].Value
	if len(mac) != macLen {
		return fmt.Errorf("Message-Authenticator of %d octets", len(mac))
	}
	clear(asked[header+2 : header+2+macLen])
	if !bytes.Equal(mac, hmacMD5(r.Secret, asked)) {
		return errors.New("wrong Message-Authenticator")
	}
	return nil
}

func quoted(values [][]byte) string {
	var s []string
	for _, v := range values {
		s = append(s, fmt.Sprintf("%q", v))
	}
	return "[" + strings.Join(s, " ") + "]"
}
