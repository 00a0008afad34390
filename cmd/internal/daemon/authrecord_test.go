package daemon

import (
	"encoding/json"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/radiusd"
)

// TestAuthRecord is the whole line, in the words that rules for authevents.log know.
func TestAuthRecord(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 123456789, time.FixedZone("", 3600))
	full := radiusd.Event{
		Time: at, Client: "vpn", ClientAddr: netip.MustParseAddr("192.0.2.10"), User: "jo", Service: "remote",
		UserIP: netip.MustParseAddr("203.0.113.7"), Code: "Access-Accept", Reason: policy.ReasonApproved, Factor: factor.Push, Txid: "tx",
		Took: 3500 * time.Millisecond, FirstTook: 12 * time.Millisecond, DuoTook: 3456 * time.Millisecond,
	}
	broken := radiusd.Event{Time: at, Client: "vpn", User: "a\x1b[31m\n\u2028<&>", Code: "Access-Reject", Reason: policy.ReasonDuoUnavailable, Err: "duo: dial"}
	for _, tt := range []struct {
		e    radiusd.Event
		want string
	}{
		{full, `{"timestamp":"2026-03-01T08:00:00.123456Z","username":"jo","status":"Allow","auth_stage":"Secondary authentication",` +
			`"client_ip":"203.0.113.7","msg":"Access-Accept: approved","server_section":"vpn","server_section_ikey":"DI-of-vpn",` +
			`"hostname":"radius1","factor":"push","event_type":"authentication","log_level":"info","client":"vpn","client_addr":"192.0.2.10",` +
			`"service":"remote","user_ip":"203.0.113.7","code":"Access-Accept","reason":"approved","txid":"tx","first_factor_ms":12,"duo_ms":3456,"took_ms":3500}`},
		{broken, `{"timestamp":"2026-03-01T08:00:00.123456Z","username":"a\u001b[31m\n\u2028\u003c\u0026\u003e","status":"Error",` +
			`"auth_stage":"Secondary authentication","msg":"Access-Reject: duo-unavailable","server_section":"vpn","server_section_ikey":"DI-of-vpn",` +
			`"hostname":"radius1","factor":"","event_type":"authentication","log_level":"error","client":"vpn","service":"",` +
			`"code":"Access-Reject","reason":"duo-unavailable","txid":"","first_factor_ms":0,"duo_ms":0,"took_ms":0,"error":"duo: dial"}`},
	} {
		l := &AuthLog{host: "radius1", key: func(client string) string { return "DI-of-" + client }}
		if got, err := json.Marshal(l.record(tt.e)); err != nil || string(got) != tt.want {
			t.Errorf("got  %s %v\nwant %s", got, err, tt.want)
		}
	}
}

// TestAuthStatus: only what lets a user in is Allow, and what says nothing about the user is Error.
func TestAuthStatus(t *testing.T) {
	for _, tt := range []struct {
		code   string
		reason policy.Reason
		want   string
	}{
		{"Access-Accept", policy.ReasonApproved, "Allow, Secondary, info"},
		{"Access-Accept", policy.ReasonRemembered, "Allow, Secondary, info"},
		{"Access-Accept", policy.ReasonBypass, "Allow, Secondary, info"},
		{"Access-Accept", policy.ReasonExempt, "Allow, Primary, info"},
		{"Access-Accept", policy.ReasonFailedOpen, "Allow, Secondary, warning"},
		{"Access-Challenge", policy.ReasonChallenged, "Challenge, Secondary, info"},
		{"Access-Challenge", policy.ReasonDenied, "Challenge, Secondary, info"},
		{"Access-Challenge", policy.ReasonBadField, "Challenge, Secondary, info"},
		{"Access-Challenge", policy.ReasonRelayed, "Challenge, Primary, info"},
		{"Access-Reject", policy.ReasonBadPassword, "Reject, Primary, info"},
		{"Access-Reject", policy.ReasonAccountRefused, "Reject, Primary, info"},
		{"Access-Reject", policy.ReasonBadName, "Reject, Primary, info"},
		{"Access-Reject", policy.ReasonDeniedByRule, "Reject, Primary, info"},
		{"Access-Reject", policy.ReasonDenied, "Reject, Secondary, info"},
		{"Access-Reject", policy.ReasonFraud, "Reject, Secondary, warning"},
		{"Access-Reject", policy.ReasonNoAnswer, "Reject, Secondary, info"},
		{"Access-Reject", policy.ReasonNoFirstFactor, "Error, Primary, error"},
		{"Access-Reject", policy.ReasonDuoUnavailable, "Error, Secondary, error"},
		{"Access-Reject", policy.ReasonDuoConfig, "Error, Secondary, error"},
		{"Access-Reject", policy.ReasonBadSecret, "Error, Primary, error"},
		{"Access-Reject", policy.ReasonPanicked, "Error, Primary, error"},
		{"none", policy.ReasonDuoUnavailable, "Error, Secondary, error"}, // failmode silent
		{"none", policy.ReasonAbandoned, "Discard, Secondary, info"},
	} {
		e := radiusd.Event{Code: tt.code, Reason: tt.reason}
		status := authStatus(e)
		stage, _, _ := strings.Cut(authStage(e.Reason, e.Code), " ")
		if got := status + ", " + stage + ", " + authLevel(e.Reason, status); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.code, tt.reason, got, tt.want)
		}
	}
}

// TestEveryReasonHasAStage: a new Reason belongs to the second factor unless it is said here to come before.
func TestEveryReasonHasAStage(t *testing.T) {
	source, err := os.ReadFile("../../../policy/attempt.go")
	if err != nil {
		t.Fatal(err)
	}
	secondary := 0
	all := regexp.MustCompile(`(?m)^\t\w+ +Reason = "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1)
	for _, m := range all {
		if authStage(policy.Reason(m[1]), "Access-Reject") == "Secondary authentication" {
			secondary++
		}
	}
	if len(all) != 43 || secondary != 27 {
		t.Errorf("%d reasons, %d of them of the second factor: see authStage and settled, then these numbers", len(all), secondary)
	}
}
