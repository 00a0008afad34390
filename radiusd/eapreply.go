package radiusd

import (
	"errors"

	"duoradiusd/policy"
)

// The codes of EAP packets (RFC 3748 §4).
const (
	eapRequest = 1
	eapSuccess = 3
	eapFailure = 4
)

var errNoEAP = errors.New("radiusd: the EAP conversation has no packet that fits this reply")

// appendEAP appends the EAP packet of a reply, cut into EAP-Messages (RFC 3579 §3.1). Its code must say the same as the
// reply's (§2.6.3); no Reply-Message stands beside it (§2.6.5).
func (p *packet) appendEAP(b []byte, v *policy.Verdict, rest int) ([]byte, error) {
	code := byte(eapFailure)
	switch v.Outcome {
	case policy.Accept:
		code = eapSuccess
	case policy.Challenge:
		code = eapRequest
	}
	if v.EAP == "" && v.Outcome == policy.Reject {
		return p.appendEAPFailure(b, rest), nil
	}
	if len(v.EAP) < 4 || v.EAP[0] != code {
		return nil, errNoEAP
	}
	for eap := v.EAP; eap != ""; {
		n := min(len(eap), maxValue)
		b = appendAttribute(b, typeEAPMessage, eap[:n])
		eap = eap[n:]
	}
	return b, nil
}

// appendEAPFailure ends the conversation where nobody else does, if there is room beside rest more octets. An EAP-Start
// has no Identifier that it could answer.
func (p *packet) appendEAPFailure(b []byte, rest int) []byte {
	const length = 4 // RFC 3748 §4.2
	if p.eap.length < 2 || len(b)+2+length+rest > maxLength {
		return b
	}
	identifier := p.b[p.eap.at+1]
	return append(b, typeEAPMessage, 2+length, eapFailure, identifier, 0, length)
}
