package radiusd

import (
	"net/netip"
	"slices"
	"strings"

	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2868"
	"layeh.com/radius/rfc3162"
	"layeh.com/radius/rfc6911"

	"duoradiusd/radiusd/wire"
)

// addressSource is an attribute that may tell the user's address.
type addressSource struct {
	vendor uint32 // 0: none
	kind   byte
	parse  func([]byte) netip.Addr
}

// addressSources are the attributes that user_ip may name.
var addressSources = map[string]addressSource{
	"Tunnel-Client-Endpoint":    {0, byte(rfc2868.TunnelClientEndpoint_Type), tagged},
	"Calling-Station-Id":        {0, byte(rfc2865.CallingStationID_Type), text},
	"Framed-IP-Address":         {0, byte(rfc2865.FramedIPAddress_Type), octets},
	"Login-IP-Host":             {0, byte(rfc2865.LoginIPHost_Type), octets},
	"Login-IPv6-Host":           {0, byte(rfc3162.LoginIPv6Host_Type), octets},
	"Framed-IPv6-Address":       {0, byte(rfc6911.FramedIPv6Address_Type), octets},
	"PaloAlto-Client-Source-IP": {wire.PaloAlto, 7, text},
	"Fortinet-Client-IP":        {wire.Fortinet, 2, octets},
	"Fortinet-Client-IPv6":      {wire.Fortinet, 13, octets},
}

// userIP returns the user's address from the first of the sources that holds one, or the zero Addr.
func (p *packet) userIP(sources []addressSource) (ip netip.Addr) {
	for _, source := range sources {
		for a := range p.attributes() {
			if ip = source.read(a); ip.IsValid() {
				return ip
			}
		}
	}
	return netip.Addr{}
}

// read returns the address that a holds, or the zero Addr where a is another attribute or holds none.
func (s *addressSource) read(a wire.Attribute) (ip netip.Addr) {
	switch {
	case s.vendor == 0 && a.Type == s.kind:
		return s.parse(a.Value)
	case s.vendor == 0 || a.Type != wire.VendorSpecific:
		return ip
	}
	vendor, attributes, _ := wire.Vendor(a.Value)
	if vendor != s.vendor {
		return ip
	}
	for sub := range wire.All(attributes) {
		if sub.Type != s.kind {
			continue
		}
		if ip = s.parse(sub.Value); ip.IsValid() {
			break
		}
	}
	return ip
}

func octets(b []byte) netip.Addr {
	ip, _ := netip.AddrFromSlice(b)
	return usable(ip)
}

// tagged is text that may begin with a tag (RFC 2868 §3.3).
func tagged(b []byte) netip.Addr {
	if len(b) > 0 && b[0] <= 0x1f {
		b = b[1:]
	}
	return text(b)
}

// text reads the forms that appliances send: 192.0.2.1, 192.0.2.1[4500], 192.0.2.1:4500, 2001:db8::1, [2001:db8::1]:443,
// and any of them after "IP=" among other pairs. A MAC address is none.
func text(b []byte) netip.Addr {
	if len(b) > 253 {
		return netip.Addr{}
	}
	s := strings.Trim(string(b), "\x00 ")
	if strings.ContainsAny(s, " ,;=") {
		s = pair(s)
	}
	if ip, err := netip.ParseAddr(s); err == nil {
		return usable(ip)
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return usable(ap.Addr())
	}
	if head, port, ok := strings.Cut(s, "["); ok && strings.HasSuffix(port, "]") {
		if ip, err := netip.ParseAddr(head); err == nil {
			return usable(ip)
		}
	}
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
		if ip, err := netip.ParseAddr(inner[:len(inner)-1]); err == nil {
			return usable(ip)
		}
	}
	return netip.Addr{}
}

// pair returns the value of "IP=" among fields, or the first of several.
func pair(s string) string {
	fields := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" ,;", r) })
	i := slices.IndexFunc(fields, func(f string) bool { return len(f) > 3 && strings.EqualFold(f[:3], "ip=") })
	switch {
	case i >= 0:
		return fields[i][3:]
	case len(fields) > 1 || len(fields) == 1 && strings.Contains(s, "="):
		return fields[0]
	}
	return s
}

// usable keeps the addresses that can be one user's.
func usable(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}
	}
	return ip
}
