package policy

// These are the enumerations of the configuration, with its own words.

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

// secure reports whether an outage rejects a login. A word that is not listed above counts as secure.
func (f Failmode) secure() bool { return f != FailmodeSafe && f != FailmodeSilent }

// ProbeAnswer says what a client's health checks get.
type ProbeAnswer string

const (
	ProbeReject    ProbeAnswer = "reject"    // Access-Reject
	ProbeChallenge ProbeAnswer = "challenge" // Access-Challenge with a State that is never valid
	ProbeAccept    ProbeAnswer = "accept"    // Access-Accept, to a signed request with the probe's own password
)

// UnlistedMode says what happens to users that no [[user]] names.
type UnlistedMode string

const (
	UnlistedAsk         UnlistedMode = "ask"          // Duo, by the canonical name
	UnlistedFirstFactor UnlistedMode = "first-factor" // the first factor is enough
	UnlistedReject      UnlistedMode = "reject"       // no login
)

// ElsewhereMode says what happens to a user at a service that is not in the user's list.
type ElsewhereMode string

const (
	ElsewhereFirstFactor ElsewhereMode = "first-factor" // the first factor is enough
	ElsewhereReject      ElsewhereMode = "reject"       // no login
)

// Need says whether a rule asks for a second factor.
type Need string

const (
	NeedRequired Need = "required" // a second factor is asked for
	NeedExempt   Need = "exempt"   // no second factor is asked for
	NeedDeny     Need = "deny"     // the login is rejected
)

// Binding is something, beside the user, that a remembered approval is bound to.
type Binding string

const (
	BindService Binding = "service" // the service of the client
	BindClient  Binding = "client"  // the client itself
	BindUserIP  Binding = "user-ip" // the user's address, as user_ip finds it
)

// UnprovenMode says what happens to a user whose name nobody has proven: the name stood outside of an EAP tunnel, and the
// upstream server did not repeat it from inside the tunnel.
type UnprovenMode string

const (
	UnprovenReject UnprovenMode = "reject" // the login is rejected, and nobody is asked
	UnprovenAsk    UnprovenMode = "ask"    // Duo is asked about the name; nothing that makes a login easier applies to it
)
