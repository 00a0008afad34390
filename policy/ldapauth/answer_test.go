package ldapauth

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"duoradiusd/test/fakeldap"
)

// TestActiveDirectory: the sub-codes of Active Directory, and which of them tell that the password was right.
func TestActiveDirectory(t *testing.T) {
	for _, tt := range []struct{ data, right, wrong string }{
		{"", "yes", "no: wrong password"},
		{"530", "no, proven: the account may not log in at this time", "no: wrong password"},
		{"531", "no, proven: the account may not log in from this workstation", "no: wrong password"},
		{"532", "no, proven: password expired", "no: wrong password"},
		{"533", "no, proven: account disabled", "no: wrong password"},
		{"568", "no: a member of too many groups", "no: wrong password"},
		{"701", "no, proven: account expired", "no: wrong password"},
		{"773", "no, proven: password must be changed", "no: wrong password"},
		{"775", "no: account locked", "no: account locked"},
		{"525", "no: no such user", "no: wrong password"},
		{"52E", "no: wrong password", "no: wrong password"},
		{"99f", "no: Active Directory refuses the account with data 99f", "no: wrong password"},
		{"no number", "no", "no: wrong password"},
	} {
		s := fake(t, fakeldap.Config{ActiveDirectory: true})
		e := jo()
		e.Data = tt.data
		s.Set(e)
		d := opened(t, config(s))
		if got := answer(t, d, "jo", "right"); got != tt.right {
			t.Errorf("%s, right password: got %q, want %q", tt.data, got, tt.right)
		}
		if got := answer(t, d, "jo", "wrong"); got != tt.wrong {
			t.Errorf("%s, wrong password: got %q, want %q", tt.data, got, tt.wrong)
		}
	}
}

// TestBindCodes: the answers to a user's bind, and whether another server is asked afterwards, which never happens after a
// no.
func TestBindCodes(t *testing.T) {
	for _, tt := range []struct {
		code uint16
		want string
		no   bool
	}{
		{ldap.LDAPResultInvalidCredentials, "no", true},
		{ldap.LDAPResultNoSuchObject, "no", true},
		{ldap.LDAPResultConstraintViolation, `no: constraint violation (19): "said so"`, true},
		{ldap.LDAPResultInappropriateAuthentication, `no: inappropriate authentication (48): "said so"`, true},
		{ldap.LDAPResultInsufficientAccessRights, `no: insufficient access rights (50): "said so"`, true},
		{ldap.LDAPResultUnwillingToPerform, `no: unwilling to perform (53): "said so"`, true},
		{ldap.LDAPResultOperationsError, `operations error (1): "said so"`, false},
		{ldap.LDAPResultProtocolError, "(2)", false},
		{ldap.LDAPResultStrongAuthRequired, "(8)", false},
		{ldap.LDAPResultReferral, "referrals are not followed", false},
		{ldap.LDAPResultConfidentialityRequired, "(13)", false},
		{ldap.LDAPResultInvalidDNSyntax, "(34)", false},
		{ldap.LDAPResultBusy, "(51)", false},
		{ldap.LDAPResultUnavailable, "(52)", false},
		{ldap.LDAPResultOther, "(80)", false},
		{999, "(999)", false},
	} {
		a, b := fake(t, fakeldap.Config{}), fake(t, fakeldap.Config{})
		a.Inject("bind", fakeldap.Fault{DN: joDN, Code: tt.code, Diagnostic: "said so", Referrals: []string{"ldap://elsewhere"}})
		d := opened(t, config(a, b))
		got := answer(t, d, "jo", "right")
		if tt.no {
			if got != tt.want || b.TotalConnections() != 0 {
				t.Errorf("%d: got %q, want %q; the other server saw %d connections", tt.code, got, tt.want, b.TotalConnections())
			}
			continue
		}
		if got != "yes" {
			t.Errorf("%d: got %q, want the other server's yes", tt.code, got)
		}
		wantIn(t, d.Health()[0].Err.Error(), "bind ", joDN, tt.want)
	}
}

// TestWrongPasswordOnce: a wrong password is sent to one server only, because several servers would lock the account.
func TestWrongPasswordOnce(t *testing.T) {
	a, b := fake(t, fakeldap.Config{}), fake(t, fakeldap.Config{})
	d := opened(t, config(a, b))
	if got := answer(t, d, "jo", "wrong"); got != "no" || len(userBinds(a)) != 1 || b.TotalConnections() != 0 {
		t.Errorf("got %q; binds %d, connections to the other server %d", got, len(userBinds(a)), b.TotalConnections())
	}
}

func TestPasswordPolicy(t *testing.T) {
	for _, tt := range []struct {
		code int
		want string
	}{
		{ldap.BeheraPasswordExpired, "no, proven: password expired"},
		{ldap.BeheraAccountLocked, "no: account locked"},
		{ldap.BeheraChangeAfterReset, "no, proven: password must be changed"}, // although the bind succeeds
		{ldap.BeheraPasswordInHistory, "no"},
	} {
		s := fake(t, fakeldap.Config{})
		e := jo()
		e.Policy = &tt.code
		s.Set(e)
		d := opened(t, config(s))
		if got := answer(t, d, "jo", "right"); got != tt.want {
			t.Errorf("%d: got %q, want %q", tt.code, got, tt.want)
		}
		if got := answer(t, d, "jo", "wrong"); got != "no" {
			t.Errorf("%d, wrong password: got %q, want no", tt.code, got)
		}
	}
}

// TestSearchCodes: no answer to a search is a no about the user.
func TestSearchCodes(t *testing.T) {
	for _, tt := range []struct {
		fault fakeldap.Fault
		want  []string
	}{
		{fakeldap.Fault{Code: ldap.LDAPResultNoSuchObject}, []string{`search "dc=example,dc=com": no such object (32)`}},
		{fakeldap.Fault{Code: ldap.LDAPResultReferral, Referrals: []string{"ldap://elsewhere/"}}, []string{"refers to another", "not followed"}},
		{fakeldap.Fault{Code: ldap.LDAPResultBusy}, []string{"busy (51)"}},
		{fakeldap.Fault{Code: ldap.LDAPResultTimeLimitExceeded}, []string{"time limit exceeded (3)"}},
		{fakeldap.Fault{Code: ldap.LDAPResultSizeLimitExceeded}, []string{"size limit exceeded (4)"}},
		{fakeldap.Fault{Code: ldap.LDAPResultInvalidCredentials}, []string{"invalid credentials (49)"}},
		{fakeldap.Fault{Code: ldap.LDAPResultOther, Diagnostic: "why\n" + strings.Repeat("x", 1000)}, []string{`other (80): "why\nxxx`}},
		{fakeldap.Fault{Drop: true}, []string{"EOF"}},
		{fakeldap.Fault{Notice: true}, []string{"EOF"}},
	} {
		s := fake(t, fakeldap.Config{})
		d := opened(t, config(s))
		s.Inject("search", tt.fault)
		got := answer(t, d, "jo", "right")
		wantIn(t, got, append(tt.want, "directory: "+s.URL()+": search")...)
		if len(got) > 400 || strings.Contains(got, "\n") || len(userBinds(s)) > 0 {
			t.Errorf("%v: got %q, %d binds", tt.fault, got, len(userBinds(s)))
		}
	}
}

// TestContinuation: references to other servers among the entries are not entries, and are not followed.
func TestContinuation(t *testing.T) {
	s := fake(t, fakeldap.Config{})
	d := opened(t, config(s))
	s.Inject("search", fakeldap.Fault{Times: -1, References: []string{"ldap://elsewhere/dc=x", "ldap://other/dc=y"}})
	if got := answer(t, d, "jo", "right"); got != "yes" {
		t.Errorf("got %q, want yes", got)
	}
	if got := answer(t, d, "nobody", "right"); got != "no: no such user in the directory" {
		t.Errorf("got %q, want no", got)
	}
}

// TestServiceAccount: a problem with the service account's password is not a no about the user.
func TestServiceAccount(t *testing.T) {
	s := fake(t, fakeldap.Config{ActiveDirectory: true})
	c := config(s)
	c.BindPassword = "secret-but-wrong"
	d := opened(t, c)
	got := answer(t, d, "jo", "right")
	wantIn(t, got, "directory: "+s.URL()+": search", "bind "+service+": invalid credentials (49)", "data 52e")
	if strings.Contains(got, "secret") || len(userBinds(s)) > 0 {
		t.Errorf("got %q, %d binds as a user", got, len(userBinds(s)))
	}
	if h := d.Health()[0]; !h.Down || h.Err == nil {
		t.Errorf("health %+v", h)
	}
}

func TestAnonymousService(t *testing.T) {
	s := fakeldap.Start(t, fakeldap.Config{})
	s.Set(jo())
	c := config(s)
	c.BindDN, c.BindPassword = "", ""
	d := opened(t, c)
	if got := answer(t, d, "jo", "right"); got != "yes" || s.Count("bind") != 1 {
		t.Errorf("got %q after %d binds, want yes after one", got, s.Count("bind"))
	}
}
