package radiusauth

// flaw is what is wrong with a reply, which is discarded then as if it had not come. The set is closed: each is counted.
type flaw int32

const (
	sound flaw = iota
	malformed
	unexpected // nothing waits for it: late, or a copy
	illegalCode
	unsigned
	wrongSignature
	wrongAuthenticator

	flaws
)

// String is what an administrator reads who asks why nothing came.
func (f flaw) String() string {
	return [...]string{"", "a malformed reply", "a reply that nothing waited for", "a reply with the wrong code",
		"a reply without Message-Authenticator", "a reply with a wrong Message-Authenticator",
		"a reply with a wrong authenticator: is the secret right?"}[f]
}

// legal reports whether a reply of that code answers a request of this one (RFC 2865 §3). To Status-Server RFC 5997 §4.2
// knows Access-Accept alone; but FreeRADIUS says Access-Reject where it is told that it is not well.
func legal(request, reply byte) bool {
	switch reply {
	case codeAccessAccept, codeAccessReject:
		return true
	}
	return reply == codeAccessChallenge && request == codeAccessRequest
}

// judge says whether b answers a request of a code and authenticator. What can be told without the secret comes first.
func (s *secret) judge(b []byte, list []attribute, code byte, request [16]byte, signatureWanted bool) flaw {
	if !legal(code, b[0]) {
		return illegalCode
	}
	mac := 0 // where it stands
	for _, a := range list {
		switch a.kind {
		case typeMessageAuthenticator:
			if mac != 0 || len(a.value) != 16 {
				return malformed // RFC 3579 §3.2
			}
			mac = headerLength + a.at
		case typeEAPMessage:
			signatureWanted = true // the same
		}
	}
	switch {
	case mac == 0 && signatureWanted:
		return unsigned
	case !s.answers(b, request):
		return wrongAuthenticator
	case mac != 0 && !s.signed(b, mac, request):
		return wrongSignature
	}
	return sound
}
