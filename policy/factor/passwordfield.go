package factor

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
	digits       = "0123456789"
	modHex       = "cbdefghijklnrtuvCBDEFGHIJKLNRTUV" // the alphabet of YubiKey OTPs
	modHexLength = 44
)

// SplitField takes the second factor off a password field. It splits only where the tail can't be anything but a
// factor, so that passwords may hold the delimiter; otherwise all of it is the password. One blank after the delimiter, and
// any at the end, are no part of the tail.
func SplitField(field, delimiter string) (password string, t Chosen) {
	if delimiter == "" {
		return field, Chosen{}
	}
	at := strings.LastIndex(field, delimiter)
	if at < 0 {
		return field, Chosen{}
	}
	tail := strings.TrimRight(strings.TrimPrefix(field[at+len(delimiter):], " "), " ")
	t, ok := parseChosen(tail)
	if !ok {
		return field, Chosen{}
	}
	return field[:at], t
}

// ParseField reads a password field that holds nothing but the second factor. Empty and "auto" leave the choice to us.
func ParseField(field string) (Chosen, bool) {
	field = strings.Trim(field, " ")
	if field == "" || strings.EqualFold(field, "auto") {
		return Chosen{}, true
	}
	return parseChosen(field)
}

func parseChosen(s string) (Chosen, bool) {
	if code, ok := parseCode(s); ok {
		return Chosen{Factor: Passcode, Code: code}, true
	}
	word := strings.TrimRight(s, digits)
	number := s[len(word):]
	device := 0
	switch {
	case number == "":
	case len(number) == 1 && number != "0":
		device = int(number[0] - '0')
	default:
		return Chosen{}, false
	}
	for _, f := range []Factor{Push, Phone, SMS} {
		if strings.ToLower(word) == string(f) { // not EqualFold, to which the long s is an s
			return Chosen{Factor: f, Device: device}, true
		}
	}
	return Chosen{}, false
}

// parseCode reads a passcode: 6 to 9 digits, as Duo makes them (bypass codes have nine), in two or three groups with a
// blank between where the user likes; or the one-time password of a YubiKey.
func parseCode(s string) (code string, ok bool) {
	if len(s) == modHexLength {
		return s, strings.Trim(s, modHex) == ""
	}
	groups := strings.Split(s, " ")
	if len(groups) > 3 {
		return "", false
	}
	for _, group := range groups {
		if group == "" || strings.Trim(group, digits) != "" {
			return "", false
		}
	}
	code = strings.Join(groups, "")
	return code, len(code) >= 6 && len(code) <= 9
}
