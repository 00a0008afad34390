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

// addrPort reads an IP address and port. Names are refused: they resolve differently from one start to the next.
func (t *table) addrPort(key string, def netip.AddrPort) netip.AddrPort {
	s, ok := value[string](t, key, "a string")
	if !ok {
		return def
	}
	full := s
	if strings.HasPrefix(s, ":") {
		full = "[::]" + s
	}
	ap, err := netip.ParseAddrPort(full)
	if err != nil || ap.Addr().Zone() != "" {
		t.bad(key, `%s; want an IP address and port such as %q`, quote(s), def)
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
