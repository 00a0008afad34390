package fakeldap

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"
)

// Entry is one entry of the directory.
type Entry struct {
	DN         string
	Password   string // "": no password is right
	Attributes map[string][]string
	Unreadable []string // attributes that may be searched by, but not read

	// What becomes of a bind as this entry:
	BindCode   uint16 // whatever the password
	Diagnostic string // of BindCode
	Data       string // Active Directory's sub-code; where the password is right, "775" in any case
	Policy     *int   // the error of the password policy control, where the password is right
}

// tree holds the entries.
type tree struct {
	mu      sync.Mutex // guards what follows
	entries []Entry
}

// Set adds an entry, or replaces the one with the same DN. Entries without a DN, which no real directory has, are all kept.
func (s *Server) Set(e Entry) {
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	i := slices.IndexFunc(s.tree.entries, func(old Entry) bool { return e.DN != "" && sameDN(old.DN, e.DN) })
	if i >= 0 {
		s.tree.entries[i] = e
		return
	}
	s.tree.entries = append(s.tree.entries, e)
}

// Remove removes an entry.
func (s *Server) Remove(dn string) {
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	s.tree.entries = slices.DeleteFunc(s.tree.entries, func(e Entry) bool { return sameDN(e.DN, dn) })
}

func (t *tree) get(dn string) (Entry, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.entries, func(e Entry) bool { return sameDN(e.DN, dn) })
	if i < 0 {
		return Entry{}, false
	}
	return t.entries[i], true
}

// below returns the entries within a scope that a filter fits.
func (t *tree) below(base string, scope int, filter *ber.Packet) (found []Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.entries {
		in := sameDN(e.DN, base)
		if scope != ldap.ScopeBaseObject {
			suffix := "," + strings.ToLower(base)
			in = in || base == "" || e.DN == "" || strings.HasSuffix(strings.ToLower(e.DN), suffix)
		}
		if in && t.fits(&e, filter) {
			found = append(found, e)
		}
	}
	return found
}

// inChain is LDAP_MATCHING_RULE_IN_CHAIN of Active Directory.
const inChain = "1.2.840.113556.1.4.1941"

// fits evaluates a filter (RFC 4511 §4.5.1.7). mu is held.
func (t *tree) fits(e *Entry, p *ber.Packet) bool {
	is := func(child *ber.Packet) bool { return t.fits(e, child) }
	switch p.Tag {
	case ldap.FilterAnd:
		return !slices.ContainsFunc(p.Children, func(child *ber.Packet) bool { return !is(child) })
	case ldap.FilterOr:
		return slices.ContainsFunc(p.Children, is)
	case ldap.FilterNot:
		return !is(p.Children[0])
	case ldap.FilterPresent:
		return strings.EqualFold(p.Data.String(), "objectClass") || len(e.values(p.Data.String())) > 0
	case ldap.FilterEqualityMatch, ldap.FilterApproxMatch:
		want := loose(p.Children[1].Data.String())
		if attr := p.Children[0].Data.String(); strings.EqualFold(attr, "entryDN") || strings.EqualFold(attr, "distinguishedName") {
			return sameDN(e.DN, p.Children[1].Data.String())
		}
		return slices.ContainsFunc(e.values(p.Children[0].Data.String()), func(v string) bool { return loose(v) == want })
	case ldap.FilterSubstrings:
		return slices.ContainsFunc(e.values(p.Children[0].Data.String()), func(v string) bool {
			return holdsParts(loose(v), p.Children[1].Children)
		})
	case ldap.FilterExtensibleMatch:
		return t.fitsRule(e, p)
	}
	return false
}

// fitsRule takes every matching rule but inChain for equality. Without an attribute, any will do.
func (t *tree) fitsRule(e *Entry, p *ber.Packet) bool {
	attr, want, rule := "", "", ""
	for _, child := range p.Children {
		switch child.Tag {
		case ldap.MatchingRuleAssertionType:
			attr = child.Data.String()
		case ldap.MatchingRuleAssertionMatchValue:
			want = loose(child.Data.String())
		case ldap.MatchingRuleAssertionMatchingRule:
			rule = child.Data.String()
		}
	}
	if rule == inChain {
		return t.reaches(e, attr, want, map[string]bool{})
	}
	for name := range e.Attributes {
		if attr != "" && !strings.EqualFold(name, attr) {
			continue
		}
		if slices.ContainsFunc(e.Attributes[name], func(v string) bool { return loose(v) == want }) {
			return true
		}
	}
	return false
}

func holdsParts(v string, parts []*ber.Packet) bool {
	for _, part := range parts {
		text := loose(part.Data.String())
		i := strings.Index(v, text)
		switch {
		case i < 0, part.Tag == ldap.FilterSubstringsInitial && i > 0:
			return false
		case part.Tag == ldap.FilterSubstringsFinal:
			return strings.HasSuffix(v, text)
		}
		v = v[i+len(text):]
	}
	return true
}

func (e *Entry) values(attr string) []string {
	var values []string
	for name, v := range e.Attributes {
		base, _, _ := strings.Cut(name, ";")
		if strings.EqualFold(base, attr) {
			values = append(values, v...)
		}
	}
	return values
}

// loose is what a value is compared by: no case, no accents, no superfluous spaces.
func loose(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(s))
	return strings.Join(strings.Fields(s), " ")
}

// reaches reports whether e holds want in attr, itself or through other entries that it holds there.
func (t *tree) reaches(e *Entry, attr, want string, seen map[string]bool) bool {
	if seen[e.DN] {
		return false
	}
	seen[e.DN] = true
	for _, v := range e.values(attr) {
		if loose(v) == want {
			return true
		}
		i := slices.IndexFunc(t.entries, func(other Entry) bool { return sameDN(other.DN, v) })
		if i >= 0 && t.reaches(&t.entries[i], attr, want, seen) {
			return true
		}
	}
	return false
}
