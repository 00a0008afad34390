package policy

import (
	"cmp"
	"fmt"
	"strings"
)

// Option is one line of a challenge's menu.
type Option struct {
	Factor Factor
	Device Device
}

const maxOptions = 9 // so that an option is one digit

// optionsOf lists what a user can choose, by the order of factors.
func optionsOf(factors []Factor, devices []Device) (list []Option) {
	for _, f := range factors {
		if f == FactorPasscode {
			continue
		}
		for _, d := range devices {
			if d.Can(string(f)) && len(list) < maxOptions {
				list = append(list, Option{f, d})
			}
		}
	}
	return list
}

// menu renders options as the user sees them; it fits one Reply-Message for two or three devices, because some clients
// show the first only.
func (l *login) menu(options []Option) string {
	if len(options) == 0 {
		return sayPasscode
	}
	var b strings.Builder
	for i, o := range options {
		fmt.Fprintf(&b, "%d. %s\n", i+1, o)
	}
	if l.allowed(FactorPasscode) {
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

// String returns the option as a user reads it.
func (o Option) String() string {
	where := cmp.Or(o.Device.Number, cmp.Or(o.Device.Name, "your phone"))
	switch o.Factor {
	case FactorPush:
		return "Duo Push to " + where
	case FactorPhone:
		return "Phone call to " + where
	}
	if o.Device.NextCode != "" {
		return fmt.Sprintf("SMS passcodes to %s (next code starts with %s)", where, o.Device.NextCode)
	}
	return "SMS passcodes to " + where
}

// chosen reads the answer to a challenge: the number of an option, a factor word, or a passcode.
func (c *OpenChallenge) chosen(answer string) (Chosen, bool) {
	if len(answer) == 1 && answer[0] >= '1' && answer[0] <= '9' {
		n := int(answer[0] - '0')
		if n > len(c.Options) {
			return Chosen{}, false
		}
		o := c.Options[n-1]
		return Chosen{Factor: o.Factor, DeviceID: o.Device.ID}, true
	}
	return parseField(answer)
}
