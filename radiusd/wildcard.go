package radiusd

import (
	"net"
	"net/netip"
	"runtime"
	"slices"
)

// socketPerAddress says whether the server opens one socket for each address of the host instead of one for a wildcard
// address. Clients ignore a reply that comes from another address than the one they asked. Only Linux both reports the
// destination address of a datagram and lets the sender choose the source address of a reply, also for IPv4 in a dual-stack
// socket.
const socketPerAddress = runtime.GOOS != "linux"

// expandWildcards replaces each wildcard address by this host's addresses if socketPerAddress is true.
func expandWildcards(addresses []netip.AddrPort) ([]netip.AddrPort, error) {
	wild := func(a netip.AddrPort) bool { return a.Addr().IsUnspecified() }
	if !socketPerAddress || !slices.ContainsFunc(addresses, wild) {
		return addresses, nil
	}
	own, err := ownAddresses()
	if err != nil {
		return nil, err
	}
	return replaceWildcards(addresses, own), nil
}

// replaceWildcards replaces each wildcard address by addresses of own: 0.0.0.0 by the IPv4 addresses, :: by all addresses.
func replaceWildcards(addresses []netip.AddrPort, own []netip.Addr) (list []netip.AddrPort) {
	for _, a := range addresses {
		if !a.Addr().IsUnspecified() {
			list = append(list, a)
			continue
		}
		for _, o := range own {
			if o.Is4() || a.Addr().Is6() {
				list = append(list, netip.AddrPortFrom(o, a.Port()))
			}
		}
	}
	return list
}

// ownAddresses returns the unicast addresses of this host's interfaces that are up.
func ownAddresses() (list []netip.Addr, err error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range addresses {
			prefix, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue // it is not an IP address
			}
			own := prefix.Addr().Unmap()
			if own.IsLinkLocalUnicast() && own.Is6() {
				own = own.WithZone(i.Name)
			}
			list = append(list, own)
		}
	}
	return list, nil
}
