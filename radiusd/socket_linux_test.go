package radiusd

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTryTwice: what there is no room for is tried once more, whatever else fails is not.
func TestTryTwice(t *testing.T) {
	for _, tt := range []struct {
		answers []error
		want    error
		tries   int
	}{
		{[]error{nil}, nil, 1},
		{[]error{unix.EAGAIN, nil}, nil, 2},
		{[]error{unix.EAGAIN, unix.EAGAIN}, unix.EAGAIN, 2},
		{[]error{unix.EPERM}, unix.EPERM, 1},
	} {
		tries := 0
		got := tryTwice(0, func() error {
			tries++
			return tt.answers[tries-1]
		})
		if got != tt.want || tries != tt.tries {
			t.Errorf("%v: %v after %d tries", tt.answers, got, tries)
		}
	}
}

// TestZoneIsKnown: the system is not asked for the number of an interface once for each reply to a link-local address.
func TestZoneIsKnown(t *testing.T) {
	lo, err := net.InterfaceByIndex(1)
	if err != nil {
		t.Skip(err)
	}
	peer := netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone(lo.Name), 1024)
	conn, err := openUDP(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c, err := newSocket(conn, false)
	if err != nil {
		t.Fatal(err)
	}
	s := c.(*batchSocket)
	s.zone.nameOf(1) // as the reader does for a request from this interface
	for name, w := range map[string]*batchWriter{"writeBatch": &s.replies, "sendBatch": &s.late} {
		var sa unix.RawSockaddrInet6
		fill := func() { w.zone.fill(&sa, peer) }
		fill() // sendBatch learns it once
		if n := testing.AllocsPerRun(10, fill); n != 0 || sa.Scope_id != 1 {
			t.Errorf("%s asks again (%v allocations), or writes zone %d", name, n, sa.Scope_id)
		}
	}
	s.zone = zone{id: 7, name: lo.Name} // the interface was made anew: what the reader saw last counts
	var sa unix.RawSockaddrInet6
	if s.replies.zone.fill(&sa, peer); sa.Scope_id != 7 {
		t.Errorf("a reply of a batch goes to zone %d", sa.Scope_id)
	}
	*s.late.zone = zone{id: 7, name: lo.Name}
	s.sendBatch(nil)
	if s.late.zone.fill(&sa, peer); sa.Scope_id != 1 {
		t.Errorf("a late reply goes to zone %d", sa.Scope_id)
	}
}
