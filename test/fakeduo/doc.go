// Package fakeduo is a strict fake of Duo's Auth API v2, for tests and for the demo. It speaks HTTPS
// (HTTP/2 and HTTP/1.1) with a certificate of its own, remembers every request, and misbehaves on demand.
//
//	duo := fakeduo.New(fakeduo.Config{AllowChunked: true}) // Duo's SDK as it comes sends chunked bodies
//	err := duo.Start("127.0.0.1:0"); defer duo.Close(); duo.SetUser(fakeduo.User{Username: "jo", Tap: fakeduo.Deny})
//	api := duoapi.NewDuoApi(duo.IntegrationKey(), duo.SecretKey(), "127.0.0.1", "test", duoapi.SetTransport(duo.Transport))
//
// The way of a request, each step in the file named:
//
//	connection  server.go       numbered; counted while open
//	  remember  memory.go       on arrival, so that a request nobody ever answers is seen too
//	  fault     fault.go        cut, hang, delay, another answer: what a test has injected
//	  read      api.go          path, method, body, parameters (each at most once, and only documented ones)
//	  verify    sign.go         credentials, content type, Content-Length, Date, host line, signature
//	  answer    preauth.go auth.go transaction.go user.go
//	  send      reply.go        Duo's envelope, or what the fault wants instead
//
// A login that rings a phone is a transaction. It lives in the ledger (transaction.go) and is settled once:
//
//	POST /auth ──> waiting (pushed | calling) ──┬─ the user's Tap, after Delay ──> allow | deny, fraud
//	                 │                          ├─ Answer, or the phone page ────> allow | deny, fraud
//	                 │                          └─ 60 s ─────────────────────────> deny, timeout
//	GET /auth_status: news not told yet at once, otherwise the next change, otherwise FAIL 40002 after PollWait
//
// The one rule: be stricter than Duo, never more lenient. What Duo documents as wrong is refused, and so is what
// the documentation leaves open and a careful client does not do (a parameter given twice or to the wrong factor,
// a POST without Content-Length, a port in the signed host). Where the documentation names no text for a refusal
// the fake says in message_detail what it missed.
//
// Not built: enroll, enroll_status, trusted devices, the undocumented factor=prompt of duo_unix, SHA-1 signatures.
package fakeduo
