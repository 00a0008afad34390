package radiusd

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"duoradiusd/radiusd/wire"
)

// charset is how a client writes names and passwords that are not UTF-8.
type charset bool

const (
	utf8Only    charset = false
	windows1252 charset = true // which holds ISO 8859-1
)

// decode returns text in UTF-8, and whether it was Windows-1252. Text that is valid UTF-8 is taken as that, whatever the
// charset: Windows-1252 looks like UTF-8 by a rare chance only. ok is false for what is neither.
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

// windows1252High are the characters 0x80 to 0x9f of Windows-1252; the others are those of ISO 8859-1. Five are undefined.
var windows1252High = [32]rune{
	'€', 0, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0, 'Ž', 0,
	0, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0, 'ž', 'Ÿ',
}

// passwordFault is why a User-Password can't be decoded; "" for none.
type passwordFault string

const (
	passwordLength  passwordFault = "User-Password has %d octets; RADIUS has 16 to 128, a multiple of 16 (RFC 2865 §5.2)"
	passwordTooLong passwordFault = "the password is longer than the 128 octets that RADIUS carries (RFC 2865 §5.2): User-Password has %d"
	passwordNUL     passwordFault = "the password holds a NUL with other octets behind it"
	passwordControl passwordFault = "the password holds a control character"
	passwordCharset passwordFault = `the password is not UTF-8; password_charset = "latin1" reads Windows-1252`
	passwordNeither passwordFault = "the password is neither UTF-8 nor Windows-1252"
)

// decodePassword undoes RFC 2865 §5.2. A User-Password of no octets is an empty password, as some libraries send it. What
// is refused is what no client with the right secret sends: another length than 16 to 128 octets in sixteens, octets after
// the padding began, text that is in no charset, control characters. A wrong secret makes noise of a password; these checks
// let one in 200 000 through, and keep the noise from locking users out of their directory. windows says that the password
// was Windows-1252.
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

// hint says what is wrong, and doubts the secret where nothing has proved it: a wrong one makes noise of any password.
func (f passwordFault) hint(authentic bool) string {
	if authentic || !strings.HasPrefix(string(f), "the password holds") && f != passwordCharset && f != passwordNeither {
		return string(f)
	}
	return "the password can't be decoded: is this client's secret right? Otherwise: " + string(f)
}
