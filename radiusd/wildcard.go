package radiusd

import (
	"net"
	"net/netip"
	"runtime"
	"slices"
)

// socketPerAddress is whether a wildcard address is listened on by one socket for each address of the host. Only Linux
// both tells to which address a datagram was sent and takes the source address of a reply, for IPv4 in a dual-stack
// socket too: a reply from another address than the one that was asked means nothing to a client.
const socketPerAddress = runtime.GOOS != "linux"

// expandWildcards puts this host's addresses in the place of the wildcard ones, where the system wants that.
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

// replaceWildcards puts own addresses in the place of the wildcard ones: IPv4 ones for 0.0.0.0, all for ::.
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

// ownAddresses lists the unicast addresses of this host's interfaces that are up.
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
				continue // no IP address
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
