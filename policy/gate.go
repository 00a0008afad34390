package policy

// Proof says how a login's name was proven.
type Proof int

const (
	ProofNone       Proof = iota // not at all: never accepted
	ProofNoneButAsk              // not at all, and the administrator wants Duo to be asked about such names
	ProofClient                  // by the word of a client that checks the first factor itself
	ProofPassword                // by a password or key that a first factor checked for this very person
)

// acceptance is a reason for an Access-Accept.
type acceptance int

const (
	acceptApproved   acceptance = iota // Duo's allow after a push, a call or a code of this login or one that it joined
	acceptBypass                       // Duo asks for no second factor
	acceptExempt                       // the configuration asks for none
	acceptFailedOpen                   // Duo can't be asked, and failmode is safe
	acceptRemembered                   // an approval of an earlier login
	acceptRepeated                     // the reply of an earlier login was lost: it is given again, once
	acceptLate                         // Duo's allow came when nobody waited for it any more
	acceptProbe                        // a health check that the client wants accepted, with the probe's own password
	acceptances                        // how many there are
)

// acceptReason is what the log says of each acceptance.
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

// mayAccept is the one gate to an Access-Accept: whether a login whose name was proven so, in a packet that was signed or
// not, may be accepted for this reason.
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
