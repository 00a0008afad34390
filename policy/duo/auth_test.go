package duo_test

import (
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/duo"
	"duoradiusd/policy/factor"
	"duoradiusd/test/fakeduo"
)

func TestPingAndCheck(t *testing.T) {
	s, c := ready(t, fakeduo.Config{}, fakeduo.User{})
	s.Skew(-90 * time.Second)
	for name, call := range map[string]func() (time.Time, error){
		"ping":  func() (time.Time, error) { return c.Ping(t.Context()) },
		"check": func() (time.Time, error) { return c.Check(t.Context()) },
	} {
		got, err := call()
		if off := time.Until(got); err != nil || off > -88*time.Second || off < -93*time.Second {
			t.Errorf("%s: got %v from now, %v; want -90s", name, off, err)
		}
		if r := last(t, s, "/auth/v2/"+name); (r.Authorization != "") != (name == "check") || len(r.Params) != 0 {
			t.Errorf("%s: got Authorization %q and parameters %v", name, r.Authorization, r.Params)
		}
	}
}

func TestPreauth(t *testing.T) {
	phone := fakeduo.Device{
		ID: "DPAAAAAAAAAAAAAAAAAA", Name: "Jo's phone", Number: "XXX-XXX-0123", Capabilities: []string{"auto", "push", "sms"},
	}
	token := fakeduo.Device{ID: "DHAAAAAAAAAAAAAAAAAA", Type: "token", Name: "0123456"}
	for _, tt := range []struct {
		name     string
		user     fakeduo.User
		verified bool
		want     policy.Preauth
		err      string
	}{
		{name: "auth", user: fakeduo.User{Devices: []fakeduo.Device{phone, token}}, want: policy.Preauth{
			Result: policy.PreauthAuth, Message: "Account is active", Devices: []policy.Device{
				{ID: phone.ID, Type: "phone", Name: "Jo's phone (XXX-XXX-0123)", Number: "XXX-XXX-0123",
					Capabilities: []string{"auto", "push", "sms"}, NextCode: "1"},
				{ID: token.ID, Type: "token", Name: "Token (0123456)"},
			}}},
		{name: "allow", user: fakeduo.User{Preauth: "allow"},
			want: policy.Preauth{Result: policy.PreauthAllow, Message: "Account is active"}},
		{name: "deny", user: fakeduo.User{Preauth: "deny", PreauthMessage: "Not \x1b[31mtoday\x00"},
			want: policy.Preauth{Result: policy.PreauthDeny, Message: "Not \ufffd[31mtoday\ufffd"}},
		{name: "locked out", user: fakeduo.User{LockedOut: true}, want: policy.Preauth{Result: policy.PreauthDeny,
			Message: "Your account has been locked out due to excessive authentication failures"}},
		{name: "enroll", user: fakeduo.User{Preauth: "enroll"}, want: policy.Preauth{Result: policy.PreauthEnroll,
			Message:   "Enroll an authentication device to proceed",
			EnrollURL: "https://127.0.0.1/portal?code=fakeduo&akey=DAFAKEFAKEFAKEFAKE00"}},
		{name: "verified push, not offered", user: fakeduo.User{Devices: []fakeduo.Device{phone}, VerifiedPush: true},
			want: policy.Preauth{Result: policy.PreauthAuth, Message: "Account is active", Devices: []policy.Device{
				{ID: phone.ID, Type: "phone", Name: "Jo's phone (XXX-XXX-0123)", Number: "XXX-XXX-0123",
					Capabilities: []string{"auto", "sms"}, NextCode: "1"}}}},
		{name: "unknown result", user: fakeduo.User{Preauth: "maybe"}, err: `Duo preauth: unknown result "maybe"`},
		{name: "another case", user: fakeduo.User{Preauth: "Allow"}, err: `Duo preauth: unknown result "Allow"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, c := ready(t, fakeduo.Config{}, tt.user)
			got, err := c.Preauth(t.Context(), policy.PreauthRequest{User: jo, VerifiedPush: tt.verified})
			if tt.err != "" {
				if err == nil || err.Error() != tt.err || kind(err) != "unknown" {
					t.Errorf("got %v (%s), want %s", err, kind(err), tt.err)
				}
			} else if err != nil {
				t.Error(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// A call names its user by ID if there is one, or else by name, and never by both.
func TestIdentity(t *testing.T) {
	s, c := ready(t, fakeduo.Config{}, fakeduo.User{UserID: "DUAAAAAAAAAAAAAAAAAA"})
	for _, tt := range []struct {
		user policy.Identity
		want string
	}{
		{policy.Identity{Username: "jo"}, "username=jo"},
		{policy.Identity{UserID: "DUAAAAAAAAAAAAAAAAAA"}, "user_id=DUAAAAAAAAAAAAAAAAAA"},
		{policy.Identity{UserID: "DUAAAAAAAAAAAAAAAAAA", Username: "jo"}, "user_id=DUAAAAAAAAAAAAAAAAAA"},
		{policy.Identity{Username: "CORP\\jo müller&x=1+%41"}, "username=CORP\\jo müller&x=1+%41"},
	} {
		r := policy.AuthRequest{User: tt.user, Factor: factor.Passcode, Passcode: "000000"}
		if _, err := c.Preauth(t.Context(), policy.PreauthRequest{User: tt.user}); err != nil {
			t.Errorf("%v: %v", tt.user, err)
		}
		c.Auth(t.Context(), &r)
		if got := form(last(t, s, preauthPath)); got != "["+tt.want+"\n]" {
			t.Errorf("preauth of %v: got %s, want %s", tt.user, got, tt.want)
		}
		if got := form(last(t, s, authPath)); got != "[factor=passcode\n passcode=000000\n "+tt.want+"\n]" {
			t.Errorf("auth of %v: got %s, want %s", tt.user, got, tt.want)
		}
	}
}

// This is each factor with exactly its parameters, and with its answers.
func TestAuth(t *testing.T) {
	full := policy.AuthRequest{ // all that policy could fill in
		User: jo, Name: "Jo Müller", IP: netip.MustParseAddr("203.0.113.7"), Device: "auto", Passcode: "123456",
		Info: [][2]string{{"Service", "VPN & more"}, {"User address", "203.0.113.7"}},
	}
	with := func(f factor.Factor, passcode string) policy.AuthRequest {
		r := full
		r.Factor, r.Passcode = f, passcode
		return r
	}
	const (
		pushed = "[async=1\n device=auto\n display_username=Jo Müller\n factor=push\n ipaddr=203.0.113.7\n " +
			"pushinfo=Service=VPN+%26+more&User+address=203.0.113.7\n username=jo\n]"
		called = "[async=1\n device=auto\n factor=phone\n ipaddr=203.0.113.7\n username=jo\n]"
		texted = "[device=auto\n factor=sms\n ipaddr=203.0.113.7\n username=jo\n]"
		typed  = "[factor=passcode\n ipaddr=203.0.113.7\n passcode="
	)
	good := policy.AuthResult{Allowed: true, Status: "allow", Message: "Success. Logging you in..."}
	deny := func(status, message string) policy.AuthResult {
		return policy.AuthResult{Status: status, Message: message}
	}
	wrong := deny("deny", "Incorrect passcode. Please try again.")
	for _, tt := range []struct {
		name string
		user fakeduo.User
		r    policy.AuthRequest
		want policy.AuthResult // without Txid
		form string
	}{
		{"push", fakeduo.User{}, with(factor.Push, ""), good, pushed},
		{"late push", fakeduo.User{Delay: 20 * time.Millisecond}, with(factor.Push, ""), good, pushed},
		{"push denied", fakeduo.User{Tap: fakeduo.Deny}, with(factor.Push, ""), deny("deny", "Login request denied."), pushed},
		{"fraud", fakeduo.User{Tap: fakeduo.Fraud}, with(factor.Push, ""), deny("fraud", "Login request reported as fraud."), pushed},
		{"locked out", fakeduo.User{LockedOut: true}, with(factor.Push, ""),
			deny("locked_out", "Account disabled due to too many failed login attempts"), pushed},
		{"bypass", fakeduo.User{Preauth: "allow"}, with(factor.Push, ""),
			policy.AuthResult{Allowed: true, Status: "bypass", Message: "Success. Logging you in..."}, pushed},
		{"a status of the future", fakeduo.User{AuthStatus: "biometric"}, with(factor.Push, ""),
			policy.AuthResult{Allowed: true, Status: "biometric", Message: "Success. Logging you in..."}, pushed},
		{"call", fakeduo.User{Delay: 20 * time.Millisecond}, with(factor.Phone, ""), good, called},
		{"call denied", fakeduo.User{Tap: fakeduo.Deny}, with(factor.Phone, ""), deny("deny", "Login request denied."), called},
		{"sms", fakeduo.User{}, with(factor.SMS, ""), deny("sent", "New SMS passcodes sent."), texted},
		{"passcode", fakeduo.User{Passcodes: []string{"123456"}}, with(factor.Passcode, "123456"), good, typed + "123456\n username=jo\n]"},
		{"wrong passcode", fakeduo.User{}, with(factor.Passcode, "0123456"), wrong, typed + "0123456\n username=jo\n]"},
		{"bypass code", fakeduo.User{BypassCodes: []string{"987654321"}}, with(factor.Passcode, "987654321"),
			policy.AuthResult{Allowed: true, Status: "bypass", Message: "Success. Logging you in..."}, typed + "987654321\n username=jo\n]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c := ready(t, fakeduo.Config{}, tt.user)
			rings := tt.r.Factor == factor.Push || tt.r.Factor == factor.Phone
			var begun []string
			tt.r.Started = func(txid string) { begun = append(begun, txid) }
			got, err := c.Auth(t.Context(), &tt.r)
			if err != nil {
				t.Fatal(err)
			}
			if rings && (len(begun) != 1 || begun[0] == "" || got.Txid != begun[0]) {
				t.Errorf("Started with %q, and Txid %q", begun, got.Txid)
			}
			if !rings && (begun != nil || s.Count(statusPath) != 0) {
				t.Errorf("Started with %q, and %d polls; want neither", begun, s.Count(statusPath))
			}
			if got.Txid = ""; got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			if got := form(last(t, s, authPath)); got != tt.form {
				t.Errorf("parameters:\n got %s\nwant %s", got, tt.form)
			}
		})
	}
}

func TestPasscodeTwice(t *testing.T) {
	s, c := ready(t, fakeduo.Config{}, fakeduo.User{})
	r := policy.AuthRequest{User: jo, Factor: factor.Passcode, Passcode: s.Passcode("jo")}
	for _, want := range []bool{true, false} {
		if got, err := c.Auth(t.Context(), &r); err != nil || got.Allowed != want {
			t.Errorf("got %+v, %v; want allowed %v", got, err, want)
		}
	}
}

// Started is called while the phone rings, and not after the answer.
func TestStarted(t *testing.T) {
	s, c := ready(t, fakeduo.Config{}, fakeduo.User{Tap: fakeduo.Ask})
	r := push
	r.Started = func(txid string) {
		if err := s.Answer(txid, fakeduo.Approve); err != nil {
			t.Error(err)
		}
	}
	if got, err := c.Auth(t.Context(), &r); err != nil || !got.Allowed {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestVerifiedPush(t *testing.T) {
	s, c := ready(t, fakeduo.Config{}, fakeduo.User{VerifiedPush: true})
	pre, err := c.Preauth(t.Context(), policy.PreauthRequest{User: jo, VerifiedPush: true})
	if err != nil || len(pre.Code) != 3 || pre.Txid == "" || !pre.Devices[0].Can("push") {
		t.Fatalf("got %+v, %v", pre, err)
	}
	if got := form(last(t, s, preauthPath)); got != "[client_supports_verified_push=1\n username=jo\n]" {
		t.Errorf("parameters: got %s", got)
	}
	r := push
	r.Txid = pre.Txid
	got, err := c.Auth(t.Context(), &r)
	if err != nil || !got.Allowed || got.Txid != pre.Txid {
		t.Errorf("got %+v, %v", got, err)
	}
	if tx := s.Transactions(); len(tx) != 1 || tx[0].Txid != pre.Txid || tx[0].VerificationCode != pre.Code {
		t.Errorf("got %+v, want one with txid %s and code %s", tx, pre.Txid, pre.Code)
	}
}

// Only an address that says where the user is gets sent, and only as a dotted quad.
func TestAddress(t *testing.T) {
	s, c := ready(t, fakeduo.Config{}, fakeduo.User{})
	for ip, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "::ffff:203.0.113.7": "203.0.113.7", "8.8.8.8": "8.8.8.8", "172.32.0.1": "172.32.0.1",
		"100.63.0.1": "100.63.0.1", "100.128.0.1": "100.128.0.1",
		"10.1.2.3": "", "172.16.0.1": "", "172.31.255.255": "", "192.168.1.1": "", "::ffff:192.168.1.1": "",
		"100.64.0.1": "", "100.127.255.255": "", "127.0.0.1": "", "169.254.1.1": "", "0.0.0.0": "", "224.0.0.1": "",
		"255.255.255.255": "", "2001:db8::1": "", "2606:4700::1": "", "::1": "", "fe80::1%eth0": "", "": "",
	} {
		addr, _ := netip.ParseAddr(ip)
		if _, err := c.Preauth(t.Context(), policy.PreauthRequest{User: jo, IP: addr}); err != nil {
			t.Errorf("preauth from %s: %v", ip, err)
		}
		r := push
		r.IP = addr
		if _, err := c.Auth(t.Context(), &r); err != nil {
			t.Errorf("auth from %s: %v", ip, err)
		}
		for _, path := range []string{preauthPath, authPath} {
			if p := last(t, s, path).Params; p.Get("ipaddr") != want || p.Has("ipaddr") != (want != "") {
				t.Errorf("%s from %s: got ipaddr %q, want %q", path, ip, p["ipaddr"], want)
			}
		}
	}
}

func TestPushInfo(t *testing.T) {
	s, c := ready(t, fakeduo.Config{}, fakeduo.User{})
	r := push
	r.Info = [][2]string{{"Zone", "b=1&a=2"}, {"A key", "50 % ü + ~\n"}, {"Empty", ""}, {"Zone", "twice"}}
	if _, err := c.Auth(t.Context(), &r); err != nil {
		t.Fatal(err)
	}
	want := "Zone=b%3D1%26a%3D2&A+key=50+%25+%C3%BC+%2B+~%0A&Empty=&Zone=twice"
	if got := last(t, s, authPath).Params.Get("pushinfo"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	tx := s.Transactions()[0]
	for i, pair := range tx.PushInfo { // what the user sees, in the given order
		if pair.Key != r.Info[i][0] || pair.Value != r.Info[i][1] {
			t.Errorf("line %d: got %q, want %q", i, pair, r.Info[i])
		}
	}
	if tx.DisplayUsername != "jo@example.com" || len(tx.PushInfo) != len(r.Info) {
		t.Errorf("got %+v", tx)
	}
}

// Duo accepts less than 20 000 encoded octets, so as many whole pairs are sent as fit.
func TestPushInfoBound(t *testing.T) {
	s, c := ready(t, fakeduo.Config{}, fakeduo.User{})
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct {
		name  string
		info  [][2]string
		pairs int
		size  int
	}{
		{"one that just goes in", [][2]string{{"k", x(19_997)}}, 1, 19_999},
		{"one that just does not", [][2]string{{"k", x(19_998)}}, 0, 0},
		{"two that just go in", [][2]string{{"k", x(9_997)}, {"k", x(9_997)}}, 2, 19_999},
		{"two that just do not", [][2]string{{"k", x(9_997)}, {"k", x(9_998)}}, 1, 9_999},
		{"nothing after the one that does not", [][2]string{{"k", "v"}, {"k", x(20_000)}, {"k", "v"}}, 1, 3},
		{"counted as encoded", [][2]string{{"k", "v"}, {"k", strings.Repeat("ü", 3_333)}}, 1, 3}, // 19 998 and 2
		{"none", nil, 0, 0},
	} {
		got := duo.PushInfo(tt.info)
		if n := strings.Count(got, "="); len(got) != tt.size || n != tt.pairs {
			t.Errorf("%s: got %d octets of %d pairs, want %d of %d", tt.name, len(got), n, tt.size, tt.pairs)
		}
		if v, err := url.ParseQuery(got); err != nil {
			t.Errorf("%s: %v: %v", tt.name, v, err)
		}
		r := push
		r.Info = tt.info
		if got, err := c.Auth(t.Context(), &r); err != nil || !got.Allowed {
			t.Errorf("%s: got %+v, %v", tt.name, got, err)
		}
		if p := last(t, s, authPath).Params; len(p.Get("pushinfo")) != tt.size || p.Has("pushinfo") != (tt.size > 0) {
			t.Errorf("%s: sent %d octets, want %d", tt.name, len(p.Get("pushinfo")), tt.size)
		}
	}
}
