package test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/canonical"
	"duoradiusd/policy/ldapauth"
)

var people = []person{
	{cn: "Jo", uid: "jo", password: "right", groups: []string{"VPN users", `a\,b`}, more: "employeeNumber: jo-at-duo\n"},
	{cn: "odd", uid: `a*(b\c)`, password: "odd"},
	{cn: "umlaut", uid: "zoë müller", password: "pässwört"},
	{cn: "spaced", uid: "Ann  Lee", password: "spaced"},
	{cn: "tom1", uid: "tom", password: "one"},
	{cn: "tom2", uid: "tom", password: "two"},
	{cn: "locked", uid: "locked", password: "right", more: "pwdPolicySubentry: cn=lockout," + slapdBase + "\n"},
	{cn: "reset", uid: "reset", password: "right", more: "pwdPolicySubentry: cn=lockout," + slapdBase + "\npwdReset: TRUE\n"},
	{cn: "old", uid: "old", password: "right", more: "pwdPolicySubentry: cn=lockout," + slapdBase +
		"\npwdChangedTime: 20010101000000Z\n"},
}

// directoryOf returns the first factor that asks these servers, by ldaps:// or StartTLS.
func directoryOf(t testing.TB, scheme string, servers ...*slapd) *ldapauth.Directory {
	t.Helper()
	c := ldapauth.Config{StartTLS: scheme == "ldap", Roots: x509.NewCertPool(), BindDN: slapdService, BindPassword: slapdServicePassword,
		BaseDN: []string{slapdBase}, UserFilter: "(&(objectClass=person)(uid={username}))", GroupAttribute: "memberOf",
		DuoUsernameAttribute: "employeeNumber", Timeout: 5 * time.Second, Names: canonical.Names{}.Canonical}
	for _, s := range servers {
		c.URLs = append(c.URLs, s.url(scheme))
		s.vouch(c.Roots)
	}
	d, err := ldapauth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// firstFactor returns what d answers: yes, no with its reason, or the error.
func firstFactor(ctx context.Context, d policy.FirstFactor, user, password string) string {
	_, err := d.Authenticate(ctx, policy.FirstRequest{User: user, Password: password})
	refusal, refused := errors.AsType[*policy.Refusal](err)
	switch {
	case err == nil:
		return "yes"
	case refused:
		return fmt.Sprint("no: ", refusal.Why, " ", refusal.Proven)
	case errors.Is(err, policy.ErrRejected):
		return "no"
	}
	return err.Error()
}

func TestSlapd(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, people, "")
	for _, scheme := range []string{"ldaps", "ldap"} {
		d := directoryOf(t, scheme, s)
		for _, tt := range []struct{ user, password, want string }{
			{"jo", "right", "yes"},
			{"jo", "wrong", "no"},
			{"jo", "", "no"},
			{"nobody", "right", "no: no such user in the directory: nothing below " + slapdBase + " matches (&(objectClass=person)(uid=nobody)) false"},
			{"*", "right", "no: no such user in the directory: nothing below " + slapdBase + " matches (&(objectClass=person)(uid=\\2a)) false"},
			{"j*", "right", "no: no such user in the directory: nothing below " + slapdBase + " matches (&(objectClass=person)(uid=j\\2a)) false"},
			{"jo)(uid=*", "right", "no: no such user in the directory: nothing below " + slapdBase + " matches (&(objectClass=person)(uid=jo\\29\\28uid=\\2a)) false"},
			{`a*(b\c)`, "odd", "yes"},
			{"zoë müller", "pässwört", "yes"},
			{"ann  lee", "spaced", "yes"},
			// slapd finds these names, but the policy must not accept them.
			{"JO", "right", "no: the entry that was found has another name false"},
			{"ann lee", "spaced", "no: the entry that was found has another name false"},
			{"tom", "one", "no: two entries match user_filter false"},
			{"reset", "wrong", "no"},
			{"reset", "right", "no: password must be changed true"},
			{"old", "wrong", "no"},
			{"old", "right", "no: password expired true"},
		} {
			if got := firstFactor(t.Context(), d, tt.user, tt.password); got != tt.want {
				t.Errorf("%s: %q with %q: got %q, want %q", scheme, tt.user, tt.password, got, tt.want)
			}
		}
		a, err := d.Authenticate(t.Context(), policy.FirstRequest{User: "jo", Password: "right"})
		groups := []string{"cn=VPN users,ou=groups," + slapdBase, "VPN users", `cn=a\2Cb,ou=groups,` + slapdBase, "a,b"}
		slices.Sort(a.Groups)
		slices.Sort(groups)
		if err != nil || !slices.Equal(a.Groups, groups) || a.DuoUsername != "jo-at-duo" {
			t.Errorf("%s: got %+v, %v; want the groups %q", scheme, a, err, groups)
		}
		for _, c := range d.Check(t.Context()) {
			if c.Err() != nil || len(c.Steps) != 3 || time.Until(c.Expires) < 24*time.Hour {
				t.Errorf("%s: check: %+v", scheme, c)
			}
		}
		d.Close()
	}
	// The password is sent after StartTLS, or not at all.
	for _, line := range s.log.all() {
		if strings.Contains(line, "confidentiality required") {
			t.Errorf("in clear: %s", line)
		}
	}
}

// TestSlapdLocks: slapd locks this account after two wrong passwords, so no login may send two.
func TestSlapdLocks(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, people, "")
	d := directoryOf(t, "ldaps", s)
	for i, tt := range []struct{ password, want string }{
		{"wrong", "no"},
		{"right", "yes"},
		{"wrong", "no"},
		{"wrong", "no"},
		{"right", "no: account locked false"},
		{"wrong", "no: account locked false"},
	} {
		if got := firstFactor(t.Context(), d, "locked", tt.password); got != tt.want {
			t.Errorf("%d: got %q, want %q", i, got, tt.want)
		}
	}
}

// TestSlapdIdle: slapd closes a connection that is idle for a second. That fails no login.
func TestSlapdIdle(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, people, "idletimeout 1")
	d := directoryOf(t, "ldap", s)
	for range 2 {
		before := s.said("closed (idletimeout)")
		if got := firstFactor(t.Context(), d, "jo", "right"); got != "yes" {
			t.Fatalf("got %q", got)
		}
		eventually(t, "slapd closes the connection", func() bool { return s.said("closed (idletimeout)") > before })
	}
	if got := firstFactor(t.Context(), d, "jo", "wrong"); got != "no" {
		t.Errorf("got %q", got)
	}
}

// TestSlapdFailover: the first of two servers stops. Then it starts again, and the second stops.
func TestSlapdFailover(t *testing.T) {
	t.Parallel()
	a, b := startSlapd(t, people, ""), startSlapd(t, people, "")
	d := directoryOf(t, "ldaps", a, b)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	want := func(user, password, want string) {
		t.Helper()
		if got := firstFactor(ctx, d, user, password); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	before := b.said("SRCH")
	want("jo", "right", "yes")
	if b.said("SRCH") != before {
		t.Error("the second is asked while the first answers")
	}
	a.end()
	want("jo", "right", "yes")
	want("jo", "wrong", "no")
	if h := d.Health(); !h[0].Down || h[1].Down {
		t.Errorf("health %+v", h)
	}
	if !a.start() {
		t.Skip("somebody took the port meanwhile")
	}
	b.end()
	want("jo", "right", "yes") // the first server is still marked as down, but all are
	want("jo", "wrong", "no")
	a.end()
	if got := firstFactor(ctx, d, "jo", "right"); !strings.Contains(got, a.url("ldaps")) || !strings.Contains(got, b.url("ldaps")) {
		t.Errorf("got %q, want what went wrong with both", got)
	}
}

// TestSlapdNestedGroups: OpenLDAP's memberOf has only the user's own groups, so their groups are searched for, level by
// level.
func TestSlapdNestedGroups(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, people, "")
	write(t, filepath.Join(s.dir, "nested.ldif"), fmt.Sprintf("dn: cn=No-VPN,ou=groups,%[1]s\nobjectClass: groupOfNames\n"+
		"member: cn=VPN users,ou=groups,%[1]s\n\ndn: cn=Top,ou=groups,%[1]s\nobjectClass: groupOfUniqueNames\n"+
		"uniqueMember: cn=No-VPN,ou=groups,%[1]s\n\n", slapdBase))
	s.tool("ldapadd", "-x", "-H", s.url("ldaps"), "-D", slapdRoot, "-w", "root", "-f", filepath.Join(s.dir, "nested.ldif"))
	for how, want := range map[ldapauth.Nesting]string{"": "NestedGroups", ldapauth.NestedAuto: "Groups", ldapauth.NestedWalk: "Groups", ldapauth.NestedOff: ""} {
		c := ldapauth.Config{URLs: []string{s.url("ldaps")}, Roots: x509.NewCertPool(), BindDN: slapdService, BindPassword: slapdServicePassword,
			BaseDN: []string{"ou=people," + slapdBase}, UserFilter: "(uid={username})", GroupAttribute: "memberOf", NestedGroups: how,
			Names: canonical.Names{}.Canonical}
		s.vouch(c.Roots)
		d, err := ldapauth.New(c)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		a, err := d.Authenticate(t.Context(), policy.FirstRequest{User: "jo", Password: "right", Groups: []string{"No-VPN", "Top"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"No-VPN", "Top"} {
			if slices.Contains(a.Groups, name) != (want == "Groups") || slices.Contains(a.NestedGroups, name) != (want == "NestedGroups") {
				t.Errorf("%q: groups %q, nested %q", how, a.Groups, a.NestedGroups)
			}
		}
		unknown, err := d.UnknownGroups(t.Context(), []string{"No-VPN", "cn=Top,ou=groups," + slapdBase, "Gone"})
		if err != nil || !slices.Equal(unknown, []string{"Gone"}) {
			t.Errorf("unknown groups %q, %v", unknown, err)
		}
	}
	c := ldapauth.Config{URLs: []string{s.url("ldaps")}, Roots: x509.NewCertPool(), BindDN: slapdService, BindPassword: slapdServicePassword,
		BaseDN: []string{slapdBase}, UserFilter: "(uid={username})", GroupAttribute: "memberOf", NestedGroups: ldapauth.NestedChain}
	s.vouch(c.Roots)
	d, err := ldapauth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, err = d.Authenticate(t.Context(), policy.FirstRequest{User: "jo", Password: "right", Groups: []string{"No-VPN"}})
	if err == nil || errors.Is(err, policy.ErrRejected) || !strings.Contains(err.Error(), "matching rule") {
		t.Errorf("chain at a directory that does not know it: %v", err)
	}
}

// TestSlapdPasswordChange: a user who must choose a new password changes it, with the operation of RFC 3062.
func TestSlapdPasswordChange(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, people, "")
	c := ldapauth.Config{URLs: []string{s.url("ldaps")}, Roots: x509.NewCertPool(), BindDN: slapdService, BindPassword: slapdServicePassword,
		BaseDN: []string{slapdBase}, UserFilter: "(uid={username})", PasswordChange: true, Names: canonical.Names{}.Canonical}
	s.vouch(c.Roots)
	d, err := ldapauth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, err = d.Authenticate(t.Context(), policy.FirstRequest{User: "reset", Password: "right"})
	no, ok := errors.AsType[*policy.Refusal](err)
	if !ok || no.Change == nil {
		t.Fatalf("got %v", err)
	}
	if err := d.ChangePassword(t.Context(), policy.PasswordChange{State: no.Change.State, Old: "right", New: "a new one"}); err != nil {
		t.Fatal(err)
	}
	if got := firstFactor(t.Context(), d, "reset", "a new one"); got != "yes" {
		t.Errorf("with the new password: %s", got)
	}
	if got := firstFactor(t.Context(), d, "reset", "right"); got != "no" {
		t.Errorf("with the old password: %s", got)
	}
}
