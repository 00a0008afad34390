package radiusd_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/test/nas"
)

// eapOf is an EAP packet of n octets (RFC 3748 §4).
func eapOf(code, identifier byte, n int) string {
	return string([]byte{code, identifier, byte(n >> 8), byte(n)}) + strings.Repeat("e", n-4)
}

const (
	eapRequest = iota + 1
	eapResponse
	eapSuccess
	eapFailure
)

// eapLogin is a login whose EAP packet has the Identifier 7.
func eapLogin() *nas.Request {
	return nas.AccessRequest(secret, "jo", "").EAP(nas.EAPIdentity(7, "jo"))
}

// TestEAPReplies: the code of an EAP packet must say the same as the reply's code. If not, the login is rejected, and the
// log says why (RFC 3579 §2.6.3). No Reply-Message stands beside an EAP packet (§2.6.5).
func TestEAPReplies(t *testing.T) {
	accept := func(eap string) policy.Verdict {
		return policy.Verdict{Outcome: policy.OutcomeAccept, Reason: policy.ReasonApproved, User: "jo", Message: "Hello", EAP: eap}
	}
	ask := func(eap string) policy.Verdict {
		return policy.Verdict{Outcome: policy.OutcomeChallenge, Reason: policy.ReasonRelayed, User: "jo", Message: "Hello", State: "state", EAP: eap}
	}
	refuse := func(eap string) policy.Verdict {
		return policy.Verdict{Reason: policy.ReasonBadPassword, User: "jo", Message: "No.", EAP: eap}
	}
	success, failure := eapOf(eapSuccess, 7, 4), eapOf(eapFailure, 7, 4)
	for _, tt := range []struct {
		name   string
		v      policy.Verdict
		code   byte
		eap    string
		reason policy.Reason
	}{
		{"accept", accept(success), nas.CodeAccessAccept, success, policy.ReasonApproved},
		{"challenge", ask(eapOf(eapRequest, 8, 60)), nas.CodeAccessChallenge, eapOf(eapRequest, 8, 60), policy.ReasonRelayed},
		{"long challenge", ask(eapOf(eapRequest, 8, 1400)), nas.CodeAccessChallenge, eapOf(eapRequest, 8, 1400), policy.ReasonRelayed},
		{"reject", refuse(failure), nas.CodeAccessReject, failure, policy.ReasonBadPassword},
		{"reject of its own Identifier", refuse(eapOf(eapFailure, 9, 4)), nas.CodeAccessReject, eapOf(eapFailure, 9, 4), policy.ReasonBadPassword},
		{"reject of ours", refuse(""), nas.CodeAccessReject, failure, policy.ReasonBadPassword},

		{"accept without a packet", accept(""), nas.CodeAccessReject, failure, policy.ReasonUnanswerable},
		{"accept with a failure", accept(failure), nas.CodeAccessReject, failure, policy.ReasonUnanswerable},
		{"accept with a request", accept(eapOf(eapRequest, 7, 5)), nas.CodeAccessReject, failure, policy.ReasonUnanswerable},
		{"accept with half a packet", accept(success[:3]), nas.CodeAccessReject, failure, policy.ReasonUnanswerable},
		{"challenge without a packet", ask(""), nas.CodeAccessReject, failure, policy.ReasonUnanswerable},
		{"challenge with a success", ask(success), nas.CodeAccessReject, failure, policy.ReasonUnanswerable},
		{"challenge with a response", ask(eapOf(eapResponse, 7, 5)), nas.CodeAccessReject, failure, policy.ReasonUnanswerable},
		{"reject with a success", refuse(success), nas.CodeAccessReject, failure, policy.ReasonUnanswerable},
		{"reject with a request", refuse(eapOf(eapRequest, 7, 5)), nas.CodeAccessReject, failure, policy.ReasonUnanswerable},
		{"more than a packet holds", ask(eapOf(eapRequest, 8, 4090)), nas.CodeAccessReject, failure, policy.ReasonUnanswerable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t, house{decide: always(tt.v)})
			n := d.nas("")
			p := d.wants(tt.code, n, eapLogin().ProxyState("one"))
			if got := bytes.Join(p.Get(nas.EAPMessage), nil); string(got) != tt.eap {
				t.Errorf("EAP % x, want % x", got, tt.eap)
			}
			if got := p.Get(nas.ReplyMessage); len(got) != 0 {
				t.Errorf("a Reply-Message: %q", got)
			}
			if tt.code == nas.CodeAccessChallenge && (string(p.State()) != "state" || len(p.Get(nas.Prompt)) != 0) {
				t.Errorf("State %q, Prompt %q", p.State(), p.Get(nas.Prompt))
			}
			if tt.code != nas.CodeAccessChallenge && p.State() != nil {
				t.Errorf("State %q", p.State())
			}
			counted := uint64(1)
			if tt.reason == policy.ReasonRelayed { // one of many rounds does not end the login
				counted = 0
			}
			eventually(t, "the login is counted as "+string(tt.reason), func() bool { return d.Outcomes()[tt.reason] == counted })
			if tt.reason == policy.ReasonUnanswerable {
				eventually(t, "the log says why", func() bool {
					return len(d.log.lines("level=WARN", "user=jo", "code=Access-Reject", "reason=unanswerable", "error=")) == 1
				})
			}
		})
	}
}

// TestEAPMessageChunks: a packet is split every 253 octets, in order, and nowhere else (RFC 3579 §3.1).
func TestEAPMessageChunks(t *testing.T) {
	for size, want := range map[int][]int{4: {4}, 253: {253}, 254: {253, 1}, 506: {253, 253}, 1020: {253, 253, 253, 253, 8}} {
		eap := []byte(eapOf(eapRequest, 8, size))
		for i := 4; i < size; i++ {
			eap[i] = byte(i)
		}
		d := open(t, house{decide: always(policy.Verdict{Outcome: policy.OutcomeChallenge, Reason: policy.ReasonRelayed, State: "s", EAP: string(eap)})})
		p := d.wants(nas.CodeAccessChallenge, d.nas(""), eapLogin())
		got := p.Get(nas.EAPMessage)
		if !bytes.Equal(bytes.Join(got, nil), eap) || len(got) != len(want) {
			t.Errorf("%d octets come in %d EAP-Messages, want %d", size, len(got), len(want))
			continue
		}
		for i, n := range want {
			if len(got[i]) != n {
				t.Errorf("of %d octets the EAP-Message %d has %d, want %d", size, i, len(got[i]), n)
			}
		}
		at := 0
		for i, a := range p.Attributes { // they must follow one another
			if a.Type == nas.EAPMessage {
				if at > 0 && i != at+1 {
					t.Errorf("an EAP-Message at %d, the one before at %d", i, at)
				}
				at = i
			}
		}
	}
}

// TestEAPStart: an EAP-Start has no Identifier that an EAP-Failure could answer.
func TestEAPStart(t *testing.T) {
	d := open(t, house{decide: always(reject)})
	p := d.wants(nas.CodeAccessReject, d.nas(""), nas.AccessRequest(secret, "jo", "").EAP(nil))
	if len(p.Get(nas.EAPMessage)) != 0 || len(p.Get(nas.ReplyMessage)) != 0 {
		t.Errorf("got %v with %q", p, p.Get(nas.EAPMessage))
	}
}

// TestEAPWithAttributes: other attributes stand beside the EAP packet, but Reply-Messages do not.
func TestEAPWithAttributes(t *testing.T) {
	d := open(t, house{decide: always(policy.Verdict{Outcome: policy.OutcomeAccept, Reason: policy.ReasonApproved, EAP: eapOf(eapSuccess, 7, 4),
		Attributes: []policy.Attribute{
			{AttributeID: policy.AttributeID{Type: nas.ReplyMessage}, Value: "Welcome"},
			{AttributeID: policy.AttributeID{Vendor: 9, Type: nas.ReplyMessage}, Value: "a vendor's"},
			{AttributeID: policy.AttributeID{Type: nas.Class}, Value: "staff"}}})})
	p := d.wants(nas.CodeAccessAccept, d.nas(""), eapLogin())
	if len(p.Get(nas.ReplyMessage)) != 0 || len(p.Get(nas.Class)) != 1 || len(p.VSA(9, nas.ReplyMessage)) != 1 {
		t.Errorf("got %v", p.Attributes)
	}
	p = d.wants(nas.CodeAccessAccept, d.nas(""), login()) // in a login by password, the attributes are the user's
	if p.ReplyMessage() != "Welcome" || len(p.Get(nas.EAPMessage)) != 0 {
		t.Errorf("got %v", p)
	}
}

// TestEAPWait: Session-Timeout is the value of the Decider, in seconds, and nothing else.
func TestEAPWait(t *testing.T) {
	for wait, want := range map[time.Duration]string{0: "", 30 * time.Second: "\x00\x00\x00\x1e"} {
		d := open(t, house{decide: always(policy.Verdict{Outcome: policy.OutcomeChallenge, Reason: policy.ReasonRelayed, State: "s", Wait: wait,
			EAP: eapOf(eapRequest, 8, 5)})})
		p := d.wants(nas.CodeAccessChallenge, d.nas(""), eapLogin())
		if got := bytes.Join(p.Get(nas.SessionTimeout), nil); string(got) != want {
			t.Errorf("%v: Session-Timeout % x", wait, got)
		}
	}
}

// TestUnanswerable: if the attributes do not fit, the reply is a reject without text, and not an accept with a part of
// them. The reply holds all that must be in a reply.
func TestUnanswerable(t *testing.T) {
	var list []policy.Attribute
	for range 17 {
		list = append(list, policy.Attribute{AttributeID: policy.AttributeID{Type: nas.Class}, Value: strings.Repeat("c", 253)})
	}
	for _, v := range []policy.Verdict{
		{Outcome: policy.OutcomeAccept, Reason: policy.ReasonApproved, User: "jo", Message: "Hello", EAP: eapOf(eapSuccess, 7, 4), Attributes: list},
		{Outcome: policy.OutcomeChallenge, Reason: policy.ReasonRelayed, User: "jo", Message: "Hello", State: "s", EAP: eapOf(eapRequest, 8, 4), Attributes: list},
		{Reason: policy.ReasonBadPassword, User: "jo", Message: "No.", Attributes: list},
		{Outcome: policy.OutcomeAccept, Reason: policy.ReasonApproved, User: "jo", EAP: eapOf(eapSuccess, 7, 4), Attributes: []policy.Attribute{
			{AttributeID: policy.AttributeID{Vendor: 311, Type: 16}, Value: strings.Repeat("secretkey", 30)}}},
	} {
		for name, r := range map[string]*nas.Request{"password": login(), "unsigned": unsigned(), "EAP": eapLogin()} {
			d := open(t, house{decide: always(v)})
			p := d.wants(nas.CodeAccessReject, d.nas(""), r.ProxyState("one").ProxyState("two"))
			if len(p.Get(nas.Class)) != 0 || len(p.Get(nas.ReplyMessage)) != 0 || p.State() != nil {
				t.Errorf("%s: %v with %d Classes", name, p, len(p.Get(nas.Class)))
			}
			if got := bytes.Join(p.Get(nas.EAPMessage), nil); (name == "EAP") != (string(got) == eapOf(eapFailure, 7, 4)) {
				t.Errorf("%s: EAP % x", name, got)
			}
			eventually(t, "it is counted", func() bool { return d.Outcomes()[policy.ReasonUnanswerable] == 1 })
			eventually(t, "the log says so", func() bool {
				return len(d.log.lines("level=WARN", "user=jo", "code=Access-Reject", "reason=unanswerable", "error=")) == 1
			})
			if strings.Contains(d.log.String(), "secretkey") {
				t.Error("the log tells a key")
			}
		}
	}
}

// TestEAPFailureFits: a reject can always be sent. It leaves out the EAP-Failure if the Proxy-States leave no room.
func TestEAPFailureFits(t *testing.T) {
	for room, want := range map[int]int{0: 0, 1: 0, 2: 1, 100: 1} {
		r := without(nas.AccessRequest(secret, "jo", ""), nas.UserName).EAP([]byte{eapResponse, 7}).Sign(nas.First)
		for range 15 {
			r.ProxyState(strings.Repeat("p", 253))
		}
		r.ProxyState(strings.Repeat("p", 4096-20-18-4-15*255-2-room))
		d := open(t, house{decide: always(reject)})
		if got := d.wants(nas.CodeAccessReject, d.nas(""), r).Get(nas.EAPMessage); len(got) != want {
			t.Errorf("with %d octets of room: %d EAP-Messages, want %d", room, len(got), want)
		}
	}
}
