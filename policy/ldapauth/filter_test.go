package ldapauth

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"duoradiusd/policy/canonical"
	"duoradiusd/test/fakeldap"
)

func TestParseFilter(t *testing.T) {
	for _, tt := range []struct{ filter, want string }{
		{"(uid={username})", ""},
		{"(&(objectClass=person)(|(uid={username})(mail={username}@example.com)))", ""},
		{"(&(uid={username})(!(cn={username})))", ""},
		{"(!(!(uid={username})))", ""},
		{"(uid:caseExactMatch:={username})", ""},
		{"(uid={username}", "is not a filter"},
		{"uid={username}", "is not a filter"},
		{"", "is not a filter"},
		{"(uid=*)", "does not contain {username}"},
		{"({username}=jo)", "can take the place of a value only"},
		{"({username}=*)", "can take the place of a value only"},
		{"(&(uid={username})({username}=*))", "can take the place of a value only"},
		{"(uid:{username}:=jo)", "can take the place of a value only"},
		{"(uid={username}{username})", "twice in one value"},
		{"(!(uid={username}))", "in negations only"},
	} {
		_, err := parseFilter(tt.filter)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.filter, err, tt.want)
		}
	}
}

func TestBelongs(t *testing.T) {
	const jo, noSuch = "jo", ""
	for _, tt := range []struct {
		filter, user string
		entry        map[string][]string
		want         bool
	}{
		{"(uid={username})", jo, map[string][]string{"uid": {"jo"}}, true},
		{"(uid={username})", jo, map[string][]string{"UID": {"Jo"}}, true},
		{"(uid={username})", jo, map[string][]string{"uid;lang-de": {"jo"}}, true},
		{"(uid={username})", jo, map[string][]string{"uid": {"other", "jo"}}, true},
		{"(uid={username})", jo, map[string][]string{"uid": {"jó"}}, false},
		{"(uid={username})", jo, map[string][]string{"uid": {"jo "}}, false},
		{"(uid={username})", jo, map[string][]string{"uid": {"banjo"}}, false},
		{"(uid={username})", jo, map[string][]string{"uid": {"joe"}}, false},
		{"(uid={username})", jo, map[string][]string{"uid": {"jo\x00"}}, false},
		{"(uid={username})", jo, map[string][]string{"uid": {""}}, false},
		{"(uid={username})", jo, map[string][]string{"uid": {strings.Repeat("x", 600)}}, false},
		{"(uid={username})", "zoë", map[string][]string{"uid": {"ZOE\u0308"}}, true}, // NFD
		// The entry has nothing to compare, so the directory's answer counts.
		{"(uid={username})", jo, map[string][]string{"cn": {"Jo"}}, true},
		{"(uid={username})", jo, map[string][]string{"uid": {}}, true},
		{"(0.9.2342.19200300.100.1.1={username})", jo, map[string][]string{"uid": {"x"}}, true},
		{"(:caseExactMatch:={username})", jo, map[string][]string{"uid": {"x"}}, true},
		{"(uid:dn:={username})", jo, map[string][]string{"uid": {"x"}}, true},
		{"(|(uid={username})(cn:dn:={username}))", jo, map[string][]string{"uid": {"x"}}, true},
		// One of several values is the name.
		{"(|(uid={username})(mail={username}))", jo, map[string][]string{"uid": {"x"}, "mail": {"jo"}}, true},
		{"(|(uid={username})(mail={username}))", jo, map[string][]string{"uid": {"x"}}, false},
		{"(&(uid={username})(!(cn={username})))", jo, map[string][]string{"uid": {"x"}, "cn": {"jo"}}, false},
		{"(uid~={username})", jo, map[string][]string{"uid": {"joe"}}, false},
		{"(uid:caseExactMatch:={username})", jo, map[string][]string{"uid": {"joe"}}, false},
		// The value is inside other conditions.
		{"(mail={username}@example.org)", jo, map[string][]string{"mail": {"Jo@Example.org"}}, true},
		{"(mail={username}@example.org)", jo, map[string][]string{"mail": {"jo@example.net"}}, false},
		{"(mail={username}@example.org)", jo, map[string][]string{"mail": {"jo"}}, false},
		{"(mail={username}@example.org)", noSuch, map[string][]string{"mail": {"@example.org"}}, false},
		{"(upn=EXT-{username})", jo, map[string][]string{"upn": {"ext-jo"}}, true},
		{"(upn=EXT-{username})", jo, map[string][]string{"upn": {"jo"}}, false},
		// These are domains that the policy removes.
		{"(mail={username}@example.com)", jo, map[string][]string{"mail": {"jo@example.com"}}, true},
		{"(mail={username}*)", jo, map[string][]string{"mail": {"jo@example.com"}}, true},
		// The filter has stars.
		{"(proxy=smtp:{username}@*)", jo, map[string][]string{"proxy": {"SMTP:jo@a.example"}}, true},
		{"(proxy=smtp:{username}@*)", jo, map[string][]string{"proxy": {"smtp:joe@a.example"}}, false},
		{"(proxy=*:{username}@*)", jo, map[string][]string{"proxy": {"sip:jo@a.example"}}, true},
		{"(proxy=*:{username}@*)", jo, map[string][]string{"proxy": {"sip:banjo@a.example"}}, false},
		{"(proxy=*:{username})", jo, map[string][]string{"proxy": {"sip:jo"}}, true},
		{"(proxy=*:{username})", jo, map[string][]string{"proxy": {"sip:joe"}}, false},
	} {
		f, err := parseFilter(tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.belongs(ldap.NewEntry("x=y", tt.entry), tt.user, canonical.Names{StripDomain: []string{"@example.com"}}.Canonical); got != tt.want {
			t.Errorf("%s, %q: %q belongs: %v, want %v", tt.filter, tt.user, tt.entry, got, tt.want)
		}
	}
}

// TestUnreadable: if the service account may not read the attribute, there is nothing to compare.
func TestUnreadable(t *testing.T) {
	s := fake(t, fakeldap.Config{})
	e := jo()
	e.Unreadable = []string{"uid"}
	s.Set(e)
	d := opened(t, config(s))
	if got := answer(t, d, "JO", "right"); got != "yes" {
		t.Errorf("got %q, want yes", got)
	}
}

// TestNamesAsTheyAre: without Config.Names only exactly the same octets are accepted.
func TestNamesAsTheyAre(t *testing.T) {
	s := fake(t, fakeldap.Config{})
	c := config(s)
	c.Names = nil
	d := opened(t, c)
	if got := answer(t, d, "jo", "right"); got != "yes" {
		t.Errorf("got %q, want yes", got)
	}
	if got := answer(t, d, "Jo", "right"); got != "no: the entry that was found has another name" {
		t.Errorf("got %q, want no", got)
	}
}

// FuzzFilter: whatever the name is, the filter compares one value with it, and that value is the name.
func FuzzFilter(f *testing.F) {
	for _, name := range []string{"jo", "*", "a)(b=c", `\2a`, "\x00", "zoë", "\xff", "{username}", ""} {
		f.Add(name)
	}
	filter, err := parseFilter("(&(objectClass=person)(uid={username}))")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		p, err := ldap.CompileFilter(filter.of(name))
		if err != nil {
			t.Fatal(err)
		}
		if p.Tag != ldap.FilterAnd || len(p.Children) != 2 || p.Children[1].Tag != ldap.FilterEqualityMatch ||
			text(p.Children[1].Children[0]) != "uid" || text(p.Children[1].Children[1]) != name {
			t.Errorf("%q became %s", name, filter.of(name))
		}
	})
}

// TestPrincipal: a user who may type one of several names is one person.
func TestPrincipal(t *testing.T) {
	entry := map[string][]string{"sAMAccountName": {"Alice"}, "userPrincipalName": {"alice@corp.example"}, "mail": {"b@x", "a@x"}}
	for _, tt := range []struct{ filter, user, want string }{
		{"(|(sAMAccountName={username})(userPrincipalName={username}))", "alice@corp.example", "alice"},
		{"(|(sAMAccountName={username})(userPrincipalName={username}))", "alice", ""},
		{"(|(userPrincipalName={username})(samaccountname={username}))", "alice", "alice@corp.example"},
		{"(|(mail={username})(sAMAccountName={username}))", "alice", "a@x"},
		{"(|(mail={username})(sAMAccountName={username}))", "b@x", ""},
		{"(sAMAccountName={username})", "alice", ""},
		{"(|(cn={username})(sAMAccountName={username}))", "alice", ""}, // the service account can't read cn
		{"(|(userPrincipalName={username}@corp.example)(sAMAccountName={username}))", "alice", ""},
	} {
		f, err := parseFilter(tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.principal(ldap.NewEntry("cn=x", entry), tt.user, canonical.Names{}.Canonical); got != tt.want {
			t.Errorf("%s, %s: %q, want %q", tt.filter, tt.user, got, tt.want)
		}
	}
}
