package policy

import "strings"

// typed is what the user typed as second factor; the zero typed is nothing.
type typed struct {
	factor   Factor
	device   int    // 1 is the first that can; 0 for none named
	deviceID string // where an option named it
	code     string // of a passcode
	bad      bool   // none of that
}

const (
	modHex       = "cbdefghijklnrtuvCBDEFGHIJKLNRTUV" // the alphabet of YubiKey OTPs
	modHexLength = 44
)

// splitField takes the second factor off a password field. It splits only where the tail can't be anything but a
// factor, so that passwords may hold the delimiter; otherwise all of it is the password.
func splitField(field, delimiter string) (password string, t typed) {
	if delimiter == "" {
		return field, typed{}
	}
	at := strings.LastIndex(field, delimiter)
	if at < 0 {
		return field, typed{}
	}
	t, ok := parseTyped(field[at+len(delimiter):], 8)
	if !ok {
		return field, typed{}
	}
	return field[:at], t
}

// parseField reads a password field that holds nothing but the second factor. Empty and "auto" leave the choice to us.
func parseField(field string) (typed, bool) {
	if field == "" || strings.EqualFold(field, "auto") {
		return typed{}, true
	}
	// Bypass codes have nine digits as Duo makes them; with no password in front there is nothing to confuse them with.
	return parseTyped(field, 9)
}

func parseTyped(s string, maxDigits int) (typed, bool) {
	if isCode(s, maxDigits) {
		return typed{factor: Passcode, code: s}, true
	}
	word := strings.TrimRight(s, "0123456789")
	number := s[len(word):]
	device := 0
	switch {
	case number == "":
	case len(number) == 1 && number != "0":
		device = int(number[0] - '0')
	default:
		return typed{}, false
	}
	for _, f := range []Factor{Push, Phone, SMS} {
		if strings.ToLower(word) == string(f) { // not EqualFold, to which the long s is an s
			return typed{factor: f, device: device}, true
		}
	}
	return typed{}, false
}

func isCode(s string, maxDigits int) bool {
	if len(s) == modHexLength {
		return strings.Trim(s, modHex) == ""
	}
	return len(s) >= 6 && len(s) <= maxDigits && strings.Trim(s, "0123456789") == ""
}
