package ldapauth

import (
	"fmt"
	"slices"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"
)

const (
	placeholder = "{username}"
	maxValue    = 512 // octets: an attribute's value that is longer holds no name of ours
)

// userFilter is a filter that holds {username} in the place of a name.
type userFilter struct {
	text    string
	asserts []assertion // those that compare an attribute with the name; nil if it can't be known what is compared
}

// assertion says that an attribute holds a name between two fixed texts.
type assertion struct {
	attr          string
	before, after string
	openBefore    bool // there is a * in front of before
	openAfter     bool // there is a * behind after
}

// of returns the filter for one user.
func (f *userFilter) of(user string) string {
	return strings.ReplaceAll(f.text, placeholder, ldap.EscapeFilter(user))
}

// parseFilter parses a filter that holds {username} in the place of values, and not only in negations.
func parseFilter(text string) (*userFilter, error) {
	packet, err := ldap.CompileFilter(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a filter: %w", text, err)
	}
	w := &walk{}
	w.filter(packet, false)
	switch {
	case !strings.Contains(text, placeholder):
		return nil, fmt.Errorf("%q: does not contain %s", text, placeholder)
	case w.twice:
		return nil, fmt.Errorf("%q: %s twice in one value", text, placeholder)
	case w.found != strings.Count(text, placeholder):
		return nil, fmt.Errorf("%q: %s can take the place of a value only", text, placeholder)
	case w.found == w.negated:
		return nil, fmt.Errorf("%q: %s is in negations only, so the filter finds other users", text, placeholder)
	case w.unknown:
		w.asserts = nil
	}
	return &userFilter{text: text, asserts: w.asserts}, nil
}

// walk goes through a filter and collects the places of the name.
type walk struct {
	asserts        []assertion
	found, negated int
	twice          bool
	unknown        bool // the name is compared with something that no attribute of the entry shows
}

func (w *walk) filter(p *ber.Packet, negated bool) {
	switch p.Tag {
	case ldap.FilterAnd, ldap.FilterOr, ldap.FilterNot:
		for _, child := range p.Children {
			w.filter(child, negated != (p.Tag == ldap.FilterNot))
		}
	case ldap.FilterEqualityMatch, ldap.FilterApproxMatch, ldap.FilterGreaterOrEqual, ldap.FilterLessOrEqual:
		w.value(assertion{attr: text(p.Children[0])}, text(p.Children[1]), negated)
	case ldap.FilterSubstrings:
		for _, part := range p.Children[1].Children {
			w.value(assertion{attr: text(p.Children[0]), openBefore: part.Tag != ldap.FilterSubstringsInitial,
				openAfter: part.Tag != ldap.FilterSubstringsFinal}, text(part), negated)
		}
	case ldap.FilterExtensibleMatch:
		w.extensible(p, negated)
	}
}

// extensible is a match by a rule that the filter names (RFC 4511 §4.5.1.7.7).
func (w *walk) extensible(p *ber.Packet, negated bool) {
	var attr, value string
	dn := false
	for _, child := range p.Children {
		switch child.Tag {
		case ldap.MatchingRuleAssertionType:
			attr = text(child)
		case ldap.MatchingRuleAssertionMatchValue:
			value = text(child)
		case ldap.MatchingRuleAssertionDNAttributes:
			dn = true
		}
	}
	if strings.Contains(value, placeholder) && (dn || attr == "") {
		w.unknown = true
	}
	w.value(assertion{attr: attr}, value, negated)
}

func (w *walk) value(a assertion, value string, negated bool) {
	var ok bool
	if a.before, a.after, ok = strings.Cut(value, placeholder); !ok {
		return
	}
	w.found++
	w.twice = w.twice || strings.Contains(a.after, placeholder)
	if negated {
		w.negated++
		return
	}
	w.asserts = append(w.asserts, a)
}

// text returns the content of a part of a filter.
func text(p *ber.Packet) string { return p.Data.String() }

// otherName is said of an entry that the directory takes for the user's, but the policy does not.
const otherName = "the entry that was found has another name"

// belongs reports whether e is the entry of user: one of the attributes that the filter compares holds exactly that name. It
// is true if e shows none of these attributes, because there is nothing to compare then.
func (f *userFilter) belongs(e *ldap.Entry, user string, names func(string) (string, bool)) bool {
	shown := false
	for _, a := range f.asserts {
		for _, attr := range e.Attributes {
			name, _, _ := strings.Cut(attr.Name, ";") // options: a language (RFC 4512 §2.5)
			if !strings.EqualFold(name, a.attr) || len(attr.Values) == 0 {
				continue
			}
			shown = true
			for _, value := range attr.Values {
				if a.holds(value, user, names) {
					return true
				}
			}
		}
	}
	return !shown
}

// principal returns the one name of e's user if the filter compares several attributes with the name: the value of the first
// attribute. Without it a user who types the one or the other would be two persons to the policy. It returns "" if user is
// that name, or if it can't be known.
func (f *userFilter) principal(e *ldap.Entry, user string, names func(string) (string, bool)) string {
	if len(f.asserts) < 2 {
		return ""
	}
	first := f.asserts[0]
	if first.before+first.after != "" || first.openBefore || first.openAfter {
		return ""
	}
	values := e.GetEqualFoldAttributeValues(first.attr)
	if len(values) == 0 || slices.ContainsFunc(values, func(v string) bool { return first.holds(v, user, names) }) {
		return ""
	}
	name, _ := names(slices.Min(values)) // of several, always the same
	return name
}

// holds reports whether value has the user's name in the place where the assertion has it.
func (a *assertion) holds(value, user string, names func(string) (string, bool)) bool {
	if len(value) > maxValue {
		return false
	}
	value = norm.NFC.String(value)
	for i := range len(value) {
		if !a.begins(value[:i]) {
			continue
		}
		for j := len(value); j > i; j-- {
			if !a.ends(value[j:]) {
				continue
			}
			if name, ok := names(value[i:j]); ok && name == user {
				return true
			}
		}
	}
	return false
}

func (a *assertion) begins(head string) bool {
	rest := len(head) - len(a.before)
	return rest >= 0 && (rest == 0 || a.openBefore) && strings.EqualFold(head[rest:], a.before)
}

func (a *assertion) ends(tail string) bool {
	n := len(a.after)
	return len(tail) >= n && (len(tail) == n || a.openAfter) && strings.EqualFold(tail[:n], a.after)
}
