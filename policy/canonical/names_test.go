package canonical

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestCanonical(t *testing.T) {
	domains := []string{`EXAMPLE\`, "@example.com"}
	fold, keep := Names{StripDomain: domains}, Names{Case: CaseKeep, StripDomain: domains}
	long := strings.Repeat("a", 253)
	for _, tt := range []struct {
		names      Names
		name, want string // "" means none
	}{
		{fold, "alice", "alice"},
		{fold, "Alice", "alice"},
		{fold, "ALICE O'HARA", "alice o'hara"},
		{fold, "ÄNNE", "änne"},
		{keep, "Alice", "Alice"},

		{fold, `EXAMPLE\alice`, "alice"},
		{fold, `example\Alice`, "alice"},
		{fold, "alice@example.com", "alice"},
		{fold, "alice@EXAMPLE.Com", "alice"},
		{keep, `example\Alice`, "Alice"},
		{keep, "Alice@EXAMPLE.COM", "Alice"},
		{fold, `OTHER\alice`, `other\alice`},
		{fold, "alice@example.org", "alice@example.org"},
		{fold, "alice@sub.example.com", "alice@sub.example.com"},
		{fold, `alice@example.com@example.org`, "alice@example.com@example.org"},
		{fold, `EXAMPLE.alice`, "example.alice"},
		{fold, `example\alice@example.com`, "alice"},
		{fold, `EXAMPLE\EXAMPLE\alice`, "alice"}, // otherwise this would be another user than alice, but alice to a directory that removes spaces
		{fold, "alice@example.com@example.com", "alice"},
		{fold, `EXAMPLE\`, ""},
		{fold, "@example.com", ""},

		{fold, "a\u0308nne", "änne"}, // NFC
		{fold, "A\u0308NNE", "änne"},
		{keep, "a\u0308nne", "änne"},
		{fold, "\u212alaus", "klaus"},        // the Kelvin sign
		{fold, "ﬁona", "ﬁona"},               // NFC, not NFKC
		{fold, "I\u0307\u0301o", "ío"},       // one name, however its characters are composed
		{fold, "\u0130\u0301o", "ío"},        //
		{fold, "ⱥ", "ⱥ"},                     //
		{fold, strings.Repeat("Ⱥ", 126), ""}, // grows to 378 octets

		{fold, "", ""},
		{fold, long, long},
		{fold, long + "a", ""},
		{fold, long + "@example.com", ""}, // the name as sent, which no User-Name can hold
		{fold, "al\x00ice", ""},
		{fold, "alice\x00", ""},
		{fold, "al\nice", ""},
		{fold, "alice\x7f", ""},
		{fold, "al\u0085ice", ""}, // C1
		{fold, "al\xffice", ""},
		{fold, "\xc0\xafalice", ""},
		{fold, " alice", ""},
		{fold, "alice ", ""},
		{fold, "alice\t", ""},
		{fold, "alice\u00a0", ""},
		{fold, `EXAMPLE\ alice`, ""},
		{fold, "alice @example.com", ""},
		{fold, "al\u200bice", ""}, // invisible characters, which LDAP leaves out when it compares
		{fold, "al\u00adice", ""}, //
		{fold, "\u202ealice", ""}, //
		{fold, "\ufeffalice", ""}, //
		{fold, "al\u2028ice", ""}, //
		{fold, "al\u3000ice", ""}, // and characters that LDAP takes for a space
	} {
		got, ok := tt.names.Canonical(tt.name)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("Canonical(%q), case %q: got %q, %v; want %q", tt.name, tt.names.Case, got, ok, tt.want)
		}
	}
}

// TestCanonicalOddDomains: a list of domains that the configuration would refuse must not make a login hang.
func TestCanonicalOddDomains(t *testing.T) {
	n := Names{StripDomain: []string{"", "@"}}
	if got, ok := n.Canonical("alice@@"); !ok || got != "alice" {
		t.Errorf("got %q, %v", got, ok)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, name := range []string{"alice", `EXAMPLE\Alice`, `example\EXAMPLE\a@example.com@EXAMPLE.COM`, "I\u0307\u0301", "\u0130\u0301", "Ⱥ",
		"al\u00adice", "\u212a", "a\u0308", " a", "a\x00", "\xff", "@example.com", "ς", "ẞ", "ΌΣΟΣ", "\u1fbe\u0301"} {
		f.Add(name)
	}
	domains := []string{`EXAMPLE\`, "@example.com", "@ÄÖ.example"}
	f.Fuzz(func(t *testing.T, name string) {
		for _, mode := range []CaseMode{CaseFold, CaseKeep} {
			n := Names{Case: mode, StripDomain: domains}
			got, ok := n.Canonical(name)
			if !ok {
				if got != "" {
					t.Fatalf("%s: refused, and yet %q", mode, got)
				}
				continue
			}
			switch {
			case got == "", len(got) > maxName, !utf8.ValidString(got), strings.TrimSpace(got) != got, strings.ContainsFunc(got, unicode.IsControl):
				t.Fatalf("%s: %q is no name", mode, got)
			case !norm.NFC.IsNormalString(got):
				t.Fatalf("%s: %q is not in NFC", mode, got)
			case mode == CaseFold && strings.ToLower(got) != got:
				t.Fatalf("%s: %q is not folded", mode, got)
			}
			same := map[string]string{"again": got, "composed": norm.NFC.String(name), "decomposed": norm.NFD.String(name)}
			if len(name) < maxName-30 {
				same["with a domain"], same["with another"] = `Example\`+got, got+"@EXAMPLE.com"
			}
			for how, name := range same {
				if again, ok := n.Canonical(name); (!ok || again != got) && len(name) <= maxName {
					t.Fatalf("%s: %q; %s, %q, it is %q", mode, got, how, name, again)
				}
			}
		}
	})
}
