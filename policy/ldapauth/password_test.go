package ldapauth

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"duoradiusd/policy"
	"duoradiusd/test/fakeldap"
)

// expired asks for jo, whose password has expired, and returns what is needed to change the password.
func expired(t *testing.T, d *Directory) *policy.ExpiredPassword {
	t.Helper()
	_, err := d.Authenticate(t.Context(), policy.FirstRequest{User: "jo", Password: "right"})
	no, ok := errors.AsType[*policy.Refusal](err)
	if !ok || !no.Proven || no.Change == nil || no.Change.State == "" || len(no.Change.Account.Groups) == 0 {
		t.Fatalf("got %+v, %v", no, err)
	}
	return no.Change
}

// TestPasswordChange: it changes unicodePwd on Active Directory, and uses the operation of RFC 3062 elsewhere.
func TestPasswordChange(t *testing.T) {
	reset, over := ldap.BeheraChangeAfterReset, ldap.BeheraPasswordExpired
	for _, tt := range []struct {
		name  string
		ad    bool
		entry func(*fakeldap.Entry)
		op    string
		as    string // whose account makes the change
	}{
		{"expired", true, func(e *fakeldap.Entry) { e.Data = "532" }, "modify", service},
		{"must change", true, func(e *fakeldap.Entry) { e.Data = "773" }, "modify", service},
		{"reset", false, func(e *fakeldap.Entry) { e.Policy = &reset }, "passwordmodify", joDN},
		{"over", false, func(e *fakeldap.Entry) { e.Policy = &over }, "passwordmodify", service},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := fake(t, fakeldap.Config{TLS: true, ActiveDirectory: tt.ad, AcceptPassword: func(old, new string) string {
				switch {
				case len(new) < 6 && tt.ad:
					return "0000052D: AtrErr: DSID-03191083, #1: 0: 0000052D, problem 1005 (CONSTRAINT_ATT_TYPE)"
				case len(new) < 6:
					return "Password is in history of old passwords"
				}
				return ""
			}})
			dse := map[string][]string{"supportedExtension": {extPasswordModify}}
			if tt.ad {
				dse = map[string][]string{"supportedCapabilities": {capActiveDirectory}}
			}
			s.Set(fakeldap.Entry{Attributes: dse})
			e := jo()
			tt.entry(&e)
			s.Set(e)
			c := config(s)
			c.PasswordChange = true
			d := opened(t, c)
			x := expired(t, d)
			change := func(old, new string) (*policy.Refusal, error) {
				err := d.ChangePassword(t.Context(), policy.PasswordChange{State: x.State, Old: old, New: new})
				no, _ := errors.AsType[*policy.Refusal](err)
				return no, err
			}
			if no, err := change("right", "short"); no == nil || !strings.HasPrefix(no.Message, "The directory does not accept this password") {
				t.Errorf("short: %+v, %v", no, err)
			}
			if _, err := change("wrong", "long enough, pass,word ü"); err == nil {
				t.Error("changed with a wrong old password")
			}
			s.Forget()
			if _, err := change("right", "long enough, pass,word ü"); err != nil {
				t.Fatal(err)
			}
			if r := s.Requests(tt.op); len(r) != 1 || r[0].BoundAs != tt.as || r[0].DN != joDN || !r[0].TLS {
				t.Errorf("changed by %+v", r)
			}
			if got := answer(t, d, "jo", "long enough, pass,word ü"); got != "yes" {
				t.Errorf("the new password: %s", got)
			}
			for _, v := range []string{"", "\x00", "ldaps://elsewhere\x00" + joDN, s.URL() + "\x00"} {
				if err := d.ChangePassword(t.Context(), policy.PasswordChange{State: v, Old: "a", New: "b"}); err == nil || errors.Is(err, policy.ErrRejected) {
					t.Errorf("State %q: %v", v, err)
				}
			}
		})
	}
}

// TestNoPasswordChange: without the setting an expired password is refused as usual. Without TLS nothing is changed.
func TestNoPasswordChange(t *testing.T) {
	s := fake(t, fakeldap.Config{ActiveDirectory: true})
	e := jo()
	e.Data = "532"
	s.Set(e)
	d := opened(t, config(s))
	_, err := d.Authenticate(t.Context(), policy.FirstRequest{User: "jo", Password: "right"})
	if no, ok := errors.AsType[*policy.Refusal](err); !ok || no.Change != nil {
		t.Errorf("got %+v", no)
	}
	err = d.ChangePassword(t.Context(), policy.PasswordChange{State: s.URL() + "\x00" + joDN, Old: "right", New: "new"})
	if err == nil || !strings.Contains(err.Error(), "not encrypted") {
		t.Errorf("got %v", err)
	}
	c := config(s)
	c.PasswordChange = true
	if _, err := New(c); err == nil {
		t.Error("password_change without TLS")
	}
}
