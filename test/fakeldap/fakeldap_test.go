package fakeldap_test

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"duoradiusd/test/fakeldap"
)

func start(t *testing.T, cfg fakeldap.Config) *fakeldap.Server {
	t.Helper()
	cfg.BindDN, cfg.BindPassword = "cn=svc", "secret"
	s := fakeldap.Start(t, cfg)
	s.Set(fakeldap.Entry{DN: "uid=jo,dc=example,dc=com", Password: "pw", Attributes: map[string][]string{
		"uid": {"Jó  X"}, "mail": {"jo@example.com", "sip:jo"}, "memberOf": {"a", "b", "c"}}})
	return s
}

func dial(t *testing.T, s *fakeldap.Server) *ldap.Conn {
	t.Helper()
	c, err := ldap.DialURL(s.URL(), ldap.DialWithTLSConfig(&tls.Config{RootCAs: s.Roots()}))
	if err != nil {
		t.Fatal(err)
	}
	c.SetTimeout(10 * time.Second)
	t.Cleanup(func() { c.Close() })
	return c
}

func search(c *ldap.Conn, base, filter string, attrs ...string) (*ldap.SearchResult, error) {
	return c.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, attrs, nil))
}

func wantCode(t *testing.T, what string, err error, want uint16) {
	t.Helper()
	if want == 0 && err != nil || want != 0 && !ldap.IsErrorWithCode(err, want) {
		t.Errorf("%s: got %v, want code %d", what, err, want)
	}
}

// TestBind: strict about passwords, lax about none, as RFC 4513 §5.1 lets a server be.
func TestBind(t *testing.T) {
	for _, cfg := range []fakeldap.Config{{}, {TLS: true}, {StartTLS: true}} {
		s := start(t, cfg)
		c := dial(t, s)
		if cfg.StartTLS {
			wantCode(t, "in clear", c.Bind("uid=jo,dc=example,dc=com", "pw"), ldap.LDAPResultConfidentialityRequired)
			if err := c.StartTLS(&tls.Config{RootCAs: s.Roots(), ServerName: "localhost"}); err != nil {
				t.Fatal(err)
			}
		}
		wantCode(t, "right", c.Bind("UID=jo,dc=example,dc=com", "pw"), 0)
		wantCode(t, "wrong", c.Bind("uid=jo,dc=example,dc=com", "PW"), ldap.LDAPResultInvalidCredentials)
		wantCode(t, "nobody", c.Bind("uid=x,dc=example,dc=com", "pw"), ldap.LDAPResultInvalidCredentials)
		wantCode(t, "no password", c.UnauthenticatedBind("uid=jo,dc=example,dc=com"), 0)
		wantCode(t, "no name", c.UnauthenticatedBind(""), 0)
		for _, r := range s.Requests("bind") {
			if r.TLS != (cfg.TLS || cfg.StartTLS) && r.Code != ldap.LDAPResultConfidentialityRequired {
				t.Errorf("remembered as %+v", r)
			}
		}
	}
}

// TestWhoMaySearch: the service account alone.
func TestWhoMaySearch(t *testing.T) {
	s := start(t, fakeldap.Config{})
	c := dial(t, s)
	for _, tt := range []struct {
		name, password string
		want           uint16
	}{
		{"", "", ldap.LDAPResultOperationsError},
		{"uid=jo,dc=example,dc=com", "pw", ldap.LDAPResultInsufficientAccessRights},
		{"cn=svc", "secret", 0},
		{"cn=svc", "wrong", ldap.LDAPResultOperationsError},
		{"cn=svc", "", ldap.LDAPResultOperationsError},
	} {
		if tt.password == "" {
			c.UnauthenticatedBind(tt.name)
		} else {
			c.Bind(tt.name, tt.password)
		}
		_, err := search(c, "dc=example,dc=com", "(uid=jo x)")
		wantCode(t, tt.name+" "+tt.password, err, tt.want)
	}
	if r := s.Requests("search")[0]; r.Filter != "(uid=jo x)" || r.DN != "dc=example,dc=com" || r.Scope != ldap.ScopeWholeSubtree {
		t.Errorf("remembered as %+v", r)
	}
}

func TestSearch(t *testing.T) {
	s := start(t, fakeldap.Config{Range: 2})
	c := dial(t, s)
	wantCode(t, "service", c.Bind("cn=svc", "secret"), 0)
	for filter, found := range map[string]bool{
		"(uid=JO X)": true, "(uid=jo y)": false, "(mail=jo@*)": true, "(mail=*:jo)": true, "(mail=*bo*)": false,
		"(&(objectClass=*)(uid=jo x))": true, "(|(uid=x)(mail=jo@example.com))": true, "(!(uid=jo x))": false,
		"(cn=*)": false, "(uid:caseExactMatch:=jo x)": true, "(uid~=jo x)": true,
	} {
		r, err := search(c, "dc=example,dc=com", filter, "mail")
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(r.Entries, func(e *ldap.Entry) bool { return strings.HasPrefix(e.DN, "uid=jo") }); got != found {
			t.Errorf("%s: found %v, want %v", filter, got, found)
		}
	}
	r, err := search(c, "uid=jo,dc=example,dc=com", "(objectClass=*)", "memberOf", "memberOf;range=2-*")
	if err != nil || len(r.Entries) != 1 || len(r.Entries[0].Attributes) != 1 ||
		!slices.Equal(r.Entries[0].GetAttributeValues("memberOf;range=0-1"), []string{"a", "b"}) {
		t.Errorf("ranges: %v, %v", r, err)
	}
	_, err = search(c, "dc=elsewhere", "(uid=jo)")
	wantCode(t, "another base", err, ldap.LDAPResultNoSuchObject)
}

func TestFaults(t *testing.T) {
	s := start(t, fakeldap.Config{})
	s.Inject("bind", fakeldap.Fault{Code: 51, DN: "cn=svc", Times: 2})
	c := dial(t, s)
	wantCode(t, "another", c.Bind("uid=jo,dc=example,dc=com", "pw"), 0)
	wantCode(t, "first", c.Bind("cn=svc", "secret"), 51)
	wantCode(t, "second", c.Bind("cn=svc", "secret"), 51)
	wantCode(t, "third", c.Bind("cn=svc", "secret"), 0)
	s.Inject("bind", fakeldap.Fault{Hang: true})
	done := make(chan error)
	go func() { done <- c.Bind("cn=svc", "secret") }()
	select {
	case err := <-done:
		t.Errorf("it does not hang: %v", err)
	case <-time.After(20 * time.Millisecond):
		s.Heal()
		wantCode(t, "healed", <-done, 0)
	}
	s.Inject("bind", fakeldap.Fault{Drop: true})
	if err := c.Bind("cn=svc", "secret"); err == nil {
		t.Error("dropped, it answers")
	}
	addr := s.Addr()
	s.Down()
	if _, err := ldap.DialURL(s.URL()); err == nil {
		t.Error("down, it answers")
	}
	if err := s.Up(); err != nil || s.Addr() != addr {
		t.Fatalf("up again: %v at %s", err, s.Addr())
	}
	wantCode(t, "up again", dial(t, s).Bind("cn=svc", "secret"), 0)
}

// TestViolations: what no client may send is told.
func TestViolations(t *testing.T) {
	s, err := fakeldap.New(fakeldap.Config{})
	if err == nil {
		err = s.Listen("127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, s)
	if _, err := c.WhoAmI(nil); err == nil {
		t.Error("it knows another extended operation")
	}
	s.Close()
	if v := s.Violations(); len(v) != 1 || !strings.Contains(v[0], "other than StartTLS") {
		t.Errorf("got %q", v)
	}
}
