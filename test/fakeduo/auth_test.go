package fakeduo_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
)

func TestPreauth(t *testing.T) {
	for _, tt := range []struct {
		name            string
		user            fakeduo.User
		result, message string
		devices         int
	}{
		{"auth", fakeduo.User{}, "auth", "Account is active", 1},
		{"allow", fakeduo.User{Preauth: "allow"}, "allow", "Account is active", 0},
		{"deny", fakeduo.User{Preauth: "deny", PreauthMessage: "Go home"}, "deny", "Go home", 0},
		{"enroll", fakeduo.User{Preauth: "enroll"}, "enroll", "Enroll an authentication device to proceed", 0},
		{"surprise", fakeduo.User{Preauth: "surprise"}, "surprise", "", 0},
		{"locked out", fakeduo.User{LockedOut: true}, "deny", "Your account has been locked out due to excessive authentication failures", 0},
		{"no devices", fakeduo.User{Devices: []fakeduo.Device{}}, "auth", "Account is active", 0},
	} {
		got := post(t, withJo(tt.user), "/auth/v2/preauth", "username", "jo").Response
		if got.Result != tt.result || got.StatusMsg != tt.message || len(got.Devices) != tt.devices {
			t.Errorf("%s: got %+v, want %s %q", tt.name, got, tt.result, tt.message)
		}
		if (got.EnrollURL != "") != (tt.result == "enroll") {
			t.Errorf("%s: portal: got %q", tt.name, got.EnrollURL)
		}
	}
}

func TestUsers(t *testing.T) {
	s := withJo(fakeduo.User{Aliases: []string{"jo@example.com"}, UserID: "DU000000000000000001", Preauth: "allow"})
	preauth := func(name, value string) string {
		return post(t, s, "/auth/v2/preauth", name, value).Response.Result
	}
	for _, tt := range [][3]string{
		{"username", "jo", "allow"}, {"username", "jo@example.com", "allow"}, {"username", "Jo", "enroll"},
		{"user_id", "DU000000000000000001", "allow"}, {"user_id", "jo", "enroll"},
	} {
		if got := preauth(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%s=%s: got %s, want %s", tt[0], tt[1], got, tt[2])
		}
	}
	s.SetUser(fakeduo.User{Username: "jo"})
	if got := preauth("username", "jo@example.com"); got != "enroll" {
		t.Errorf("alias of a replaced user: got %s", got)
	}
	s.RemoveUser("jo")
	if got := preauth("username", "jo"); got != "enroll" {
		t.Errorf("removed user: got %s", got)
	}
	if got := auth(t, s, "username", "jo", "factor", "passcode", "passcode", "1"); got.Code != 40002 || got.Detail != "username" {
		t.Errorf("auth of a removed user: got %+v", got)
	}
}

func TestPreauthParameters(t *testing.T) {
	for _, tt := range []struct {
		params []string
		code   int
		detail string
	}{
		{[]string{}, 40001, "username or user_id"},
		{[]string{"username", "jo", "user_id", "DU1"}, 40002, "username and user_id"},
		{[]string{"username", "jo", "ipaddr", "2001:db8::1"}, 40002, "ipaddr"},
		{[]string{"username", "jo", "ipaddr", "::ffff:192.0.2.1"}, 40002, "ipaddr"},
		{[]string{"username", "jo", "ipaddr", "192.0.2"}, 40002, "ipaddr"},
		{[]string{"username", "jo", "client_supports_verified_push", "yes"}, 40002, "client_supports_verified_push"},
		{[]string{"username", "jo", "ipaddr", "192.0.2.1", "hostname", "vpn", "trusted_device_token", "x"}, 0, ""},
	} {
		got := post(t, withJo(fakeduo.User{}), "/auth/v2/preauth", tt.params...)
		if got.Code != tt.code || got.Detail != tt.detail {
			t.Errorf("%v: got %d %q, want %d %q", tt.params, got.Code, got.Detail, tt.code, tt.detail)
		}
	}
}

func TestAuthParameters(t *testing.T) {
	devices := []fakeduo.Device{
		{ID: "DPPHONE", Capabilities: []string{"phone", "sms"}},
		{ID: "DPTABLET", Capabilities: []string{"auto", "push"}},
		{ID: "DHTOKEN", Type: "token"},
	}
	for _, tt := range []struct {
		params string
		code   int
		detail string
	}{
		{"factor=", 40001, "factor"},
		{"factor=prompt", 40002, "factor"},
		{"factor=push", 40001, "device"},
		{"factor=auto", 40001, "device"},
		{"factor=phone", 40001, "device"},
		{"factor=sms", 40001, "device"},
		{"factor=passcode", 40001, "passcode"},
		{"factor=passcode passcode=1 device=auto", 40002, "device: not with factor passcode"},
		{"factor=push device=auto passcode=1", 40002, "passcode: not with factor push"},
		{"factor=phone device=auto pushinfo=a=b", 40002, "pushinfo: not with factor phone"},
		{"factor=push device=auto pushinfo=a", 40002, "pushinfo: want k=v&k=v, escaped"},
		{"factor=push device=auto pushinfo=a=%zz", 40002, "pushinfo: want k=v&k=v, escaped"},
		{"factor=push device=auto pushinfo=a=" + strings.Repeat("b", 19_998), 40002, "pushinfo: too long"},
		{"factor=push device=auto pushinfo=a=" + strings.Repeat("b", 19_997), 0, ""},
		{"factor=push device=auto async=yes", 40002, "async"},
		{"factor=push device=auto ipaddr=::1", 40002, "ipaddr"},
		{"factor=push device=auto txid=unknown", 40002, "txid"},
		{"factor=push device=DPNOBODY", 40002, "no capable device"},
		{"factor=push device=DPPHONE", 40002, "no capable device"},
		{"factor=phone device=DHTOKEN", 40002, "no capable device"},
		{"factor=auto device=DHTOKEN", 40002, "no capable device"},
		{"factor=push device=DPTABLET", 0, ""},
		{"factor=push device=auto", 0, ""},
		{"factor=auto device=DPPHONE", 0, ""},
		{"factor=phone device=auto async=0", 0, ""},
	} {
		pairs := []string{"username", "jo"}
		for p := range strings.FieldsSeq(tt.params) {
			name, value, _ := strings.Cut(p, "=")
			pairs = append(pairs, name, value)
		}
		got := auth(t, withJo(fakeduo.User{Devices: devices}), pairs...)
		if got.Code != tt.code || got.Detail != tt.detail {
			t.Errorf("%.60s: got %d %q, want %d %q", tt.params, got.Code, got.Detail, tt.code, tt.detail)
		}
	}
}

func TestSyncResults(t *testing.T) {
	push := []string{"username", "jo", "factor", "push", "device", "auto"}
	sms := []string{"username", "jo", "factor", "sms", "device", "auto"}
	for _, tt := range []struct {
		user   fakeduo.User
		params []string
		want   string
	}{
		{fakeduo.User{}, push, "allow allow Success. Logging you in..."},
		{fakeduo.User{Tap: fakeduo.Deny}, push, "deny deny Login request denied."},
		{fakeduo.User{Tap: fakeduo.Fraud, Delay: time.Millisecond}, push, "deny fraud Login request reported as fraud."},
		{fakeduo.User{}, sms, "deny sent New SMS passcodes sent."},
		{fakeduo.User{Preauth: "allow"}, push, "allow bypass Success. Logging you in..."},
		{fakeduo.User{Preauth: "deny", PreauthMessage: "No"}, push, "deny deny No"},
		{fakeduo.User{LockedOut: true}, push, "deny locked_out Account disabled due to too many failed login attempts"},
		{fakeduo.User{AuthResult: "maybe", AuthStatus: "thinking"}, push, "maybe thinking Success. Logging you in..."},
		{fakeduo.User{AuthStatus: "bypass"}, push, "allow bypass Success. Logging you in..."},
	} {
		s := withJo(tt.user)
		r := auth(t, s, tt.params...).Response
		if got := r.Result + " " + r.Status + " " + r.StatusMsg; got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		if allows := s.Allows(); (len(allows) == 1) != (r.Result == "allow") {
			t.Errorf("%s: allows: got %+v", tt.want, allows)
		}
	}
}

func TestPasscodes(t *testing.T) {
	s := withJo(fakeduo.User{Passcodes: []string{"111111"}, BypassCodes: []string{"222222222"}})
	try := func(code string) string {
		r := auth(t, s, "username", "jo", "factor", "passcode", "passcode", code).Response
		if r.Result == "deny" && r.StatusMsg != "Incorrect passcode. Please try again." {
			t.Errorf("message: got %q", r.StatusMsg)
		}
		return r.Status
	}
	rolling := s.Passcode("jo")
	for _, tt := range [][2]string{
		{"111111", "allow"}, {"111111", "deny"}, {"222222222", "bypass"}, {"222222222", "deny"},
		{"", ""}, {rolling, "allow"}, {rolling, "deny"},
	} {
		if got := try(tt[0]); got != tt[1] {
			t.Errorf("%s: got %q, want %q", tt[0], got, tt[1])
		}
	}
	next := s.Passcode("jo")
	if next == rolling || len(next) != 6 {
		t.Errorf("next code: got %q after %q", next, rolling)
	}
	s.SetUser(fakeduo.User{Username: "jo"})
	if got := s.Passcode("jo"); got != next {
		t.Errorf("code after SetUser: got %s, want %s", got, next)
	}
	if got := s.Passcode("nobody"); got != "" {
		t.Errorf("nobody's code: got %q", got)
	}
	if s.Pushes() != 0 {
		t.Errorf("pushes: got %d", s.Pushes())
	}
}

func TestVerifiedPush(t *testing.T) {
	s := withJo(fakeduo.User{VerifiedPush: true})
	plain := post(t, s, "/auth/v2/preauth", "username", "jo").Response
	if plain.Txid != "" || slices.Contains(plain.Devices[0].Capabilities, "push") {
		t.Errorf("client that can't show a code: got %+v, want no push on offer", plain)
	}
	push := []string{"username", "jo", "factor", "push", "device", "auto"}
	if got := auth(t, s, push...); got.Detail != "no capable device" {
		t.Errorf("push without a code: got %+v", got)
	}
	pre := post(t, s, "/auth/v2/preauth", "username", "jo", "client_supports_verified_push", "1").Response
	if pre.Txid == "" || len(pre.Code) != 3 || pre.Expiration < time.Now().Unix() {
		t.Fatalf("got %+v, want txid, code, expiration", pre)
	}
	push = append(push, "txid", pre.Txid)
	if got := auth(t, s, push...).Response; got.Result != "allow" {
		t.Errorf("push with its txid: got %+v", got)
	}
	if got := s.Transactions()[0]; got.Txid != pre.Txid || got.VerificationCode != pre.Code {
		t.Errorf("transaction: got %+v", got)
	}
	if got := auth(t, s, push...); got.Code != 40002 || got.Detail != "txid" {
		t.Errorf("the same txid again: got %+v", got)
	}
}
