package radiusd

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"duoradiusd/radiusd/wire"
)

// charset is the encoding in which a client may send names and passwords in addition to UTF-8.
type charset bool

const (
	utf8Only    charset = false
	windows1252 charset = true // includes the printable characters of ISO 8859-1
)

// decode returns b as a text in UTF-8, and whether b was Windows-1252. It treats every b that is valid UTF-8 as UTF-8,
// because a text in Windows-1252 is rarely also valid UTF-8. ok is false if b is in no encoding that c allows.
func (c charset) decode(b []byte) (s string, windows, ok bool) {
	if utf8.Valid(b) {
		return string(b), false, true
	}
	if c == utf8Only {
		return "", false, false
	}
	var text strings.Builder
	for _, octet := range b {
		r := rune(octet)
		if octet >= 0x80 && octet < 0xa0 {
			if r = windows1252High[octet-0x80]; r == 0 {
				return "", false, false
			}
		}
		text.WriteRune(r)
	}
	return text.String(), true, true
}

// windows1252High holds the characters 0x80 to 0x9f of Windows-1252; zero means undefined. All other characters are the
// same as in ISO 8859-1.
var windows1252High = [32]rune{
	'€', 0, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0, 'Ž', 0,
	0, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0, 'ž', 'Ÿ',
}

// passwordFault says why a User-Password can't be decoded. It is "" if there is no fault.
type passwordFault string

const (
	passwordLength  passwordFault = "User-Password has %d octets; RFC 2865 §5.2 allows 16 to 128 octets, a multiple of 16"
	passwordTooLong passwordFault = "the password is longer than the 128 octets that RADIUS carries (RFC 2865 §5.2): User-Password has %d"
	passwordNUL     passwordFault = "the password contains a NUL octet before its end"
	passwordControl passwordFault = "the password contains a control character"
	passwordCharset passwordFault = `the password is not UTF-8; if the client sends Windows-1252, set password_charset = "latin1"`
	passwordNeither passwordFault = "the password is neither UTF-8 nor Windows-1252"
)

// decodePassword decrypts a User-Password (RFC 2865 §5.2). A User-Password of no octets is an empty password, because some
// libraries send it so. decodePassword refuses what no client with the right secret sends: a length that is not a multiple
// of 16 from 16 to 128 octets, octets after the start of the padding, a text in no allowed encoding, and control
// characters. With a wrong secret, the decrypted password is random octets. These checks accept one of 200 000 such
// passwords. So such a password rarely reaches the directory, where several wrong passwords would lock the user out.
// windows says that the password was Windows-1252.
func decodePassword(field []byte, authenticator [16]byte, c *Client) (password string, windows bool, fault passwordFault) {
	switch n := len(field); {
	case n == 0:
		return "", false, ""
	case n > wire.MaxPassword:
		return "", false, passwordFault(fmt.Sprintf(string(passwordTooLong), n))
	}
	var buffer [wire.MaxPassword]byte
	plain, ok := c.Secret.RevealPassword(buffer[:0], field, authenticator)
	if !ok {
		return "", false, passwordFault(fmt.Sprintf(string(passwordLength), len(field)))
	}
	if plain = bytes.TrimRight(plain, "\x00"); bytes.IndexByte(plain, 0) >= 0 {
		return "", false, passwordNUL
	}
	text, windows, ok := c.charset().decode(plain)
	switch {
	case !ok && c.Latin1:
		return "", false, passwordNeither
	case !ok:
		return "", false, passwordCharset
	case strings.IndexFunc(text, unicode.IsControl) >= 0:
		return "", false, passwordControl
	}
	return text, windows, ""
}

func (c *Client) charset() charset { return charset(c.Latin1) }

// hint says what is wrong with the password. If no valid Message-Authenticator has proved that the secret is right, hint
// also says that the secret may be wrong, because a wrong secret makes random octets of every password.
func (f passwordFault) hint(authentic bool) string {
	if authentic || !strings.HasPrefix(string(f), "the password contains") && f != passwordCharset && f != passwordNeither {
		return string(f)
	}
	return "the password can't be decoded: check that this client's secret is the same on both sides; if it is, " + string(f)
}
