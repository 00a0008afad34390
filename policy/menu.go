package policy

import (
	"fmt"
	"strings"
)

// option is one line of a challenge's menu.
type option struct {
	factor Factor
	device Device
}

const maxOptions = 9 // so that an option is one digit

// optionsOf lists what a user can choose, by the order of factors.
func optionsOf(factors []Factor, devices []Device) (list []option) {
	for _, f := range factors {
		if f == Passcode {
			continue
		}
		for _, d := range devices {
			if d.Can(string(f)) && len(list) < maxOptions {
				list = append(list, option{f, d})
			}
		}
	}
	return list
}

// menu renders options as the user sees them; it fits one Reply-Message for two or three devices, because some clients
// show the first only.
func (l *login) menu(options []option) string {
	if len(options) == 0 {
		return sayPasscode
	}
	var b strings.Builder
	for i, o := range options {
		fmt.Fprintf(&b, "%d. %s\n", i+1, o)
	}
	if l.allowed(Passcode) {
		b.WriteString("Passcode or option")
	} else {
		b.WriteString("Option")
	}
	if len(options) == 1 {
		b.WriteString(" (1):")
	} else {
		fmt.Fprintf(&b, " (1-%d):", len(options))
	}
	return b.String()
}

func (o option) String() string {
	where := orElse(o.device.Number, orElse(o.device.Name, "your phone"))
	switch o.factor {
	case Push:
		return "Duo Push to " + where
	case Phone:
		return "Phone call to " + where
	}
	if o.device.NextCode != "" {
		return fmt.Sprintf("SMS passcodes to %s (next code starts with %s)", where, o.device.NextCode)
	}
	return "SMS passcodes to " + where
}

// chosen reads the answer to a challenge: the number of an option, a factor word, or a passcode.
func (c *challenge) chosen(answer string) (typed, bool) {
	if len(answer) == 1 && answer[0] >= '1' && answer[0] <= '9' {
		n := int(answer[0] - '0')
		if n > len(c.options) {
			return typed{}, false
		}
		o := c.options[n-1]
		return typed{factor: o.factor, deviceID: o.device.ID}, true
	}
	return parseField(answer)
}
