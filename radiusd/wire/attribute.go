package wire

import (
	"encoding/binary"
	"iter"
)

// Attribute is one attribute of a packet, or one attribute inside a Vendor-Specific.
type Attribute struct {
	Type  byte
	Value []byte // part of the packet
}

// Packet returns the packet in a datagram. The capacity of the returned slice is its length. Octets after the packet's
// Length are padding and are left out (RFC 2865 §3). ok is false if the datagram is shorter than the packet's Length, or if
// the Length is not from 20 to 4096. Packet does not check the attributes.
func Packet(datagram []byte) (b []byte, ok bool) {
	if len(datagram) < HeaderLength {
		return nil, false
	}
	length := int(binary.BigEndian.Uint16(datagram[2:]))
	if length < HeaderLength || length > MaxLength || length > len(datagram) {
		return nil, false
	}
	return datagram[:length:length], true
}

// Next returns the attribute at the start of b and the octets after it. ok is false if b does not begin with a complete
// attribute (RFC 2865 §5), or if the attribute's type is 0, which is reserved. An empty value does not make the packet
// malformed; the caller decides whether the attribute's type allows an empty value (RFC 6929 §2.8).
func Next(b []byte) (a Attribute, rest []byte, ok bool) {
	if len(b) < 2 || b[0] == 0 || b[1] < 2 || int(b[1]) > len(b) {
		return a, nil, false
	}
	return Attribute{b[0], b[2:b[1]:b[1]]}, b[b[1]:], true
}

// All yields the attributes of b, in order. It stops before the first incomplete attribute.
func All(b []byte) iter.Seq[Attribute] {
	return func(yield func(Attribute) bool) {
		for a, rest, ok := Next(b); ok && yield(a); a, rest, ok = Next(rest) {
		}
	}
}

// Attributes returns the attributes of b, in order. ok is false if b holds anything other than complete attributes.
func Attributes(b []byte) (list []Attribute, ok bool) {
	for len(b) > 0 {
		a, rest, ok := Next(b)
		if !ok {
			return nil, false
		}
		list, b = append(list, a), rest
	}
	return list, true
}

// Vendor splits the value of a Vendor-Specific into the vendor's number and the octets after it. These octets are a list of
// attributes if the vendor uses the format that RFC 2865 §5.26 recommends. ok is false if the value holds no vendor number.
func Vendor(value []byte) (vendor uint32, attributes []byte, ok bool) {
	if len(value) < 4 || value[0] != 0 {
		return 0, nil, false
	}
	return binary.BigEndian.Uint32(value), value[4:], true
}

// Append appends an attribute to b. The value must have at most MaxValue octets.
func Append[T string | []byte](b []byte, kind byte, value T) []byte {
	return append(append(b, kind, byte(2+len(value))), value...)
}

// AppendUint32 appends an attribute to b whose value has four octets.
func AppendUint32(b []byte, kind byte, value uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, kind, 6), value)
}

// AppendVendor appends a Vendor-Specific that holds one attribute of the vendor. The value must have at most MaxVendorValue
// octets (RFC 2865 §5.26).
func AppendVendor(b []byte, vendor uint32, kind byte, value string) []byte {
	b = append(b, VendorSpecific, byte(8+len(value)))
	return Append(binary.BigEndian.AppendUint32(b, vendor), kind, value)
}
