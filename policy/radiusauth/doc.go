// Package radiusauth is a first factor that asks upstream RADIUS servers.
//
//	Authenticate ─▶ request.go ─▶ failover.go ─▶ server.go ─▶ socket.go (256 Identifiers) ─▶ the network
//	                (a new        (next server
//	                 request)      if silent)
//	Account, Refusal, AskBack ◀─ reply.go (filter, decrypt) ◀─ validate.go (form, code, authenticators)
//
// A login asks one server at a time. It asks a second server only after the first one was silent, and the answer to a
// challenge goes only to the server that sent the challenge. A server may ring a phone or count a wrong password for each
// request that it reads, so asking several servers at once would do harm.
//
// With a tunnelled EAP method the identity outside of the tunnel need not be the user's name. The name of such a user is
// the User-Name of the upstream's Access-Accept. The upstream must put the name from inside the tunnel there, or reject
// logins whose two names differ.
package radiusauth
