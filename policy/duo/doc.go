// Package duo is Duo's Auth API v2 (https://duo.com/docs/authapi), through Duo's Go SDK over net/http.
//
//	Preauth, Auth ──▶ call ─────────────▶ SDK ────▶ exchange ─▶ pool ──────────▶ conn
//	(auth.go,         repeats a 429,      signs     carries     a connection     net/http's ClientConn:
//	 poll.go)         reads the answer              the ctx     with room        HTTP/2 or HTTP/1.1
//
//	call that fails ──▶ errors.go: which kind ──▶ policy's errors; an outage is a list, never the rest
//	              └───▶ health.go: a ping beside it, shared by all: is it Duo, or this call?
//
// Its one rule: /auth is sent to Duo once a login. It is sent again only where Duo has certainly not looked at it: it said 429,
// or REFUSED_STREAM, or its GOAWAY names an earlier stream as the last, or the connection had ended before the request's body
// was even read. One that breaks after that leaves the phone ringing, and calling again would ring it twice.
//
// Why a pool of our own: http.Transport repeats requests by itself, dials for each one that finds no room (1 000 pushes begun
// together were 1 700 handshakes), and has no order in its line. The SDK takes no context, repeats a 429 with an empty body
// and reads an answer without a limit: exchange sees to these.
package duo
