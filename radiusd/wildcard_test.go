package radiusd

import (
	"net/netip"
	"slices"
	"testing"
)

// TestReplaceWildcards: where a reply can't choose its source address, a wildcard is replaced by a listener for each
// address.
func TestReplaceWildcards(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("fe80::1%eth0")}
	for _, tt := range []struct {
		listen string
		want   []string
	}{
		{"192.0.2.7:1812", []string{"192.0.2.7:1812"}},
		{"0.0.0.0:1812", []string{"127.0.0.1:1812", "192.0.2.7:1812"}},
		{"[::]:1645", []string{"127.0.0.1:1645", "192.0.2.7:1645", "[fe80::1%eth0]:1645"}},
	} {
		var got []string
		for _, a := range replaceWildcards([]netip.AddrPort{netip.MustParseAddrPort(tt.listen)}, own) {
			got = append(got, a.String())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: listens on %v, want %v", tt.listen, got, tt.want)
		}
	}
}

// TestOwnAddresses: the list has this host's loopback address, and no address of IPv4 in its mapped form.
func TestOwnAddresses(t *testing.T) {
	own, err := ownAddresses()
	if err != nil || !slices.Contains(own, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("%v, %v; want 127.0.0.1 among them", own, err)
	}
	for _, a := range own {
		if a.Is4In6() || a.IsUnspecified() {
			t.Errorf("%v is no address to listen on", a)
		}
	}
}
