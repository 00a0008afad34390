package radiusd_test

import (
	"context"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"layeh.com/radius"

	"duoradiusd/policy"
	"duoradiusd/radiusd"
	"duoradiusd/radiusd/wire"
	"duoradiusd/test/nas"
)

const (
	missing = "no Message-Authenticator"
	wrong   = "wrong Message-Authenticator"
)

// TestM1_EveryBit: a signed login in which any one bit is changed gets no answer.
func TestM1_EveryBit(t *testing.T) {
	d := open(t, house{decide: always(accept), clients: []*radiusd.Client{client(demanding)}})
	n := d.nas("")
	r := login().AddString(nas.CallingStationID, "192.0.2.7").ProxyState("p").Sign(nas.Middle)
	whole := r.Bytes()
	sent := uint64(0)
	for bit := range 8 * len(whole) {
		b := slices.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		d.sendOctets(n, b)
		if sent++; sent%100 == 0 { // keep the socket's buffer from overflowing
			d.wants(nas.CodeAccessAccept, n, login())
		}
	}
	calls := len(d.decider.calls())
	d.wants(nas.CodeAccessAccept, n, r)
	eventually(t, "all are dropped", func() bool { // by another reader than that of the last
		total := uint64(0)
		for _, count := range d.Drops() {
			total += count
		}
		return total == sent
	})
	if got := len(d.decider.calls()); got != calls+1 {
		t.Errorf("%d logins reached the Decider, want %d", got, calls+1)
	}
}

func TestM1_WrongForEveryPresence(t *testing.T) {
	for _, presence := range []radiusd.Presence{"", radiusd.Accept, radiusd.Auto, radiusd.Require} {
		d := open(t, house{decide: always(accept), clients: []*radiusd.Client{client(
			func(c *radiusd.Client) { c.MessageAuthenticator = presence })}})
		other := nas.AccessRequest("another secret", "jo", "hunter2").Sign(nas.First)
		d.drops(d.nas(""), wrong, login().Sign(nas.Wrong).Bytes(), other.Bytes(),
			login().EAP(nil).Sign(nas.Wrong).Bytes(), bare().Sign(nas.Wrong).Bytes())
	}
}

func TestM2_LengthAndCount(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	n := d.nas("")
	for _, size := range []int{0, 15, 17, 253} {
		d.drops(n, "malformed", unsigned().Add(nas.MessageAuthenticator, make([]byte, size)).Bytes())
	}
	d.drops(n, "an attribute twice that may come once", login().Add(nas.MessageAuthenticator, make([]byte, 16)).Bytes())
}

// TestM3_AgainstLayeh: another implementation than nas accepts the Response Authenticator, too.
func TestM3_AgainstLayeh(t *testing.T) {
	for _, v := range []policy.Verdict{accept, reject, ask} {
		d := open(t, house{decide: always(v)})
		r := login().ProxyState("p")
		p := d.ask(d.nas(""), r)
		if !radius.IsAuthenticResponse(p.Raw, r.Bytes(), []byte(secret)) {
			t.Errorf("layeh refuses %v", p)
		}
	}
}

func TestM4_EAPWithoutMessageAuthenticator(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	d.drops(d.nas(""), missing, login().EAP(nil).Sign(nas.None).Bytes(),
		login().EAP(nas.EAPIdentity(1, "jo")).Sign(nas.None).Bytes())
}

// TestM5_Acceptance6_FirstInEveryReply: Message-Authenticator is the first attribute of every reply. door.reply looks at
// octets 20 and 21, and nas checks the rest.
func TestM5_Acceptance6_FirstInEveryReply(t *testing.T) {
	d := open(t, house{decide: func(_ context.Context, a policy.Attempt) policy.Verdict {
		switch a.User {
		case "panic":
			panic("broken")
		case "challenge":
			return ask
		case "reject":
			return reject
		}
		return accept
	}})
	n := d.nas("")
	user := func(name string) *nas.Request { return nas.AccessRequest(secret, name, "hunter2") }
	for _, r := range []*nas.Request{
		login(), login().ProxyState("p"), unsigned(), unsigned().ProxyState("p"), user("reject"), user("challenge"),
		user("panic"), login().CHAP("x"), login().MSCHAPv2(), login().EAP(nil), hidden("\x00"), nas.StatusServer(secret),
		login().AddUint32(nas.ServiceType, 10), bare(),
	} {
		d.ask(n, r)
		d.ask(n, r) // the kept one
	}
}

// TestM5_OmitReplyAuthenticator: the setting for MIT Kerberos and similar clients leaves out Message-Authenticator. nas
// refuses a BareReply that has one.
func TestM5_OmitReplyAuthenticator(t *testing.T) {
	d := open(t, house{decide: always(accept), clients: []*radiusd.Client{client(
		func(c *radiusd.Client) { c.OmitReplyAuthenticator = true })}})
	n := d.nas("")
	for _, r := range []*nas.Request{login().ProxyState("p"), unsigned(), login().CHAP("x"), nas.StatusServer(secret)} {
		r.BareReply = true
		d.ask(n, r)
	}
}

// TestM6_RequireComesFirst: where Message-Authenticator is required, a packet without it is dropped before anything else
// about it is looked at.
func TestM6_RequireComesFirst(t *testing.T) {
	d := open(t, house{decide: always(accept), clients: []*radiusd.Client{client(demanding, func(c *radiusd.Client) {
		c.LimitProxyState = true
	})}})
	other := nas.AccessRequest("another secret", "jo", "hunter2")
	d.drops(d.nas(""), missing, unsigned().Bytes(), other.Bytes(), unsigned().ProxyState("p").Bytes(),
		unsigned().CHAP("x").Bytes(), unsigned().State([]byte("s")).Bytes())
	d.wants(nas.CodeAccessAccept, d.nas(""), login())
}

func TestAcceptance16_Presence(t *testing.T) {
	for _, tt := range []struct {
		presence   radiusd.Presence
		limit      bool
		r          *nas.Request
		dropReason string // "": answered
	}{
		{radiusd.Accept, false, unsigned(), ""},
		{radiusd.Accept, false, unsigned().ProxyState("p"), ""},
		{radiusd.Accept, true, unsigned(), ""},
		{radiusd.Accept, true, unsigned().ProxyState("p"), "Proxy-State without Message-Authenticator"},
		{radiusd.Accept, true, login().ProxyState("p"), ""},
		{radiusd.Auto, false, unsigned(), ""},
		{radiusd.Auto, true, unsigned().ProxyState("p"), "Proxy-State without Message-Authenticator"},
		{radiusd.Auto, true, login().ProxyState("p"), ""},
		{radiusd.Require, false, unsigned(), missing},
		{radiusd.Require, false, login(), ""},
	} {
		d := open(t, house{decide: always(accept), clients: []*radiusd.Client{client(func(c *radiusd.Client) {
			c.MessageAuthenticator, c.LimitProxyState = tt.presence, tt.limit
		})}})
		if tt.dropReason != "" {
			d.drops(d.nas(""), tt.dropReason, tt.r.Bytes())
			continue
		}
		d.wants(nas.CodeAccessAccept, d.nas(""), tt.r)
		if got := d.decider.calls()[0].Authentic; got != (tt.r.MessageAuthenticator != nas.None) {
			t.Errorf("the Decider was told Authentic = %v", got)
		}
	}
}

// octets reads a packet of testdata.
func octets(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRFCExamples: the requests of RFC 2865 §7.1 and RFC 5997 §6.1, and the reply of the latter to the octet.
func TestRFCExamples(t *testing.T) {
	d := open(t, house{decide: always(accept), clients: []*radiusd.Client{client(func(c *radiusd.Client) {
		c.Secret, c.OmitReplyAuthenticator = wire.NewSecret("xyzzy5461"), true
	})}})
	n := d.nas("")
	d.sendOctets(n, octets(t, "rfc2865-7.1-access-request.hex"))
	b, err := n.Receive(patience)
	if err != nil {
		t.Fatal(err)
	}
	if !radius.IsAuthenticResponse(b, octets(t, "rfc2865-7.1-access-request.hex"), []byte("xyzzy5461")) {
		t.Errorf("layeh refuses % x", b)
	}
	if a := d.decider.calls()[0]; a.User != "nemo" || a.Password != "arctangent" || a.Authentic {
		t.Errorf("the Decider was asked %+v", a)
	}
	d.sendOctets(n, octets(t, "rfc5997-6.1-status-server.hex"))
	b, err = n.Receive(patience)
	if want := octets(t, "rfc5997-6.1-access-accept.hex"); err != nil || !slices.Equal(b, want) {
		t.Errorf("got % x, %v; want % x", b, err, want)
	}
}

// statuses sends n Status-Servers and returns how many are answered.
func statuses(d *door, n *nas.NAS, count int) (answered int) {
	for range count {
		d.send(n, nas.StatusServer(secret))
	}
	for {
		if _, err := n.Receive(200 * time.Millisecond); err != nil {
			return answered
		}
		answered++
	}
}
