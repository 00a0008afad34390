package policy

// The enumerations that the configuration uses, by the words that it uses.

// Factor is a second factor.
type Factor string

const (
	Push     Factor = "push"
	Phone    Factor = "phone"
	SMS      Factor = "sms"
	Passcode Factor = "passcode"
)

// rings reports whether a phone rings for it.
func (f Factor) rings() bool { return f == Push || f == Phone }

// bothers reports whether it reaches the user's phone, so that too much of it is an attack.
func (f Factor) bothers() bool { return f.rings() || f == SMS }

// Mode says how a client's users are asked.
type Mode string

const (
	ModeAuto      Mode = "auto"      // at once, unless the user typed a factor
	ModeChallenge Mode = "challenge" // by Access-Challenge
	ModePasscode  Mode = "passcode"  // only typed codes count
)

// Failmode says what happens when Duo can't be asked.
type Failmode string

const (
	FailSecure Failmode = "secure" // reject
	FailSafe   Failmode = "safe"   // the first factor is enough
	FailSilent Failmode = "silent" // no answer, so that the client asks its next server
)

// UnlistedMode says what happens to users that no [[user]] names.
type UnlistedMode string

const (
	UnlistedAsk         UnlistedMode = "ask" // Duo, by the canonical name
	UnlistedFirstFactor UnlistedMode = "first-factor"
	UnlistedReject      UnlistedMode = "reject"
)

// ElsewhereMode says what happens to a user at a service that the user is not listed for.
type ElsewhereMode string

const (
	ElsewhereFirstFactor ElsewhereMode = "first-factor"
	ElsewhereReject      ElsewhereMode = "reject"
)

// Need is a rule's word on the second factor.
type Need string

const (
	Required   Need = "required"
	ExemptBy   Need = "exempt"
	DeniedHere Need = "deny"
)

// Binding is something that a remembered approval holds for, beside the user.
type Binding string

const (
	BindService Binding = "service"
	BindClient  Binding = "client"
	BindUserIP  Binding = "user-ip"
)

// CaseMode says how user names are compared.
type CaseMode string

const (
	CaseFold CaseMode = "fold"
	CaseKeep CaseMode = "keep"
)
