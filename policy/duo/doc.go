// Package duo calls Duo's Auth API v2 (https://duo.com/docs/authapi), through Duo's Go SDK over net/http.
//
//	Preauth, Auth ──▶ call ─────────────▶ SDK ────▶ exchange ─▶ pool ──────────▶ conn
//	(auth.go,         repeats a 429,      signs     carries     a connection     net/http's ClientConn:
//	 poll.go)         reads the answer              the ctx     with room        HTTP/2 or HTTP/1.1
//
//	call that fails ──▶ errors.go: which kind ──▶ policy's errors; an outage is a list, never the rest
//	              └───▶ health.go: a ping beside it, shared by all: is it Duo, or this call?
//
// Its one rule: /auth is sent to Duo once for each login, because a second one would ring the phone twice. It is sent again
// only if Duo has certainly not looked at it: Duo answered 429 or REFUSED_STREAM, Duo's GOAWAY names an earlier stream as the
// last, or the connection had ended before net/http read the request's body.
//
// Why a pool of our own: http.Transport repeats requests by itself, dials for each request that finds no room (1 000 pushes
// begun together made 1 700 handshakes), and serves waiting requests in no order. Why a RoundTripper of our own (exchange):
// the SDK takes no context, repeats a 429 with an empty body, and reads an answer without a limit.
package duo
