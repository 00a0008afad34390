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

// oneReplyMessage is what fits one Reply-Message (RFC 2865 §5.18). Some clients show the first one only.
const oneReplyMessage = 253

// menu renders options as the user sees them, below a line that says what this is about. Where the whole does not fit one
// Reply-Message, as with three devices, the options are written short.
func (l *login) menu(say string, options []Option) string {
	if len(options) == 0 {
		return say + "\n" + sayPasscode
	}
	text := say + "\n" + l.lines(options, Option.String)
	if len(text) <= oneReplyMessage {
		return text
	}
	return say + "\n" + l.lines(options, Option.short)
}

// lines renders options, each by label, and asks for one.
func (l *login) lines(options []Option, label func(Option) string) string {
	var b strings.Builder
	for i, o := range options {
		fmt.Fprintf(&b, "%d. %s\n", i+1, label(o))
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

// short is the factor and the end of the device's number.
func (o Option) short() string {
	where := []rune(cmp.Or(o.Device.Number, o.Device.Name, "your phone"))
	if o.Device.Number != "" && len(where) > 4 {
		where = where[len(where)-4:]
	}
	words := map[Factor]string{FactorPush: "Push", FactorPhone: "Call", FactorSMS: "SMS"}
	return words[o.Factor] + " " + string(where[:min(len(where), 12)])
}

// String returns the option as a user reads it.
func (o Option) String() string {
	where := orElse(o.Device.Number, orElse(o.Device.Name, "your phone"))
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
