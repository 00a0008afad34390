package radiusd_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/test/nas"
)

// TestA5_OneReply: each outcome, and a Decider that panics, makes exactly one reply. The next datagram answers the next
// request.
func TestA5_OneReply(t *testing.T) {
	verdicts := map[string]policy.Verdict{"accept": accept, "reject": reject, "challenge": ask}
	d := open(t, house{decide: func(_ context.Context, a policy.Attempt) policy.Verdict {
		if a.User == "panic" {
			panic("the Decider broke")
		}
		return verdicts[a.User]
	}})
	n := d.nas("")
	for user, want := range map[string]byte{"accept": 2, "reject": 3, "challenge": 11, "panic": 3, "unknown": 3} {
		d.wants(want, n, nas.AccessRequest(secret, user, "hunter2").Sign(nas.First))
		d.wants(nas.CodeAccessAccept, n, nas.StatusServer(secret))
	}
	if inFlight, kept := d.Pending(); inFlight != 0 || kept != 5 {
		t.Errorf("%d in progress, %d kept; want 0 and 5", inFlight, kept)
	}
	eventually(t, "a line about the panic", func() bool { return len(d.log.lines("panic in a login", "level=ERROR")) == 1 })
	eventually(t, "its login line", func() bool { return len(d.log.lines("msg=login", "reason=panic", "code=Access-Reject")) == 1 })
}

func TestA6_A13_Challenge(t *testing.T) {
	d := open(t, house{decide: always(ask)})
	p := d.wants(nas.CodeAccessChallenge, d.nas(""), login())
	var types []byte
	for _, a := range p.Attributes {
		types = append(types, a.Type)
	}
	if want := []byte{nas.MessageAuthenticator, nas.ReplyMessage, nas.State, nas.SessionTimeout, nas.Prompt}; !bytes.Equal(types, want) {
		t.Errorf("attributes %d, want %d", types, want)
	}
	if p.ReplyMessage() != "Passcode:" || string(p.State()) != "state" {
		t.Errorf("Reply-Message %q, State %q", p.ReplyMessage(), p.State())
	}
	if got := p.Get(nas.SessionTimeout)[0]; !bytes.Equal(got, []byte{0, 0, 0, 60}) {
		t.Errorf("Session-Timeout % x, want 60 s", got)
	}
	if got := p.Get(nas.Prompt)[0]; !bytes.Equal(got, []byte{0, 0, 0, 1}) {
		t.Errorf("Prompt % x, want 1: echo", got)
	}
}

// TestA10_A11_LegalAttributes: whatever a Verdict holds, a reply carries only what RFC 2865 §5.44 allows.
func TestA10_A11_LegalAttributes(t *testing.T) {
	full := policy.Verdict{Message: "text", State: "state", Wait: time.Minute, User: "jo", Factor: factor.Push, Txid: "txid"}
	legal := map[policy.Outcome][]byte{
		policy.OutcomeAccept:    {nas.MessageAuthenticator, nas.ReplyMessage, nas.ProxyState},
		policy.OutcomeReject:    {nas.MessageAuthenticator, nas.ReplyMessage, nas.ProxyState},
		policy.OutcomeChallenge: {nas.MessageAuthenticator, nas.ReplyMessage, nas.State, nas.SessionTimeout, nas.Prompt, nas.ProxyState},
	}
	for outcome, want := range legal {
		full.Outcome = outcome
		d := open(t, house{decide: always(full)})
		p := d.ask(d.nas(""), login().AddString(nas.Class, "class").AddString(nas.FilterID, "filter").ProxyState("p"))
		var types []byte
		for _, a := range p.Attributes {
			types = append(types, a.Type)
		}
		if !bytes.Equal(types, want) {
			t.Errorf("%v has the attributes %d, want %d", p, types, want)
		}
	}
}

func TestA12_LongMessages(t *testing.T) {
	long := strings.Repeat("ä", 299) + "é€" // 603 octets
	for _, tt := range []struct {
		message string
		want    []int // octets of each Reply-Message
	}{
		{"", nil},
		{"\x00\x1b\r<>", nil},
		{strings.Repeat("x", 253), []int{253}},
		{strings.Repeat("x", 254), []int{253, 1}},
		{long, []int{252, 252, 99}},
		{strings.Repeat("x", 5000), []int{253, 253, 253, 253}},
	} {
		d := open(t, house{decide: always(policy.Verdict{Message: tt.message})})
		p := d.wants(nas.CodeAccessReject, d.nas(""), login())
		var got []int
		for _, v := range p.Get(nas.ReplyMessage) {
			got = append(got, len(v))
			if !strings.HasPrefix(tt.message[strings.Index(tt.message, string(v)):], string(v)) {
				t.Errorf("%q is no part of the message", v)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%.20q...: Reply-Messages of %d octets, want %d", tt.message, got, tt.want)
		}
		if len(tt.message) < 1000 && len(tt.want) > 0 && p.ReplyMessage() != tt.message {
			t.Errorf("got %q, want %q", p.ReplyMessage(), tt.message)
		}
	}
}

func TestMessageIsPlain(t *testing.T) {
	d := open(t, house{decide: always(policy.Verdict{Message: "Enter <b>code</b> \"go\":\r\n\x1b[31m1\t2\u0085\u202e\ufffd\xff' https://x/?a&b=ü"})})
	if got, want := d.ask(d.nas(""), login()).ReplyMessage(), "Enter bcode/b go:\n[31m12' https://x/?a&b=ü"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestA14_A15_Acceptance14_StateUntouched: the policy alone decides whose State it is, and whether it is good.
func TestA14_A15_Acceptance14_StateUntouched(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	n := d.nas("")
	for _, state := range []string{"x", "\x00", "a\x00b", "\xff\xfe", strings.Repeat("s", 253)} {
		d.wants(nas.CodeAccessAccept, n, login().State([]byte(state)))
		calls := d.decider.calls()
		if a := calls[len(calls)-1]; a.State != state || a.User != "jo" || a.Password != "hunter2" {
			t.Errorf("the Decider was asked %+v, want State %q", a, state)
		}
	}
	long := strings.Repeat("s", 253)
	d = open(t, house{decide: always(policy.Verdict{Outcome: policy.OutcomeChallenge, Message: "?", State: long, Wait: time.Second})})
	if got := d.wants(nas.CodeAccessChallenge, d.nas(""), login()).State(); string(got) != long {
		t.Errorf("State of %d octets came back as %q", len(long), got)
	}
}

// TestA16_Acceptance16_ProxyState: a reply has all Proxy-States, unchanged and in order. nas refuses any other.
func TestA16_Acceptance16_ProxyState(t *testing.T) {
	for name, v := range map[string]policy.Verdict{"accept": accept, "reject": reject, "challenge": ask} {
		d := open(t, house{decide: always(v)})
		r := login().ProxyState("two").ProxyState("one").ProxyState("\x00\xff").ProxyState("two").
			ProxyState(strings.Repeat("p", 253))
		p := d.ask(d.nas(""), r)
		for _, a := range p.Attributes[len(p.Attributes)-5:] {
			if a.Type != nas.ProxyState {
				t.Errorf("%s: Proxy-State is not last: attribute %d", name, a.Type)
			}
		}
	}
}

// TestA16_ManyProxyStates: a reply is never longer than 4096 octets, whatever the client puts into its request.
func TestA16_ManyProxyStates(t *testing.T) {
	talkative := ask
	talkative.Message = strings.Repeat("x", 1000)
	talkative.State = strings.Repeat("s", 253)
	d := open(t, house{decide: always(talkative)})
	n := d.nas("")
	fill := func(r *nas.Request, length int) *nas.Request {
		for {
			missing := length - len(r.Bytes())
			if missing < 3 {
				return r
			}
			r.ProxyState(strings.Repeat("p", min(missing-2, 200)))
		}
	}
	for length := 3000; length <= 4096; length += 29 {
		r := fill(login(), length)
		p := d.ask(n, r)
		if len(p.Raw) > 4096 {
			t.Fatalf("a reply of %d octets", len(p.Raw))
		}
		if p.Code == nas.CodeAccessChallenge && string(p.State()) != talkative.State {
			t.Fatalf("%v without its State", p)
		}
	}
	// If there is no room even for a reply without other attributes, the request is not answered.
	r := fill(nas.AccessRequest(secret, "", "").Sign(nas.None), 4096)
	r.Attributes[1] = nas.Attribute{Type: nas.UserPassword} // of no octets
	if size := len(fill(r, 4096).Bytes()); size < 4094 {
		t.Fatal(fmt.Sprint("the request has only ", size, " octets"))
	}
	d.drops(n, "larger than 4096 octets", r.Bytes())
}
