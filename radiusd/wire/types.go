package wire

import (
	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2868"
	"layeh.com/radius/rfc2869"
	"layeh.com/radius/rfc3162"
)

// Lengths in octets.
const (
	HeaderLength    = 20                     // Code, Identifier, Length and Authenticator (RFC 2865 §3)
	MaxLength       = radius.MaxPacketLength // of a packet
	MaxValue        = 253                    // of an attribute's value
	MaxVendorValue  = MaxValue - 6           // of the value of a vendor's attribute (RFC 2865 §5.26)
	SignatureLength = 2 + 16                 // of a whole Message-Authenticator (RFC 3579 §3.2)
)

// The codes of packets (RFC 2865 §4, RFC 5997 §2).
const (
	AccessRequest     = byte(radius.CodeAccessRequest)
	AccessAccept      = byte(radius.CodeAccessAccept)
	AccessReject      = byte(radius.CodeAccessReject)
	AccessChallenge   = byte(radius.CodeAccessChallenge)
	AccountingRequest = byte(radius.CodeAccountingRequest)
	StatusServer      = byte(radius.CodeStatusServer)
)

// The types of attributes, by the names of their RFCs.
const (
	UserName             = byte(rfc2865.UserName_Type)
	UserPassword         = byte(rfc2865.UserPassword_Type)
	CHAPPassword         = byte(rfc2865.CHAPPassword_Type)
	NASIPAddress         = byte(rfc2865.NASIPAddress_Type)
	ServiceType          = byte(rfc2865.ServiceType_Type)
	ReplyMessage         = byte(rfc2865.ReplyMessage_Type)
	State                = byte(rfc2865.State_Type)
	VendorSpecific       = byte(rfc2865.VendorSpecific_Type)
	SessionTimeout       = byte(rfc2865.SessionTimeout_Type)
	IdleTimeout          = byte(rfc2865.IdleTimeout_Type)
	CalledStationID      = byte(rfc2865.CalledStationID_Type)
	NASIdentifier        = byte(rfc2865.NASIdentifier_Type)
	ProxyState           = byte(rfc2865.ProxyState_Type)
	CHAPChallenge        = byte(rfc2865.CHAPChallenge_Type)
	TunnelPassword       = byte(rfc2868.TunnelPassword_Type)
	ARAPPassword         = byte(rfc2869.ARAPPassword_Type)
	Prompt               = byte(rfc2869.Prompt_Type)
	EAPMessage           = byte(rfc2869.EAPMessage_Type)
	MessageAuthenticator = byte(rfc2869.MessageAuthenticator_Type)
	NASIPv6Address       = byte(rfc3162.NASIPv6Address_Type)
	EAPKeyName           = byte(102) // RFC 4072 §4.1, in RADIUS by RFC 7268 §2.3
)

// Vendors, by their IANA Private Enterprise Numbers.
const (
	Microsoft = 311
	Lucent    = 4846
	Fortinet  = 12356
	PaloAlto  = 25461
)

// The types of Microsoft's attributes (RFC 2548).
const (
	MSCHAPResponse    = byte(1)  // §2.1.3
	MSCHAPError       = byte(2)  // §2.1.5
	MSCHAPNTEncPW     = byte(6)  // §2.1: pieces of a new password
	MSEncryptionRule  = byte(7)  // §2.4.4: MS-MPPE-Encryption-Policy
	MSEncryptionTypes = byte(8)  // §2.4.5: MS-MPPE-Encryption-Types
	MSCHAPChallenge   = byte(11) // §2.1.2
	MSCHAPMPPEKeys    = byte(12) // §2.4.1
	MSMPPESendKey     = byte(16) // §2.4.2
	MSMPPERecvKey     = byte(17) // §2.4.3
	MSCHAP2Response   = byte(25) // §2.3.2
	MSCHAP2Success    = byte(26) // §2.3.3
	MSCHAP2CPW        = byte(27) // §2.3.4: a new password, and the proof of the old one
)
