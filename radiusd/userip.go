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

// addressSource is an attribute that may hold the user's IP address.
type addressSource struct {
	vendor uint32 // 0: the attribute is a standard one
	kind   byte
	parse  func([]byte) netip.Addr
}

// addressSources maps the names that the setting user_ip allows to their attributes.
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

// userIP returns the user's address from the first of sources that holds an address. It returns the zero Addr if no source
// does.
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

// read returns the address that a holds. It returns the zero Addr if a is another attribute or holds no address.
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

// tagged reads a text like the function text does, after it has removed a leading tag (RFC 2868 §3.3).
func tagged(b []byte) netip.Addr {
	if len(b) > 0 && b[0] <= 0x1f {
		b = b[1:]
	}
	return text(b)
}

// text reads an address in one of the forms that appliances send: 192.0.2.1, 192.0.2.1[4500], 192.0.2.1:4500, 2001:db8::1,
// [2001:db8::1]:443, and each of these after "IP=" in a list of pairs. It returns the zero Addr for any other text, such as
// a MAC address.
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

// pair splits s into fields and returns the value of the field that begins with "IP=". If no field does, it returns the
// first field.
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

// usable returns ip without a zone and in IPv4 form if it is IPv4-mapped. It returns the zero Addr if ip can't be the
// address of one user.
func usable(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}
	}
	return ip
}
