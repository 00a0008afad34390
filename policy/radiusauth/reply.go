package radiusauth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"duoradiusd/internal/display"
	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
)

// maxMessage is the most octets of a text for the user.
const maxMessage = 4 * wire.MaxValue

// reply is the content of an upstream's reply.
type reply struct {
	code          byte
	authenticator [16]byte // the authenticator of the request
	message       string
	eap           string
	states        []string
	users         []string
	wait          time.Duration
	attributes    []policy.Attribute // all except Proxy-State, Message-Authenticator, State, EAP-Message and Reply-Message
}

// parseReply reads a reply that has already been validated. authenticator is the authenticator of the request.
func parseReply(b []byte, authenticator [16]byte) reply {
	p := reply{code: b[0], authenticator: authenticator}
	var messages []string
	for a := range wire.All(b[wire.HeaderLength:]) {
		switch a.Type {
		case wire.ReplyMessage:
			messages = append(messages, string(a.Value))
			continue
		case wire.EAPMessage:
			p.eap += string(a.Value)
			continue
		case wire.State:
			p.states = append(p.states, string(a.Value))
			continue
		case wire.MessageAuthenticator, wire.ProxyState:
			continue
		case wire.VendorSpecific:
			p.attributes = append(p.attributes, replyVendorSpecific(a.Value)...)
			continue
		case wire.UserName:
			p.users = append(p.users, string(a.Value))
		case wire.SessionTimeout:
			if len(a.Value) == 4 {
				p.wait = time.Duration(binary.BigEndian.Uint32(a.Value)) * time.Second
			}
		}
		p.attributes = append(p.attributes, policy.Attribute{AttributeID: policy.AttributeID{Type: a.Type}, Value: string(a.Value)})
	}
	p.message = text(wire.JoinMessages(messages))
	return p
}

// text returns an upstream's message in a form that is safe to show. It is UTF-8, has at most maxMessage octets and contains
// no unprintable characters.
func text(s string) string {
	s = display.Lines(s)
	if len(s) > maxMessage {
		n := maxMessage
		for !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return s
}

// interpret turns an upstream's reply into the answer to r. t is the conversation that the reply belongs to.
func (u *Upstream) interpret(p reply, r policy.FirstRequest, t conversation) (policy.Account, error) {
	switch p.code {
	case wire.AccessAccept:
		return u.accept(p, r, t)
	case wire.AccessReject:
		return policy.Account{}, p.refusal()
	}
	return policy.Account{}, p.askBack(r, t)
}

func (u *Upstream) accept(p reply, r policy.FirstRequest, t conversation) (a policy.Account, err error) {
	if r.Method == policy.MethodEAP {
		if eapCode(p.eap) != eapSuccess { // RFC 3579 §2.6.3
			return a, errors.New("an Access-Accept without EAP-Success")
		}
		a.EAP = p.eap
		proven := false
		if a.User, proven, err = t.provenName(p.users, r.Typed, u.config.InnerUserName); err != nil {
			return policy.Account{}, err
		}
		a.Unproven = !proven
	}
	for _, at := range p.attributes {
		if isHidden(at.AttributeID) || at.Vendor == 0 && !allowedInAccept(at.Type, at.Value) || msRequestOnly(at.AttributeID) ||
			at.AttributeID == msCHAPError {
			continue
		}
		if encrypted(at.AttributeID) {
			clear, ok := u.reveal(at.AttributeID, at.Value, p.authenticator)
			if !ok {
				return policy.Account{}, fmt.Errorf("attribute %d of vendor %d can't be decrypted", at.Type, at.Vendor)
			}
			at.Value = clear
		}
		if isProof(at.AttributeID) {
			a.Proof = append(a.Proof, at)
		} else {
			a.Attributes = append(a.Attributes, at)
		}
	}
	if p.message != "" {
		a.Attributes = append(a.Attributes, messages(p.message)...)
	}
	return a, nil
}

// messages returns the Reply-Messages that together carry a text.
func messages(text string) (list []policy.Attribute) {
	for part := range wire.SplitMessage(text) {
		list = append(list, policy.Attribute{AttributeID: policy.AttributeID{Type: wire.ReplyMessage}, Value: part})
	}
	return list
}

// isProof reports whether the client needs an attribute to complete the authentication method itself.
func isProof(id policy.AttributeID) bool {
	switch id {
	case msCHAP2Success, msSendKey, msRecvKey, msCHAPKeys, msEncryption, msEncryptTypes, eapKeyName:
		return true
	}
	return false
}

// refusal returns what an Access-Reject may carry on to the client (RFC 2865 §5.44, RFC 2548 §2.1.5).
func (p reply) refusal() *policy.Refusal {
	no := &policy.Refusal{Why: "the upstream rejects the login", Relayed: true, Message: p.message}
	if eapCode(p.eap) == eapFailure {
		no.EAP = p.eap
	}
	for _, a := range p.attributes {
		if a.AttributeID == msCHAPError {
			no.Attributes = append(no.Attributes, a)
		}
	}
	return no
}

// askBack returns what an Access-Challenge may carry on to the client (RFC 2865 §4.4, §5.44, RFC 2869 §5.10).
func (p reply) askBack(r policy.FirstRequest, t conversation) error {
	switch {
	case len(p.states) > 1 || len(p.states) == 1 && len(p.states[0]) > wire.MaxValue:
		return errors.New("an Access-Challenge with more than one State")
	case r.Method == policy.MethodEAP && eapCode(p.eap) != eapRequest:
		return errors.New("an Access-Challenge without an EAP request")
	case r.Method != policy.MethodEAP && p.eap != "":
		return fmt.Errorf("an Access-Challenge with EAP to a login by %v", r.Method)
	}
	if len(p.states) == 1 {
		t.state = p.states[0]
	}
	t.fromServer(p.eap)
	back := &policy.AskBack{State: t.encode(), Message: p.message, EAP: p.eap, Wait: p.wait}
	for _, a := range p.attributes {
		id := a.AttributeID
		if id.Type == wire.IdleTimeout && id.Vendor == 0 || id.Type == wire.Prompt && id.Vendor == 0 || id == vendorUnreadable ||
			id.Vendor != 0 && !encrypted(id) && !isProof(id) && !msRequestOnly(id) && id != msCHAPError {
			back.Attributes = append(back.Attributes, a)
		}
	}
	return back
}
