package radiusd

import "encoding/binary"

// Vendors (IANA Private Enterprise Numbers) whose attributes in requests we read.
const (
	vendorMicrosoft = 311
	vendorFortinet  = 12356
	vendorPaloAlto  = 25461
)

// Microsoft's attributes that prove a password.
const (
	msCHAPResponse  = 1  // RFC 2548 §2.1.3
	msCHAP2Response = 25 // RFC 2548 §2.3.2
	msCHAP2CPW      = 27 // RFC 2548 §2.3.5: a new password, and the proof of the old one
)

// eachVendor calls f for every sub-attribute of a Vendor-Specific value in the format that RFC 2865 §5.26 recommends,
// until f returns false. It ends at the first that does not fit: vendors need not keep to that format.
func eachVendor(value []byte, f func(vendor uint32, kind byte, value []byte) bool) {
	if len(value) < 4 || value[0] != 0 {
		return
	}
	vendor := binary.BigEndian.Uint32(value)
	for rest := value[4:]; len(rest) >= 2; {
		size := int(rest[1])
		if size < 2 || size > len(rest) || !f(vendor, rest[0], rest[2:size]) {
			return
		}
		rest = rest[size:]
	}
}

func isMSCHAP(value []byte) (found bool) {
	eachVendor(value, func(vendor uint32, kind byte, _ []byte) bool {
		found = vendor == vendorMicrosoft && (kind == msCHAPResponse || kind == msCHAP2Response || kind == msCHAP2CPW)
		return !found
	})
	return found
}
