package radiusauth

import (
	"encoding/binary"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
)

// requestOnly lists the attributes of the standard space that an Access-Accept must not carry. The tables in RFC 2865 §5.44,
// RFC 2866 §5.13, RFC 2867 §4, RFC 2869 §5.19, RFC 3162 §3, RFC 5176 §3.6 and RFC 5580 §5 say 0 for them. The list also
// holds the attributes that belong to one hop.
var requestOnly = func() (no [256]bool) {
	for _, kind := range []byte{
		0, 2, 3, 4, 5, 24, 30, 31, 32, 33, // User-Password to NAS-Port, State, stations, NAS-Identifier, Proxy-State
		60, 61, 68, 70, 73, 74, 75, 76, 77, // CHAP-Challenge, NAS-Port-Type, ARAP, Password-Retry, Prompt, Connect-Info
		79, 80, 86, 87, 94, 95, 101, // EAP-Message, Message-Authenticator, NAS-Port-Id, NAS-IPv6-Address, Error-Cause
	} {
		no[kind] = true
	}
	for _, all := range [][2]byte{
		{40, 55},   // accounting
		{103, 122}, // HTTP Digest, and with it the value that takes the place of its password (RFC 5090)
		{137, 143}, // PKM, with a hidden key (RFC 5904)
	} {
		for kind := all[0]; kind <= all[1]; kind++ {
			no[kind] = true
		}
	}
	return no
}()

// allowedInAccept reports whether an Access-Accept may carry an attribute of this type and value. Extended attributes
// that describe the packet itself are not passed on: Frag-Status, Proxy-State-Length, Response-Length and
// Original-Packet-Code (RFC 7499, RFC 7930).
func allowedInAccept(kind byte, value string) bool {
	if kind == 241 && (value == "" || value[0] >= 1 && value[0] <= 4) {
		return false
	}
	return !requestOnly[kind]
}

// usesOwnFormat reports whether a vendor's attributes do not have the format that RFC 2865 §5.26 recommends. A parser of
// that format can accept some of them by mistake. The vendors are Alcatel ESAM, DHCP, USR, Lucent, Starent and Kineto.
func usesOwnFormat(vendor uint32) bool {
	switch vendor {
	case 637, 54, 429, wire.Lucent, 8164, 16445:
		return true
	}
	return false
}

// subAttributes splits a Vendor-Specific value into its attributes. ok is false unless the whole value has the format of
// RFC 2865 §5.26.
func subAttributes(value []byte) (list []policy.Attribute, ok bool) {
	vendor, attributes, ok := wire.Vendor(value)
	if !ok || len(attributes) == 0 || usesOwnFormat(vendor) {
		return nil, false
	}
	subs, ok := wire.Attributes(attributes)
	if !ok {
		return nil, false
	}
	for _, s := range subs {
		list = append(list, policy.Attribute{AttributeID: policy.AttributeID{Vendor: vendor, Type: s.Type}, Value: string(s.Value)})
	}
	return list, true
}

// replyVendorSpecific splits the Vendor-Specific value of a reply. It returns the value unsplit if the vendor uses its own
// format. It returns nothing if the vendor also hides secrets in that format, as Lucent does.
func replyVendorSpecific(value []byte) []policy.Attribute {
	if list, ok := subAttributes(value); ok {
		return list
	}
	if len(value) < 4 {
		return nil
	}
	vendor := binary.BigEndian.Uint32(value)
	if vendor == wire.Microsoft || vendor == wire.Lucent || vendor != 0 && hidden[vendor] != nil {
		return nil
	}
	return []policy.Attribute{{AttributeID: vendorUnreadable, Value: string(value)}}
}
