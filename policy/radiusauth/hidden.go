package radiusauth

import (
	"bytes"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
)

// These attributes are more than plain values. Most of them are Microsoft's (RFC 2548).
var (
	msCHAPResponse   = microsoft(wire.MSCHAPResponse)
	msCHAPError      = microsoft(wire.MSCHAPError)
	msEncryption     = microsoft(wire.MSEncryptionRule)
	msEncryptTypes   = microsoft(wire.MSEncryptionTypes)
	msCHAPChallenge  = microsoft(wire.MSCHAPChallenge)
	msCHAPKeys       = microsoft(wire.MSCHAPMPPEKeys)
	msSendKey        = microsoft(wire.MSMPPESendKey)
	msRecvKey        = microsoft(wire.MSMPPERecvKey)
	msCHAP2Response  = microsoft(wire.MSCHAP2Response)
	msCHAP2CPW       = microsoft(wire.MSCHAP2CPW)
	msCHAPNTEncPW    = microsoft(wire.MSCHAPNTEncPW)
	msCHAP2Success   = microsoft(wire.MSCHAP2Success)
	tunnelPassword   = policy.AttributeID{Type: wire.TunnelPassword}
	eapKeyName       = policy.AttributeID{Type: wire.EAPKeyName}
	vendorUnreadable = policy.AttributeID{Type: wire.VendorSpecific} // an attribute in a format of the vendor's own
)

func microsoft(kind byte) policy.AttributeID {
	return policy.AttributeID{Vendor: wire.Microsoft, Type: kind}
}

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

// reveal decrypts the value of an attribute that is hidden with the secret and the authenticator of the request. A
// Tunnel-Password keeps its Tag in front.
func (u *Upstream) reveal(id policy.AttributeID, value string, authenticator [16]byte) (clear string, ok bool) {
	switch id {
	case tunnelPassword:
		if len(value) < 1 {
			return "", false
		}
		clear, ok = u.secret.RevealSalted([]byte(value[1:]), authenticator)
		return value[:1] + clear, ok
	case msSendKey, msRecvKey:
		return u.secret.RevealSalted([]byte(value), authenticator)
	case msCHAPKeys: // RFC 2548 §2.4.1: 8 and 16 octets of keys, padded
		const keys = 8 + 16
		b, ok := u.secret.RevealPassword(nil, []byte(value), authenticator)
		if !ok || len(b) != 32 {
			return "", false
		}
		return string(b[:keys]), true
	}
	return "", false
}
