package authproxy

import (
	"fmt"
	"net/netip"
	"slices"
)

// listen writes the sockets of all servers, each once.
func (i *importer) listen() {
	sockets := i.sockets()
	for n, at := range sockets {
		t := i.table(at[0].of, "[[listen]]", "")
		var from []*option
		for _, l := range at {
			for _, o := range l.from {
				if !slices.Contains(from, o) {
					from = append(from, o)
				}
			}
			if t.title != "" {
				t.title += ", "
			}
			t.title += l.of.title()
		}
		if n == 0 && len(sockets) > 1 {
			t.note(changed, "a client may ask at any of these addresses, unless its listen says otherwise")
		}
		for _, l := range at[1:] {
			if l.addr != at[0].addr {
				t.note(changed, fmt.Sprintf("requests to %s are received by the socket of %s, which listens at every address", l.addr, at[0].addr), l.from...)
			} else {
				t.note(changed, fmt.Sprintf("%s and %s have the same address and port, which Duo's proxy refuses; in duoradiusd one socket serves both", at[0].of.title(), l.of.title()), l.from...)
			}
		}
		t.set("address", str(at[0].addr.String()), from...)
		i.listens = append(i.listens, t)
	}
}

// sockets groups the servers by their sockets. The wildcard address of a port includes the other addresses of that port,
// because both can't be opened.
func (i *importer) sockets() (groups [][]listener) {
	wild := map[uint16]bool{}
	for _, v := range i.servers {
		wild[v.addr.Port()] = wild[v.addr.Port()] || v.addr.Addr().IsUnspecified()
	}
	at := map[netip.AddrPort]int{}
	for _, v := range i.servers {
		key := v.addr
		if wild[key.Port()] {
			key = netip.AddrPortFrom(netip.IPv6Unspecified(), key.Port())
		}
		n, ok := at[key]
		if !ok {
			n = len(groups)
			at[key] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], v.listener)
		if v.addr.Addr().IsUnspecified() { // this address becomes the address of the group
			last := len(groups[n]) - 1
			groups[n][0], groups[n][last] = groups[n][last], groups[n][0]
		}
	}
	return groups
}
