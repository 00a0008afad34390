package radiusd

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"layeh.com/radius/rfc2865"

	"duoradiusd/policy"
)

const nameCharset = `the user name is not UTF-8; if the client sends Windows-1252, set password_charset = "latin1"`

// hintOf returns what the administrator should check, if the request itself shows it. Otherwise it returns "".
func (l *login) hintOf(why policy.Reason) string {
	switch why {
	case policy.ReasonBadName:
		return nameFault(l.user)
	case policy.ReasonUnsupported:
		return l.datagram.packet.unsupported()
	}
	return ""
}

// nameFault says why name is not a valid user name.
func nameFault(name []byte) string {
	switch {
	case len(name) == 0:
		return "the request has no user name"
	case bytes.IndexByte(name, 0) >= 0:
		return "the user name contains a NUL octet; some clients send the NUL that ends a C string"
	case !utf8.Valid(name):
		return nameCharset
	case bytes.ContainsFunc(name, unicode.IsControl):
		return "the user name contains a control character"
	case len(bytes.TrimSpace(name)) != len(name):
		return "the user name begins or ends with a blank"
	}
	return "the user name is not valid, or nothing is left of it after strip_domain of [username]"
}

// unsupported says why the server can't check how a request proves its user. It returns "" if it can.
func (p *packet) unsupported() string {
	const upstream = "; only a first factor of type \"radius\" can check it: set the client to PAP, or give it such a first factor"
	switch {
	case p.service() == rfc2865.ServiceType_Value_CallCheck:
		return "Service-Type is Call-Check: there is no password to check"
	case p.service() == authorizeOnly:
		return "Service-Type is Authorize-Only: there is no password to check"
	case p.eap.present():
		return "the method is EAP" + upstream
	case p.msCHAP:
		return "the method is MS-CHAP" + upstream
	case p.chapPassword.present():
		return "the method is CHAP" + upstream
	case p.arap:
		return "the method is ARAP, which duoradiusd does not support: set the client to PAP"
	case !p.userPassword.present():
		return "the request has no password attribute, neither User-Password nor that of another method; if the client has already checked the password, set ignore_password = true"
	}
	return ""
}
