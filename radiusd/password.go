package radiusd

import (
	"crypto/md5"
	"strings"
	"unicode"
	"unicode/utf8"
)

// decodePassword undoes RFC 2865 §5.2. It reports false for what no client with the right secret sends: another length
// than 16 to 128 octets in sixteens, octets after the padding began, text that is not UTF-8, control characters. A
// wrong secret makes noise of a password; these three checks let one in 200 000 through, and keep the noise from
// locking users out of their directory.
func decodePassword(field []byte, authenticator [16]byte, secret []byte, latin1 bool) (string, bool) {
	if len(field) < 16 || len(field) > 128 || len(field)%16 != 0 {
		return "", false
	}
	var room [128]byte
	plain := room[:len(field)]
	previous := authenticator[:]
	h := md5.New()
	var pad [16]byte
	for at := 0; at < len(field); at += 16 {
		h.Reset()
		h.Write(secret)
		h.Write(previous)
		h.Sum(pad[:0])
		for i := range pad {
			plain[at+i] = field[at+i] ^ pad[i]
		}
		previous = field[at : at+16]
	}
	text := strings.TrimRight(string(plain), "\x00")
	if latin1 {
		text = fromLatin1(text)
	}
	if !utf8.ValidString(text) || strings.IndexFunc(text, unicode.IsControl) >= 0 {
		return "", false
	}
	return text, true
}

func fromLatin1(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}
