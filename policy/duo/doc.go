// Package duo is Duo's Auth API v2 (https://duo.com/docs/authapi).
//
//	Preauth, Auth ─▶ call ──────────▶ sign ──▶ lanes ───────────▶ conn ─────────────▶ stream
//	                 ours to repeat:  v2,      room on a          HTTP/2: all that    the answer,
//	                 429 only         HMAC     connection, or     gathers goes in     whole
//	                                           a new one (dial)   one write
//	                                             └▶ net/http's transport: dials, proxy, TLS, and HTTP/1.1 whole
//
// Its one rule: /auth is written to Duo at most once a try that Duo has not refused in so many words: 429, or HTTP/2's
// word that it has not looked at the request (REFUSED_STREAM, a stream above GOAWAY's last). What was never written at
// all may be written again too. A connection that breaks after that leaves the phone ringing, and calling again would
// ring it twice.
//
// Signing, HTTP/2 and the reading of the answers' JSON are our own, HTTP/2 on the parts of golang.org/x/net/http2
// (frames, header decoding). Duo's SDK takes no context, repeats a 429 with an empty body, reads what comes without a
// limit, and brings only its list of roots; a test holds that we send what it would. net/http's HTTP/2 client costs a
// goroutine and some 9 KB a request and writes every frame by itself. The three calls of a login, 64 at once, on the
// client's side of a connection to a Duo that only answers (BenchmarkLean, 2 cores):
//
//	                                        CPU      allocated  objects
//	SDK, http.Client, net/http's HTTP/2     220 µs   38 KB      394
//	ours                                     55 µs    8 KB       82
//	HTTP/1.1, before and now                250 µs   37 KB      432
//	                                        190 µs   29 KB      214
//
// A push that waits holds 2.2 KB and a stack of 4 KB (BenchmarkPendingMemory): one stream, no context, and frames kept
// small from Auth down to the wait.
package duo
