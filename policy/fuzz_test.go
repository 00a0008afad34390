package policy_test

import (
	"strings"
	"testing"
	"unicode"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

func FuzzSplitField(f *testing.F) {
	for _, field := range []string{"", "pw", "pw,push2", "p,w,123456", "pw," + otp, ",push", "pw,,sms", "pw,push10", "pw,pu\u017fh",
		"\u212a" + otp[:41], "pw\xff,phone", "pw,123456789", "auto", "１２３４５６"} {
		f.Add(field, ",")
	}
	f.Add("pw::push", "::")
	f.Add("pw push", "")
	f.Add("aaaaaa123456", "aaa")
	f.Fuzz(func(t *testing.T, field, delimiter string) {
		password, tail := factor.SplitField(field, delimiter)
		if tail == (factor.Chosen{}) {
			if password != field {
				t.Fatalf("nothing Chosen, but the password is %q", password)
			}
		} else {
			rest, ok := strings.CutPrefix(field, password+delimiter)
			if !ok || delimiter == "" || strings.LastIndex(field, delimiter) != len(password) {
				t.Fatalf("split at %q", password)
			}
			wantTyped(t, rest, tail)
			if again, ok := factor.ParseField(rest); !ok || again != tail {
				t.Fatalf("%q alone is %+v, behind a password %+v", rest, again, tail)
			}
		}
		if alone, ok := factor.ParseField(field); ok && alone != (factor.Chosen{}) {
			wantTyped(t, field, alone)
		} else if ok && field != "" && !strings.EqualFold(field, "auto") {
			t.Fatalf("%q means nothing, and yet is taken", field)
		}
	})
}

// wantTyped checks that text can only be a factor, and that t is that factor.
func wantTyped(t *testing.T, text string, Chosen factor.Chosen) {
	t.Helper()
	ascii := strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) < 0
	word := strings.TrimRight(strings.ToLower(text), "123456789")
	switch {
	case !ascii, Chosen.DeviceID != "", Chosen.Device < 0 || Chosen.Device > 9:
	case Chosen.Factor == factor.Passcode && Chosen.Code == text && Chosen.Device == 0 && (len(text) == 44 || len(text) >= 6 && len(text) <= 9):
		return
	case Chosen.Factor != factor.Passcode && Chosen.Code == "" && word == string(Chosen.Factor) && len(text)-len(word) <= 1:
		return
	}
	t.Fatalf("%q is taken for %+v", text, Chosen)
}

// FuzzState sends any State and any answer to a client with a challenge. how chooses the other circumstances.
func FuzzState(f *testing.F) {
	const own, verified, allow, bob, lab, unsaid = 1, 2, 4, 8, 16, 32
	for _, field := range []string{"", "pw", "1", "9", "push", "phone2", "sms", "auto", "123456", otp, "pw,push", "\x00", "\xff"} {
		for _, how := range []uint8{0, own, own | allow, own | verified, own | verified | allow, allow | verified, own | allow | bob, own | allow | lab, own | allow | unsaid} {
			f.Add("X", field, how)
		}
	}
	f.Add(strings.Repeat("0", 32), "123456", uint8(allow))
	f.Add("\x00", "pw", uint8(allow|verified))
	f.Fuzz(func(t *testing.T, sent, field string, how uint8) {
		inChallenge(t, func(w *world) {
			w.duo.scripts = func(AuthRequest) reply {
				if how&allow != 0 {
					return allows(time3)
				}
				return denies("deny", "", time3)
			}
			if how&verified != 0 {
				w.duo.pre.Code = "376"
			}
			a := w.attempt(field, state(w.login("pw").State))
			known := how&own != 0 || sent == a.State
			if !known {
				a.State = sent
			}
			if how&bob != 0 {
				a.User, known = "bob", false
			}
			if how&lab != 0 {
				c := w.at("lab", "vpn")
				a.Client, known = &c, false
			}
			if how&unsaid != 0 {
				a.UserIP = nowIP
			}
			if a.State == "" {
				return // a fresh login
			}
			preauths, auths := w.duo.counts()
			v := w.decide(w.Context(), a)
			morePreauths, moreAuths := w.duo.counts()
			switch {
			case !known && (v.Reason != ReasonBadState || v.Outcome != OutcomeReject || preauths != morePreauths || auths != moreAuths):
				t.Fatalf("an unknown State: %s, %d preauths, %d auths", line(v), morePreauths-preauths, moreAuths-auths)
			case v.Outcome == OutcomeAccept && (v.Reason != ReasonApproved || how&allow == 0 || moreAuths == 0):
				t.Fatalf("accepted without an allow: %s", line(v))
			case v.Outcome == OutcomeDiscard, len(w.ldap.asked) != 1, moreAuths > 2:
				t.Fatalf("%s, first factor asked %d times, %d auths", line(v), len(w.ldap.asked), moreAuths)
			}
		})
	})
}
