package conf

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"layeh.com/radius/dictionary"

	"duoradiusd/policy"
)

// encode turns a value of the file into the octets that follow an attribute's type and length. If the value does not fit, it
// returns what is wrong as "found; wanted".
func (a *attribute) encode(v any) (octets, wrong string) {
	s, isString := v.(string)
	n, isInt := v.(int64)
	if !isString && !isInt {
		return "", typeName(v) + "; want a string or an integer"
	}
	tag := byte(0)
	if isString && a.HasTag() {
		tag, s = cutTag(s)
	}
	switch a.Attribute.Type {
	case dictionary.AttributeInteger, dictionary.AttributeDate, dictionary.AttributeShort, dictionary.AttributeByte,
		dictionary.AttributeInteger64, dictionary.AttributeSigned:
		if isString {
			if n, wrong = a.number(s); wrong != "" {
				return "", wrong
			}
		}
		return a.encodeNumber(n, tag)
	}
	if !isString {
		return "", fmt.Sprintf("an integer; want %s", a.form())
	}
	switch a.Attribute.Type {
	case dictionary.AttributeIPAddr, dictionary.AttributeIPv6Addr:
		octets, wrong = a.encodeAddr(s)
	case dictionary.AttributeIPv6Prefix:
		octets, wrong = a.encodePrefix(s)
	case dictionary.AttributeString:
		octets = s
	default:
		octets, wrong = a.encodeOctets(s)
	}
	switch {
	case wrong != "":
		return "", wrong
	case octets == "":
		return "", "empty; want " + a.form()
	case tag > 0:
		octets = string(tag) + octets
	case a.HasTag() && octets[0] <= maxTag: // would be taken for one
		return "", fmt.Sprintf("%s, which begins with a control character; want text, or TAG:text", quote(s))
	}
	if most := a.most(); len(octets) > most {
		return "", fmt.Sprintf("%d octets; want %d at most", len(octets), most)
	}
	return octets, ""
}

// form says what a value looks like.
func (a *attribute) form() string {
	switch a.Attribute.Type {
	case dictionary.AttributeIPAddr:
		return "an IPv4 address such as 192.0.2.1"
	case dictionary.AttributeIPv6Addr:
		return "an IPv6 address such as 2001:db8::1"
	case dictionary.AttributeIPv6Prefix:
		return "an IPv6 prefix such as 2001:db8::/64"
	case dictionary.AttributeString:
		return "text"
	}
	return "text, or octets such as 0x0a0b"
}

// most is how long a value may be, in octets: an attribute has 255 with its type and length (RFC 2865 §5), and a
// vendor-specific one has six more octets before the value (§5.26).
func (a *attribute) most() int {
	if a.Vendor != 0 {
		return 253 - 6
	}
	return 253
}

// maxTag is the highest tag (RFC 2868 §3.1). A first octet above it is part of the text.
const maxTag = 0x1f

// cutTag splits TAG:VALUE. The tag is 0 when s has none.
func cutTag(s string) (tag byte, value string) {
	first, rest, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(first, 10, 8)
	if !ok || err != nil || n > maxTag {
		return 0, s
	}
	return byte(n), rest
}

// number reads digits, or the name of a value in the dictionary.
func (a *attribute) number(s string) (n int64, wrong string) {
	if v, ok := a.values[s]; ok {
		return int64(v), ""
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, ""
	}
	if len(a.values) == 0 {
		return 0, quote(s) + "; want a number"
	}
	names := slices.Sorted(maps.Keys(a.values))
	if near := nearest(s, names); near != "" {
		return 0, fmt.Sprintf("%s; did you mean %q?", quote(s), near)
	}
	return 0, fmt.Sprintf("%s; want a number or one of %s", quote(s), join(names))
}

func (a *attribute) encodeNumber(n int64, tag byte) (octets, wrong string) {
	low, high, size := int64(0), int64(1<<32-1), 4
	switch {
	case a.HasTag():
		high = 1<<24 - 1 // RFC 2868 §3.1: the tag is the first of the four octets
	case a.Attribute.Type == dictionary.AttributeShort:
		high, size = 1<<16-1, 2
	case a.Attribute.Type == dictionary.AttributeByte:
		high, size = 1<<8-1, 1
	case a.Attribute.Type == dictionary.AttributeSigned:
		low, high = -1<<31, 1<<31-1
	case a.Attribute.Type == dictionary.AttributeInteger64:
		high, size = 1<<63-1, 8
	}
	if n < low || n > high {
		return "", fmt.Sprintf("%d; want %d to %d", n, low, high)
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(n))[8-size:]
	if a.HasTag() {
		b[0] = tag
	}
	return string(b), ""
}

func (a *attribute) encodeAddr(s string) (octets, wrong string) {
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Is4() != (a.Attribute.Type == dictionary.AttributeIPAddr) || addr.Zone() != "" {
		return "", quote(s) + "; want " + a.form()
	}
	return string(addr.AsSlice()), ""
}

// encodePrefix writes as many octets of the prefix as it has bits (RFC 3162 §2.3).
func (a *attribute) encodePrefix(s string) (octets, wrong string) {
	p, err := netip.ParsePrefix(s)
	if err != nil || !p.Addr().Is6() {
		return "", quote(s) + "; want " + a.form()
	}
	if p.Masked() != p {
		return "", quote(s) + "; want " + p.Masked().String()
	}
	return string(append([]byte{0, byte(p.Bits())}, p.Addr().AsSlice()[:(p.Bits()+7)/8]...)), ""
}

func (a *attribute) encodeOctets(s string) (octets, wrong string) {
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		b, err := hex.DecodeString(digits)
		if err != nil {
			return "", quote(s) + ", which is no hexadecimal; want pairs of digits behind 0x"
		}
		s = string(b)
	}
	size := map[dictionary.AttributeType]int{dictionary.AttributeIFID: 8, dictionary.AttributeEther: 6}[a.Attribute.Type]
	if a.Size.Valid {
		size = a.Size.Int
	}
	if size > 0 && len(s) != size {
		return "", fmt.Sprintf("%d octets; want %d", len(s), size)
	}
	return s, ""
}

// AttributeValue returns an attribute's value for people to read: a number or its name, an address, text in quotes, or octets
// in hexadecimal.
func AttributeValue(a policy.Attribute) string {
	known, value := theDictionary().byID[a.AttributeID], a.Value
	if known != nil {
		switch addr, isAddr := netip.AddrFromSlice([]byte(value)); known.Attribute.Type {
		case dictionary.AttributeInteger:
			if len(value) == 4 && !known.HasTag() {
				return known.named(binary.BigEndian.Uint32([]byte(value)))
			}
		case dictionary.AttributeIPAddr, dictionary.AttributeIPv6Addr:
			if isAddr {
				return addr.String()
			}
		}
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "0x" + hex.EncodeToString([]byte(value))
	}
	return strconv.Quote(value)
}

// named returns the name of a number if the dictionary has one, otherwise its digits.
func (a *attribute) named(n uint32) string {
	for _, name := range slices.Sorted(maps.Keys(a.values)) {
		if a.values[name] == n {
			return name
		}
	}
	return strconv.FormatUint(uint64(n), 10)
}
