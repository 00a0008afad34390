// Package duo is Duo's Auth API v2 (https://duo.com/docs/authapi) on Duo's SDK.
//
//	Preauth, Auth ─▶ call (our retries, 429) ─▶ once (SDK: sign) ─▶ callTransport (context, body) ─▶ lanes (connections)
//
// Its one rule: /auth is written to Duo at most once a try that Duo has not refused in so many words (429). A
// connection that breaks after that leaves the phone ringing, and calling again would ring it twice.
//
// The SDK signs; everything else about the call is ours, because the SDK takes no context, repeats a 429 with an empty
// body and reads what comes without a limit.
package duo
