package conf

import (
	"net/netip"
	"strings"
)

// Listen is a socket that RADIUS clients send to.
type Listen struct {
	Network string         // "udp"
	Address netip.AddrPort // port 0: one that the system chooses
}

var defaultListen = Listen{Network: "udp", Address: netip.AddrPortFrom(netip.IPv6Unspecified(), 1812)}

func readListen(t *table) Listen {
	return Listen{
		Network: oneOf(t, "network", defaultListen.Network, "udp"),
		Address: t.addrPort("address", defaultListen.Address),
	}
}

// addrPorts reads a list of IP addresses and ports.
func (t *table) addrPorts(key string) (list []netip.AddrPort) {
	for i, s := range t.strings(key, nil) {
		if !t.isString(key, i) {
			continue
		}
		ap, ok := parseAddrPort(s)
		if !ok {
			t.bad(nth(key, i), `%s; want the address of a [[listen]] such as %q`, quote(s), defaultListen.Address)
		}
		list = append(list, ap)
	}
	return list
}

func parseAddrPort(s string) (netip.AddrPort, bool) {
	if strings.HasPrefix(s, ":") {
		s = "[::]" + s
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil || ap.Addr().Zone() != "" {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), true
}

// addrPort reads an IP address and a port. It refuses a host name, which may resolve differently at each start.
func (t *table) addrPort(key string, def netip.AddrPort) netip.AddrPort {
	s, ok := value[string](t, key, "a string")
	if !ok {
		return def
	}
	ap, ok := parseAddrPort(s)
	if !ok {
		t.bad(key, `%s; want an IP address and port such as %q`, quote(s), def)
	}
	return ap
}
