package radiusd_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/radiusd"
	"duoradiusd/test/nas"
)

const mixed = "more than one of User-Password, CHAP-Password and EAP-Message"

// without returns r without its attributes of one type.
func without(r *nas.Request, typ byte) *nas.Request {
	r.Attributes = slices.DeleteFunc(r.Attributes, func(a nas.Attribute) bool { return a.Type == typ })
	return r
}

var bare = func() *nas.Request { return without(login(), nas.UserPassword) }

const arapPassword = 70

func TestA1_OneMethod(t *testing.T) {
	eap, chap := nas.EAPIdentity(1, "jo"), make([]byte, 17)
	msCHAP := func(r *nas.Request) *nas.Request { return r.AddVSA(311, 1, make([]byte, 50)) }
	for _, tt := range []struct {
		name string
		r    *nas.Request
		want byte // the expected code; 0 means no reply
		as   policy.Method
	}{
		{"User-Password", login(), nas.CodeAccessAccept, policy.MethodPassword},
		{"State and User-Password", login().State([]byte("s")), nas.CodeAccessAccept, policy.MethodPassword},
		{"State alone", bare().State([]byte("s")), nas.CodeAccessAccept, policy.MethodPassword},
		{"nothing", bare(), nas.CodeAccessReject, 0},
		{"an empty State alone", bare().State(nil), nas.CodeAccessReject, 0},
		{"CHAP-Password", login().CHAP("hunter2"), nas.CodeAccessAccept, policy.MethodCHAP},
		{"EAP-Message", login().EAP(eap), nas.CodeAccessAccept, policy.MethodEAP},
		{"MS-CHAP-Response", msCHAP(bare()), nas.CodeAccessAccept, policy.MethodMSCHAP},
		{"ARAP-Password", bare().Add(arapPassword, make([]byte, 16)), nas.CodeAccessReject, 0},
		{"User-Password and CHAP-Password", login().Add(nas.CHAPPassword, chap), 0, 0},
		{"User-Password and EAP-Message", login().Add(nas.EAPMessage, eap), 0, 0},
		{"User-Password and empty EAP-Message", login().Add(nas.EAPMessage, nil), 0, 0},
		{"CHAP-Password and EAP-Message", login().CHAP("x").Add(nas.EAPMessage, eap), 0, 0},
		{"User-Password and MS-CHAP-Response", msCHAP(login()), 0, 0},
		{"User-Password and ARAP-Password", login().Add(arapPassword, make([]byte, 16)), 0, 0},
		{"MS-CHAP-Response and EAP-Message", msCHAP(login().EAP(eap)), 0, 0},
		{"all", msCHAP(login().Add(nas.CHAPPassword, chap).Add(nas.EAPMessage, eap)), 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t, house{decide: always(policy.Verdict{
				Outcome: policy.OutcomeAccept, Reason: policy.ReasonApproved, EAP: "\x03\x01\x00\x04"})})
			n := d.nas("")
			if tt.want == 0 {
				d.drops(n, mixed, tt.r.Bytes())
				return
			}
			d.wants(tt.want, n, tt.r)
			calls := d.decider.calls()
			if tt.want == nas.CodeAccessReject && len(calls) != 0 {
				t.Errorf("%d logins reached the Decider, want none", len(calls))
			}
			if tt.want == nas.CodeAccessAccept && (len(calls) != 1 || calls[0].Method != tt.as) {
				t.Errorf("the Decider saw %+v, want the method %v", calls, tt.as)
			}
		})
	}
}

func TestA2_NoMethodAndNoMessageAuthenticator(t *testing.T) {
	const reason = "no credentials and no Message-Authenticator"
	d := open(t, house{decide: always(accept)})
	d.drops(d.nas(""), reason, bare().Sign(nas.None).Bytes(), bare().Sign(nas.None).State(nil).Bytes(),
		bare().Sign(nas.None).AddUint32(nas.ServiceType, 10).Bytes())
}

// TestA3_A4_Acceptance10_UnsupportedMethods: a method that nobody can check is rejected at once, although other rejects are
// delayed, and the Decider is not asked. A login that the Decider does not support is rejected at once, too.
func TestA3_A4_Acceptance10_UnsupportedMethods(t *testing.T) {
	refuse := policy.Verdict{Reason: policy.ReasonUnsupported, User: "jo", Immediate: true}
	d := open(t, house{decide: always(refuse), rejectDelay: time.Minute, clients: []*radiusd.Client{client(
		func(c *radiusd.Client) { c.Timeout = time.Hour })}})
	n := d.nas("")
	for name, tt := range map[string]struct {
		r       *nas.Request
		decided int
	}{
		"CHAP":             {login().CHAP("hunter2"), 1},
		"CHAP, unsigned":   {unsigned().CHAP("hunter2"), 1},
		"MS-CHAPv2":        {login().MSCHAPv2(), 1},
		"EAP":              {login().EAP(nas.EAPIdentity(1, "jo")), 1},
		"EAP-Start":        {login().EAP(nil), 1},
		"EAP, long":        {login().EAP(make([]byte, 1000)), 1},
		"State and CHAP":   {login().CHAP("hunter2").State([]byte("s")), 1},
		"no method":        {bare(), 0},
		"Call-Check":       {login().AddUint32(nas.ServiceType, 10), 0},
		"ARAP":             {bare().Add(arapPassword, make([]byte, 16)), 0},
		"Authorize-Only":   {bare().AddUint32(nas.ServiceType, 17), 0},
		"with Proxy-State": {login().CHAP("x").ProxyState("one").ProxyState("two"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			start, before := time.Now(), len(d.decider.calls())
			p := (&door{Server: d.Server, t: t, decider: d.decider}).wants(nas.CodeAccessReject, n, tt.r)
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			if len(p.Get(nas.ReplyMessage)) != 0 {
				t.Errorf("a Reply-Message: %v", p)
			}
			if got := len(d.decider.calls()) - before; got != tt.decided {
				t.Errorf("decided %d times, want %d", got, tt.decided)
			}
		})
	}
	eventually(t, "login lines that say who", func() bool {
		return len(d.log.lines("reason=unsupported-method", "user=jo")) >= 10
	})
}

// TestIgnoredPassword: where the password field is ignored, a signed request needs no password, such as those of RD
// Gateway, and any content of the field is allowed. A request that is not signed, or that asks for something else than a
// login, is refused as always.
func TestIgnoredPassword(t *testing.T) {
	ignoring := client(func(c *radiusd.Client) { c.Login.IgnorePassword = true })
	d := open(t, house{decide: always(accept), clients: []*radiusd.Client{ignoring}})
	n := d.nas("")
	noise := bytes.Repeat([]byte{0xc3}, 16)
	for name, tt := range map[string]struct {
		r    *nas.Request
		want byte
	}{
		"no password":                 {bare(), nas.CodeAccessAccept},
		"noise":                       {bare().Add(nas.UserPassword, noise), nas.CodeAccessAccept},
		"odd length":                  {bare().Add(nas.UserPassword, noise[:7]), nas.CodeAccessAccept},
		"a password":                  {login(), nas.CodeAccessAccept},
		"a password, unsigned":        {unsigned(), nas.CodeAccessAccept},
		"odd length, unsigned":        {bare().Add(nas.UserPassword, noise[:7]).Sign(nas.None), nas.CodeAccessReject},
		"odd length, State":           {bare().Add(nas.UserPassword, noise[:7]).State([]byte("s")), nas.CodeAccessReject},
		"no password, Call-Check":     {bare().AddUint32(nas.ServiceType, 10), nas.CodeAccessReject},
		"no password, Authorize-Only": {bare().AddUint32(nas.ServiceType, 17), nas.CodeAccessReject},
		"ARAP":                        {bare().Add(arapPassword, make([]byte, 16)), nas.CodeAccessReject},
	} {
		t.Run(name, func(t *testing.T) {
			(&door{Server: d.Server, t: t, decider: d.decider}).wants(tt.want, n, tt.r)
		})
	}
	d.drops(n, "no credentials and no Message-Authenticator", bare().Sign(nas.None).Bytes())
}

// TestA4_EAPFailure: a reject ends the conversation with an EAP-Failure that has the peer's Identifier (RFC 3579 §2.6.3).
func TestA4_EAPFailure(t *testing.T) {
	d := open(t, house{decide: always(reject)})
	n := d.nas("")
	for name, test := range map[string]struct {
		eap  []byte
		want string
	}{
		"Identity":  {nas.EAPIdentity(7, "jo"), "\x04\x07\x00\x04"},
		"long":      {append([]byte{2, 9}, make([]byte, 1000)...), "\x04\x09\x00\x04"},
		"EAP-Start": {nil, ""},
	} {
		p := d.wants(nas.CodeAccessReject, n, login().EAP(test.eap).ProxyState("p"))
		got := p.Get(nas.EAPMessage)
		if test.want == "" && len(got) != 0 || test.want != "" && (len(got) != 1 || string(got[0]) != test.want) {
			t.Errorf("%s: EAP-Message %q, want %q", name, got, test.want)
		}
	}
}

func TestA7_ServiceType(t *testing.T) {
	for _, tt := range []struct {
		r    *nas.Request
		want byte
	}{
		{login().AddUint32(nas.ServiceType, 10), nas.CodeAccessReject},
		{login().AddUint32(nas.ServiceType, 10).State([]byte("s")), nas.CodeAccessReject},
		{login().AddUint32(nas.ServiceType, 17), nas.CodeAccessReject},
		{bare().AddUint32(nas.ServiceType, 17), nas.CodeAccessReject},
		{bare().AddUint32(nas.ServiceType, 17).State([]byte("s")), nas.CodeAccessReject},
		{login().AddUint32(nas.ServiceType, 1), nas.CodeAccessAccept},
		{login().AddUint32(nas.ServiceType, 8), nas.CodeAccessAccept},
		{login().AddUint32(nas.ServiceType, 4711), nas.CodeAccessAccept},
	} {
		d := open(t, house{decide: always(accept)})
		d.wants(tt.want, d.nas(""), tt.r)
		if got := len(d.decider.calls()); (got == 0) != (tt.want == nas.CodeAccessReject) {
			t.Errorf("%+v: %d logins reached the Decider", tt.r.Attributes, got)
		}
	}
}

// hidden returns a login whose User-Password decodes to these octets, which may be no password at all.
func hidden(plain string) *nas.Request {
	r := bare().Sign(nas.First)
	r.Attributes = append(r.Attributes, nas.Attribute{Type: nas.UserPassword, Value: []byte(plain), Hide: true})
	return r
}

// TestA8_Acceptance8_Acceptance9_Passwords: a password that no client with the right secret sends is rejected, and the
// Decider is not asked.
func TestA8_Acceptance8_Acceptance9_Passwords(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	n := d.nas("")
	for _, size := range []int{1, 15, 17, 31, 129, 130, 144, 253} {
		d.wants(nas.CodeAccessReject, n, bare().Add(nas.UserPassword, make([]byte, size)))
	}
	d.wants(nas.CodeAccessAccept, n, bare().Add(nas.UserPassword, nil)) // some libraries send this for an empty password, because they add no padding
	if got := d.decider.calls(); len(got) != 1 || got[0].Password != "" {
		t.Errorf("of an empty field: %+v", got)
	}
	for _, plain := range []string{"\x00abc", "good\x00anything", "tab\t", "\x1b[31m", "\xff\xfe", "caf\xe9", "\u0085",
		strings.Repeat("x", 127) + "\n"} {
		d.wants(nas.CodeAccessReject, n, hidden(plain))
	}
	wrong := nas.AccessRequest("another secret", "jo", "hunter2")
	b := wrong.Bytes()
	wrong.Secret = []byte(secret) // the reply is signed with the right secret
	d.sendOctets(n, b)
	if p := d.reply(n, wrong); p.Code != nas.CodeAccessReject {
		t.Errorf("wrong secret: %v", p)
	}
	if got := d.decider.calls(); len(got) != 1 {
		t.Errorf("reached the Decider: %+v", got)
	}
	eventually(t, "17 login lines", func() bool { return len(d.log.lines("reason=undecodable-password", "hint=")) == 17 })

	for _, password := range []string{"", "x", "hunter2", "pässwörd €", strings.Repeat("x", 16), strings.Repeat("y", 128)} {
		d.wants(nas.CodeAccessAccept, n, nas.AccessRequest(secret, "jo", password).Sign(nas.First))
		calls := d.decider.calls()
		if got := calls[len(calls)-1].Password; got != password {
			t.Errorf("the Decider got %q, want %q", got, password)
		}
	}
}

func TestA8_Latin1(t *testing.T) {
	d := open(t, house{decide: always(accept), clients: []*radiusd.Client{client(
		func(c *radiusd.Client) { c.Latin1 = true })}})
	d.wants(nas.CodeAccessAccept, d.nas(""), hidden("caf\xe9"))
	if got := d.decider.calls()[0].Password; got != "café" {
		t.Errorf("the Decider got %q, want café", got)
	}
	d.wants(nas.CodeAccessReject, d.nas(""), hidden("\x81")) // undefined in Windows-1252
	d.wants(nas.CodeAccessAccept, d.nas(""), nas.AccessRequest(secret, "k\xf6bel\x80", "x").Sign(nas.First))
	if got := d.decider.calls()[1].User; got != "köbel€" {
		t.Errorf("the Decider was asked for %q, want köbel€", got)
	}
	d.wants(nas.CodeAccessReject, d.nas(""), nas.AccessRequest(secret, "k\x81", "x").Sign(nas.First))
	eventually(t, "a hint", func() bool { return len(d.log.lines("reason=bad-name", "password_charset")) == 1 })
}

func TestA9_LongUserName(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	name := strings.Repeat("ä", 126) + "x" // 253 octets
	d.wants(nas.CodeAccessAccept, d.nas(""), nas.AccessRequest(secret, name, "x").Sign(nas.First))
	d.wants(nas.CodeAccessAccept, d.nas(""), without(login(), nas.UserName))
	if got := d.decider.calls(); got[0].User != name || got[1].User != "" {
		t.Errorf("the Decider was asked for %q and %q", got[0].User, got[1].User)
	}
}
