package authproxy

import (
	"fmt"
	"slices"
	"strings"
)

// needed are the options that a section can't do without. Any other option may be empty, and then counts as not given.
var needed = []string{"host", "ikey", "skey", "skey_protected", "api_host", "search_dn", "service_account_username",
	"service_account_password", "service_account_password_protected", "secret", "secret_protected"}

// freeText are options whose values may hold any character, so that a "#" in them need not begin a remark.
var freeText = []string{"service_account_password", "secret", "radius_secret", "ldap_filter"}

// prepare looks at the options before their meaning is known. It treats empty options as not given, and finds remarks after
// values. Duo's proxy reads such a remark as part of the value.
func (i *importer) prepare() {
	for _, s := range i.sections {
		for _, o := range s.options {
			if o.replaced != nil {
				continue
			}
			if o.value == "" && !isNeeded(o) {
				o.empty = true
				delete(s.last, o.name)
			}
			i.remark(o)
		}
		i.unnumbered(s)
	}
}

func isNeeded(o *option) bool {
	return slices.Contains(needed, o.name) || strings.HasPrefix(o.name, "radius_secret")
}

// remark reports a remark after a value and removes it, so that it causes only one problem.
func (i *importer) remark(o *option) {
	if !hasInlineComment(o.value) || strings.Contains(o.value, "\n") || isFreeText(o) {
		return
	}
	at := strings.IndexFunc(o.value, func(r rune) bool { return r == '#' || r == ';' })
	for at > 0 && o.value[at-1] != ' ' && o.value[at-1] != '\t' {
		at += 1 + strings.IndexAny(o.value[at+1:], "#;")
	}
	i.bad(o, "a comment after the value, which Duo's proxy reads as a part of the value; want the comment on a line of its own")
	o.value = strings.TrimSpace(o.value[:at])
}

func isFreeText(o *option) bool {
	return slices.ContainsFunc(freeText, func(name string) bool {
		return o.name == name || name == "radius_secret" && strings.HasPrefix(o.name, name+"_")
	})
}

// unnumbered reads radius_ip as radius_ip_1, and radius_secret as the secret of each address that has no secret of its own.
// Duo documents only names with numbers, but many published files have none.
func (i *importer) unnumbered(s *section) {
	if o := s.get("radius_ip"); o != nil {
		if first := s.get("radius_ip_1"); first != nil {
			i.bad(o, "given beside radius_ip_1; want a number: radius_ip_2, radius_ip_3 and so on")
		} else {
			o.alias = "radius_ip_1"
			s.last[o.alias] = o
		}
	}
	secret := s.get("radius_secret")
	if secret == nil {
		return
	}
	for _, ip := range numbered(s, "radius_ip") {
		n, _ := numberOf(ip, "radius_ip")
		own := fmt.Sprint("radius_secret_", n)
		if s.get(own) == nil && s.get(fmt.Sprint("radius_secret_protected_", n)) == nil {
			s.last[own] = secret
		}
	}
}

// saysUnnumbered notes which options unnumbered has read.
func (i *importer) saysUnnumbered(t *table, s *section) {
	if o := s.get("radius_ip"); o != nil && o.alias != "" {
		t.note(changed, "has no number; read as radius_ip_1", o)
	}
	if o := s.get("radius_secret"); o != nil {
		t.note(changed, "has no number; read as the secret of each radius_ip that has none of its own", o)
	}
}
