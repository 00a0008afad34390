package policy_test

import (
	"strings"
	"testing"
	"time"

	. "duoradiusd/policy"
)

const otp = "cccccckdvvulgjvtkjdhtlrbjjctggdihuevikehtlil" // 44 letters of a YubiKey

func TestSplitField(t *testing.T) {
	for _, tt := range []struct {
		field, password string
		want            Chosen
	}{
		{"pw,push", "pw", Chosen{Factor: FactorPush}},
		{"pw,PUSH", "pw", Chosen{Factor: FactorPush}},
		{"pw,Push2", "pw", Chosen{Factor: FactorPush, Device: 2}},
		{"pw,phone", "pw", Chosen{Factor: FactorPhone}},
		{"pw,phone3", "pw", Chosen{Factor: FactorPhone, Device: 3}},
		{"pw,sms", "pw", Chosen{Factor: FactorSMS}},
		{"pw,sms9", "pw", Chosen{Factor: FactorSMS, Device: 9}},
		{"pw,push1", "pw", Chosen{Factor: FactorPush, Device: 1}},
		{"pw,123456", "pw", Chosen{Factor: FactorPasscode, Code: "123456"}},
		{"pw,1234567", "pw", Chosen{Factor: FactorPasscode, Code: "1234567"}},
		{"pw,00345678", "pw", Chosen{Factor: FactorPasscode, Code: "00345678"}},
		{"pw," + otp, "pw", Chosen{Factor: FactorPasscode, Code: otp}},
		{"pw," + strings.ToUpper(otp), "pw", Chosen{Factor: FactorPasscode, Code: strings.ToUpper(otp)}},
		{"p,w,123456", "p,w", Chosen{Factor: FactorPasscode, Code: "123456"}},
		{"push,push,push", "push,push", Chosen{Factor: FactorPush}},
		{"pw,,push", "pw,", Chosen{Factor: FactorPush}},
		{"123456,654321", "123456", Chosen{Factor: FactorPasscode, Code: "654321"}},
		{",push", "", Chosen{Factor: FactorPush}},

		{"", "", Chosen{}},
		{",", ",", Chosen{}},
		{"pw", "pw", Chosen{}},
		{"push", "push", Chosen{}},
		{"123456", "123456", Chosen{}},
		{"pw,", "pw,", Chosen{}},
		{"pw,push,", "pw,push,", Chosen{}},
		{"p,w", "p,w", Chosen{}},
		{"pw,12345", "pw,12345", Chosen{}},
		{"pw,123456789", "pw", Chosen{Factor: FactorPasscode, Code: "123456789"}}, // a bypass code
		{"pw,123 456", "pw", Chosen{Factor: FactorPasscode, Code: "123456"}},
		{"pw, 123 456 789  ", "pw", Chosen{Factor: FactorPasscode, Code: "123456789"}},
		{"pw,1 2345 6", "pw", Chosen{Factor: FactorPasscode, Code: "123456"}},
		{"pw, push", "pw", Chosen{Factor: FactorPush}},
		{"pw,push ", "pw", Chosen{Factor: FactorPush}},
		{"pw, phone2   ", "pw", Chosen{Factor: FactorPhone, Device: 2}},
		{"pw, " + otp + " ", "pw", Chosen{Factor: FactorPasscode, Code: otp}},
		{"pw ,push", "pw ", Chosen{Factor: FactorPush}}, // a blank before it is the password's
		{" pw,push", " pw", Chosen{Factor: FactorPush}},
		{"pw,  push", "pw,  push", Chosen{}},
		{"pw,  123456", "pw,  123456", Chosen{}},
		{"pw,123  456", "pw,123  456", Chosen{}},
		{"pw,12 34 56 78", "pw,12 34 56 78", Chosen{}},
		{"pw,12 345", "pw,12 345", Chosen{}},
		{"pw,123 456 7890", "pw,123 456 7890", Chosen{}},
		{"pw,1234567890", "pw,1234567890", Chosen{}},
		{"pw,123 abc", "pw,123 abc", Chosen{}},
		{"pw,123\t456", "pw,123\t456", Chosen{}},
		{"pw,123\u00a0456", "pw,123\u00a0456", Chosen{}}, // a no-break space
		{"pw,\tpush", "pw,\tpush", Chosen{}},
		{"pw ", "pw ", Chosen{}},
		{"pw, ", "pw, ", Chosen{}},
		{"pw,12345a", "pw,12345a", Chosen{}},
		{"pw,push0", "pw,push0", Chosen{}},
		{"pw,push10", "pw,push10", Chosen{}},
		{"pw,push01", "pw,push01", Chosen{}},
		{"pw,push 2", "pw,push 2", Chosen{}},
		{"pw,auto", "pw,auto", Chosen{}},
		{"pw,passcode", "pw,passcode", Chosen{}},
		{"pw,call", "pw,call", Chosen{}},
		{"pw,2", "pw,2", Chosen{}},
		{"pw,pu\u017fh", "pw,pu\u017fh", Chosen{}}, // the long s
		{"pw," + otp[:43], "pw," + otp[:43], Chosen{}},
		{"pw," + otp + "c", "pw," + otp + "c", Chosen{}},
		{"pw," + otp[:43] + "a", "pw," + otp[:43] + "a", Chosen{}},
		{"pw,\u212a" + otp[:41], "pw,\u212a" + otp[:41], Chosen{}}, // the Kelvin sign is no k
		{"pw,١٢٣٤٥٦", "pw,١٢٣٤٥٦", Chosen{}},                       // nor these the digits
	} {
		password, got := SplitField(tt.field, ",")
		if password != tt.password || got != tt.want {
			t.Errorf("SplitField(%q): got %q and %+v, want %q and %+v", tt.field, password, got, tt.password, tt.want)
		}
	}
}

func TestSplitFieldDelimiters(t *testing.T) {
	for _, tt := range []struct{ delimiter, field, password, code string }{
		{"", "pw,123456", "pw,123456", ""},
		{"", "123456", "123456", ""},
		{"^", "pw^123456", "pw", "123456"},
		{"^", "pw,123456", "pw,123456", ""},
		{"::", "pw::123456", "pw", "123456"},
		{"::", "pw:123456", "pw:123456", ""},
		{"::", "pw:::123456", "pw:", "123456"},
		{"::", "pw", "pw", ""},
		{"€", "p€w€123456", "p€w", "123456"},
		{"123456", "pw123456654321", "pw", "654321"},
	} {
		password, got := SplitField(tt.field, tt.delimiter)
		if password != tt.password || got.Code != tt.code {
			t.Errorf("SplitField(%q, %q): got %q and %+v", tt.field, tt.delimiter, password, got)
		}
	}
}

func TestParseField(t *testing.T) {
	for _, tt := range []struct {
		field string
		want  Chosen
		ok    bool
	}{
		{"", Chosen{}, true},
		{"auto", Chosen{}, true},
		{"AUTO", Chosen{}, true},
		{"push", Chosen{Factor: FactorPush}, true},
		{"Phone2", Chosen{Factor: FactorPhone, Device: 2}, true},
		{"sms", Chosen{Factor: FactorSMS}, true},
		{"123456", Chosen{Factor: FactorPasscode, Code: "123456"}, true},
		{"123456789", Chosen{Factor: FactorPasscode, Code: "123456789"}, true}, // a bypass code
		{otp, Chosen{Factor: FactorPasscode, Code: otp}, true},
		{"12345", Chosen{}, false},
		{"1234567890", Chosen{}, false},
		{"passcode", Chosen{}, false},
		{"auto1", Chosen{}, false},
		{"push0", Chosen{}, false},
		{"2", Chosen{}, false},
		{"pw,push", Chosen{}, false},
		{"hunter2", Chosen{}, false},
		{" ", Chosen{}, true},
		{"123 456", Chosen{Factor: FactorPasscode, Code: "123456"}, true},
		{" push ", Chosen{Factor: FactorPush}, true},
		{"12 34 56 78", Chosen{}, false},
	} {
		if got, ok := ParseField(tt.field); got != tt.want || ok != tt.ok {
			t.Errorf("ParseField(%q): got %+v, %v; want %+v, %v", tt.field, got, ok, tt.want, tt.ok)
		}
	}
}

// TestAppend holds what the directory and Duo see of a password field: each its part and nothing else.
func TestAppend(t *testing.T) {
	for _, tt := range []struct{ field, password, asked string }{
		{"pw", "pw", "push:D1"},
		{"pw,push", "pw", "push:D1"},
		{"pw,push2", "pw", "push:D3"}, // the second device that takes pushes
		{"pw,phone", "pw", "phone:D1"},
		{"pw,phone2", "pw", "phone:D2"},
		{"pw,PHONE2", "pw", "phone:D2"},
		{"pw,123456", "pw", "passcode:123456"},
		{"pw,12345678", "pw", "passcode:12345678"},
		{"pw," + otp, "pw", "passcode:" + otp},
		{"p,w,push", "p,w", "push:D1"},
		{"p,w", "p,w", "push:D1"},
		{"pw,123456789", "pw", "passcode:123456789"},
		{"pw, 123 456 ", "pw", "passcode:123456"},
		{"pw,1234567890", "pw,1234567890", "push:D1"},
		{"pw,push10", "pw,push10", "push:D1"},
	} {
		inWorld(t, func(w *world) {
			w.ldap.passwords["alice"] = tt.password
			w.answers(allows(time3))
			if v := w.login(tt.field); v.Outcome != OutcomeAccept || v.Reason != ReasonApproved {
				t.Errorf("%s: %s", tt.field, line(v))
			}
			w.told("alice:" + tt.password)
			w.asked(tt.asked)
		})
	}
}

// TestFieldAlone is the field where the client has checked the first factor.
func TestFieldAlone(t *testing.T) {
	for _, tt := range []struct{ field, asked, want string }{
		{"", "push:D1", "accept approved push T1"},
		{"auto", "push:D1", "accept approved push T1"},
		{"push2", "push:D3", "accept approved push T1"},
		{"phone2", "phone:D2", "accept approved phone T1"},
		{"123456", "passcode:123456", "accept approved passcode"},
		{"123456789", "passcode:123456789", "accept approved passcode"},
		{otp, "passcode:" + otp, "accept approved passcode"},
		{"hunter2", "", "reject bad-factor: Type a passcode, or push, phone or sms, or leave the field empty."},
		{"pw,push", "", "reject bad-factor: Type a passcode, or push, phone or sms, or leave the field empty."},
		{"12345", "", "reject bad-factor: Type a passcode, or push, phone or sms, or leave the field empty."},
	} {
		inWorld(t, func(w *world) {
			w.client.FirstFactor = nil
			if tt.asked != "" {
				w.answers(allows(time3))
			}
			w.wants(w.login(tt.field), tt.want)
			w.asked(tt.asked)
			if preauths, _ := w.duo.counts(); tt.asked == "" && preauths != 0 {
				t.Errorf("%s: Duo was asked", tt.field)
			}
		})
	}
}

// TestIgnoredPassword: whatever the field holds, the factor goes out that comes first and that the user's phone can do.
func TestIgnoredPassword(t *testing.T) {
	for _, field := range []string{"", "hunter2", "1", "push", "123456", "pw,sms", "deny", "phone"} {
		inWorld(t, func(w *world) {
			w.client.FirstFactor, w.client.IgnorePassword = nil, true
			w.answers(allows(time3))
			w.wants(w.login(field), "accept approved push T1")
			w.asked("push:D1")
		})
	}
	inWorld(t, func(w *world) {
		w.client.FirstFactor, w.client.IgnorePassword = nil, true
		w.client.Factors = []Factor{FactorPhone, FactorPush}
		w.client.Remember = time.Hour
		w.answers(allows(time3))
		w.wants(w.login("123456"), "accept approved phone T1")
		w.wants(w.login("654321"), "accept remembered")
		w.settings.Guard = PushLimits{Pushes: 1, Window: time.Hour, Cooldown: time.Hour}
		w.load()
		w.answers(denied)
		w.wants(w.login("pw", from(cafe)), "reject denied phone T2: Login request denied.")
		w.wants(w.login("pw", from(cafe)), "reject cooldown: Too many requests to your phone went without a yes.") // no word of a passcode
	})
	inWorld(t, func(w *world) { // a first factor's password is never ignored
		w.client.IgnorePassword = true
		w.wants(w.login("hunter2"), "reject bad-password: Wrong user name or password.")
	})
	inWorld(t, func(w *world) { // a rule that wants something typed asks for it in a challenge
		w.client.FirstFactor, w.client.IgnorePassword = nil, true
		w.rules(Rule{Mode: ModeChallenge})
		w.answers(allows(0))
		w.wants(w.login("123456", state(w.login("hunter2").State)), "accept approved passcode")
	})
}

// TestTail: the log says what was taken off the field.
func TestTail(t *testing.T) {
	inWorld(t, func(w *world) {
		for field, want := range map[string]Factor{"pw": "", "no,123456": FactorPasscode, "no,push": FactorPush, "no,12345": "", "no, 123 456": FactorPasscode} {
			if v := w.login(field, as("nobody")); v.Tail != want {
				t.Errorf("%s: the log says %q", field, v.Tail)
			}
		}
	})
}
