package ldapauth

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy"
	"duoradiusd/test/fakeldap"
)

const groupsDN = "ou=groups,dc=example,dc=com"

// sid returns the SID of an account or group in the test's domain.
func sid(id byte) string {
	return "\x01\x02\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00" + string([]byte{id, 0, 0, 0})
}

func groupDN(name string) string { return "cn=" + name + "," + groupsDN }

// addGroups adds Inner, which holds jo, Outer, which holds Inner, and Loop, which holds Outer and is in Inner. Staff is jo's
// primary group. List is a distribution group that holds Inner.
func addGroups(s *fakeldap.Server, activeDirectory bool) {
	dse := map[string][]string{"namingContexts": {"dc=example,dc=com"}, "vendorName": {"389 Project"}}
	if activeDirectory {
		dse = map[string][]string{"supportedCapabilities": {capActiveDirectory}, "defaultNamingContext": {"dc=example,dc=com"}}
	}
	s.Set(fakeldap.Entry{Attributes: dse})
	for i, g := range []struct {
		name    string
		members []string
		kind    string
	}{
		{"Inner", []string{joDN, groupDN("Loop")}, "-2147483646"}, {"Outer", []string{groupDN("Inner")}, "-2147483646"},
		{"Loop", []string{groupDN("Outer")}, "-2147483646"}, {"Staff", nil, "-2147483646"},
		{"List", []string{groupDN("Inner")}, "2"}, {"Other", []string{"cn=nobody"}, "-2147483646"},
	} {
		s.Set(fakeldap.Entry{DN: groupDN(g.name), Attributes: map[string][]string{"objectClass": {"group"}, "cn": {g.name},
			"member": g.members, "objectSid": {sid(byte(i + 1))}, "groupType": {g.kind}}})
	}
	e := jo()
	e.Attributes["memberOf"] = []string{groupDN("Inner")}
	e.Attributes["objectSid"], e.Attributes["primaryGroupID"] = []string{sid(99)}, []string{"4"}
	e.Attributes["tokenGroups"] = []string{sid(1), sid(2), sid(3), sid(4)}
	s.Set(e)
}

var namedGroups = []string{"inner", "Outer", "cn=loop, ou=groups,dc=example,dc=com", "staff", "List", "Other", "no such group"}

// membership returns the first names of the groups that jo is in, those of NestedGroups after a slash.
func membership(t *testing.T, d *Directory) string {
	t.Helper()
	a, err := d.Authenticate(t.Context(), policy.FirstRequest{User: "jo", Password: "right", Groups: namedGroups})
	if err != nil {
		return err.Error()
	}
	short := func(names []string) string {
		var list []string
		for _, name := range names {
			if !strings.Contains(name, "=") && !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
		slices.Sort(list)
		return strings.Join(list, " ")
	}
	return short(a.Groups) + "/" + short(a.NestedGroups)
}

func TestNestedGroups(t *testing.T) {
	for _, tt := range []struct {
		how             Nesting
		activeDirectory bool
		want            string
	}{
		{"", true, "Inner/List Loop Outer Staff"},
		{"", false, "Inner/List Loop Outer Staff"},
		{NestedAuto, true, "Inner List Loop Outer Staff/"},
		{NestedAuto, false, "Inner List Loop Outer Staff/"},
		{NestedOff, true, "Inner/"},
		{NestedTokenGroups, true, "Inner List Loop Outer Staff/"},
		{NestedChain, true, "Inner List Loop Outer Staff/"},
		{NestedChain, false, "Inner List Loop Outer Staff/"}, // 389-DS knows the rule
		{NestedWalk, true, "Inner List Loop Outer Staff/"},
	} {
		t.Run(fmt.Sprint(tt.how, tt.activeDirectory), func(t *testing.T) {
			s := fake(t, fakeldap.Config{ActiveDirectory: tt.activeDirectory})
			addGroups(s, tt.activeDirectory)
			c := config(s)
			c.NestedGroups = tt.how
			d := opened(t, c)
			if got := membership(t, d); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			// A login whose rules name no groups does not search for any.
			s.Forget()
			if got := answer(t, d, "jo", "right"); got != "yes" || s.Count("search") != 1 {
				t.Errorf("no groups wanted: %s after %d searches", got, s.Count("search"))
			}
		})
	}
}

// TestNestedSearches: on Active Directory a login costs one more search. The meaning of names is kept for ten minutes, and
// membership not at all.
func TestNestedSearches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, 1)
		addGroups(w.fakes[0], true)
		searches := func(want int, groups string) {
			t.Helper()
			w.fakes[0].Forget()
			if got := membership(t, w.Directory); got != groups || w.fakes[0].Count("search") != want {
				t.Errorf("got %q after %d searches, want %q after %d", got, w.fakes[0].Count("search"), groups, want)
			}
		}
		// The user; then the root DSE and the names, once; then tokenGroups, and the chain of the one distribution group.
		searches(5, "Inner/List Loop Outer Staff")
		searches(3, "Inner/List Loop Outer Staff")
		w.fakes[0].Remove(groupDN("List"))
		time.Sleep(cacheFor)
		searches(4, "Inner/Loop Outer Staff")
		e := jo()
		e.Attributes["memberOf"], e.Attributes["tokenGroups"] = nil, []string{sid(4)}
		w.fakes[0].Set(e)
		searches(2, "/Staff")
	})
}

// TestNestedFails: if the groups can't be looked up, nobody can say that a rule does not deny the login.
func TestNestedFails(t *testing.T) {
	s := fake(t, fakeldap.Config{ActiveDirectory: true})
	addGroups(s, true)
	d := opened(t, config(s))
	e := jo()
	s.Set(e)
	wantIn(t, membership(t, d), "directory: "+s.URL()+": look up the nested groups of", "no tokenGroups can be read", "Windows Authorization Access Group")
	for i := range 4 { // the user's entry, the root DSE, the names of groups, tokenGroups
		d = opened(t, config(s))
		addGroups(s, true)
		for range i {
			s.Inject("search", fakeldap.Fault{Delay: time.Nanosecond})
		}
		s.Inject("search", fakeldap.Fault{Code: 51, Times: -1})
		wantIn(t, membership(t, d), "busy (51)")
		s.Heal()
	}

	s = fake(t, fakeldap.Config{})
	c := config(s)
	c.NestedGroups = NestedChain
	wantIn(t, membership(t, opened(t, c)), `nested_groups = "chain" needs a matching rule`)
}

// TestNestedLimits: the depth and the number of nested groups are limited.
func TestNestedLimits(t *testing.T) {
	s := fake(t, fakeldap.Config{})
	member := joDN
	for i := range maxLevels + 1 {
		name := fmt.Sprint("g", i)
		s.Set(fakeldap.Entry{DN: groupDN(name), Attributes: map[string][]string{"member": {member}}})
		member = groupDN(name)
	}
	d := opened(t, config(s))
	wantIn(t, membership(t, d), "nested more than 20 levels deep")
	s.Remove(groupDN("g5"))
	if got := membership(t, d); got != "VPN users plain/g0 g1 g2 g3 g4" {
		t.Errorf("got %q", got)
	}
	for i := range maxWalked + 1 {
		s.Set(fakeldap.Entry{DN: groupDN(fmt.Sprint("wide", i)), Attributes: map[string][]string{"uniqueMember": {joDN}}})
	}
	wantIn(t, membership(t, d), "more than 1000 entries")
}

// TestGlobalCatalog: the search has two naming contexts of one forest below the root, and groups of both.
func TestGlobalCatalog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, 1, func(c *Config) {
			c.URLs, c.BaseDN = []string{"ldap://gc.example.com:3268"}, []string{""}
			c.UserFilter = "(userPrincipalName={username})"
			c.Names = nil
		})
		addGroups(w.fakes[0], true)
		other := "cn=Far,dc=other,dc=test"
		w.fakes[0].Set(fakeldap.Entry{DN: other, Attributes: map[string][]string{"objectClass": {"group"}, "cn": {"Far"},
			"objectSid": {sid(50)}, "groupType": {"-2147483640"}}})
		w.fakes[0].Set(fakeldap.Entry{DN: "cn=Ann,dc=other,dc=test", Password: "right", Attributes: map[string][]string{
			"userPrincipalName": {"ann@other.test"}, "memberOf": {other}, "tokenGroups": {sid(50), sid(2)}}})
		a, err := w.Authenticate(t.Context(), policy.FirstRequest{User: "ann@other.test", Password: "right", Groups: namedGroups})
		if err != nil || !slices.Contains(a.Groups, "Far") || !slices.Contains(a.NestedGroups, "Outer") {
			t.Errorf("got %+v, %v", a, err)
		}
	})
}

// TestBaseDNs: all of them are searched, and a name that is found in two of them is refused.
func TestBaseDNs(t *testing.T) {
	s := fake(t, fakeldap.Config{})
	s.Set(fakeldap.Entry{DN: "dc=second,dc=test"})
	s.Set(fakeldap.Entry{DN: "uid=ann,dc=second,dc=test", Password: "right", Attributes: map[string][]string{"uid": {"ann"}}})
	c := config(s)
	c.BaseDN = []string{"dc=example,dc=com", "dc=second,dc=test", "ou=people,dc=example,dc=com"}
	s.Set(fakeldap.Entry{DN: "ou=people,dc=example,dc=com"})
	d := opened(t, c)
	for user, want := range map[string]string{"jo": "yes", "ann": "yes", "nobody": "no: no such user in the directory"} {
		if got := answer(t, d, user, "right"); got != want {
			t.Errorf("%s: got %q, want %q", user, got, want)
		}
	}
	s.Set(fakeldap.Entry{DN: "uid=jo,dc=second,dc=test", Password: "other", Attributes: map[string][]string{"uid": {"jo"}}})
	if got := answer(t, d, "jo", "right"); got != "no: two entries match user_filter" {
		t.Errorf("got %q", got)
	}
	s.Remove("dc=second,dc=test")
	wantIn(t, answer(t, d, "ann", "right"), `search "dc=second,dc=test": no such object (32)`)
}

func TestUnknownGroups(t *testing.T) {
	for _, activeDirectory := range []bool{true, false} {
		s := fake(t, fakeldap.Config{})
		addGroups(s, activeDirectory)
		unknown, err := opened(t, config(s)).UnknownGroups(t.Context(), append(slices.Clone(namedGroups), "cn=Gone,"+groupsDN, "oUtEr"))
		if want := []string{"no such group", "cn=Gone," + groupsDN}; err != nil || !slices.Equal(unknown, want) {
			t.Errorf("got %q, %v; want %q", unknown, err, want)
		}
	}
}

// BenchmarkTokenGroups times logins that need tokenGroups and logins that ask for no groups, in turns, so that both have the
// same share of a busy machine. x-plain is how many times longer the former take; it must be at most 1.5.
func BenchmarkTokenGroups(b *testing.B) {
	s := fakeldap.Start(b, fakeldap.Config{TLS: true, BindDN: service, BindPassword: servicePassword, Memory: 1})
	addGroups(s, true)
	c := config(s)
	c.NestedGroups = NestedAuto
	d, err := New(c)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	var took [2]time.Duration
	for b.Loop() {
		for i, groups := range [][]string{nil, {"Inner", "Outer", "Staff"}} {
			begun := time.Now()
			if _, err := d.Authenticate(b.Context(), policy.FirstRequest{User: "jo", Password: "right", Groups: groups}); err != nil {
				b.Fatal(err)
			}
			took[i] += time.Since(begun)
		}
	}
	b.ReportMetric(float64(took[1])/float64(took[0]), "x-plain")
}
