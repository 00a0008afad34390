package radiusauth

import "duoradiusd/radiusd/wire"

// replyStatus says what is wrong with a reply. An invalid reply is counted by its status and then ignored. There are no
// other values than those below.
type replyStatus int32

const (
	replyValid replyStatus = iota
	replyMalformed
	replyUnexpected // no request waits for it, because it is late or a copy
	replyWrongCode
	replyUnsigned
	replyWrongMessageAuthenticator
	replyWrongAuthenticator // usually because the secret is wrong

	replyStatuses // the number of statuses
)

// String returns the text that tells an administrator why no valid reply came.
func (f replyStatus) String() string {
	return [...]string{"", "a malformed reply", "a reply that nothing waited for", "a reply with the wrong code",
		"a reply without Message-Authenticator", "a reply with a wrong Message-Authenticator",
		"a reply with a wrong authenticator: is the secret right?"}[f]
}

// codeAnswers reports whether the code of a reply answers the code of a request (RFC 2865 §3). RFC 5997 §4.2 allows only
// Access-Accept in answer to Status-Server, but FreeRADIUS can be configured to send Access-Reject when it is not healthy.
func codeAnswers(request, reply byte) bool {
	switch reply {
	case wire.AccessAccept, wire.AccessReject:
		return true
	}
	return reply == wire.AccessChallenge && request == wire.AccessRequest
}

// validate reports whether the reply b answers a request with this code and authenticator. list holds the attributes of b.
// Checks that need no secret come first, because they are cheaper.
func validate(secret *wire.Secret, b []byte, list []wire.Attribute, code byte, request [16]byte, signatureWanted bool) replyStatus {
	if !codeAnswers(code, b[0]) {
		return replyWrongCode
	}
	mac := 0 // the offset of the Message-Authenticator's value; 0 means none
	at := wire.HeaderLength
	for _, a := range list {
		switch a.Type {
		case wire.MessageAuthenticator:
			if mac != 0 || len(a.Value) != 16 {
				return replyMalformed // RFC 3579 §3.2
			}
			mac = at + 2
		case wire.EAPMessage:
			signatureWanted = true // RFC 3579 §3.2
		}
		at += 2 + len(a.Value)
	}
	switch {
	case mac == 0 && signatureWanted:
		return replyUnsigned
	case !secret.Answers(b, request):
		return replyWrongAuthenticator
	case mac != 0 && !secret.Signed(b, mac, request):
		return replyWrongMessageAuthenticator
	}
	return replyValid
}
