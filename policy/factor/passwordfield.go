package factor

import "strings"

// Chosen is the second factor that the user typed. The zero Chosen means that the user typed none.
type Chosen struct {
	Factor   Factor
	Device   int    // 1 is the first device that supports the factor; 0 means that the user named no device
	DeviceID string // the ID of the device, if the user chose an option of a menu
	Code     string // the passcode, if the factor is one
	Bad      bool   // the field holds text that is no second factor
}

const (
	digits       = "0123456789"
	modHex       = "cbdefghijklnrtuvCBDEFGHIJKLNRTUV" // the alphabet of YubiKey OTPs
	modHexLength = 44
)

// SplitField splits a password field into the password and the second factor. It splits only if the text behind the
// delimiter can't be anything but a factor, because passwords may contain the delimiter. Otherwise the whole field is the
// password. One blank after the delimiter and all blanks at the end are ignored.
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

// ParseField reads a password field that holds only the second factor. If it is empty or "auto", the daemon chooses the
// factor.
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
		if strings.ToLower(word) == string(f) { // strings.EqualFold would also take the long s for an s
			return Chosen{Factor: f, Device: device}, true
		}
	}
	return Chosen{}, false
}

// parseCode reads a passcode. It has 6 to 9 digits, as Duo makes them (bypass codes have nine). The user may write them in
// two or three groups with a blank between. parseCode also reads the one-time password of a YubiKey.
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
