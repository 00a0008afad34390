// Package radiusauth is a first factor behind RADIUS: users are who an upstream server says that they are.
//
//	Authenticate ─▶ request (the client's, anew) ─▶ order ─▶ server ─▶ socket (256 Identifiers) ─▶ the wire
//	                                                  ▲ silent? the next │
//	Account, Refusal, AskBack ◀─ reply (filtered, decrypted) ◀─ judge (form, code, authenticators)
//
// Its one rule: one server at a time. A login reaches a second server only after the first was silent, and the answer
// to a server's challenge reaches that server alone, because a server may ring a phone or count a failure for each
// request that it reads.
//
// An EAP peer is named in the clear by an identity that a tunnelled method need not keep to. For those the user is who
// the upstream's Access-Accept names in User-Name, so the upstream must put there the name of inside the tunnel, or
// refuse a login whose two names differ.
package radiusauth
