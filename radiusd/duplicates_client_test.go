package radiusd_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/radiusd"
	"duoradiusd/radiusd/wire"
	"duoradiusd/test/nas"
)

const (
	dropInProgress = "repeated while in progress"
	dropReplayed   = "replayed"
	thirdOne       = "a third request on one Identifier"
	dropOverloaded = "too many logins in progress"
)

// anew returns another user's login with the Identifier of r.
func anew(r *nas.Request) *nas.Request {
	other := nas.AccessRequest(secret, "user-"+rand.Text(), "hunter2").Sign(r.MessageAuthenticator)
	other.Identifier = r.Identifier
	return other
}

func TestD1_D3_RepeatedWhileInProgress(t *testing.T) {
	d := open(t, house{})
	n := d.nas("")
	r := login()
	b := d.send(n, r)
	c := d.next()
	d.drops(n, dropInProgress, b, b, b, b)
	c.verdict <- accept
	if p := d.reply(n, r); p.Code != nas.CodeAccessAccept {
		t.Errorf("got %v", p)
	}
	d.silent(n, dropInProgress, 0, func() {})
	if got := len(d.decider.calls()); got != 1 {
		t.Errorf("%d logins reached the Decider, want 1", got)
	}
	if got := d.log.lines(dropInProgress); len(got) != 0 {
		t.Errorf("what every client does is logged: %q", got)
	}
}

func TestD2_Acceptance1_KeptReply(t *testing.T) {
	for name, v := range map[string]policy.Verdict{"accept": accept, "reject": reject, "challenge": ask} {
		for _, r := range []*nas.Request{login().ProxyState("p"), unsigned()} {
			d := open(t, house{decide: always(v)})
			n := d.nas("")
			first := d.ask(n, r)
			for range 3 {
				if again := d.ask(n, r); !bytes.Equal(again.Raw, first.Raw) {
					t.Errorf("%s: the kept reply differs:\n% x\n% x", name, again.Raw, first.Raw)
				}
			}
			if got := len(d.decider.calls()); got != 1 {
				t.Errorf("%s: %d logins reached the Decider, want 1", name, got)
			}
			eventually(t, "one login line", func() bool { return len(d.log.lines("msg=login")) == 1 })
		}
	}
}

// TestD5_Acceptance2_NewAuthenticator: a new Request Authenticator on the same Identifier means that the client has given
// the old request up.
func TestD5_Acceptance2_NewAuthenticator(t *testing.T) {
	d := open(t, house{})
	n := d.nas("")
	old := login()
	b := d.send(n, old)
	abandoned := d.next()
	for range 3 { // and again
		r := anew(old)
		d.send(n, r)
		c := d.next()
		select {
		case <-abandoned.ctx.Done():
		case <-time.After(patience):
			t.Fatal("the old login goes on")
		}
		if inFlight, _ := d.Pending(); inFlight != 1 {
			t.Errorf("%d logins in progress, want 1", inFlight)
		}
		abandoned = c
	}
	abandoned.verdict <- accept
	b2, err := n.Receive(patience)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Verify(b2); err == nil {
		t.Error("the old request was answered")
	}
	d.drops(n, dropReplayed, b) // the answer stays the same later
	eventually(t, "three lines about it", func() bool { return len(d.log.lines("reason=abandoned", "code=none")) == 3 })
}

func TestD5_NewAuthenticatorAfterTheReply(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	n := d.nas("")
	for _, sign := range []nas.Placement{nas.First, nas.None} {
		old := login().Sign(sign)
		kept := d.ask(n, old)
		r := anew(old)
		d.wants(nas.CodeAccessAccept, n, r)
		d.wants(nas.CodeAccessAccept, n, r)
		if again := d.ask(n, old); !bytes.Equal(again.Raw, kept.Raw) {
			t.Error("a late copy of the older request does not get the older reply")
		}
	}
}

// TestD5_OtherSlots: a request from another port or with another Identifier does not end the first one.
func TestD5_OtherSlots(t *testing.T) {
	d := open(t, house{})
	one, two := d.nas(""), d.nas("")
	a := login()
	b := anew(a)
	c := login()
	d.send(one, a)
	first := d.next()
	d.send(two, b)
	second := d.next()
	d.send(one, c)
	third := d.next()
	for _, c := range []*call{first, second, third} {
		if c.ctx.Err() != nil {
			t.Error("a login was abandoned")
		}
	}
	first.verdict <- accept
	d.reply(one, a)
	second.verdict <- accept
	d.reply(two, b)
	third.verdict <- accept
	d.reply(one, c)
}

func TestD6_Acceptance3_WrongMessageAuthenticator(t *testing.T) {
	d := open(t, house{})
	n := d.nas("")
	r := login()
	b := d.send(n, r)
	c := d.next()
	forged := func() []byte { return anew(r).Sign(nas.Wrong).Bytes() }
	spoilt := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)-1] ^= 1
		return b
	}
	d.drops(n, wrong, forged(), forged(), login().Sign(nas.Wrong).Bytes(), spoilt(b))
	if c.ctx.Err() != nil {
		t.Error("a forged packet ended the login")
	}
	c.verdict <- accept
	first := d.reply(n, r)
	d.drops(n, wrong, forged())
	if again := d.ask(n, r); !bytes.Equal(again.Raw, first.Raw) {
		t.Error("a forged packet changed the kept reply")
	}
	// A forged packet does not use up an Authenticator either: the real packet is answered when it comes after the forged
	// one.
	r = login()
	b = r.Bytes()
	d.drops(n, wrong, spoilt(b))
	d.sendOctets(n, b)
	d.next().verdict <- accept
	d.reply(n, r)
}

// TestD7_UnsignedCancelsNothing: an unsigned packet does not end a signed request (RFC 5080 §3).
func TestD7_UnsignedCancelsNothing(t *testing.T) {
	for _, sign := range []nas.Placement{nas.First, nas.None} {
		t.Run(fmt.Sprint("signed ", sign == nas.First), func(t *testing.T) {
			d := open(t, house{})
			n := d.nas("")
			old := login().Sign(sign)
			b := d.send(n, old)
			first := d.next()
			young := anew(old).Sign(nas.None)
			d.send(n, young)
			second := d.next()
			if first.ctx.Err() != nil {
				t.Fatal("the login was abandoned")
			}
			d.drops(n, thirdOne, anew(old).Sign(nas.None).Bytes(), anew(old).Sign(nas.None).Bytes())
			d.drops(n, dropInProgress, b, young.Bytes())

			first.verdict <- accept
			kept := d.reply(n, old)
			if again := d.ask(n, old); !bytes.Equal(again.Raw, kept.Raw) {
				t.Error("the kept reply differs")
			}
			d.drops(n, dropInProgress, young.Bytes())
			third := anew(old).Sign(nas.None) // takes the place of the one that is answered
			d.send(n, third)
			d.next().verdict <- reject
			d.reply(n, third)
			second.verdict <- reject
			d.reply(n, young)
			d.ask(n, young)
			d.ask(n, third)
			if got := len(d.decider.calls()); got != 3 {
				t.Errorf("%d logins reached the Decider, want 3", got)
			}
		})
	}
}

// told makes a client tell its users' addresses.
func told(c *radiusd.Client) { c.UserIP = []string{"Calling-Station-Id"} }

// retried returns r once more with another Request Authenticator, as client libraries do that build each try anew.
func retried(r *nas.Request, sign nas.Placement) *nas.Request {
	again := *r
	rand.Read(again.Authenticator[:])
	return again.Sign(sign)
}

// TestD7_RetryWithANewAuthenticator: a retry on one Identifier is the same login. A signed retry takes the place of the
// requests before it. Of unsigned requests, the first and the newest get the answer, whoever sent them.
func TestD7_RetryWithANewAuthenticator(t *testing.T) {
	for _, tt := range []struct {
		name     string
		tries    []nas.Placement
		answered []bool
	}{
		{"signed", []nas.Placement{nas.First, nas.First, nas.First}, []bool{false, false, true}},
		{"unsigned", []nas.Placement{nas.None, nas.None, nas.None, nas.None}, []bool{true, false, false, true}},
		{"unsigned after signed", []nas.Placement{nas.First, nas.None, nas.None}, []bool{true, false, true}},
		{"signed after unsigned", []nas.Placement{nas.None, nas.None, nas.First}, []bool{false, false, true}},
	} {
		for _, address := range []string{"", "198.51.100.7"} {
			t.Run(tt.name+" "+address, func(t *testing.T) {
				d := open(t, house{clients: []*radiusd.Client{client(told)}})
				n := d.nas("")
				first := login().AddString(nas.CallingStationID, address).ProxyState("p")
				tries := make([]*nas.Request, len(tt.tries))
				for i, sign := range tt.tries {
					tries[i] = retried(first, sign)
					d.send(n, tries[i])
				}
				c := d.next()
				eventually(t, "the retries are read", func() bool { return d.Drops()[dropInProgress] == uint64(len(tries)-1) })
				if c.ctx.Err() != nil {
					t.Error("the login was abandoned")
				}
				c.verdict <- accept
				replies := make([]*nas.Response, len(tries))
				for i, want := range tt.answered {
					if want {
						replies[i] = d.reply(n, tries[i])
					}
				}
				for i, want := range tt.answered {
					if !want {
						d.drops(n, dropReplayed, tries[i].Bytes())
					} else if again := d.ask(n, tries[i]); replies[i].Code != nas.CodeAccessAccept || !bytes.Equal(again.Raw, replies[i].Raw) {
						t.Errorf("try %d: %v, and then %v", i, replies[i], again)
					}
				}
				eventually(t, "one login line", func() bool { return len(d.log.lines("msg=login")) == 1 })
				if inFlight, _ := d.Pending(); inFlight != 0 || len(d.decider.calls()) != 1 {
					t.Errorf("%d logins reached the Decider, %d are in progress", len(d.decider.calls()), inFlight)
				}
			})
		}
	}
}

// TestD7_NoRetry: a request that differs in more than the Request Authenticator is another login.
func TestD7_NoRetry(t *testing.T) {
	const one, two = "198.51.100.7", "198.51.100.8"
	for name, other := range map[string]*nas.Request{
		"another name":     nas.AccessRequest(secret, "al", "hunter2").AddString(nas.CallingStationID, one),
		"another password": nas.AccessRequest(secret, "jo", "hunter3").AddString(nas.CallingStationID, one),
		"another address":  login().AddString(nas.CallingStationID, two),
		"no address":       login(),
		"a State":          login().AddString(nas.CallingStationID, one).State([]byte("s")),
		"another method":   nas.AccessRequest(secret, "jo", "").CHAP("hunter2").AddString(nas.CallingStationID, one),
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, house{clients: []*radiusd.Client{client(told)}})
			n := d.nas("")
			first := unsigned().AddString(nas.CallingStationID, one)
			other.Identifier = first.Identifier
			other.Sign(nas.None)
			d.send(n, first)
			a := d.next()
			d.send(n, other)
			b := d.next()
			a.verdict <- accept
			d.reply(n, first)
			b.verdict <- reject
			d.reply(n, other)
		})
	}
}

// TestD6_UnsignedPushesOutNoReply: a packet that anybody could have sent does not remove the reply that a copy of an
// authentic request must get.
func TestD6_UnsignedPushesOutNoReply(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	n := d.nas("")
	signed := login()
	kept := d.ask(n, signed)
	for range 3 {
		d.ask(n, anew(signed).Sign(nas.None))
	}
	if again := d.ask(n, signed); !bytes.Equal(again.Raw, kept.Raw) {
		t.Error("the kept reply differs")
	}
}

// TestD7_SignedEndsBoth: a signed retry ends the first and the newest of the unsigned requests.
func TestD7_SignedEndsBoth(t *testing.T) {
	d := open(t, house{})
	n := d.nas("")
	a := unsigned()
	d.send(n, a)
	first := d.next()
	b := anew(a)
	d.send(n, b)
	second := d.next()
	c := anew(a).Sign(nas.Last)
	d.send(n, c)
	third := d.next()
	<-first.ctx.Done()
	<-second.ctx.Done()
	third.verdict <- accept
	d.reply(n, c)
	if inFlight, kept := d.Pending(); inFlight != 0 || kept != 1 {
		t.Errorf("%d in progress, %d kept; want 0 and 1", inFlight, kept)
	}
}

// TestD8_Acceptance4_Replay: a recorded request makes no phone ring. While its reply is kept, a copy gets that reply, and a
// copy from another host gets nothing. TestD8_ReplayMemory shows that the request is remembered longer than its reply.
func TestD8_Acceptance4_Replay(t *testing.T) {
	d := open(t, house{decide: always(accept), clients: []*radiusd.Client{client(from("127.0.0.0/8"))}})
	n := d.nas("")
	r := login()
	first := d.wants(nas.CodeAccessAccept, n, r)
	u := unsigned()
	d.wants(nas.CodeAccessAccept, n, u)
	if again := d.ask(d.nas(""), r); !bytes.Equal(again.Raw, first.Raw) {
		t.Error("a copy from another port does not get the kept reply")
	}
	otherID, otherUnsignedID := *r, *u
	otherID.Identifier += 100
	otherID.Sign(nas.None)
	otherUnsignedID.Identifier += 100
	for _, from := range []string{"127.0.0.1", "127.0.0.9"} {
		thief := d.nas(from)
		d.drops(thief, dropReplayed, otherID.Bytes(), otherUnsignedID.Bytes())
	}
	d.drops(d.nas("127.0.0.9"), dropReplayed, r.Bytes(), u.Bytes())
	if got := len(d.decider.calls()); got != 2 {
		t.Errorf("%d logins reached the Decider, want 2", got)
	}
	if got := d.log.lines(dropReplayed); len(got) != 1 {
		t.Errorf("%d lines about replays, want 1", len(got))
	}
}

// TestReusedAuthenticator: PHP's Dapphp\Radius has one Request Authenticator for all requests of an object. Only a client
// that knows the secret can sign such a packet, and a State is good once, so these requests are logins. All others are
// replays.
func TestReusedAuthenticator(t *testing.T) {
	d := open(t, house{decide: always(ask)})
	n := d.nas("")
	again := func(r *nas.Request, identifier byte, sign nas.Placement) *nas.Request {
		c := *r
		c.Identifier = identifier
		return c.Sign(sign)
	}
	r := login()
	r.Identifier = 1
	d.wants(nas.CodeAccessChallenge, n, r)
	d.wants(nas.CodeAccessChallenge, n, again(r, 2, nas.First))
	d.wants(nas.CodeAccessChallenge, n, again(r, 3, nas.First))
	withState := again(r, 4, nas.None)
	withState.State([]byte("state"))
	d.wants(nas.CodeAccessChallenge, n, withState)
	d.drops(n, dropReplayed, again(r, 5, nas.None).Bytes())
	eventually(t, "a hint that does not speak of capture", func() bool { return len(d.log.lines(dropReplayed, "uses a Request Authenticator again")) == 1 })
	if got := len(d.decider.calls()); got != 4 {
		t.Errorf("%d logins reached the Decider, want 4", got)
	}
}

// TestCopyFromElsewhere: copies from other ports and to other addresses of the daemon are one request. The reply goes to
// each place that asked, to three at most beside the first.
func TestCopyFromElsewhere(t *testing.T) {
	d := open(t, house{clients: []*radiusd.Client{client(from("127.0.0.0/8"))}})
	d.listen("127.0.0.1:0", "127.0.0.2:0")
	second := d.address
	for _, a := range d.Addresses() {
		if a != d.address {
			second = a
		}
	}
	first, elsewhere := d.nas("127.0.0.1"), dial(t, second, "127.0.0.1")
	others := []*nas.NAS{d.nas("127.0.0.1"), elsewhere, d.nas("127.0.0.1")}
	tooMany := d.nas("127.0.0.1")
	for _, r := range []*nas.Request{login(), unsigned()} {
		b := d.send(first, r)
		c := d.next()
		for _, n := range append(others, tooMany) {
			d.drops(n, dropInProgress, b, b)
		}
		c.verdict <- accept
		want := d.reply(first, r)
		for i, n := range others {
			if got := d.reply(n, r); !bytes.Equal(got.Raw, want.Raw) {
				t.Errorf("port %d has another reply", i)
			}
		}
		d.silent(tooMany, "", 0, func() {})
		if got := d.ask(tooMany, r); !bytes.Equal(got.Raw, want.Raw) { // whoever has the request gets the kept reply
			t.Error("the kept reply differs")
		}
	}
	if got := len(d.decider.calls()); got != 2 {
		t.Errorf("%d logins reached the Decider, want 2", got)
	}
}

// TestD8_OtherClient: each client has its own memory of requests, so one client can't change another's.
func TestD8_OtherClient(t *testing.T) {
	d := open(t, house{decide: always(accept), clients: []*radiusd.Client{client(), client(from("127.0.0.2/32"),
		func(c *radiusd.Client) { c.Name = "other" })}})
	r := login()
	d.wants(nas.CodeAccessAccept, d.nas("127.0.0.1"), r)
	d.wants(nas.CodeAccessAccept, d.nas("127.0.0.2"), r)
}

// TestD8_SurvivesReload: what was seen of a client is remembered under its name.
func TestD8_SurvivesReload(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	r := login()
	n := d.nas("")
	first := d.wants(nas.CodeAccessAccept, n, r)
	d.use(0, client())
	if again := d.ask(n, r); !bytes.Equal(again.Raw, first.Raw) {
		t.Error("the kept reply differs after a reload")
	}
}

// TestSecretChanged: a reply that was signed with the old secret is not sent again.
func TestSecretChanged(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	n := d.nas("")
	r := unsigned()
	d.wants(nas.CodeAccessAccept, n, r)
	d.use(0, client(func(c *radiusd.Client) { c.Secret = wire.NewSecret("another secret of many octets") }))
	d.send(n, r)
	eventually(t, "it is dropped", func() bool { return d.Drops()[dropReplayed] == 1 })
}

// TestD11_StateFirst: when no room for logins is left, a user who answers a challenge can still finish.
func TestD11_StateFirst(t *testing.T) {
	const all = 32 // of which 24 are one client's, the last of them for State
	d := open(t, house{maxInFlight: all})
	n := d.nas("")
	var calls []*call
	fill := func() {
		for range 23 {
			d.send(n, login())
			calls = append(calls, d.next())
		}
	}
	fill()
	d.drops(n, dropOverloaded, login().Bytes(), unsigned().Bytes())
	r := login().State([]byte("s"))
	d.send(n, r)
	d.next().verdict <- accept
	d.reply(n, r)
	d.drops(n, dropOverloaded, login().State(nil).Bytes()) // an empty one is none

	// A request that was refused for lack of room is not a replay when there is room again.
	late := login()
	d.drops(n, dropOverloaded, late.Bytes())
	calls[0].verdict <- accept
	if _, err := n.Receive(patience); err != nil {
		t.Fatal(err)
	}
	d.send(n, late)
	d.next().verdict <- reject
	d.reply(n, late)
	for _, c := range calls[1:] {
		c.verdict <- accept
	}
	eventually(t, "nothing in progress", func() bool { inFlight, _ := d.Pending(); return inFlight == 0 })
}

// TestD12_OneClientLeavesRoom: one client can't take all the room from others.
func TestD12_OneClientLeavesRoom(t *testing.T) {
	d := open(t, house{maxInFlight: 32, clients: []*radiusd.Client{client(), client(from("127.0.0.2/32"),
		func(c *radiusd.Client) { c.Name = "other" })}})
	greedy, other := d.nas("127.0.0.1"), d.nas("127.0.0.2")
	for range 23 {
		d.send(greedy, login())
		d.next()
	}
	d.drops(greedy, dropOverloaded, login().Bytes())
	for range 7 { // to 30: the last two are for State
		d.send(other, login())
		d.next()
	}
	d.drops(other, dropOverloaded, login().Bytes())
	d.send(other, login().State([]byte("s")))
	d.next()
	if inFlight, _ := d.Pending(); inFlight != 31 {
		t.Errorf("%d in progress, want 31", inFlight)
	}
}

// TestD13_Acceptance5_NewIdentifier: both requests reach the policy, which joins them to one push, and both are answered.
func TestD13_Acceptance5_NewIdentifier(t *testing.T) {
	d := open(t, house{})
	n, other := d.nas(""), d.nas("")
	a, b := login(), login()
	d.send(n, a)
	first := d.next()
	d.send(other, b)
	second := d.next()
	if first.ctx.Err() != nil {
		t.Fatal("the first login was abandoned")
	}
	first.verdict <- accept
	second.verdict <- accept
	d.reply(n, a)
	d.reply(other, b)
}

// TestDiscard: a login that the policy discards gets no reply, and a copy of it is a new try.
func TestDiscard(t *testing.T) {
	d := open(t, house{})
	n := d.nas("")
	for _, r := range []*nas.Request{login(), unsigned()} {
		b := d.send(n, r)
		for range 3 {
			d.next().verdict <- policy.Verdict{Outcome: policy.OutcomeDiscard, Reason: policy.ReasonDuoUnavailable}
			eventually(t, "nothing in progress", func() bool { inFlight, _ := d.Pending(); return inFlight == 0 })
			d.silent(n, "", 0, func() {})
			d.sendOctets(n, b)
		}
		d.next().verdict <- accept
		d.reply(n, r)
	}
	eventually(t, "six lines", func() bool { return len(d.log.lines("reason=duo-unavailable", "code=none")) == 6 })
	if len(d.Drops()) != 0 {
		t.Errorf("drops: %v", d.Drops())
	}
}
