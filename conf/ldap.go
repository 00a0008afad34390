package conf

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Placeholder stands in FirstFactor.UserFilter where the user's name goes, escaped (RFC 4515 §3).
const Placeholder = "{username}"

const defaultUserFilter = "(&(objectClass=person)(sAMAccountName=" + Placeholder + "))"

func (t *table) readLDAP(f *FirstFactor) {
	f.StartTLS = t.bool("start_tls", false)
	f.URLs = t.ldapURLs("urls", f.StartTLS)
	f.CAFile = t.string("ca_file", "")
	if f.CAFile != "" {
		f.CAFile = t.pemFile("ca_file", f.CAFile, "want a readable PEM file")
	}
	f.BindDN = t.string("bind_dn", "")
	f.BindPassword = t.bindPassword("bind_password", f.BindDN)
	f.BaseDN = t.need("base_dn", "where the users are, such as dc=example,dc=com")
	f.UserFilter = t.userFilter("user_filter", defaultUserFilter)
	f.GroupAttribute = t.ldapAttribute("group_attribute", "memberOf")
	f.DuoUsernameAttribute = t.ldapAttribute("duo_username_attribute", "")
	f.Timeout = t.duration("timeout", 5*time.Second, 100*time.Millisecond, time.Minute)
	secure := f.StartTLS || slices.ContainsFunc(f.URLs, func(u string) bool { return strings.HasPrefix(u, "ldaps:") })
	if f.CAFile != "" && len(f.URLs) > 0 && !secure {
		t.warn("ca_file", "given, but no connection is by TLS; want ldaps://, or start_tls")
	}
	if f.BaseDN != "" && !strings.Contains(f.BaseDN, "=") {
		t.bad("base_dn", "%s, which is no DN; want one such as dc=example,dc=com", quote(f.BaseDN))
	}
}

// bindPassword reads the password that bind_dn has; nobody has none. An empty one would be an anonymous bind (RFC 4513
// §5.1.2).
func (t *table) bindPassword(key, dn string) Secret {
	if dn != "" {
		return t.secret(key, "the password of bind_dn")
	}
	for _, k := range []string{key, key + "_file", key + "_env"} {
		t.seen = append(t.seen, k)
		if t.has(k) {
			t.bad(k, "given without bind_dn; want bind_dn, or none of it to search without a name")
		}
	}
	return Secret{}
}

// ldapURLs reads where the directory is. A connection without TLS shows passwords to the network.
func (t *table) ldapURLs(key string, startTLS bool) []string {
	const want = "ldaps://HOST, or ldap://HOST with start_tls"
	var out []string
	if list, isList := t.keys[key].([]any); !t.has(key) {
		t.bad(key, "missing; want %s", want)
	} else if isList && len(list) == 0 {
		t.bad(key, "empty; want %s", want)
	}
	for i, s := range t.strings(key, nil) {
		if !t.isString(key, i) {
			continue
		}
		at := nth(key, i)
		u, err := url.Parse(s)
		switch {
		case err != nil || u.Scheme != "ldap" && u.Scheme != "ldaps" || u.User != nil || !isHostPort(u.Host):
			t.bad(at, "%s; want %s", quote(s), want)
		case strings.TrimSuffix(s[len(u.Scheme)+len("://"):], "/") != u.Host:
			t.bad(at, "%s, with more than a host and a port; want %s://%s", quote(s), u.Scheme, u.Host)
		case u.Scheme == "ldaps" && startTLS:
			t.bad(at, "%s, beside start_tls = true; want ldap:// with it, or ldaps:// without", quote(s))
		case u.Scheme == "ldap" && !startTLS && !isLoopback(u.Hostname()):
			t.bad(at, "%s without start_tls, which sends passwords in clear; want %s", quote(s), want)
		default:
			s = u.Scheme + "://" + strings.ToLower(u.Host)
			if slices.Contains(out, s) {
				t.bad(at, "%s a second time; want each server once", quote(s))
			}
		}
		out = append(out, s)
	}
	return out
}

// isLoopback reports whether a host is this machine: what is sent there no network sees.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}

// ldapAttribute reads an attribute's name (RFC 4512 §2.5).
func (t *table) ldapAttribute(key, def string) string {
	s := t.string(key, def)
	if !isAttribute(s) {
		t.bad(key, `%s; want the name of an attribute, or "" for none`, quote(s))
	}
	return s
}

// isAttribute reports whether s has nothing but what names, numbers and options of attributes are made of.
func isAttribute(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f || !isBare(byte(r)) && r != '.' && r != ';' })
}

func (t *table) userFilter(key, def string) string {
	s := t.string(key, def)
	rest, ok := filter(s, maxDepth)
	switch {
	case s == "":
		t.bad(key, "empty; want a filter with %s, such as %s", Placeholder, defaultUserFilter)
	case !strings.Contains(s, Placeholder):
		t.bad(key, "%s, without %s, which finds the same entry for everybody; want it where the name goes", quote(s), Placeholder)
	case !ok || rest != "":
		t.bad(key, "%s, which is no filter; want one in balanced brackets, such as %s", quote(s), defaultUserFilter)
	}
	return s
}

// filter reads one filter (RFC 4515 §3) from the start of s, nested as deep at the most.
func filter(s string, depth int) (rest string, ok bool) {
	s, ok = strings.CutPrefix(s, "(")
	if !ok || s == "" || depth == 0 {
		return s, false
	}
	switch s[0] {
	case '&', '|', '!':
		not, n := s[0] == '!', 0
		for s = s[1:]; ok && strings.HasPrefix(s, "("); n++ {
			s, ok = filter(s, depth-1)
		}
		ok = ok && n > 0 && (n == 1 || !not)
	default:
		s, ok = filterItem(s)
	}
	if !ok {
		return s, false
	}
	return strings.CutPrefix(s, ")")
}

// filterItem reads attribute, operator and value, up to the bracket that ends them.
func filterItem(s string) (rest string, ok bool) {
	end := strings.IndexAny(s, "()")
	if end < 0 || s[end] == '(' {
		return s, false
	}
	attribute, value, ok := strings.Cut(s[:end], "=")
	if n := len(attribute); n > 0 && strings.IndexByte("<>~", attribute[n-1]) >= 0 { // "<=", ">=" and "~="
		attribute = attribute[:n-1]
	}
	// A colon parts attribute, "dn" and matching rule of what RFC 4515 calls extensible.
	ok = ok && strings.Trim(attribute, ":") != "" && isAttribute(strings.ReplaceAll(attribute, ":", "")) && !strings.Contains(value, "\x00")
	for i := strings.IndexByte(value, '\\'); ok && i >= 0; i = strings.IndexByte(value, '\\') {
		value = value[i+1:]
		ok = len(value) >= 2 && isHex(value[0]) && isHex(value[1])
	}
	return s[end:], ok
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
