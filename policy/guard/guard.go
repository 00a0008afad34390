// Package guard has the values of the guard, which limits guesses of passwords and passcodes, and how often a phone rings:
// what is guessed, what the limits are, and what the guard answers. policy.Guard declares what it does, policy/memory and
// policy/shared do it.
package guard

import (
	"fmt"
	"net/netip"
	"time"
)

// GuessKind is what is guessed. Each kind has budgets of its own.
type GuessKind string

const (
	GuessPassword GuessKind = "password" // checked by a first factor, whatever the method
	GuessPasscode GuessKind = "passcode" // checked by Duo
)

// Guess is a password or a passcode that is to be checked.
type Guess struct {
	Kind   GuessKind
	Person string // folded name; "" is nobody in particular
	Source string // as SourceOf writes it
	Limits GuessLimits
}

// GuessLimits are the budgets of [guard]. A limit of 0 is turned off.
type GuessLimits struct {
	WrongPasswords int           // of one person from each known source, and from all others together
	WrongPasscodes int           // the same
	WrongPerSource int           // of all persons from one source
	Refill         time.Duration // each budget regains one in this time
}

// Of returns how many wrong guesses of a kind a person has.
func (l GuessLimits) Of(kind GuessKind) int {
	if kind == GuessPasscode {
		return l.WrongPasscodes
	}
	return l.WrongPasswords
}

// SourceOf returns where a login comes from, as the guard counts it: the user's IPv4 address, the /64 of an IPv6 address,
// which is what one subscriber has to choose from at will, or the client where it tells no address.
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
	Turn     bool      // the guess is the one of its source that may be checked now; Settle ends its turn
	Limit    string    // the key of [guard] that holds the guess back; "" where it is admitted
	Until    time.Time // when one more may be admitted
}

// The keys of [guard] that hold a guess, or a push, back.
const (
	LimitPasswords = "wrong_passwords"
	LimitPasscodes = "wrong_passcodes"
	LimitPerSource = "wrong_per_source"
	LimitPushes    = "pushes"
)

// GuessResult is what a check came to.
type GuessResult int

const (
	GuessWrong     GuessResult = iota // it is wrong
	GuessRight                        // it is right: what this person had wrong from this source counts no more
	GuessAskedBack                    // the first factor asks back: it counts as wrong until a later answer is right
	GuessNotAsked                     // nobody could say
)

// PushLimits is [guard]: against a thief of a password who rings until the user gives in.
type PushLimits struct {
	Pushes   int           // unanswered or denied ones within...
	Window   time.Duration // ...this time, then only a passcode counts...
	Cooldown time.Duration // ...for this long; 0 turns the guard off
}

// Count is one count of the guard that is not zero.
type Count struct {
	Limit     string    `json:"limit"`               // the key of [guard] that bounds it
	Person    string    `json:"user,omitempty"`      // whose guesses; "" for those of everybody from Source
	Source    string    `json:"address,omitempty"`   // where they came from; "" for all that the user never logged in from
	Count     int       `json:"count"`               // what has not been regained yet
	HeldUntil time.Time `json:"held_until,omitzero"` // when the next is admitted; zero: at once
}

// HeldBack is a limit of [guard] that holds back a guess, for the log.
type HeldBack struct{ Admission }

// Error says which limit holds the guess back, and until when.
func (h *HeldBack) Error() string {
	until := h.Until.Format(time.RFC3339)
	switch {
	case h.Limit == LimitPerSource && h.Person == "":
		return fmt.Sprintf("guard: %s = %d of everybody is used up at %s; held back until %s", h.Limit, h.Limits.WrongPerSource, h.Source, until)
	case h.Limit == LimitPerSource:
		return fmt.Sprintf("guard: %s = %d of everybody is used up at %s, where %q has not logged in; held back until %s",
			h.Limit, h.Limits.WrongPerSource, h.Source, h.Person, until)
	case h.Known:
		return fmt.Sprintf("guard: %s = %d of %q is used up at %s; held back until %s", h.Limit, h.Limits.Of(h.Kind), h.Person, h.Source, until)
	}
	return fmt.Sprintf("guard: %s = %d of %q is used up at all sources where %[3]q has not logged in; held back until %[4]s",
		h.Limit, h.Limits.Of(h.Kind), h.Person, until)
}
