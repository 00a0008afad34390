package radiusauth

import (
	"encoding/binary"

	"duoradiusd/policy"
)

// foreign are the vendors whose attributes do not have the format that RFC 2865 §5.26 recommends, though some of them
// can be read as if: Alcatel ESAM, DHCP, USR, Lucent, Starent, Kineto.
func foreign(vendor uint32) bool {
	switch vendor {
	case 637, 54, 429, vendorLucent, 8164, 16445:
		return true
	}
	return false
}

const vendorLucent = 4846 // hides secrets in a format of its own, so that nothing of it is passed on

// subAttributes splits a Vendor-Specific value that has the format of RFC 2865 §5.26 from its first to its last octet.
func subAttributes(value []byte) (list []policy.Attribute, ok bool) {
	if len(value) <= 4 || value[0] != 0 {
		return nil, false
	}
	vendor := binary.BigEndian.Uint32(value)
	subs, ok := attributes(value[4:])
	if !ok || foreign(vendor) {
		return nil, false
	}
	for _, s := range subs {
		list = append(list, policy.Attribute{AttributeID: policy.AttributeID{Vendor: vendor, Type: s.kind}, Value: string(s.value)})
	}
	return list, true
}

// readable splits a reply's Vendor-Specific, or returns it whole where it is in a format of the vendor's own. Of a
// vendor that hides secrets there is nothing to take from what can't be split.
func readable(value []byte) []policy.Attribute {
	if list, ok := subAttributes(value); ok {
		return list
	}
	if len(value) < 4 {
		return nil
	}
	vendor := binary.BigEndian.Uint32(value)
	if vendor == vendorMicrosoft || vendor == vendorLucent || vendor != 0 && hidden[vendor] != nil {
		return nil
	}
	return []policy.Attribute{{AttributeID: vendorUnreadable, Value: string(value)}}
}
