package policy

import (
	"cmp"
	"fmt"
	"strings"

	"duoradiusd/policy/factor"
	"duoradiusd/policy/messages"
)

// Option is one line of a challenge's menu.
type Option struct {
	Factor factor.Factor
	Device Device
}

const maxOptions = 9 // so that an option is one digit

// optionsOf lists what a user can choose, in the order of factors.
func optionsOf(factors []factor.Factor, devices []Device) (list []Option) {
	for _, f := range factors {
		if f == factor.Passcode {
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

// menu returns the text of a menu: the line say, then the options. If the text does not fit into one Reply-Message, as with
// three devices, the options are written short. Some clients show only the first Reply-Message.
func (l *login) menu(say string, options []Option) string {
	if len(options) == 0 {
		return say + "\n" + l.say(messages.Passcode)
	}
	text := say + "\n" + l.lines(options, l.option)
	if len(text) <= messages.OneReplyMessage {
		return text
	}
	return say + "\n" + l.lines(options, l.shortOption)
}

// lines writes each option with its label, and asks for one.
func (l *login) lines(options []Option, label func(Option) string) string {
	var b strings.Builder
	for i, o := range options {
		fmt.Fprintf(&b, "%d. %s\n", i+1, label(o))
	}
	choose, numbers := messages.Choose, "1"
	if l.allowed(factor.Passcode) {
		choose = messages.ChooseOrPasscode
	}
	if len(options) > 1 {
		numbers = fmt.Sprintf("1-%d", len(options))
	}
	b.WriteString(l.say(choose, "options", numbers))
	return b.String()
}

// shortOption returns the factor and the end of the device's number.
func (l *login) shortOption(o Option) string {
	where := []rune(cmp.Or(o.Device.Number, o.Device.Name, l.say(messages.YourPhone)))
	if o.Device.Number != "" && len(where) > 4 {
		where = where[len(where)-4:]
	}
	ids := map[factor.Factor]messages.ID{factor.Push: messages.OptionPushShort, factor.Phone: messages.OptionCallShort, factor.SMS: messages.OptionSMSShort}
	return l.say(ids[o.Factor], "device", string(where[:min(len(where), 12)]))
}

// option returns one line of the menu.
func (l *login) option(o Option) string {
	where := orElse(o.Device.Number, orElse(o.Device.Name, l.say(messages.YourPhone)))
	switch o.Factor {
	case factor.Push:
		return l.say(messages.OptionPush, "device", where)
	case factor.Phone:
		return l.say(messages.OptionCall, "device", where)
	}
	if o.Device.NextCode != "" {
		return l.say(messages.OptionSMSNext, "device", where, "digit", o.Device.NextCode)
	}
	return l.say(messages.OptionSMS, "device", where)
}

// chosen reads the answer to a challenge: the number of an option, a factor word, or a passcode.
func (c *OpenChallenge) chosen(answer string) (factor.Chosen, bool) {
	if len(answer) == 1 && answer[0] >= '1' && answer[0] <= '9' {
		n := int(answer[0] - '0')
		if n > len(c.Options) {
			return factor.Chosen{}, false
		}
		o := c.Options[n-1]
		return factor.Chosen{Factor: o.Factor, DeviceID: o.Device.ID}, true
	}
	return factor.ParseField(answer)
}
