package test

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"

	"duoradiusd/test/nas"
)

// upstreamUser is a user whom a fakeUpstream knows.
type upstreamUser struct {
	password         string
	prompts          []prompt // asked after the password
	accept           radius.Attributes
	sendKey, recvKey []byte
	tunnelPassword   string
	expired          bool // the password
}

// prompt is a question to the user, with the only right answer.
type prompt struct{ text, answer string }

// question is a prompt that waits for its answer.
type question struct {
	name string
	user *upstreamUser
	left []prompt
}

// answer decides what an Access-Request gets.
func (u *fakeUpstream) answer(p *radius.Packet) *radius.Packet {
	name := rfc2865.UserName_GetString(p)
	if state := rfc2865.State_Get(p); state != nil {
		q := u.waiting[string(state)]
		delete(u.waiting, string(state))
		if q == nil || q.name != name || rfc2865.UserPassword_GetString(p) != q.left[0].answer {
			return u.refuse(p)
		}
		return u.further(p, &question{name, q.user, q.left[1:]})
	}
	user := u.users[name]
	if user == nil || !user.changed(p, name) && !user.proven(p, name) {
		return u.refuse(p)
	}
	if user.expired {
		return u.refuseExpired(p)
	}
	return u.further(p, &question{name, user, user.prompts})
}

// proven checks the password, by any method.
func (user *upstreamUser) proven(p *radius.Packet, name string) bool {
	if chap := rfc2865.CHAPPassword_Get(p); len(chap) == 1+md5.Size {
		challenge := rfc2865.CHAPChallenge_Get(p)
		if challenge == nil {
			challenge = p.Authenticator[:] // RFC 2865 §2.2
		}
		want := md5.Sum(slices.Concat(chap[:1], []byte(user.password), challenge))
		return string(chap[1:]) == string(want[:])
	}
	proof, ok := readMSCHAPv2(vendorValues(p, vendorMicrosoft, msCHAPChallenge), vendorValues(p, vendorMicrosoft, msCHAP2Response))
	if ok {
		return proof.proves(name, user.password)
	}
	return rfc2865.UserPassword_GetString(p) == user.password
}

// further asks the next prompt, or accepts if there is none.
func (u *fakeUpstream) further(p *radius.Packet, q *question) *radius.Packet {
	if len(q.left) == 0 {
		return u.acceptance(p, q)
	}
	reply := p.Response(radius.CodeAccessChallenge)
	state := "state-of-the-upstream-" + rand.Text()
	u.waiting[state] = q
	rfc2865.State_AddString(reply, state)
	rfc2865.ReplyMessage_AddString(reply, q.left[0].text)
	rfc2865.Class_AddString(reply, "not-in-a-challenge") // RFC 2865 §5.44
	return reply
}

func (u *fakeUpstream) acceptance(p *radius.Packet, q *question) *radius.Packet {
	reply := p.Response(radius.CodeAccessAccept)
	reply.Attributes = slices.Clone(q.user.accept)
	proof, ok := readMSCHAPv2(vendorValues(p, vendorMicrosoft, msCHAPChallenge), vendorValues(p, vendorMicrosoft, msCHAP2Response))
	if change, changes := readPasswordChange(p); changes {
		proof, ok = change.msCHAPv2, true
	}
	if ok {
		addVendor(reply, vendorMicrosoft, msCHAP2Success, []byte(proof.success(q.name, q.user.password)))
	}
	if q.user.sendKey != nil {
		addVendor(reply, vendorMicrosoft, msMPPESendKey, u.salted(p, q.user.sendKey))
	}
	if q.user.recvKey != nil {
		addVendor(reply, vendorMicrosoft, msMPPERecvKey, u.salted(p, q.user.recvKey))
	}
	if q.user.tunnelPassword != "" {
		reply.Add(nas.TunnelPassword, append([]byte{1}, u.salted(p, []byte(q.user.tunnelPassword))...))
	}
	return reply
}

// refuse returns an Access-Reject with more attributes than it may hold (RFC 2865 §5.44).
func (u *fakeUpstream) refuse(p *radius.Packet) *radius.Packet {
	reply := p.Response(radius.CodeAccessReject)
	rfc2865.ReplyMessage_AddString(reply, saysNo)
	rfc2865.Class_AddString(reply, "not-in-a-reject")
	rfc2865.FilterID_AddString(reply, "not-in-a-reject")
	addVendor(reply, 9, 1, []byte("shell:priv-lvl=15"))
	if responses := vendorValues(p, vendorMicrosoft, msCHAP2Response); len(responses) == 1 {
		text := "E=691 R=0 C=00000000000000000000000000000000 V=3 M=Authentication failed"
		addVendor(reply, vendorMicrosoft, msCHAPError, append(responses[0][:1:1], text...))
	}
	return reply
}

// salted encrypts a value by RFC 2548 §2.4.2 and RFC 2868 §3.5.
func (u *fakeUpstream) salted(p *radius.Packet, value []byte) []byte {
	salt := make([]byte, 2)
	rand.Read(salt)
	salt[0] |= 0x80
	b, err := radius.NewTunnelPassword(value, salt, u.secret, p.Authenticator[:])
	if err != nil {
		u.t.Errorf("upstream: %v", err)
	}
	return b
}

func addVendor(p *radius.Packet, vendor uint32, kind byte, value []byte) {
	b := append(binary.BigEndian.AppendUint32(nil, vendor), kind, byte(2+len(value)))
	p.Add(rfc2865.VendorSpecific_Type, append(b, value...))
}

// vendorValues returns the values of a vendor's attributes of one kind.
func vendorValues(p *radius.Packet, vendor uint32, kind byte) (list [][]byte) {
	for _, a := range p.Attributes {
		if a.Type != rfc2865.VendorSpecific_Type || len(a.Attribute) < 4 || binary.BigEndian.Uint32(a.Attribute) != vendor {
			continue
		}
		for sub := a.Attribute[4:]; len(sub) >= 2 && sub[1] >= 2 && int(sub[1]) <= len(sub); sub = sub[sub[1]:] {
			if sub[0] == kind {
				list = append(list, sub[2:sub[1]])
			}
		}
	}
	return list
}

// describe returns a request in one line. It leaves out the content of the proof and the State, which differ each time.
func describe(p *radius.Packet) string {
	words := []string{p.Code.String()}
	for _, a := range p.Attributes {
		switch a.Type {
		case nas.MessageAuthenticator, nas.CHAPChallenge:
		case nas.UserPassword:
			words = append(words, fmt.Sprintf("User-Password = %q", rfc2865.UserPassword_GetString(p)))
		case nas.CHAPPassword, nas.State, nas.EAPMessage:
			words = append(words, attributeName(byte(a.Type)))
		case nas.VendorSpecific:
			words = append(words, fmt.Sprintf("Attr-26.%d", binary.BigEndian.Uint32(append(slices.Clone(a.Attribute), 0, 0, 0, 0))))
		default:
			words = append(words, attributeName(byte(a.Type))+" = "+shownValue(a.Attribute))
		}
	}
	return strings.Join(words, ", ")
}
