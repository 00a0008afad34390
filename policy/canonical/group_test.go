package canonical

import (
	"testing"
)

func TestGroup(t *testing.T) {
	names := make(map[string]string)
	for in, want := range map[string]string{
		"":                              "",
		"  ":                            "",
		"Staff":                         "staff",
		" Two  Words ":                  "two words",
		"CN=A,DC=B":                     "cn=a,dc=b",
		" CN =  A  , DC  = B ":          "cn=a,dc=b",
		`cn=Doe\, John,dc=b`:            `cn=doe\, john,dc=b`, // the comma and the space are the name's
		`cn=Doe\,John,dc=b`:             `cn=doe\,john,dc=b`,
		`cn=a\=  b , dc=b`:              `cn=a= b,dc=b`,
		`cn=a=b,dc=c`:                   `cn=a=b,dc=c`,
		`cn= a\3Db,dc=c`:                `cn=a=b,dc=c`,
		`cn=a\\ , dc=b`:                 `cn=a\\,dc=b`, // here the backslash is, and the comma separates
		`cn=a\  ,dc=b`:                  `cn=a,dc=b`,   // spaces at the ends make no difference (RFC 4518 §2.6.1)
		`cn=\ a,dc=b`:                   `cn=a,dc=b`,
		`cn=a\`:                         `cn=a\`, // not a DN
		"cn=a+sn=b, dc=c":               "cn=a+sn=b,dc=c",
		"sn=b + CN=a,dc=c":              "cn=a+sn=b,dc=c",
		`cn=Doe\2C John,dc=b`:           `cn=doe\, john,dc=b`,
		`cn=K\C3\B6ln,dc=b`:             "cn=k\u00f6ln,dc=b",
		"cn=Ko\u0308ln,dc=b":            "cn=k\u00f6ln,dc=b",
		`cn=a\2bb,dc=b`:                 `cn=a\+b,dc=b`,
		"CN=\u00c4RZTE , DC=\u00d6":     "cn=\u00e4rzte,dc=\u00f6",
		"cn=a b  c,dc=b":                "cn=a b c,dc=b",
		"cn=a,dc=b,":                    "cn=a,dc=b,",
		", = ,":                         ", = ,", // not a DN
		"cn=" + string([]byte{0xff, 1}): "cn=\ufffd\x01",
	} {
		folded := Group(want)
		if got := Group(in); got != folded {
			t.Errorf("%q: %q, want %q", in, got, folded)
		}
		if got := Group(folded); got != folded {
			t.Errorf("%q: %q, want it as it is", folded, got)
		}
		if other, ok := names[folded]; ok && other != want {
			t.Errorf("%q and %q are folded to one", want, other)
		}
		names[folded] = want
	}
}
