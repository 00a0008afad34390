package radiusauth

import (
	"bytes"
	"crypto/md5"

	"duoradiusd/policy"
)

const vendorMicrosoft = 311

// Microsoft's attributes (RFC 2548) that are more than plain values.
var (
	msCHAPResponse   = policy.AttributeID{Vendor: vendorMicrosoft, Type: 1}
	msCHAPError      = policy.AttributeID{Vendor: vendorMicrosoft, Type: 2}
	msEncryption     = policy.AttributeID{Vendor: vendorMicrosoft, Type: 7} // MS-MPPE-Encryption-Policy
	msEncryptTypes   = policy.AttributeID{Vendor: vendorMicrosoft, Type: 8} // MS-MPPE-Encryption-Types
	msCHAPChallenge  = policy.AttributeID{Vendor: vendorMicrosoft, Type: 11}
	msCHAPKeys       = policy.AttributeID{Vendor: vendorMicrosoft, Type: 12} // MS-CHAP-MPPE-Keys, §2.4.1
	msSendKey        = policy.AttributeID{Vendor: vendorMicrosoft, Type: 16}
	msRecvKey        = policy.AttributeID{Vendor: vendorMicrosoft, Type: 17}
	msCHAP2Response  = policy.AttributeID{Vendor: vendorMicrosoft, Type: 25}
	msCHAP2CPW       = policy.AttributeID{Vendor: vendorMicrosoft, Type: 27} // a new password
	msCHAPNTEncPW    = policy.AttributeID{Vendor: vendorMicrosoft, Type: 6}  // its pieces
	msCHAP2Success   = policy.AttributeID{Vendor: vendorMicrosoft, Type: 26}
	tunnelPassword   = policy.AttributeID{Type: typeTunnelPassword}
	eapKeyName       = policy.AttributeID{Type: typeEAPKeyName}
	vendorUnreadable = policy.AttributeID{Type: typeVendorSpecific} // in a format of the vendor's own
)

// hidden lists further attributes, by vendor, that are encrypted with the secret that two RADIUS hosts share. Nobody else
// can use them, and not all of these formats are known, so they are never passed on.
var hidden = map[uint32][]byte{
	0:     {214, 215},                                               // Ascend's secrets, outside its own space
	161:   {11},                                                     // Motorola: MIP key
	529:   {214, 215},                                               // Ascend: secrets
	831:   {116, 117, 118, 119},                                     // Alcatel-Lucent: AAA keys
	2356:  {19, 20},                                                 // Lancom: IKEv2 passwords
	4874:  {58, 59, 60, 61},                                         // Juniper ERX: lawful interception
	5535:  {58},                                                     // 3GPP2: MN-HA key
	6527:  {122, 123, 124, 125, 138, 139, 142},                      // Nokia SR: lawful interception, APN password
	14823: {44},                                                     // Aruba: passphrase
	24757: {5, 10, 12, 14, 15, 19, 40, 66, 67, 70, 75, 86, 87, 131}, // WiMAX: mobility keys
	26928: {3},                                                      // Aerohive: library patron
}

func isHidden(id policy.AttributeID) bool {
	return bytes.IndexByte(hidden[id.Vendor], id.Type) >= 0
}

// encrypted reports whether an attribute's value is encrypted with the secret that two RADIUS hosts share.
func encrypted(id policy.AttributeID) bool {
	switch id {
	case tunnelPassword, msSendKey, msRecvKey, msCHAPKeys:
		return true
	}
	return isHidden(id)
}

// pads encrypts or decrypts b in place by the method of RFC 2865 §5.2, which begins with the hash of secret and seed. Each
// further block depends on the encrypted block before it.
func (s *secret) pads(b []byte, decrypt bool, seed ...[]byte) {
	h := md5.New()
	var pad [16]byte
	for at := 0; at < len(b); at += 16 {
		h.Reset()
		h.Write(s.text)
		for _, part := range seed {
			h.Write(part)
		}
		h.Sum(pad[:0])
		block := b[at : at+16]
		previous := bytes.Clone(block)
		for i := range pad {
			block[i] ^= pad[i]
		}
		if !decrypt {
			previous = block
		}
		seed = [][]byte{previous}
	}
}

// hidePassword encrypts a password of at most 128 octets (RFC 2865 §5.2). An empty password, which may answer a challenge,
// becomes sixteen octets of padding.
func (s *secret) hidePassword(password string, authenticator []byte) []byte {
	b := make([]byte, max(16, (len(password)+15)/16*16))
	copy(b, password)
	s.pads(b, false, authenticator)
	return b
}

// reveal decrypts the value of an attribute that is hidden with the secret and the authenticator of the request.
func (s *secret) reveal(id policy.AttributeID, value string, authenticator [16]byte) (clear string, ok bool) {
	switch id {
	case tunnelPassword: // RFC 2868 §3.5: a tag, then as the keys
		if len(value) < 1 {
			return "", false
		}
		clear, ok = s.unsalt(value[1:], authenticator)
		return value[:1] + clear, ok
	case msSendKey, msRecvKey:
		return s.unsalt(value, authenticator)
	case msCHAPKeys: // RFC 2548 §2.4.1: 8 and 16 octets of keys, padded
		const keys = 8 + 16
		b := []byte(value)
		if len(b) != 32 {
			return "", false
		}
		s.pads(b, true, authenticator[:])
		return string(b[:keys]), true
	}
	return "", false
}

// unsalt undoes RFC 2548 §2.4.2: two octets of salt, then encrypted a length, so many octets, and padding.
func (s *secret) unsalt(value string, authenticator [16]byte) (clear string, ok bool) {
	const salt = 2
	if len(value) < salt+16 || (len(value)-salt)%16 != 0 {
		return "", false
	}
	b := []byte(value)
	s.pads(b[salt:], true, authenticator[:], []byte(value[:salt]))
	length := int(b[salt])
	if length > len(b)-salt-1 {
		return "", false
	}
	return string(b[salt+1 : salt+1+length]), true
}
