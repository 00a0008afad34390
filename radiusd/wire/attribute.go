package wire

import (
	"encoding/binary"
	"iter"
)

// Attribute is one attribute of a packet, or one of a vendor's.
type Attribute struct {
	Type  byte
	Value []byte // part of the packet
}

// Packet returns the packet in a datagram, whose capacity is its length. Octets behind the packet's Length are padding
// (RFC 2865 §3). ok is false for a datagram that holds no packet: one that is shorter than its Length, or whose Length is
// not 20 to 4096. The attributes are not looked at.
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

// Next returns the attribute that b begins with and the octets behind it. ok is false where b does not begin with a whole
// attribute (RFC 2865 §5), or where its type is 0, which is reserved. A value of no octets is none of the packet's faults:
// what its type makes of it is another question (RFC 6929 §2.8).
func Next(b []byte) (a Attribute, rest []byte, ok bool) {
	if len(b) < 2 || b[0] == 0 || b[1] < 2 || int(b[1]) > len(b) {
		return a, nil, false
	}
	return Attribute{b[0], b[2:b[1]:b[1]]}, b[b[1]:], true
}

// All yields the attributes of b, in order, up to the first that is not whole.
func All(b []byte) iter.Seq[Attribute] {
	return func(yield func(Attribute) bool) {
		for a, rest, ok := Next(b); ok && yield(a); a, rest, ok = Next(rest) {
		}
	}
}

// Attributes returns the attributes of b, in order. ok is false unless b consists of nothing but whole attributes.
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

// Vendor splits the value of a Vendor-Specific into the vendor's number and what follows it, which is a list of attributes
// where the vendor keeps to the format that RFC 2865 §5.26 recommends. ok is false for a value that names no vendor.
func Vendor(value []byte) (vendor uint32, attributes []byte, ok bool) {
	if len(value) < 4 || value[0] != 0 {
		return 0, nil, false
	}
	return binary.BigEndian.Uint32(value), value[4:], true
}

// Append appends an attribute whose value has MaxValue octets at most.
func Append[T string | []byte](b []byte, kind byte, value T) []byte {
	return append(append(b, kind, byte(2+len(value))), value...)
}

// AppendUint32 appends an attribute of four octets.
func AppendUint32(b []byte, kind byte, value uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, kind, 6), value)
}

// AppendVendor appends a Vendor-Specific with one attribute of the vendor, whose value has MaxVendorValue octets at most
// (RFC 2865 §5.26).
func AppendVendor(b []byte, vendor uint32, kind byte, value string) []byte {
	b = append(b, VendorSpecific, byte(8+len(value)))
	return Append(binary.BigEndian.AppendUint32(b, vendor), kind, value)
}
