package policy

// The enumerations that the configuration uses, by the words that it uses.

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
	FailmodeSecure Failmode = "secure" // reject
	FailmodeSafe   Failmode = "safe"   // the first factor is enough
	FailmodeSilent Failmode = "silent" // no answer, so that the client asks its next server
)

// secure reports whether a login is rejected, as with any word that is none of these.
func (f Failmode) secure() bool { return f != FailmodeSafe && f != FailmodeSilent }

// ProbeAnswer says what a client's health checks get.
type ProbeAnswer string

const (
	ProbeReject    ProbeAnswer = "reject"    // Access-Reject
	ProbeChallenge ProbeAnswer = "challenge" // Access-Challenge, whose State is never good
	ProbeAccept    ProbeAnswer = "accept"    // Access-Accept, to a signed request with the probe's own password
)

// UnlistedMode says what happens to users that no [[user]] names.
type UnlistedMode string

const (
	UnlistedAsk         UnlistedMode = "ask"          // Duo, by the canonical name
	UnlistedFirstFactor UnlistedMode = "first-factor" // the first factor is enough
	UnlistedReject      UnlistedMode = "reject"       // no login
)

// ElsewhereMode says what happens to a user at a service that the user is not listed for.
type ElsewhereMode string

const (
	ElsewhereFirstFactor ElsewhereMode = "first-factor" // the first factor is enough
	ElsewhereReject      ElsewhereMode = "reject"       // no login
)

// Need is a rule's word on the second factor.
type Need string

const (
	NeedRequired Need = "required" // a second factor is asked for
	NeedExempt   Need = "exempt"   // none is
	NeedDeny     Need = "deny"     // the login is rejected
)

// Binding is something that a remembered approval holds for, beside the user.
type Binding string

const (
	BindService Binding = "service" // the service of the client
	BindClient  Binding = "client"  // the client itself
	BindUserIP  Binding = "user-ip" // the user's address, as user_ip finds it
)

// UnprovenMode says what happens to a user whose name nobody has proven: one outside of an EAP tunnel that the upstream
// does not repeat from the inside.
type UnprovenMode string

const (
	UnprovenReject UnprovenMode = "reject" // the login is rejected, and nobody is asked
	UnprovenAsk    UnprovenMode = "ask"    // Duo is asked about the name; nothing that loosens holds for it
)
