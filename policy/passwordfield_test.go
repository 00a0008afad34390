package policy_test

import (
	"strings"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
)

const otp = "cccccckdvvulgjvtkjdhtlrbjjctggdihuevikehtlil" // 44 letters of a YubiKey

func TestSplitField(t *testing.T) {
	for _, tt := range []struct {
		field, password string
		want            factor.Chosen
	}{
		{"pw,push", "pw", factor.Chosen{Factor: factor.Push}},
		{"pw,PUSH", "pw", factor.Chosen{Factor: factor.Push}},
		{"pw,Push2", "pw", factor.Chosen{Factor: factor.Push, Device: 2}},
		{"pw,phone", "pw", factor.Chosen{Factor: factor.Phone}},
		{"pw,phone3", "pw", factor.Chosen{Factor: factor.Phone, Device: 3}},
		{"pw,sms", "pw", factor.Chosen{Factor: factor.SMS}},
		{"pw,sms9", "pw", factor.Chosen{Factor: factor.SMS, Device: 9}},
		{"pw,push1", "pw", factor.Chosen{Factor: factor.Push, Device: 1}},
		{"pw,123456", "pw", factor.Chosen{Factor: factor.Passcode, Code: "123456"}},
		{"pw,1234567", "pw", factor.Chosen{Factor: factor.Passcode, Code: "1234567"}},
		{"pw,00345678", "pw", factor.Chosen{Factor: factor.Passcode, Code: "00345678"}},
		{"pw," + otp, "pw", factor.Chosen{Factor: factor.Passcode, Code: otp}},
		{"pw," + strings.ToUpper(otp), "pw", factor.Chosen{Factor: factor.Passcode, Code: strings.ToUpper(otp)}},
		{"p,w,123456", "p,w", factor.Chosen{Factor: factor.Passcode, Code: "123456"}},
		{"push,push,push", "push,push", factor.Chosen{Factor: factor.Push}},
		{"pw,,push", "pw,", factor.Chosen{Factor: factor.Push}},
		{"123456,654321", "123456", factor.Chosen{Factor: factor.Passcode, Code: "654321"}},
		{",push", "", factor.Chosen{Factor: factor.Push}},

		{"", "", factor.Chosen{}},
		{",", ",", factor.Chosen{}},
		{"pw", "pw", factor.Chosen{}},
		{"push", "push", factor.Chosen{}},
		{"123456", "123456", factor.Chosen{}},
		{"pw,", "pw,", factor.Chosen{}},
		{"pw,push,", "pw,push,", factor.Chosen{}},
		{"p,w", "p,w", factor.Chosen{}},
		{"pw,12345", "pw,12345", factor.Chosen{}},
		{"pw,123456789", "pw", factor.Chosen{Factor: factor.Passcode, Code: "123456789"}}, // a bypass code
		{"pw,123 456", "pw", factor.Chosen{Factor: factor.Passcode, Code: "123456"}},
		{"pw, 123 456 789  ", "pw", factor.Chosen{Factor: factor.Passcode, Code: "123456789"}},
		{"pw,1 2345 6", "pw", factor.Chosen{Factor: factor.Passcode, Code: "123456"}},
		{"pw, push", "pw", factor.Chosen{Factor: factor.Push}},
		{"pw,push ", "pw", factor.Chosen{Factor: factor.Push}},
		{"pw, phone2   ", "pw", factor.Chosen{Factor: factor.Phone, Device: 2}},
		{"pw, " + otp + " ", "pw", factor.Chosen{Factor: factor.Passcode, Code: otp}},
		{"pw ,push", "pw ", factor.Chosen{Factor: factor.Push}}, // a blank before the comma belongs to the password
		{" pw,push", " pw", factor.Chosen{Factor: factor.Push}},
		{"pw,  push", "pw,  push", factor.Chosen{}},
		{"pw,  123456", "pw,  123456", factor.Chosen{}},
		{"pw,123  456", "pw,123  456", factor.Chosen{}},
		{"pw,12 34 56 78", "pw,12 34 56 78", factor.Chosen{}},
		{"pw,12 345", "pw,12 345", factor.Chosen{}},
		{"pw,123 456 7890", "pw,123 456 7890", factor.Chosen{}},
		{"pw,1234567890", "pw,1234567890", factor.Chosen{}},
		{"pw,123 abc", "pw,123 abc", factor.Chosen{}},
		{"pw,123\t456", "pw,123\t456", factor.Chosen{}},
		{"pw,123\u00a0456", "pw,123\u00a0456", factor.Chosen{}}, // a no-break space
		{"pw,\tpush", "pw,\tpush", factor.Chosen{}},
		{"pw ", "pw ", factor.Chosen{}},
		{"pw, ", "pw, ", factor.Chosen{}},
		{"pw,12345a", "pw,12345a", factor.Chosen{}},
		{"pw,push0", "pw,push0", factor.Chosen{}},
		{"pw,push10", "pw,push10", factor.Chosen{}},
		{"pw,push01", "pw,push01", factor.Chosen{}},
		{"pw,push 2", "pw,push 2", factor.Chosen{}},
		{"pw,auto", "pw,auto", factor.Chosen{}},
		{"pw,passcode", "pw,passcode", factor.Chosen{}},
		{"pw,call", "pw,call", factor.Chosen{}},
		{"pw,2", "pw,2", factor.Chosen{}},
		{"pw,pu\u017fh", "pw,pu\u017fh", factor.Chosen{}}, // the long s
		{"pw," + otp[:43], "pw," + otp[:43], factor.Chosen{}},
		{"pw," + otp + "c", "pw," + otp + "c", factor.Chosen{}},
		{"pw," + otp[:43] + "a", "pw," + otp[:43] + "a", factor.Chosen{}},
		{"pw,\u212a" + otp[:41], "pw,\u212a" + otp[:41], factor.Chosen{}}, // the Kelvin sign is not a k
		{"pw,١٢٣٤٥٦", "pw,١٢٣٤٥٦", factor.Chosen{}},                       // and these are not digits
	} {
		password, got := factor.SplitField(tt.field, ",")
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
		password, got := factor.SplitField(tt.field, tt.delimiter)
		if password != tt.password || got.Code != tt.code {
			t.Errorf("SplitField(%q, %q): got %q and %+v", tt.field, tt.delimiter, password, got)
		}
	}
}

func TestParseField(t *testing.T) {
	for _, tt := range []struct {
		field string
		want  factor.Chosen
		ok    bool
	}{
		{"", factor.Chosen{}, true},
		{"auto", factor.Chosen{}, true},
		{"AUTO", factor.Chosen{}, true},
		{"push", factor.Chosen{Factor: factor.Push}, true},
		{"Phone2", factor.Chosen{Factor: factor.Phone, Device: 2}, true},
		{"sms", factor.Chosen{Factor: factor.SMS}, true},
		{"123456", factor.Chosen{Factor: factor.Passcode, Code: "123456"}, true},
		{"123456789", factor.Chosen{Factor: factor.Passcode, Code: "123456789"}, true}, // a bypass code
		{otp, factor.Chosen{Factor: factor.Passcode, Code: otp}, true},
		{"12345", factor.Chosen{}, false},
		{"1234567890", factor.Chosen{}, false},
		{"passcode", factor.Chosen{}, false},
		{"auto1", factor.Chosen{}, false},
		{"push0", factor.Chosen{}, false},
		{"2", factor.Chosen{}, false},
		{"pw,push", factor.Chosen{}, false},
		{"hunter2", factor.Chosen{}, false},
		{" ", factor.Chosen{}, true},
		{"123 456", factor.Chosen{Factor: factor.Passcode, Code: "123456"}, true},
		{" push ", factor.Chosen{Factor: factor.Push}, true},
		{"12 34 56 78", factor.Chosen{}, false},
	} {
		if got, ok := factor.ParseField(tt.field); got != tt.want || ok != tt.ok {
			t.Errorf("ParseField(%q): got %+v, %v; want %+v, %v", tt.field, got, ok, tt.want, tt.ok)
		}
	}
}

// TestAppend: which part of a password field the directory gets, and which part Duo gets.
func TestAppend(t *testing.T) {
	for _, tt := range []struct{ field, password, asked string }{
		{"pw", "pw", "push:D1"},
		{"pw,push", "pw", "push:D1"},
		{"pw,push2", "pw", "push:D3"}, // the second device that can do pushes
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

// TestFieldAlone: the password field of a client that has checked the first factor.
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

// TestIgnoredPassword: whatever the field holds, the login uses the first factor of the list that the user's phone can do.
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
		w.client.Factors = []factor.Factor{factor.Phone, factor.Push}
		w.client.Remember = time.Hour
		w.answers(allows(time3))
		w.wants(w.login("123456"), "accept approved phone T1")
		w.wants(w.login("654321"), "accept remembered")
		w.settings.Guard = guard.PushLimits{Pushes: 1, Window: time.Hour, Cooldown: time.Hour}
		w.load()
		w.answers(denied)
		w.wants(w.login("pw", from(cafe)), "reject denied phone T2: Login request denied.")
		w.wants(w.login("pw", from(cafe)), "reject cooldown: Too many requests to your phone went without a yes.") // the message does not mention a passcode
	})
	inWorld(t, func(w *world) { // the password of a first factor is never ignored
		w.client.IgnorePassword = true
		w.wants(w.login("hunter2"), "reject bad-password: Wrong user name or password.")
	})
	inWorld(t, func(w *world) { // a rule that needs a typed passcode asks for it in a challenge
		w.client.FirstFactor, w.client.IgnorePassword = nil, true
		w.rules(Rule{Mode: ModeChallenge})
		w.answers(allows(0))
		w.wants(w.login("123456", state(w.login("hunter2").State)), "accept approved passcode")
	})
}

// TestTail: the log says what was taken off the password field.
func TestTail(t *testing.T) {
	inWorld(t, func(w *world) {
		for field, want := range map[string]factor.Factor{"pw": "", "no,123456": factor.Passcode, "no,push": factor.Push, "no,12345": "", "no, 123 456": factor.Passcode} {
			if v := w.login(field, as("nobody")); v.Tail != want {
				t.Errorf("%s: the log says %q", field, v.Tail)
			}
		}
	})
}
