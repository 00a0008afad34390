package policy

import (
	"strings"
	"testing"
)

const otp = "cccccckdvvulgjvtkjdhtlrbjjctggdihuevikehtlil" // 44 letters of a YubiKey

func TestSplitField(t *testing.T) {
	for _, tt := range []struct {
		field, password string
		want            typed
	}{
		{"pw,push", "pw", typed{factor: Push}},
		{"pw,PUSH", "pw", typed{factor: Push}},
		{"pw,Push2", "pw", typed{factor: Push, device: 2}},
		{"pw,phone", "pw", typed{factor: Phone}},
		{"pw,phone3", "pw", typed{factor: Phone, device: 3}},
		{"pw,sms", "pw", typed{factor: SMS}},
		{"pw,sms9", "pw", typed{factor: SMS, device: 9}},
		{"pw,push1", "pw", typed{factor: Push, device: 1}},
		{"pw,123456", "pw", typed{factor: Passcode, code: "123456"}},
		{"pw,1234567", "pw", typed{factor: Passcode, code: "1234567"}},
		{"pw,00345678", "pw", typed{factor: Passcode, code: "00345678"}},
		{"pw," + otp, "pw", typed{factor: Passcode, code: otp}},
		{"pw," + strings.ToUpper(otp), "pw", typed{factor: Passcode, code: strings.ToUpper(otp)}},
		{"p,w,123456", "p,w", typed{factor: Passcode, code: "123456"}},
		{"push,push,push", "push,push", typed{factor: Push}},
		{"pw,,push", "pw,", typed{factor: Push}},
		{"123456,654321", "123456", typed{factor: Passcode, code: "654321"}},
		{",push", "", typed{factor: Push}},

		{"", "", typed{}},
		{",", ",", typed{}},
		{"pw", "pw", typed{}},
		{"push", "push", typed{}},
		{"123456", "123456", typed{}},
		{"pw,", "pw,", typed{}},
		{"pw,push,", "pw,push,", typed{}},
		{"p,w", "p,w", typed{}},
		{"pw,12345", "pw,12345", typed{}},
		{"pw,123456789", "pw,123456789", typed{}},
		{"pw,12345a", "pw,12345a", typed{}},
		{"pw,push0", "pw,push0", typed{}},
		{"pw,push10", "pw,push10", typed{}},
		{"pw,push01", "pw,push01", typed{}},
		{"pw,push 2", "pw,push 2", typed{}},
		{"pw, push", "pw, push", typed{}},
		{"pw,push ", "pw,push ", typed{}},
		{"pw,auto", "pw,auto", typed{}},
		{"pw,passcode", "pw,passcode", typed{}},
		{"pw,call", "pw,call", typed{}},
		{"pw,2", "pw,2", typed{}},
		{"pw,pu\u017fh", "pw,pu\u017fh", typed{}}, // the long s
		{"pw," + otp[:43], "pw," + otp[:43], typed{}},
		{"pw," + otp + "c", "pw," + otp + "c", typed{}},
		{"pw," + otp[:43] + "a", "pw," + otp[:43] + "a", typed{}},
		{"pw,\u212a" + otp[:41], "pw,\u212a" + otp[:41], typed{}}, // the Kelvin sign is no k
		{"pw,١٢٣٤٥٦", "pw,١٢٣٤٥٦", typed{}},                       // nor these the digits
	} {
		password, got := splitField(tt.field, ",")
		if password != tt.password || got != tt.want {
			t.Errorf("splitField(%q): got %q and %+v, want %q and %+v", tt.field, password, got, tt.password, tt.want)
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
		password, got := splitField(tt.field, tt.delimiter)
		if password != tt.password || got.code != tt.code {
			t.Errorf("splitField(%q, %q): got %q and %+v", tt.field, tt.delimiter, password, got)
		}
	}
}

func TestParseField(t *testing.T) {
	for _, tt := range []struct {
		field string
		want  typed
		ok    bool
	}{
		{"", typed{}, true},
		{"auto", typed{}, true},
		{"AUTO", typed{}, true},
		{"push", typed{factor: Push}, true},
		{"Phone2", typed{factor: Phone, device: 2}, true},
		{"sms", typed{factor: SMS}, true},
		{"123456", typed{factor: Passcode, code: "123456"}, true},
		{"123456789", typed{factor: Passcode, code: "123456789"}, true}, // a bypass code
		{otp, typed{factor: Passcode, code: otp}, true},
		{"12345", typed{}, false},
		{"1234567890", typed{}, false},
		{"passcode", typed{}, false},
		{"auto1", typed{}, false},
		{"push0", typed{}, false},
		{"2", typed{}, false},
		{"pw,push", typed{}, false},
		{"hunter2", typed{}, false},
		{" ", typed{}, false},
	} {
		if got, ok := parseField(tt.field); got != tt.want || ok != tt.ok {
			t.Errorf("parseField(%q): got %+v, %v; want %+v, %v", tt.field, got, ok, tt.want, tt.ok)
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
		{"pw,123456789", "pw,123456789", "push:D1"},
		{"pw,push10", "pw,push10", "push:D1"},
	} {
		inWorld(t, func(w *world) {
			w.ldap.passwords["alice"] = tt.password
			w.answers(allows(time3))
			if v := w.login(tt.field); v.Outcome != Accept || v.Reason != Approved {
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
