package policy_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

const (
	later  = ": The login can't be checked now. Try again in a minute."
	typeIt = "Type your password, then a comma and a passcode."
)

// TestPreauth: each answer of preauth.
func TestPreauth(t *testing.T) {
	for _, tt := range []struct {
		name string
		pre  Preauth
		want string
	}{
		{"allow", Preauth{Result: PreauthAllow, Message: "Bypass"}, "accept bypass"},
		{"deny", Preauth{Result: PreauthDeny, Message: "Your account is locked out"}, "reject denied-by-duo: Your account is locked out"},
		{"deny without a word", Preauth{Result: PreauthDeny, Message: " "}, "reject denied-by-duo: Login denied."},
		{"enroll", Preauth{Result: PreauthEnroll, EnrollURL: "https://api-x.duosecurity.com/portal?code=1"},
			"reject not-enrolled: You are not enrolled in Duo yet: https://api-x.duosecurity.com/portal?code=1"},
		{"enroll without a portal", Preauth{Result: PreauthEnroll}, "reject not-enrolled: You are not enrolled in Duo. Ask your help desk."},
		{"zero", Preauth{}, "reject duo-unknown-answer" + later},
		{"a result that is none", Preauth{Result: 99, Devices: []Device{smartphone}}, "reject duo-unknown-answer" + later},
		{"no devices", Preauth{Result: PreauthAuth}, "reject no-device: Duo knows no device of yours. Ask your help desk."},
		{"a token only", Preauth{Result: PreauthAuth, Devices: []Device{token}},
			"reject no-device: Duo can't reach a device of yours that way from here. " + typeIt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.client.Failmode, w.client.Remember = FailmodeSafe, time.Hour
				w.duo.pre = tt.pre
				w.wants(w.login("pw"), tt.want)
				w.asked("")
				if w.process.Counts().Approvals != 0 {
					t.Error("it is remembered")
				}
			})
		})
	}
}

// TestAuth: each answer of auth, and what is remembered afterwards.
func TestAuth(t *testing.T) {
	for _, tt := range []struct {
		name, field string
		reply       reply
		want        string
		remembered  bool
	}{
		{"push allowed", "pw", allows(time3), "accept approved push T1", true},
		{"call allowed", "pw,phone", allows(time3), "accept approved phone T1", true},
		{"code right", "pw,123456", allows(time.Second), "accept approved passcode", true},
		{"bypass code", "pw,12345678", reply{AuthResult: AuthResult{Allowed: true, Status: "bypass"}}, "accept bypass passcode", false},
		{"bypass", "pw", reply{AuthResult: AuthResult{Allowed: true, Status: "bypass"}}, "accept bypass push T1", false},
		{"allowed in a new word", "pw", reply{AuthResult: AuthResult{Allowed: true, Status: "trusted"}}, "accept bypass push T1", false},
		{"allowed, but reported", "pw", reply{AuthResult: AuthResult{Allowed: true, Status: "fraud"}}, "reject duo-unknown-answer push T1: The login can't be checked now. Try again in a minute.", false},
		{"denied", "pw", denied, "reject denied push T1: Login request denied.", false},
		{"denied without a word", "pw", denies("deny", "", 0), "reject denied push T1: Login denied.", false},
		{"code wrong", "pw,123456", wrong, "reject denied passcode: Incorrect passcode. Please try again.", false},
		{"fraud", "pw", fraud, "reject fraud push T1: Login request denied.", false},
		{"timeout", "pw", denies("timeout", "Login timed out.", 50*time.Second), "reject no-answer push T1: Login timed out.", false},
		{"timeout without a word", "pw", denies("timeout", "", 0), "reject no-answer push T1: No answer came from your phone. Try again.", false},
		{"locked out", "pw", denies("locked_out", "Your account is locked out", 0), "reject denied-by-duo push T1: Your account is locked out", false},
		{"codes sent", "pw,sms", sent, "reject codes-sent sms: New passcodes were sent by SMS. " + typeIt, false},
		{"zero", "pw", reply{}, "reject denied push T1: Login denied.", false},
		{"a status that is new", "pw", denies("push_failed", "Error", 0), "reject denied push T1: Error", false},
		{"allow without a yes", "pw", reply{AuthResult: AuthResult{Status: "allow"}}, "reject denied push T1: Login denied.", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.client.Remember = time.Hour
				w.answers(tt.reply)
				w.wants(w.login(tt.field), tt.want)
				if got := w.process.Counts().Approvals == 1; got != tt.remembered {
					t.Errorf("remembered: %v", got)
				}
			})
		})
	}
}

// TestFailmode: what each error leads to, at preauth and at auth. A login is let in only for an outage, and only at
// preauth.
func TestFailmode(t *testing.T) {
	safe, silent, secure := FailmodeSafe, FailmodeSilent, FailmodeSecure
	for _, tt := range []struct {
		err      error
		failmode Failmode
		preauth  string
		auth     string // the same at every failmode
	}{
		{errDown, safe, "accept failed-open", "reject duo-unavailable push" + later},
		{errDown, silent, "discard duo-unavailable", "reject duo-unavailable push" + later},
		{errDown, secure, "reject duo-unavailable" + later, "reject duo-unavailable push" + later},
		{errDown, "", "reject duo-unavailable" + later, "reject duo-unavailable push" + later},
		{errDown, "open", "reject duo-unavailable" + later, "reject duo-unavailable push" + later},
		{errKeys, safe, "reject duo-misconfigured" + later, "reject duo-misconfigured push" + later},
		{errKeys, silent, "reject duo-misconfigured" + later, "reject duo-misconfigured push" + later},
		{errNo, safe, "reject duo-refused" + later, "reject duo-refused push" + later},
		{errNo, silent, "reject duo-refused" + later, "reject duo-refused push" + later},
		{errOdd, safe, "reject duo-unknown-answer" + later, "reject duo-unknown-answer push" + later},
		{errOdd, silent, "reject duo-unknown-answer" + later, "reject duo-unknown-answer push" + later},
		{ErrRejected, safe, "reject duo-unknown-answer" + later, "reject duo-unknown-answer push" + later},
		{errors.Join(errKeys, errDown), safe, "reject duo-misconfigured" + later, "reject duo-unavailable push" + later},
	} {
		t.Run(string(tt.failmode)+"/"+tt.err.Error(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.client.Failmode, w.client.Remember = tt.failmode, time.Hour
				w.duo.preErr = tt.err
				v := w.login("pw")
				w.wants(v, tt.preauth)
				if !errors.Is(v.Err, tt.err) {
					t.Errorf("Err is %v", v.Err)
				}
				w.duo.preErr, w.duo.script = nil, []reply{{err: tt.err}}
				v = w.login("pw")
				w.wants(v, tt.auth)
				if !errors.Is(v.Err, tt.err) {
					t.Errorf("Err is %v", v.Err)
				}
				if w.process.Counts().Approvals != 0 {
					t.Error("it is remembered")
				}
			})
		})
	}
}

// TestEnds: a login ends while Duo is asked, at preauth, and at auth for each factor.
func TestEnds(t *testing.T) {
	const stop = "reject shutting-down"
	for _, tt := range []struct {
		name    string
		cause   error // nil means the deadline
		field   string
		preWait time.Duration
		want    string
	}{
		{"deadline, preauth", nil, "pw", time.Hour, "reject duo-unavailable" + later},
		{"deadline, push", nil, "pw", 0, "reject no-answer push T1: No answer came from your phone. Try again."},
		{"deadline, call", nil, "pw,phone", 0, "reject no-answer phone T1: No answer came from your phone. Try again."},
		{"deadline, code", nil, "pw,123456", 0, "reject no-answer passcode" + later},
		{"deadline, sms", nil, "pw,sms", 0, "reject no-answer sms" + later},
		{"abandoned, preauth", ErrAbandoned, "pw", time.Hour, "reject abandoned"},
		{"abandoned, push", ErrAbandoned, "pw", 0, "reject abandoned push T1"},
		{"abandoned, code", ErrAbandoned, "pw,123456", 0, "reject abandoned passcode"},
		{"shutdown, preauth", context.Canceled, "pw", time.Hour, stop + later},
		{"shutdown, push", context.Canceled, "pw", 0, stop + " push T1" + later},
		{"shutdown with a reason, preauth", errors.New("SIGTERM"), "pw", time.Hour, stop + later},
		{"shutdown with a reason, push", errors.New("SIGTERM"), "pw", 0, stop + " push T1" + later},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.preauthTakes(tt.preWait)
				if tt.preWait == 0 {
					w.answers(never)
				}
				ctx, cancel := context.WithCancelCause(w.Context())
				defer cancel(nil)
				start := time.Now()
				if tt.cause != nil {
					time.AfterFunc(time.Second, func() { cancel(tt.cause) })
				}
				w.wants(w.decide(ctx, w.attempt(tt.field)), tt.want)
				want := patience
				if tt.cause != nil {
					want = time.Second
				}
				if took := time.Since(start); took != want {
					t.Errorf("it took %v, want %v", took, want)
				}
			})
		})
	}
}

// TestFailmodeAtTheEnd: failmode never applies to a login whose time is up, nor to one that left Duo no time to answer,
// because that says nothing about Duo.
func TestFailmodeAtTheEnd(t *testing.T) {
	const life = 10 * time.Second
	for _, tt := range []struct {
		name          string
		cause         error         // nil means the deadline
		first         time.Duration // deafDuo
		preauth       time.Duration
		err           error
		want          string
		wantsPreauths int
	}{
		{"in time", nil, 0, life - 1, errDown, "accept failed-open", 1},
		{"preauth", nil, 0, time.Hour, nil, "accept failed-open", 1},
		{"preauth, with a fair chance", nil, life - 2500*time.Millisecond, time.Hour, nil, "accept failed-open", 1},
		{"preauth, with less", nil, life - 2200*time.Millisecond, time.Hour, nil, "reject duo-unavailable" + later, 1},
		{"preauth, at the last moment", nil, life - 1, time.Hour, nil, "reject duo-unavailable" + later, 1},
		{"first factor", nil, life + 1, time.Hour, nil, "reject no-answer" + later, 0},
		{"first factor, Duo down", nil, life + 1, 0, errDown, "reject no-answer" + later, 0},
		{"abandoned", ErrAbandoned, 0, time.Hour, nil, "reject abandoned", 1},
		{"shutdown", context.Canceled, 0, time.Hour, nil, "reject shutting-down" + later, 1},
	} {
		for _, failmode := range []Failmode{FailmodeSafe, FailmodeSilent} {
			t.Run(tt.name+"/"+string(failmode), func(t *testing.T) {
				inWorld(t, func(w *world) {
					w.client.Failmode, w.duo.preErr = failmode, tt.err
					w.ldap.delay, w.ldap.deaf = tt.first, true
					w.preauthTakes(tt.preauth)
					ctx, end := context.WithTimeout(w.Context(), life)
					defer end()
					ctx, cancel := context.WithCancelCause(ctx)
					defer cancel(nil)
					if tt.cause != nil {
						time.AfterFunc(time.Second, func() { cancel(tt.cause) })
					}
					want := tt.want
					if want == "accept failed-open" && failmode == FailmodeSilent {
						want = "discard duo-unavailable"
					}
					w.wants(w.decide(ctx, w.attempt("pw")), want)
					if preauths, auths := w.duo.counts(); preauths != tt.wantsPreauths || auths != 0 {
						t.Errorf("%d preauths, %d auths", preauths, auths)
					}
				})
			})
		}
	}
}

// deafDuo does not end with its context at preauth.
type deafDuo struct{ *fakeDuo }

func (d deafDuo) Preauth(_ context.Context, r PreauthRequest) (Preauth, error) {
	return d.fakeDuo.Preauth(context.Background(), r)
}

// TestNoLatePush: a phone does not ring for a login that has been answered.
func TestNoLatePush(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.Second, w.client.Failmode = deafDuo{w.duo}, FailmodeSafe
		w.preauthTakes(11 * time.Second)
		ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
		defer cancel()
		w.wants(w.decide(ctx, w.attempt("pw")), "reject no-answer"+later)
		w.asked("")
	})
}

// TestFactors: which factors are allowed, and in which order they are chosen.
func TestFactors(t *testing.T) {
	all := []Device{smartphone, landline, tablet, token}
	const notAllowed = "reject factor-not-allowed: This factor is not allowed here."
	const noDevice = "reject no-device: Duo can't reach a device of yours that way from here."
	const needsCode = "reject passcode-needed: " + typeIt
	for _, tt := range []struct {
		name    string
		factors []factor.Factor
		devices []Device
		mode    Mode
		field   string
		asked   string // "" if the login ends before that
		want    string // if it does
	}{
		{"the first in order", []factor.Factor{factor.Push, factor.Phone}, all, "", "pw", "push:D1", ""},
		{"the other order", []factor.Factor{factor.Phone, factor.Push}, all, "", "pw", "phone:D1", ""},
		{"the next, where the first can't", []factor.Factor{factor.Push, factor.Phone}, []Device{token, landline}, "", "pw", "phone:D2", ""},
		{"what we can't begin is passed over", []factor.Factor{factor.Passcode, factor.SMS, factor.Phone}, all, "", "pw", "phone:D1", ""},
		{"nothing that we could begin", []factor.Factor{factor.Passcode, factor.SMS}, all, "", "pw", "", needsCode},
		{"sms only", []factor.Factor{factor.SMS}, all, "", "pw", "", needsCode},
		{"nothing at all", nil, all, "", "pw", "", needsCode},
		{"codes only, given", []factor.Factor{factor.Passcode, factor.SMS}, all, "", "pw,123456", "passcode:123456", ""},
		{"push only, no phone for it", []factor.Factor{factor.Push}, []Device{landline}, "", "pw", "", noDevice},
		{"chosen", []factor.Factor{factor.Push, factor.Phone}, all, "", "pw,phone", "phone:D1", ""},
		{"not allowed: push", []factor.Factor{factor.Phone, factor.Passcode}, all, "", "pw,push", "", notAllowed},
		{"not allowed: phone", []factor.Factor{factor.Push, factor.Passcode}, all, "", "pw,phone2", "", notAllowed},
		{"not allowed: sms", []factor.Factor{factor.Push, factor.Passcode}, all, "", "pw,sms", "", notAllowed},
		{"not allowed: passcode", []factor.Factor{factor.Push}, all, "", "pw,123456", "", notAllowed},

		{"push1", []factor.Factor{factor.Push}, all, "", "pw,push1", "push:D1", ""},
		{"push2 is the second that can", []factor.Factor{factor.Push}, all, "", "pw,push2", "push:D3", ""},
		{"push3", []factor.Factor{factor.Push, factor.Passcode}, all, "", "pw,push3", "", noDevice + " " + typeIt},
		{"phone2", []factor.Factor{factor.Phone}, all, "", "pw,phone2", "phone:D2", ""},
		{"phone3", []factor.Factor{factor.Phone, factor.Passcode}, all, "", "pw,phone3", "", noDevice + " " + typeIt},
		{"sms", []factor.Factor{factor.SMS}, []Device{landline, smartphone}, "", "pw,sms", "sms:D1", ""},
		{"sms2", []factor.Factor{factor.SMS}, all, "", "pw,sms2", "", noDevice},

		{"mode passcode, nothing typed", allFactors, all, ModePasscode, "pw", "", "reject passcode-needed: " + typeIt},
		{"mode passcode, push", allFactors, all, ModePasscode, "pw,push", "", "reject passcode-needed: " + typeIt},
		{"mode passcode, phone", allFactors, all, ModePasscode, "pw,phone", "", "reject passcode-needed: " + typeIt},
		{"mode passcode, code", allFactors, all, ModePasscode, "pw,123456", "passcode:123456", ""},
		{"mode passcode, sms", allFactors, all, ModePasscode, "pw,sms", "sms:D1", ""},
		{"a mode that is none", allFactors, all, "automatic", "pw", "push:D1", ""},
		{"mode challenge, code typed", allFactors, all, ModeChallenge, "pw,123456", "passcode:123456", ""},
		{"mode challenge, push typed", allFactors, all, ModeChallenge, "pw,push2", "push:D3", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.client.Factors, w.client.Mode, w.duo.pre.Devices = tt.factors, tt.mode, tt.devices
				says, want := allows(time3), ReasonApproved
				if strings.HasPrefix(tt.asked, "sms:") {
					says, want = sent, ReasonCodesSent
				}
				if tt.asked != "" {
					w.answers(says)
				}
				v := w.login(tt.field)
				w.asked(tt.asked)
				if tt.asked == "" {
					w.wants(v, tt.want)
					if preauths, _ := w.duo.counts(); preauths != 0 && v.Reason == ReasonNeedsPasscode {
						t.Error("Duo was asked")
					}
				} else if v.Reason != want {
					t.Error(line(v))
				}
			})
		})
	}
}

var allFactors = []factor.Factor{factor.Push, factor.Phone, factor.Passcode, factor.SMS}

// TestPasscodeSentences: the texts that tell a user how to type a passcode, by what the client's field can hold.
func TestPasscodeSentences(t *testing.T) {
	for _, tt := range []struct {
		first     bool
		delimiter string
		want      string
	}{
		{true, ",", "Type your password, then a comma and a passcode."},
		{true, "^", "Type your password, then ^ and a passcode."},
		{true, "", "Type a passcode."},
		{false, ",", "Type a passcode."},
	} {
		inWorld(t, func(w *world) {
			w.client.Delimiter, w.client.Mode = tt.delimiter, ModePasscode
			field := "pw"
			if !tt.first {
				w.client.FirstFactor, field = nil, ""
			}
			w.wants(w.login(field), "reject passcode-needed: "+tt.want)
			if preauths, _ := w.duo.counts(); preauths != 0 {
				t.Error("Duo was asked")
			}
		})
	}
}

// TestVerifiedPushInAuto: if the client has no place to show the code, the user types a passcode.
func TestVerifiedPushInAuto(t *testing.T) {
	inWorld(t, func(w *world) {
		w.duo.pre.Code = "376"
		w.client.Factors = []factor.Factor{factor.Push, factor.Passcode}
		w.wants(w.login("pw"), "reject no-device: Duo can't reach a device of yours that way from here. "+typeIt)
		if w.duo.preauths[0].VerifiedPush {
			t.Error("we told Duo that we can show a code")
		}
	})
}
