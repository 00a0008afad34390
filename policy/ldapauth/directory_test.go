package ldapauth

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/test/fakeldap"
)

// TestNobody: the refusal says where and with which filter the name was searched for.
func TestNobody(t *testing.T) {
	c := config(fake(t, fakeldap.Config{}))
	c.UserFilter = "(&(objectClass=*)(uid={username}))"
	_, err := opened(t, c).Authenticate(t.Context(), policy.FirstRequest{User: "a*", Password: "x"})
	const want = `no such user in the directory: nothing below dc=example,dc=com matches (&(objectClass=*)(uid=a\2a))`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAuthenticate(t *testing.T) {
	s := fake(t, fakeldap.Config{TLS: true})
	s.Set(fakeldap.Entry{DN: "uid=zoë,dc=example,dc=com", Password: "pässwört", Attributes: map[string][]string{"uid": {"zoë müller"}}})
	s.Set(fakeldap.Entry{DN: `uid=a\2a(b\\c),dc=example,dc=com`, Password: "odd", Attributes: map[string][]string{"uid": {`a*(b\c)`}}})
	s.Set(fakeldap.Entry{DN: "uid=tom,dc=example,dc=com", Password: "x", Attributes: map[string][]string{"uid": {"tom"}}})
	s.Set(fakeldap.Entry{DN: "uid=tom,ou=two,dc=example,dc=com", Password: "x", Attributes: map[string][]string{"uid": {"tom"}}})
	d := opened(t, config(s))
	for _, tt := range []struct{ user, password, want string }{
		{"jo", "right", "yes"},
		{"jo", "wrong", "no"},
		{"jo", "right ", "no"},
		{"jo", "right\x00", "no"},
		{"jo", strings.Repeat("x", 5000), "no"},
		{"jo", "", "no"},
		{"", "right", "no"},
		{"", "", "no"},
		{"nobody", "right", "no: no such user in the directory"},
		{"nobody", "", "no"},
		{"zoë müller", "pässwört", "yes"},
		{`a*(b\c)`, "odd", "yes"},
		{"j*", "right", "no: no such user in the directory"},
		{"*", "right", "no: no such user in the directory"},
		{"jo)(uid=*", "right", "no: no such user in the directory"},
		{"jo\x00", "right", "no: no such user in the directory"},
		{`\6ao`, "right", "no: no such user in the directory"},
		{"{username}", "right", "no: no such user in the directory"},
		{"tom", "x", "no: two entries match user_filter"},
		// The directory takes these names for jo.
		{"JO", "right", "no: the entry that was found has another name"},
		{"jó", "right", "no: the entry that was found has another name"},
		{"jo ", "right", "no: the entry that was found has another name"},
	} {
		if got := answer(t, d, tt.user, tt.password); got != tt.want {
			t.Errorf("%q with %.10q: got %q, want %q", tt.user, tt.password, got, tt.want)
		}
	}
	for _, r := range s.Requests("") {
		if r.Op == "bind" && (r.Password == "" || r.DN == "") {
			t.Errorf("an anonymous bind: %+v", r)
		}
		if r.Op == "search" && (r.Size != 2 || r.Time < 1 || r.Time > 5) {
			t.Errorf("a search with the limits %d and %d s", r.Size, r.Time)
		}
	}
}

// TestEmptyPassword: the directory is not asked, because its answer would be yes.
func TestEmptyPassword(t *testing.T) {
	s := fake(t, fakeldap.Config{})
	d := opened(t, config(s))
	if got := answer(t, d, "jo", ""); got != "no" || s.TotalConnections() != 0 {
		t.Errorf("got %s over %d connections, want no over none", got, s.TotalConnections())
	}
}

func TestUnsupported(t *testing.T) {
	s := fake(t, fakeldap.Config{})
	d := opened(t, config(s))
	for _, m := range []policy.Method{policy.MethodCHAP, policy.MethodMSCHAP, policy.MethodEAP} {
		_, err := d.Authenticate(t.Context(), policy.FirstRequest{User: "jo", Password: "right", Method: m})
		if !errors.Is(err, policy.ErrUnsupported) || s.TotalConnections() != 0 {
			t.Errorf("%v: got %v over %d connections", m, err, s.TotalConnections())
		}
	}
}

func TestAccount(t *testing.T) {
	s := fake(t, fakeldap.Config{})
	s.Set(fakeldap.Entry{DN: "uid=bare,dc=example,dc=com", Password: "right", Attributes: map[string][]string{"uid": {"bare"}}})
	c := config(s)
	c.DuoUsernameAttribute = "EmployeeNumber"
	d := opened(t, c)
	groups := []string{"cn=VPN users,ou=groups,dc=example,dc=com", "VPN users", "plain"}
	a, err := d.Authenticate(t.Context(), policy.FirstRequest{User: "jo", Password: "right"})
	if err != nil || a.User != "" || a.DuoUsername != "jo-at-duo" || !slices.Equal(a.Groups, groups) {
		t.Errorf("Authenticate: %+v, %v", a, err)
	}
	a, err = d.Lookup(t.Context(), "jo", nil)
	if err != nil || a.DuoUsername != "jo-at-duo" || !slices.Equal(a.Groups, groups) {
		t.Errorf("Lookup: %+v, %v", a, err)
	}
	a, err = d.Authenticate(t.Context(), policy.FirstRequest{User: "bare", Password: "right"})
	if err != nil || a.DuoUsername != "" || a.Groups != nil {
		t.Errorf("a user without attributes: %+v, %v", a, err)
	}
}

func TestLookup(t *testing.T) {
	s := fake(t, fakeldap.Config{})
	d := opened(t, config(s))
	for _, user := range []string{"nobody", "", "JO"} {
		if _, err := d.Lookup(t.Context(), user, nil); !errors.Is(err, policy.ErrRejected) {
			t.Errorf("%q: got %v, want a no", user, err)
		}
	}
	if n := len(userBinds(s)); n != 0 {
		t.Errorf("%d binds as a user", n)
	}
	s.Down()
	if _, err := d.Lookup(t.Context(), "jo", nil); err == nil || errors.Is(err, policy.ErrRejected) {
		t.Errorf("no server: got %v", err)
	}
}

// TestOwnConnection: a user's bind has a connection of its own.
func TestOwnConnection(t *testing.T) {
	s := fake(t, fakeldap.Config{})
	d := opened(t, config(s))
	for range 3 {
		if got := answer(t, d, "jo", "right"); got != "yes" {
			t.Fatal(got)
		}
	}
	searches, binds := map[int]int{}, map[int]int{}
	for _, r := range s.Requests("search") {
		searches[r.Conn]++
		if r.BoundAs != service {
			t.Errorf("a search bound as %q", r.BoundAs)
		}
	}
	for _, r := range userBinds(s) {
		binds[r.Conn]++
		if r.BoundAs != "" {
			t.Errorf("a user's bind on a connection bound as %q", r.BoundAs)
		}
	}
	if len(searches) != 1 || len(binds) != 3 {
		t.Errorf("searches over %d connections, binds over %d; want 1 and 3", len(searches), len(binds))
	}
	for c := range binds {
		if searches[c] > 0 {
			t.Errorf("connection %d is used for both", c)
		}
	}
}

// TestStrangerCostsABind: an unknown name costs a bind, too. That bind has neither the user's password nor any user's DN.
func TestStrangerCostsABind(t *testing.T) {
	s := fake(t, fakeldap.Config{})
	s.Set(fakeldap.Entry{DN: "uid=jo2,dc=example,dc=com", Attributes: map[string][]string{"uid": {"twin"}}})
	s.Set(fakeldap.Entry{DN: "uid=jo3,dc=example,dc=com", Attributes: map[string][]string{"uid": {"twin"}}})
	d := opened(t, config(s))
	for _, user := range []string{"nobody", "twin", "JO"} {
		s.Forget()
		answer(t, d, user, "right")
		binds := userBinds(s)
		if len(binds) != 1 || binds[0].Password == "right" || binds[0].Password == "" || strings.Contains(binds[0].DN, "jo") ||
			!strings.HasSuffix(binds[0].DN, ",dc=example,dc=com") {
			t.Errorf("%s: binds %+v", user, binds)
		}
	}
	s.Inject("bind", fakeldap.Fault{Code: 0, Drop: true})
	if got := answer(t, d, "nobody", "right"); !strings.HasPrefix(got, "no: ") {
		t.Errorf("the bind failed: got %q", got)
	}
}

func TestContext(t *testing.T) {
	s := fake(t, fakeldap.Config{})
	d := opened(t, config(s))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.Authenticate(ctx, policy.FirstRequest{User: "jo", Password: "right"})
	if !errors.Is(err, context.Canceled) || errors.Is(err, policy.ErrRejected) || s.TotalConnections() != 0 {
		t.Errorf("got %v over %d connections", err, s.TotalConnections())
	}
}

func TestNew(t *testing.T) {
	good := Config{Name: "directory", URLs: []string{"ldaps://dc1.example.com"}, BindDN: "cn=x", BindPassword: "pw",
		BaseDN: []string{"dc=example,dc=com"}, UserFilter: "(uid={username})"}
	for _, tt := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) {}, ""},
		{func(c *Config) { c.BindDN, c.BindPassword = "", "" }, ""},
		{func(c *Config) { c.BaseDN = nil }, ""},
		{func(c *Config) { c.URLs = []string{"ldap://[::1]:3268/", "ldaps://b"} }, ""},
		{func(c *Config) { c.URLs = nil }, "directory: directory: urls: none"},
		{func(c *Config) { c.Name, c.URLs = "", nil }, "directory: urls: none"},
		{func(c *Config) { c.URLs = []string{"dc1.example.com"} }, "want ldaps:// or ldap://"},
		{func(c *Config) { c.URLs = []string{"ldapi:///var/run/x"} }, "want ldaps:// or ldap://"},
		{func(c *Config) { c.URLs = []string{"ldap://"} }, "want ldap://host or ldap://host:port"},
		{func(c *Config) { c.URLs = []string{"ldap://h/dc=example?uid"} }, "want ldap://host or"},
		{func(c *Config) { c.URLs = []string{"ldap://u:secret@h"} }, "a user name in the URL"},
		{func(c *Config) { c.URLs = []string{"ldap://u:secret@h:x"} }, "a malformed URL"},
		{func(c *Config) { c.URLs = []string{"ldap://h:389", "ldap://h"} }, "ldap://h: given twice"},
		{func(c *Config) { c.StartTLS = true }, "start_tls is for ldap://"},
		{func(c *Config) { c.BindPassword = "" }, "one without the other"},
		{func(c *Config) { c.BindDN = "" }, "one without the other"},
		{func(c *Config) { c.BaseDN = []string{"example.com"} }, "base_dn"},
		{func(c *Config) { c.GroupAttribute = "member Of" }, "group_attribute"},
		{func(c *Config) { c.DuoUsernameAttribute = "*" }, "duo_username_attribute"},
		{func(c *Config) { c.UserFilter = "(uid=x)" }, "user_filter"},
	} {
		c := good
		tt.change(&c)
		d, err := New(c)
		if tt.want == "" {
			if err != nil || d.config.Timeout != 5*time.Second {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("no error, want %q", tt.want)
			continue
		}
		wantIn(t, err.Error(), tt.want)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("it shows a password: %v", err)
		}
	}
}
