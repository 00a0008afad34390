package authproxy

import (
	"net/netip"
	"strings"
)

// addresses reads the value of radius_ip_N: an address, a prefix, an address with a netmask, or a range. exact reports whether
// the prefixes are spelled as in the file.
func addresses(s string) (list []netip.Prefix, exact, ok bool) {
	if from, to, isRange := strings.Cut(s, "-"); isRange {
		low, err1 := netip.ParseAddr(strings.TrimSpace(from))
		high, err2 := netip.ParseAddr(strings.TrimSpace(to))
		if err1 != nil || err2 != nil || low.Zone() != "" || high.Zone() != "" {
			return nil, false, false
		}
		low, high = low.Unmap(), high.Unmap()
		if low.BitLen() != high.BitLen() || high.Less(low) {
			return nil, false, false
		}
		return span(low, high), false, true
	}
	host, mask, isNet := strings.Cut(s, "/")
	addr, err := netip.ParseAddr(strings.TrimSpace(host))
	if err != nil || addr.Zone() != "" {
		return nil, false, false
	}
	if !isNet {
		return []netip.Prefix{netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())}, true, true
	}
	bits, dotted, ok := maskBits(strings.TrimSpace(mask))
	p := netip.PrefixFrom(addr, bits)
	if !ok || !p.IsValid() || dotted && !addr.Is4() {
		return nil, false, false
	}
	if addr.Is4In6() {
		return nil, false, false // nobody means a prefix of mapped addresses
	}
	return []netip.Prefix{p.Masked()}, p == p.Masked() && !dotted, true
}

// maskBits reads what follows the slash: a number, or a netmask such as 255.255.255.0.
func maskBits(s string) (bits int, dotted, ok bool) {
	if m, err := netip.ParseAddr(s); err == nil && m.Is4() {
		b := m.As4()
		v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		for ; v&(1<<31) != 0; v <<= 1 {
			bits++
		}
		return bits, true, v == 0
	}
	if s == "" || len(s) > 3 || strings.Trim(s, "0123456789") != "" {
		return 0, false, false
	}
	for _, c := range s {
		bits = bits*10 + int(c-'0')
	}
	return bits, false, true
}

// span returns the shortest list of prefixes that cover low to high and nothing else.
func span(low, high netip.Addr) (list []netip.Prefix) {
	for {
		p := netip.PrefixFrom(low, low.BitLen())
		for p.Bits() > 0 {
			wider := netip.PrefixFrom(low, p.Bits()-1)
			if wider.Masked().Addr() != low || high.Less(end(wider)) {
				break
			}
			p = wider
		}
		list = append(list, p)
		last := end(p)
		if last == high {
			return list
		}
		low = last.Next()
	}
}

// end returns the last address of a prefix.
func end(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// spell writes a prefix as a person would.
func spell(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
