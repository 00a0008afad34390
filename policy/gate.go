package policy

// Proof says how a login's name was proven.
type Proof int

const (
	ProofNone       Proof = iota // the name is not proven: never accepted
	ProofNoneButAsk              // the name is not proven, but the administrator wants Duo to be asked about such names
	ProofClient                  // a client that checks the first factor itself says so
	ProofPassword                // a first factor checked a password or key of this very person
)

// acceptance is a reason for an Access-Accept.
type acceptance int

const (
	acceptApproved   acceptance = iota // Duo allowed this login, or one that it joined, after a push, a call or a code
	acceptBypass                       // Duo asks for no second factor
	acceptExempt                       // the configuration asks for none
	acceptFailedOpen                   // Duo can't be asked, and failmode is safe
	acceptRemembered                   // an approval of an earlier login
	acceptRepeated                     // the reply of an earlier login was lost, and is given again once
	acceptLate                         // Duo allowed a login when nobody waited for the answer any more
	acceptProbe                        // a health check that the client wants accepted, with the probe's own password
	acceptances                        // the number of acceptances
)

// acceptReason is the Reason in the log for each acceptance.
var acceptReason = [acceptances]Reason{
	acceptApproved:   ReasonApproved,
	acceptBypass:     ReasonBypass,
	acceptExempt:     ReasonExempt,
	acceptFailedOpen: ReasonFailedOpen,
	acceptRemembered: ReasonRemembered,
	acceptRepeated:   ReasonRepeated,
	acceptLate:       ReasonApproved,
	acceptProbe:      ReasonProbe,
}

// mayAccept is the only gate to an Access-Accept. It reports whether a login may be accepted for the reason why. proof says
// how its name was proven, and signed whether its packet was signed.
func mayAccept(why acceptance, proof Proof, signed bool) bool {
	proven := proof == ProofPassword || proof == ProofClient
	switch why {
	case acceptApproved:
		return proven || proof == ProofNoneButAsk
	case acceptBypass, acceptExempt, acceptFailedOpen:
		return proven
	case acceptRemembered, acceptRepeated, acceptLate:
		return proven && signed
	case acceptProbe:
		return signed
	}
	return false
}
