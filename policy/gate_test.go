package policy

import (
	"testing"
)

// TestGate enumerates every reason for an Access-Accept with every proof of the name, signed and unsigned. A new reason
// without a row fails.
func TestGate(t *testing.T) {
	always, proven, provenAndSigned := [2]Proof{ProofNoneButAsk, ProofPassword}, [2]Proof{ProofClient, ProofPassword}, true
	for why, want := range map[acceptance]struct {
		proofs [2]Proof // from, to
		signed bool     // only signed
	}{
		acceptApproved:   {always, false},
		acceptBypass:     {proven, false},
		acceptExempt:     {proven, false},
		acceptFailedOpen: {proven, false},
		acceptRemembered: {proven, provenAndSigned},
		acceptRepeated:   {proven, provenAndSigned},
		acceptLate:       {proven, provenAndSigned},
		acceptProbe:      {[2]Proof{ProofNone, ProofPassword}, true},
	} {
		for proof := ProofNone; proof <= ProofPassword; proof++ {
			for _, signed := range []bool{false, true} {
				may := proof >= want.proofs[0] && proof <= want.proofs[1] && (signed || !want.signed)
				if got := mayAccept(why, proof, signed); got != may {
					t.Errorf("%s, proof %d, signed %v: %v, want %v", acceptReason[why], proof, signed, got, may)
				}
			}
		}
	}
	for why := range acceptances {
		if acceptReason[why] == "" {
			t.Errorf("acceptance %d has no Reason", why)
		}
		if !mayAccept(why, ProofPassword, true) {
			t.Errorf("acceptance %d has no row in the gate", why)
		}
	}
	if mayAccept(acceptances, ProofPassword, true) {
		t.Error("what has no row is accepted")
	}
}
