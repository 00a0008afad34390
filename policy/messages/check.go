package messages

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// OneReplyMessage is the number of octets that fit one Reply-Message (RFC 2865 §5.18). Some clients show only the first one.
const OneReplyMessage = 253

// Variable describes what {NAME} in a message stands for.
type Variable struct {
	Name   string `json:"name"`
	Means  string `json:"means"`
	Likely int    `json:"likely_octets"` // the usual length of its value

	missing severity // how bad it is if a text lacks this variable and the default text has it
}

// severity is how bad a problem is.
type severity int

const (
	fine    severity = iota
	warning          // the daemon can work with it
	failure          // some logins could not succeed
)

var variables = []Variable{
	{"wait", "how long: one of wait-second to wait-minutes", 12, warning},
	{"number", "how many", 2, failure},
	{"duo", "what Duo says", 70, fine},
	{"url", "where the user can enrol", 100, warning},
	{"delimiter", "what separates password and passcode: one of delimiter-comma to delimiter-slash, or the client's delimiter itself", 14, failure},
	{"user", "the user's name", 32, fine},
	{"device", "the phone's number, or its name", 20, warning},
	{"digit", "a digit", 1, warning},
	{"options", "the numbers to choose from", 3, warning},
	{"code", "what the user must type on the phone", 6, failure},
}

// Variables returns the variables that a message may use.
func (m Message) Variables() (list []Variable) {
	for _, v := range variables {
		if strings.Contains(m.Text, "{"+v.Name+"}") {
			list = append(list, v)
		}
	}
	return list
}

// Problem describes what is wrong with a text of a file of [messages].
type Problem struct {
	Text    string // "found; wanted"
	Warning bool   // the daemon can work with it
}

var braces = regexp.MustCompile(`\{[^{}]*\}`)

// Check returns what is wrong with text as a replacement of the message's text.
func (m Message) Check(text string) (problems []Problem) {
	bad := func(format string, args ...any) {
		problems = append(problems, Problem{Text: fmt.Sprintf(format, args...)})
	}
	if strings.TrimSpace(text) == "" {
		bad("empty; want a text, or no such line for the default")
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && unicode.IsControl(r) || r == unicode.ReplacementChar }) {
		bad("a control character; want printable text, with \\n for a new line")
	}
	known := m.Variables()
	var names []string
	for _, v := range known {
		names = append(names, "{"+v.Name+"}")
		if v.missing != fine && !strings.Contains(text, "{"+v.Name+"}") {
			problems = append(problems, Problem{fmt.Sprintf("without {%s}, %s; want it in the text", v.Name, v.Means), v.missing == warning})
		}
	}
	want := "none in this message"
	if len(names) > 0 {
		want = strings.Join(names, ", ")
	}
	for _, found := range braces.FindAllString(text, -1) {
		if !slices.Contains(names, found) {
			bad("%q, which is no variable of this message; want %s", found, want)
		}
	}
	if strings.ContainsAny(braces.ReplaceAllString(text, ""), "{}") {
		bad("an unpaired brace; want variables as {NAME}: %s", want)
	}
	return problems
}

// Length returns how many octets a text has if each variable has its usual length.
func Length(text string) int {
	n := len(text)
	for _, v := range variables {
		name := "{" + v.Name + "}"
		n += strings.Count(text, name) * (v.Likely - len(name))
	}
	return n
}

// TooLong names messages that probably don't fit one Reply-Message: messages that a user reads together, or one message.
type TooLong struct {
	IDs    []ID
	Octets int
}

// together lists the messages that one reply contains, with a blank or a new line between them. A menu is counted as if it
// had three short lines.
var together = [][]ID{
	{Enroll, EnrollThenFactor},
	{EnrollHelpDesk, EnrollThenFactor},
	{DeviceUnreachable, AppendPasscode},
	{HoldUnanswered, AppendPasscode},
	{HoldByDuo, AppendPasscode},
	{HoldTooQuick, AppendPasscode},
	{CodesSent, AppendPasscode},
	{CodesSent, Passcode},
	{MenuOfUser, OptionPushShort, OptionCallShort, OptionSMSShort, ChooseOrPasscode},
	{HoldUnanswered, Passcode},
	{HoldByDuo, Passcode},
	{HoldTooQuick, Passcode},
	{PushPending, OptionSMSShort, ChooseOrPasscode},
	{NotUnderstood, OptionPushShort, OptionCallShort, OptionSMSShort, ChooseOrPasscode},
	{NotAllowed, OptionPushShort, OptionCallShort, OptionSMSShort, ChooseOrPasscode},
	{DuoWrongPasscode, OptionPushShort, OptionCallShort, OptionSMSShort, ChooseOrPasscode},
	{PasswordExpired, NewPassword},
	{PasswordEmpty, NewPassword},
	{PasswordsDiffer, NewPassword},
	{PasswordRefused, NewPassword},
}

// number is the length of the text before an option: its digit, a full stop and a blank.
const number = len("1. ")

// TooLong returns what does not fit one Reply-Message: first single messages, then messages that stand together.
func (t Texts) TooLong() (list []TooLong) {
	for _, m := range catalogue {
		if n := Length(t.Say(m.ID)); n > OneReplyMessage {
			list = append(list, TooLong{[]ID{m.ID}, n})
		}
	}
	for _, ids := range together {
		octets := len(ids) - 1
		for _, id := range ids {
			octets += Length(t.Say(id))
			if id == OptionPushShort || id == OptionCallShort || id == OptionSMSShort {
				octets += number
			}
		}
		alone := func(x TooLong) bool { return len(x.IDs) == 1 && slices.Contains(ids, x.IDs[0]) }
		if octets > OneReplyMessage && !slices.ContainsFunc(list, alone) {
			list = append(list, TooLong{ids, octets})
		}
	}
	return list
}
