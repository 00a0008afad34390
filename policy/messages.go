package policy

import "strings"

// The sentences that users read. One that follows a wrong password is the same as one that follows an unknown name,
// so that nobody learns which names exist.
const (
	sayWrong      = "Wrong user name or password."
	sayAccount    = "Your account can't log in: its password may have expired. Ask your help desk."
	sayFactors    = "Type a passcode, or push, phone or sms, or leave the field empty."
	sayStartAgain = "This login is over. Start again."
	sayLater      = "The login can't be checked now. Try again in a minute."
	sayDenied     = "Login denied."
	sayDeclined   = "You have just declined this login."
	sayNoAnswer   = "No answer came from your phone. Try again."
	sayPending    = "Another login with your name is asking for approval on your phone. Do not approve what you did not start: deny it and report it in Duo Mobile."
	sayNotAllowed = "This factor is not allowed here."
	sayCooldown   = "Too many requests to your phone went without a yes."
	sayHeldByDuo  = "Duo sends no more requests to your phone for now. Wait a minute."
	sayTooQuick   = "The last request to your phone was denied at once, before you can have answered it. Wait a minute."
	sayCodesSent  = "New passcodes were sent by SMS."

	// A prompt for a new password must not begin with "Enter": the auth-pam plugin of OpenVPN answers such prompts itself.
	sayExpired         = "Your password has expired."
	sayNewPassword     = "New password:"
	sayRepeatPassword  = "New password again:"
	sayEmptyPassword   = "That was no password."
	sayPasswordsDiffer = "The two passwords differ."
	sayPasswordRefused = "The directory does not accept this password."

	sayPasscode      = "Passcode:"
	sayThenPasscode  = "Enrol, then type a passcode or push:"
	sayNotUnderstood = "That is neither a passcode nor an option."
)

// say tells the user why the phone does not ring.
func (h Hold) say() string {
	switch h {
	case HoldByDuo:
		return sayHeldByDuo
	case HoldTooQuick:
		return sayTooQuick
	}
	return sayCooldown
}

func sayEnroll(url string) string {
	if url == "" {
		return "You are not enrolled in Duo. Ask your help desk."
	}
	return "You are not enrolled in Duo yet: " + url
}

// sayAppend tells how a passcode is typed at this client.
func (l *login) sayAppend() string {
	if l.Client.FirstFactor == nil || l.Client.Delimiter == "" || l.State != "" {
		return "Type a passcode."
	}
	return "Type your password, then " + sayDelimiter(l.Client.Delimiter) + " and a passcode."
}

// sayDelimiter names the common ones, which are hard to see alone in a sentence.
func sayDelimiter(delimiter string) string {
	switch delimiter {
	case ",":
		return "a comma"
	case ";":
		return "a semicolon"
	case ":":
		return "a colon"
	case ".":
		return "a full stop"
	case "+":
		return "a plus sign"
	case "-":
		return "a hyphen"
	case "/":
		return "a slash"
	}
	return delimiter
}

// orPasscode points to a passcode as the way out, where it is one.
func (l *login) orPasscode(say string) string {
	if !l.allowed(FactorPasscode) || l.Client.ignoresPassword() && l.State == "" {
		return say
	}
	return say + " " + l.sayAppend()
}

func (l *login) sayNoDevice(devices []Device) string {
	if len(devices) == 0 {
		return "Duo knows no device of yours. Ask your help desk."
	}
	return l.orPasscode("Duo can't reach a device of yours that way from here.")
}

// sayAnswer asks to answer a push, by typing code on the phone where there is one.
func (l *login) sayAnswer(code string) string {
	say := "Answer the request on your phone"
	if code != "" {
		say = "Enter " + code + " in Duo Mobile"
	}
	if !l.allowed(FactorPasscode) {
		return say + ", then press Enter here:"
	}
	return say + ", then press Enter here (or type a passcode):"
}

// sayWho heads the menu. It repeats the name only to a client that proved to be one: what a forger sends must not stand
// in a reply that we sign (CVE-2024-3596).
func (l *login) sayWho() string {
	if !l.Authentic {
		return "Duo login"
	}
	return "Duo login for " + l.name
}

// orElse returns text, or otherwise where text is blank: Duo and upstreams send blank messages.
func orElse(text, otherwise string) string {
	if strings.TrimSpace(text) == "" {
		return otherwise
	}
	return text
}
