package radiusauth

// requestOnly are the attributes of RFC 2865's own space that an Access-Accept does not carry: those of the tables in
// RFC 2865 §5.44, RFC 2866 §5.13, RFC 2867 §4, RFC 2869 §5.19, RFC 3162 §3, RFC 5176 §3.6 and RFC 5580 §5 that say 0 there,
// and those that are of one hop.
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
		{103, 122}, // HTTP Digest, with what stands for its password (RFC 5090)
		{137, 143}, // PKM, with a hidden key (RFC 5904)
	} {
		for kind := all[0]; kind <= all[1]; kind++ {
			no[kind] = true
		}
	}
	return no
}()

// acceptable reports whether an Access-Accept may carry an attribute of that type and value. Of the extended ones those
// that are about the packet itself go no further: Frag-Status, Proxy-State-Length, Response-Length,
// Original-Packet-Code (RFC 7499, RFC 7930).
func acceptable(kind byte, value string) bool {
	if kind == 241 && (value == "" || value[0] >= 1 && value[0] <= 4) {
		return false
	}
	return !requestOnly[kind]
}
