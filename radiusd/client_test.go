package radiusd_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"duoradiusd/radiusd"
	"duoradiusd/radiusd/wire"
	"duoradiusd/test/nas"
)

func TestC1_SecretBySourceAddress(t *testing.T) {
	other := client(from("127.0.0.2/32"), func(c *radiusd.Client) {
		c.Name, c.Secret = "other", wire.NewSecret("the secret of the other one")
	})
	d := open(t, house{decide: always(accept), clients: []*radiusd.Client{client(), other}})
	n := d.nas("127.0.0.2")

	// What a packet says of its sender does not matter.
	claims := func(r *nas.Request) *nas.Request {
		return r.Add(nas.NASIPAddress, []byte{127, 0, 0, 1}).AddString(nas.NASIdentifier, "vpn")
	}
	right := func() *nas.Request {
		return claims(nas.AccessRequest("the secret of the other one", "jo", "hunter2").Sign(nas.First))
	}
	d.wants(nas.CodeAccessAccept, n, right())
	if a := d.decider.calls()[0]; a.Client != other.Login || a.ClientAddr != netip.MustParseAddr("127.0.0.2") {
		t.Errorf("the Decider was told client %v at %v", a.Client, a.ClientAddr)
	}
	d.sendOctets(n, claims(login()).Bytes())
	d.wants(nas.CodeAccessAccept, n, right())
	if got := d.Drops()["wrong Message-Authenticator"]; got != 1 {
		t.Errorf("%d dropped for a wrong Message-Authenticator, want 1", got)
	}
}

func TestC2_Acceptance22_UnknownClient(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	stranger, n := d.nas("127.0.0.3"), d.nas("")
	for i := range 300 {
		d.send(stranger, login())
		d.send(stranger, unsigned())
		d.send(stranger, nas.StatusServer(secret))
		d.sendOctets(stranger, []byte{1, 2, 3})
		if i%50 == 0 { // keep the socket's buffer from overflowing
			d.wants(nas.CodeAccessAccept, n, login())
		}
	}
	d.wants(nas.CodeAccessAccept, n, login())
	if err := stranger.Silence(time.Millisecond); err != nil {
		t.Error(err)
	}
	eventually(t, "1200 are dropped", func() bool { return d.Drops()["unknown client"] == 1200 })
	if got := d.log.lines("unknown client"); len(got) != 1 || !strings.Contains(got[0], "127.0.0.3") {
		t.Errorf("the log has %d lines, want one with the address:\n%s", len(got), strings.Join(got, ""))
	}
	if got := len(d.decider.calls()); got != 7 {
		t.Errorf("%d logins reached the Decider, want 7", got)
	}
}

func TestC4_Acceptance12_IPv4MappedSource(t *testing.T) {
	d := open(t, house{decide: always(accept), listen: "[::]:0"})
	n := dial(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), d.address.Port()), "")
	d.wants(nas.CodeAccessAccept, n, login())
	if got := d.decider.calls()[0].ClientAddr; got != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("the Decider was told %v, want 127.0.0.1", got)
	}
	v6 := dial(t, netip.AddrPortFrom(netip.IPv6Loopback(), d.address.Port()), "")
	d.wants(nas.CodeAccessAccept, v6, login())
}

func TestC5_IPv6(t *testing.T) {
	d := open(t, house{decide: always(accept), listen: "[::1]:0"})
	d.wants(nas.CodeAccessAccept, d.nas("::1"), login())
}

// TestC5_LinkLocal asks this host's own link-local address, on a socket bound to it and on a wildcard one.
func TestC5_LinkLocal(t *testing.T) {
	addr, ok := linkLocal()
	if !ok {
		t.Skip("no link-local address here; TestC5_LinkLocalLookup tests the lookup")
	}
	local := netip.AddrPortFrom(addr, 0)
	for _, listen := range []string{local.String(), "[::]:0"} {
		d := open(t, house{decide: always(accept), listen: listen, clients: []*radiusd.Client{
			client(from("fe80::/10"))}})
		n, err := nas.Dial(netip.AddrPortFrom(addr, d.address.Port()), local)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		d.wants(nas.CodeAccessAccept, n, login())
	}
}

func linkLocal() (netip.Addr, bool) {
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() && i.Flags&net.FlagUp != 0 {
				return p.Addr().WithZone(i.Name), true
			}
		}
	}
	return netip.Addr{}, false
}

// TestC6_Acceptance12_ReplyFromTheAddressThatWasAsked: nas takes no datagram from another.
func TestC6_Acceptance12_ReplyFromTheAddressThatWasAsked(t *testing.T) {
	for _, tt := range []struct {
		listen string
		asked  []string
	}{
		{"0.0.0.0:0", []string{"127.0.0.1", "127.0.0.2", "127.1.2.3"}},
		{"[::]:0", []string{"127.0.0.1", "127.0.0.2", "127.1.2.3", "::1"}},
		{"127.0.0.2:0", []string{"127.0.0.2"}},
	} {
		d := open(t, house{decide: always(accept), listen: tt.listen})
		for _, asked := range tt.asked {
			t.Run(fmt.Sprintf("%s asked at %s", tt.listen, asked), func(t *testing.T) {
				local := "127.0.0.1"
				if strings.Contains(asked, ":") {
					local = "::1"
				}
				n := dial(t, netip.AddrPortFrom(netip.MustParseAddr(asked), d.address.Port()), local)
				d.wants(nas.CodeAccessAccept, n, nas.StatusServer(secret))
				r := login()
				first := d.wants(nas.CodeAccessAccept, n, r)
				if again := d.wants(nas.CodeAccessAccept, n, r); string(again.Raw) != string(first.Raw) {
					t.Error("the kept reply differs")
				}
			})
		}
	}
}

// TestC6_AddressIsPartOfTheSlot: one NAS socket asks two addresses of a wildcard socket with one Identifier. To the NAS
// these are two servers, so neither request ends the other.
func TestC6_AddressIsPartOfTheSlot(t *testing.T) {
	d := open(t, house{listen: "0.0.0.0:0"})
	one := dial(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), d.address.Port()), "127.0.0.1")
	a, b := login(), login()
	b.Identifier = a.Identifier
	d.send(one, a)
	first := d.next()
	local := one.LocalAddr()
	one.Close()
	two, err := nas.Dial(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), d.address.Port()), local)
	if err != nil {
		t.Fatal(err)
	}
	defer two.Close()
	d.send(two, b)
	second := d.next()
	if first.ctx.Err() != nil {
		t.Error("the login at the other address was abandoned")
	}
	second.verdict <- accept
	d.reply(two, b)
	first.verdict <- accept
}

func TestC7_NASIdentifierIsNoIdentity(t *testing.T) {
	vpn := client()
	d := open(t, house{decide: always(accept), clients: []*radiusd.Client{vpn,
		client(from("10.0.0.1/32"), func(c *radiusd.Client) { c.Name = "gate" })}})
	d.wants(nas.CodeAccessAccept, d.nas(""), login().AddString(nas.NASIdentifier, "gate").
		Add(nas.NASIPAddress, []byte{10, 0, 0, 1}).Add(nas.NASIPv6Address, make([]byte, 16)))
	if a := d.decider.calls()[0]; a.Client != vpn.Login || a.ClientAddr != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("the Decider was told %v at %v", a.Client, a.ClientAddr)
	}
}

// TestC8_NoNASAddress: RFC 2865 §4.1 requires NAS-IP-Address or NAS-Identifier. Many clients leave out both; they are
// answered and counted.
func TestC8_NoNASAddress(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	n := d.nas("")
	d.wants(nas.CodeAccessAccept, n, login())
	d.wants(nas.CodeAccessAccept, n, login().AddString(nas.NASIdentifier, "gate"))
	d.wants(nas.CodeAccessAccept, n, login().Add(nas.NASIPAddress, []byte{192, 0, 2, 1}))
	d.wants(nas.CodeAccessAccept, n, login().Add(nas.NASIPv6Address, make([]byte, 16)))
	if got := d.Clients()[0].Anonymous; got != 1 {
		t.Errorf("%d requests without a name, want 1", got)
	}
}

func TestLongestPrefixWins(t *testing.T) {
	named := func(name, prefix string) *radiusd.Client {
		return client(from(prefix), func(c *radiusd.Client) { c.Name, c.Login.Name = name, name })
	}
	d := open(t, house{decide: always(accept), clients: []*radiusd.Client{named("all", "0.0.0.0/0"),
		named("loopback", "127.0.0.0/8"), named("few", "127.0.0.4/30"), named("one", "127.0.0.5/32")}})
	for addr, want := range map[string]string{"127.0.0.1": "loopback", "127.0.0.4": "few", "127.0.0.5": "one",
		"127.0.0.8": "loopback"} {
		d.wants(nas.CodeAccessAccept, d.nas(addr), login())
		calls := d.decider.calls()
		if got := calls[len(calls)-1].Client.Name; got != want {
			t.Errorf("%s is client %q, want %q", addr, got, want)
		}
	}
}

func named(name string) func(*radiusd.Client) {
	return func(c *radiusd.Client) { c.Name, c.Login.Name = name, name }
}

func nasID(values ...string) func(*radiusd.Client) {
	return func(c *radiusd.Client) { c.NASIdentifiers = values }
}

func calledID(values ...string) func(*radiusd.Client) {
	return func(c *radiusd.Client) { c.CalledStationIDs = values }
}

// TestClientsOfOneAddress: clients of one address are told apart by listener and by attributes. The one that names more
// comes first, whatever their order in the configuration.
func TestClientsOfOneAddress(t *testing.T) {
	first, second := netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("127.0.0.2:0")
	at := func(listener netip.AddrPort) func(*radiusd.Client) {
		return func(c *radiusd.Client) { c.Listen = []netip.AddrPort{listener} }
	}
	d := open(t, house{decide: always(accept), clients: []*radiusd.Client{
		client(demanding, named("rest"), at(first)),
		client(demanding, named("ssid"), at(first), calledID("guest", "staff")),
		client(demanding, named("both"), at(first), calledID("staff"), nasID("ap-1")),
		client(demanding, named("second"), at(second), nasID("ap-1")),
		client(named("wide"), from("127.0.0.0/8")),
	}})
	d.listen("127.0.0.1:0", "127.0.0.2:0")
	other := d.address
	for _, a := range d.Addresses() {
		if a != d.address {
			other = a
		}
	}
	one, two := d.nas("127.0.0.1"), dial(t, other, "127.0.0.1")
	decided := func() string { calls := d.decider.calls(); return calls[len(calls)-1].Client.Name }
	for _, tt := range []struct {
		called, nas string
		want        string
	}{{"", "", "rest"}, {"x", "ap-1", "rest"}, {"guest", "", "ssid"}, {"guest", "ap-1", "ssid"}, {"staff", "ap-1", "both"}, {"staff", "ap-2", "ssid"}} {
		r := login()
		if tt.called != "" {
			r.AddString(nas.CalledStationID, tt.called)
		}
		if tt.nas != "" {
			r = without(r, nas.NASIdentifier).AddString(nas.NASIdentifier, tt.nas)
		}
		if d.wants(nas.CodeAccessAccept, one, r); decided() != tt.want {
			t.Errorf("%q, %q: client %s, want %s", tt.called, tt.nas, decided(), tt.want)
		}
	}
	d.wants(nas.CodeAccessAccept, two, without(login(), nas.NASIdentifier).AddString(nas.NASIdentifier, "ap-1"))
	if decided() != "second" {
		t.Errorf("at the second listener: client %s", decided())
	}
	stranger := without(login(), nas.NASIdentifier).AddString(nas.NASIdentifier, "ap-2")
	if err := two.Send(stranger.Bytes()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "dropped, with the attribute that fits nobody", func() bool {
		return len(d.log.lines(`reason="unknown client"`, "ap-2", "level=WARN")) == 1
	})
	d.drops(one, "no Message-Authenticator", unsigned().AddString(nas.CalledStationID, "guest").Bytes())
	if d.wants(nas.CodeAccessAccept, d.nas("127.0.0.9"), unsigned()); decided() != "wide" {
		t.Errorf("a shorter prefix: client %s", decided())
	}
}

func TestNewClientsRefuses(t *testing.T) {
	for _, tt := range []struct {
		clients []*radiusd.Client
		want    string
	}{
		{[]*radiusd.Client{client(func(c *radiusd.Client) { c.Secret = nil })},
			`radiusd: client "vpn": the secret is empty`},
		{[]*radiusd.Client{client(from("10.0.0.0/8")), client(from("10.1.2.3/8"), func(c *radiusd.Client) { c.Name = "b" })},
			`radiusd: 10.0.0.0/8: clients "vpn" and "b": one request can fit both`},
		{[]*radiusd.Client{client(demanding, named("a"), nasID("x")), client(demanding, named("b"), nasID("y", "x"))},
			`radiusd: 127.0.0.1/32: clients "a" and "b": one request can fit both`},
		{[]*radiusd.Client{client(demanding, named("a"), nasID("x")), client(demanding, named("b"), calledID("y"))},
			`radiusd: 127.0.0.1/32: clients "a" and "b": one request can fit both`},
		{[]*radiusd.Client{client(demanding, named("a"), nasID("x")), client(demanding, named("b"), func(c *radiusd.Client) { c.Secret = wire.NewSecret("other") })},
			`radiusd: 127.0.0.1/32: clients "a" and "b" have the same address and listener, so they must have the same secret`},
		{[]*radiusd.Client{client(demanding, named("a"), nasID("x")), client(auto, named("b"))},
			`radiusd: 127.0.0.1/32: clients "a" and "b": both must require Message-Authenticator, because only attributes tell them apart`},
		{[]*radiusd.Client{client(auto, nasID("x"))},
			`radiusd: client "vpn": it must require Message-Authenticator, because anybody can write the attributes of an unsigned request that choose it`},
	} {
		if _, err := radiusd.NewClients(tt.clients); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}
