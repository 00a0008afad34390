package conf

import (
	"net/netip"
	"strconv"
	"strings"
)

const addressExample = "an IP address or prefix such as 192.0.2.10 or 198.51.100.0/24"

// prefixes reads a list of addresses and prefixes. An address becomes the prefix that holds only this address.
func (t *table) prefixes(key string) []netip.Prefix {
	var out []netip.Prefix
	for i, s := range t.strings(key, nil) {
		if !t.isString(key, i) {
			continue
		}
		p, wrong := parsePrefix(s)
		if wrong != "" {
			t.bad(nth(key, i), "%s", wrong)
		}
		out = append(out, p)
	}
	return out
}

// parsePrefix returns what is wrong as "found; wanted".
func parsePrefix(s string) (p netip.Prefix, wrong string) {
	if strings.Contains(s, "%") {
		return p, quote(s) + ", which has a zone; want an address without one"
	}
	p, err := netip.ParsePrefix(s)
	if !strings.Contains(s, "/") {
		var addr netip.Addr
		if addr, err = netip.ParseAddr(s); err == nil {
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
	}
	if err != nil {
		return p, quote(s) + "; want " + addressExample
	}
	if p.Masked() != p {
		return p, quote(s) + "; want " + unmap(p.Masked()).String()
	}
	return unmap(p), ""
}

// unmap turns an IPv4-mapped prefix into an IPv4 prefix, as radiusd does with the source addresses of packets.
func unmap(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// addressOfInteger reads an IPv4 address that is written as a signed or unsigned integer of 32 bits.
func addressOfInteger(s string) (netip.Addr, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < -1<<31 || n > 1<<32-1 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), true
}

// isHostPort reports whether s is a host name or an IP address (IPv6 in brackets), with or without a port.
func isHostPort(s string) bool {
	host, port, hasPort := strings.Cut(s, ":")
	if in, ok := strings.CutPrefix(s, "["); ok {
		host, port, ok = strings.Cut(in, "]")
		port, hasPort = strings.CutPrefix(port, ":")
		addr, err := netip.ParseAddr(host)
		return ok && err == nil && addr.Is6() && addr.Zone() == "" && (hasPort && isPort(port) || port == "" && !hasPort)
	}
	if hasPort && !isPort(port) || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// isLabel reports whether s may be one part of a host name (RFC 1123 §2.1).
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if !isBare(s[i]) || s[i] == '_' {
			return false
		}
	}
	return true
}
