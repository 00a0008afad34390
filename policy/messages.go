package policy

import (
	"strings"

	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/messages"
)

// say returns a text for the user, in the configuration's words. pairs are names of variables and their values.
func (l *login) say(id messages.ID, pairs ...string) string {
	return l.settings.Messages.Say(id, pairs...)
}

// holdMessage tells the user why the phone does not ring.
func holdMessage(h guard.Hold) messages.ID {
	switch h {
	case guard.HoldByDuo:
		return messages.HoldByDuo
	case guard.HoldTooQuick:
		return messages.HoldTooQuick
	}
	return messages.HoldUnanswered
}

// sayDuo passes on Duo's message in the text id. If id needs Duo's message and Duo gave none, it returns the text otherwise.
func (l *login) sayDuo(id messages.ID, duo string, otherwise messages.ID) string {
	if strings.TrimSpace(duo) == "" && strings.Contains(l.say(id), "{duo}") {
		return l.say(otherwise)
	}
	return l.say(id, "duo", duo)
}

func (l *login) sayEnroll(url string) string {
	if url == "" {
		return l.say(messages.EnrollHelpDesk)
	}
	return l.say(messages.Enroll, "url", url)
}

// sayAppend tells the user how to type a passcode at this client.
func (l *login) sayAppend() string {
	if l.Client.FirstFactor == nil || l.Client.Delimiter == "" || l.State != "" {
		return l.say(messages.TypePasscode)
	}
	return l.say(messages.AppendPasscode, "delimiter", l.sayDelimiter())
}

// sayDelimiter names the common delimiters in words, because such a character is hard to see in a sentence.
func (l *login) sayDelimiter() string {
	names := map[string]messages.ID{
		",": messages.DelimiterComma,
		";": messages.DelimiterSemicolon,
		":": messages.DelimiterColon,
		".": messages.DelimiterFullStop,
		"+": messages.DelimiterPlus,
		"-": messages.DelimiterHyphen,
		"/": messages.DelimiterSlash,
	}
	if id, ok := names[l.Client.Delimiter]; ok {
		return l.say(id)
	}
	return l.Client.Delimiter
}

// orPasscode adds that the user can type a passcode instead, where that is so.
func (l *login) orPasscode(say string) string {
	if !l.allowed(factor.Passcode) || l.Client.ignoresPassword() && l.State == "" {
		return say
	}
	return say + " " + l.sayAppend()
}

func (l *login) sayNoDevice(devices []Device) string {
	if len(devices) == 0 {
		return l.say(messages.NoDevice)
	}
	return l.orPasscode(l.say(messages.DeviceUnreachable))
}

// sayAnswer asks the user to answer a push. If there is a code, the user must type it on the phone.
func (l *login) sayAnswer(code string) string {
	switch passcode := l.allowed(factor.Passcode); {
	case code != "" && passcode:
		return l.say(messages.AnswerPushByCodeOrPasscode, "code", code)
	case code != "":
		return l.say(messages.AnswerPushByCode, "code", code)
	case passcode:
		return l.say(messages.AnswerPushOrPasscode)
	}
	return l.say(messages.AnswerPush)
}

// sayWho begins the menu. It repeats the name only to a client that has proven who it is: text from a forger must not stand in
// a reply that we sign (CVE-2024-3596).
func (l *login) sayWho() string {
	if !l.Authentic {
		return l.say(messages.Menu)
	}
	return l.say(messages.MenuOfUser, "user", l.name)
}

// orElse returns text, or otherwise if text is blank, because Duo and upstream servers send blank messages.
func orElse(text, otherwise string) string {
	if strings.TrimSpace(text) == "" {
		return otherwise
	}
	return text
}
