package policy

import "strings"

// Chosen is the second factor that the user typed; the zero Chosen is none.
type Chosen struct {
	Factor   Factor
	Device   int    // 1 is the first that can; 0 for none named
	DeviceID string // where an option of a menu named it
	Code     string // of a passcode
	Bad      bool   // the field holds something else
}

const (
	modHex       = "cbdefghijklnrtuvCBDEFGHIJKLNRTUV" // the alphabet of YubiKey OTPs
	modHexLength = 44
)

// splitField takes the second factor off a password field. It splits only where the tail can't be anything but a
// factor, so that passwords may hold the delimiter; otherwise all of it is the password.
func splitField(field, delimiter string) (password string, t Chosen) {
	if delimiter == "" {
		return field, Chosen{}
	}
	at := strings.LastIndex(field, delimiter)
	if at < 0 {
		return field, Chosen{}
	}
	t, ok := parseChosen(field[at+len(delimiter):], 8)
	if !ok {
		return field, Chosen{}
	}
	return field[:at], t
}

// parseField reads a password field that holds nothing but the second factor. Empty and "auto" leave the choice to us.
func parseField(field string) (Chosen, bool) {
	if field == "" || strings.EqualFold(field, "auto") {
		return Chosen{}, true
	}
	// Bypass codes have nine digits as Duo makes them; with no password in front there is nothing to confuse them with.
	return parseChosen(field, 9)
}

func parseChosen(s string, maxDigits int) (Chosen, bool) {
	if isCode(s, maxDigits) {
		return Chosen{Factor: FactorPasscode, Code: s}, true
	}
	word := strings.TrimRight(s, "0123456789")
	number := s[len(word):]
	device := 0
	switch {
	case number == "":
	case len(number) == 1 && number != "0":
		device = int(number[0] - '0')
	default:
		return Chosen{}, false
	}
	for _, f := range []Factor{FactorPush, FactorPhone, FactorSMS} {
		if strings.ToLower(word) == string(f) { // not EqualFold, to which the long s is an s
			return Chosen{Factor: f, Device: device}, true
		}
	}
	return Chosen{}, false
}

func isCode(s string, maxDigits int) bool {
	if len(s) == modHexLength {
		return strings.Trim(s, modHex) == ""
	}
	return len(s) >= 6 && len(s) <= maxDigits && strings.Trim(s, "0123456789") == ""
}
