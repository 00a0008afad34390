package ldapauth

import (
	"fmt"
	"slices"
	"testing"

	"duoradiusd/policy"
	"duoradiusd/test/fakeldap"
)

func TestGroupNames(t *testing.T) {
	for _, tt := range []struct {
		value string
		more  []string
	}{
		{"cn=admins,ou=groups,dc=example,dc=com", []string{"admins"}},
		{"CN=VPN Users,OU=Groups,DC=example,DC=com", []string{"VPN Users"}},
		{`cn=a\,b,ou=x`, []string{"a,b"}},
		{`cn=a\2cb,ou=x`, []string{"a,b"}},
		{`cn=Z\c3\bcrich,ou=x`, []string{"Zürich"}},
		{`cn=a\+b\=c\\d,ou=x`, []string{`a+b=c\d`}},
		{"cn=first+ou=second,dc=x", []string{"first"}},
		{"cn=single", []string{"single"}},
		{"cn = spaced , ou=x", []string{"spaced"}},
		{"admins", nil},
		{"", nil},
		{"cn=bad\\", nil},
		{"a,b", nil},
		{"=x", nil},
	} {
		want := append([]string{tt.value}, tt.more...)
		if got := groupNames([]string{tt.value}); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", tt.value, got, want)
		}
	}
}

func TestRanges(t *testing.T) {
	for _, tt := range []struct {
		n        int
		want     string
		searches int
	}{
		{0, "yes", 1},
		{10, "yes", 1},
		{11, "yes", 2},
		{35, "yes", 4},
		{200, "yes", 20},
		{201, "no: a member of too many groups", 20},
	} {
		s := fake(t, fakeldap.Config{Range: 10})
		e := jo()
		var groups []string
		for i := range tt.n {
			groups = append(groups, fmt.Sprint("g", i))
		}
		e.Attributes["memberOf"] = groups
		s.Set(e)
		d := opened(t, config(s))
		a, err := d.Authenticate(t.Context(), policy.FirstRequest{User: "jo", Password: "right"})
		if got := word(err); got != tt.want || s.Count("search") != tt.searches {
			t.Errorf("%d: got %q after %d searches; want %q after %d", tt.n, got, s.Count("search"), tt.want, tt.searches)
		}
		if err == nil && !slices.Equal(a.Groups, groups) {
			t.Errorf("%d: got %q", tt.n, a.Groups)
		}
	}
}

func TestAfterRange(t *testing.T) {
	for _, tt := range []struct {
		bounds  string
		n, want int
		ok      bool
	}{
		{"0-1499", 1500, 1500, true},
		{"1500-*", 3, 0, true},
		{"0-*", 0, 0, true},
		{"0-1499", 0, 0, false},
		{"5-3", 1, 0, false},
		{"-1-3", 1, 0, false},
		{"x", 1, 0, false},
		{"", 1, 0, false},
		{"0-99999999999999999999", 1, 0, false},
	} {
		got, err := afterRange(tt.bounds, tt.n)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q of %d: got %d, %v", tt.bounds, tt.n, got, err)
		}
	}
}

// TestGroupNamedLikeAnother: a user who may create groups must not be able to create one whose name rules take for another
// group's DN.
func TestGroupNamedLikeAnother(t *testing.T) {
	const dn = `cn=cn\=Domain Admins\,ou\=tier0\,dc\=example\,dc\=com,ou=project-x,dc=example,dc=com`
	if got := groupNames([]string{dn, "cn=a=b,ou=x"}); !slices.Equal(got, []string{dn, "cn=a=b,ou=x"}) {
		t.Errorf("%q", got)
	}
}
