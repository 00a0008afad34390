// Package guard declares the values of the guard: what is guessed, what the limits are, and what the guard answers. The
// guard limits guesses of passwords and passcodes, and how often a phone rings. policy.Guard declares its methods.
// policy/memory and policy/shared implement them.
package guard

import (
	"fmt"
	"net/netip"
	"time"
)

// GuessKind says what is guessed. Each kind has its own budgets.
type GuessKind string

const (
	GuessPassword GuessKind = "password" // a first factor checks it, whatever the method
	GuessPasscode GuessKind = "passcode" // Duo checks it
)

// Guess is a password or a passcode that is to be checked.
type Guess struct {
	Kind   GuessKind
	Person string // folded name; "" means no particular person
	Source string // as SourceOf writes it
	Limits GuessLimits
}

// GuessLimits holds the budgets of [guard]. A limit of 0 is turned off.
type GuessLimits struct {
	WrongPasswords int           // of one person from each known source, and from all others together
	WrongPasscodes int           // the same for passcodes
	WrongPerSource int           // of all persons from one source
	Refill         time.Duration // the time in which each budget regains one guess
}

// Of returns how many wrong guesses of a kind a person may make.
func (l GuessLimits) Of(kind GuessKind) int {
	if kind == GuessPasscode {
		return l.WrongPasscodes
	}
	return l.WrongPasswords
}

// SourceOf returns where a login comes from, in the form that the guard counts by. This is the user's IPv4 address, or the
// /64 prefix of an IPv6 address, because a subscriber can choose freely within a /64. If the client tells no address, it is
// the client.
func SourceOf(ip netip.Addr, client string) string {
	ip = ip.Unmap().WithZone("")
	switch {
	case ip.Is4():
		return ip.String()
	case ip.Is6():
		return netip.PrefixFrom(ip, 64).Masked().String()
	}
	return "client " + client
}

// Admission is the guard's answer to a Guess.
type Admission struct {
	Guess
	Admitted bool
	Known    bool      // the source was known to the person
	Turn     bool      // only this guess of its source may be checked now; Settle ends the turn
	Limit    string    // the key of [guard] that holds the guess back; "" where it is admitted
	Until    time.Time // when one more guess may be admitted
}

// These are the keys of [guard] that can hold back a guess or a push.
const (
	LimitPasswords = "wrong_passwords"
	LimitPasscodes = "wrong_passcodes"
	LimitPerSource = "wrong_per_source"
	LimitPushes    = "pushes"
)

// GuessResult is the result of a check.
type GuessResult int

const (
	GuessWrong     GuessResult = iota // the guess is wrong
	GuessRight                        // the guess is right: the person's earlier wrong guesses from this source no longer count
	GuessAskedBack                    // the first factor asks back: the guess counts as wrong until a later answer is right
	GuessNotAsked                     // nobody could say whether the guess is right
)

// PushLimits holds the limits of [guard] on pushes. They stop a thief of a password who rings until the user gives in.
type PushLimits struct {
	Pushes   int           // the number of unanswered or denied pushes within...
	Window   time.Duration // ...this time, after which only a passcode counts...
	Cooldown time.Duration // ...for this long; 0 turns the guard off
}

// Count is one count of the guard that is greater than zero.
type Count struct {
	Limit     string    `json:"limit"`               // the key of [guard] that bounds it
	Person    string    `json:"user,omitempty"`      // whose guesses they are; "" means those of everybody from Source
	Source    string    `json:"address,omitempty"`   // where they came from; "" means all sources that are unknown to the user
	Count     int       `json:"count"`               // the wrong guesses that have not been regained yet
	HeldUntil time.Time `json:"held_until,omitzero"` // when the next one is admitted; zero means at once
}

// HeldBack is the error for a guess that a limit of [guard] holds back. It is for the log.
type HeldBack struct{ Admission }

// Error says which limit holds the guess back, and until what time.
func (h *HeldBack) Error() string {
	until := h.Until.Format(time.RFC3339)
	switch {
	case h.Limit == LimitPerSource && h.Person == "":
		return fmt.Sprintf("guard: %s = %d is used up for everybody at %s; held back until %s", h.Limit, h.Limits.WrongPerSource, h.Source, until)
	case h.Limit == LimitPerSource:
		return fmt.Sprintf("guard: %s = %d is used up for everybody at %s, where %q has not logged in; held back until %s",
			h.Limit, h.Limits.WrongPerSource, h.Source, h.Person, until)
	case h.Known:
		return fmt.Sprintf("guard: %s = %d is used up for %q at %s; held back until %s", h.Limit, h.Limits.Of(h.Kind), h.Person, h.Source, until)
	}
	return fmt.Sprintf("guard: %s = %d is used up for %q at all sources where %[3]q has not logged in; held back until %[4]s",
		h.Limit, h.Limits.Of(h.Kind), h.Person, until)
}
