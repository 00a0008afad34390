package test

import (
	"crypto/rand"

	"layeh.com/radius/rfc2759"

	"duoradiusd/test/nas"
)

// msCHAPv2 is the proof of a password by MS-CHAPv2, as it is sent (RFC 2759 §4).
type msCHAPv2 struct {
	challenge, peerChallenge, ntResponse []byte
	ident                                byte
}

// readMSCHAPv2 reads the proof from the values of MS-CHAP-Challenge and MS-CHAP2-Response (RFC 2548 §2.3.2).
func readMSCHAPv2(challenges, responses [][]byte) (p msCHAPv2, ok bool) {
	if len(challenges) != 1 || len(responses) != 1 || len(challenges[0]) != 16 || len(responses[0]) != 50 {
		return p, false
	}
	r := responses[0]
	return msCHAPv2{challenge: challenges[0], peerChallenge: r[2:18], ntResponse: r[26:], ident: r[0]}, true
}

// proves reports whether p proves that user knows password.
func (p msCHAPv2) proves(user, password string) bool {
	nt, err := rfc2759.GenerateNTResponse(p.challenge, p.peerChallenge, []byte(user), []byte(password))
	return err == nil && string(nt) == string(p.ntResponse)
}

// success returns the value of MS-CHAP2-Success (RFC 2548 §2.3.3): the server's proof that it knows the password, too.
func (p msCHAPv2) success(user, password string) string {
	text, err := rfc2759.GenerateAuthenticatorResponse(p.challenge, p.peerChallenge, p.ntResponse, []byte(user), []byte(password))
	if err != nil {
		panic(err) // the password is not UTF-8
	}
	return string(p.ident) + text
}

// proveByMSCHAPv2 replaces the password of a request by the proof.
func proveByMSCHAPv2(r *nas.Request) {
	challenge, peerChallenge := make([]byte, 16), make([]byte, 16)
	rand.Read(challenge)
	rand.Read(peerChallenge)
	nt, err := rfc2759.GenerateNTResponse(challenge, peerChallenge, []byte(named(r)), []byte(typedIn(r)))
	if err != nil {
		panic(err)
	}
	r.MSCHAPv2Proof(challenge, peerChallenge, nt)
}

// successOf returns the MS-CHAP2-Success that must answer a request, or "" if the request has no proof.
func successOf(out *sent) string {
	p, ok := readMSCHAPv2(out.request.VSA(vendorMicrosoft, msCHAPChallenge), out.request.VSA(vendorMicrosoft, msCHAP2Response))
	if !ok {
		return ""
	}
	return p.success(named(out.request), out.typed)
}
