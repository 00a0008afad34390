package radiusd_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"duoradiusd/radiusd"
	"duoradiusd/test/nas"
)

func TestS1_Acceptance18_NeedsMessageAuthenticator(t *testing.T) {
	for _, presence := range []radiusd.Presence{radiusd.Accept, radiusd.Auto, radiusd.Require} {
		d := open(t, house{clients: []*radiusd.Client{client(func(c *radiusd.Client) { c.MessageAuthenticator = presence })}})
		n := d.nas("")
		d.drops(n, missing, nas.StatusServer(secret).Sign(nas.None).Bytes())
		d.drops(n, wrong, nas.StatusServer(secret).Sign(nas.Wrong).Bytes(), nas.StatusServer("another").Bytes())
		d.wants(nas.CodeAccessAccept, n, nas.StatusServer(secret).Sign(nas.Last).AddString(nas.NASIdentifier, "x"))
	}
}

// TestS2_LegalAttributes: the reply holds only Message-Authenticator and Reply-Message, which RFC 5997 §5 allows.
func TestS2_LegalAttributes(t *testing.T) {
	d := open(t, house{})
	p := d.wants(nas.CodeAccessAccept, d.nas(""), nas.StatusServer(secret).ProxyState("p").State([]byte("s")))
	if len(p.Attributes) != 1 {
		t.Errorf("attributes %v, want Message-Authenticator only", p.Attributes)
	}
}

// TestS3_S7_Acceptance18_NoSideEffects: a Status-Server makes no login and no user, and changes no counter of logins.
func TestS3_S7_Acceptance18_NoSideEffects(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	n := d.nas("")
	d.wants(nas.CodeAccessAccept, n, login())
	before := d.Clients()[0]
	r := nas.StatusServer(secret).AddString(nas.UserName, "jo")
	r.Attributes = append(r.Attributes, nas.Attribute{Type: nas.UserPassword, Value: []byte("hunter2"), Hide: true})
	for range 5 {
		d.wants(nas.CodeAccessAccept, n, r)
	}
	if inFlight, kept := d.Pending(); len(d.decider.calls()) != 1 || inFlight != 0 || kept != 1 {
		t.Errorf("%d logins, %d in progress, %d kept; want 1, 0, 1", len(d.decider.calls()), inFlight, kept)
	}
	after := d.Clients()[0]
	if after.Packets != before.Packets || after.Authenticated != before.Authenticated ||
		after.Unauthenticated != before.Unauthenticated || len(after.Ratchets) != len(before.Ratchets) {
		t.Errorf("counts before %+v, after %+v", before, after)
	}
	eventually(t, "the login's line alone", func() bool { return len(d.log.lines("msg=login")) == 1 })
}

func TestS5_Acceptance18_Rate(t *testing.T) {
	other := client(from("127.0.0.2/32"), func(c *radiusd.Client) { c.Name = "other" })
	d := open(t, house{decide: always(accept), clients: []*radiusd.Client{client(), other}})
	n := d.nas("127.0.0.1")
	start := time.Now()
	answered := statuses(d, n, 100)
	if most := 20 + int(5*time.Since(start).Seconds()) + 1; answered < 20 || answered > most {
		t.Errorf("%d of 100 answered, want 20 to %d", answered, most)
	}
	eventually(t, "the others are dropped", func() bool { return d.Drops()["Status-Server too often"] == uint64(100-answered) })
	d.wants(nas.CodeAccessAccept, n, login()) // logins go on
	d.wants(nas.CodeAccessAccept, d.nas("127.0.0.2"), nas.StatusServer(secret))
}

func TestS6_SilentWhenUnable(t *testing.T) {
	var able atomic.Bool
	d := open(t, house{decide: always(accept), able: able.Load})
	n := d.nas("")
	r := nas.StatusServer(secret)
	d.send(n, r)
	d.wants(nas.CodeAccessAccept, n, login())
	if got := d.Drops()["Status-Server while Duo can't be asked"]; got != 1 {
		t.Errorf("%d dropped, want 1", got)
	}
	able.Store(true)
	d.wants(nas.CodeAccessAccept, n, r)
}

// TestS8_SharedIdentifiers: a Status-Server with the Identifier, or even the Authenticator, of a login changes nothing for
// that login.
func TestS8_SharedIdentifiers(t *testing.T) {
	d := open(t, house{})
	n := d.nas("")
	r := login()
	d.send(n, r)
	c := d.next()
	for _, authenticator := range [][16]byte{{}, r.Authenticator} {
		s := nas.StatusServer(secret)
		s.Identifier, s.Authenticator = r.Identifier, authenticator
		d.wants(nas.CodeAccessAccept, n, s)
	}
	if c.ctx.Err() != nil {
		t.Error("the login was abandoned")
	}
	c.verdict <- accept
	first := d.reply(n, r)
	s := nas.StatusServer(secret)
	s.Identifier = r.Identifier
	if p := d.wants(nas.CodeAccessAccept, n, s); slices.Equal(p.Raw, first.Raw) {
		t.Error("the Status-Server got the login's reply")
	}
	d.wants(nas.CodeAccessAccept, n, r)
}
