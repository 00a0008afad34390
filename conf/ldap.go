package conf

import (
	"crypto/tls"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Placeholder in FirstFactor.UserFilter is replaced by the user's name, escaped (RFC 4515 §3).
const Placeholder = "{username}"

const defaultUserFilter = "(&(objectClass=person)(sAMAccountName=" + Placeholder + "))"

// NestedGroups lists the words that FirstFactor.NestedGroups can be. It is "" where the file does not set it.
var NestedGroups = []string{"auto", "off", "chain", "token-groups", "walk"}

func (t *table) readLDAP(f *FirstFactor) {
	f.StartTLS = t.bool("start_tls", false)
	f.URLs = t.ldapURLs("urls", f.StartTLS)
	f.CAFile = t.string("ca_file", "")
	if f.CAFile != "" {
		f.CAFile = t.pemFile("ca_file", f.CAFile, "want a readable PEM file")
	}
	f.Certificate, f.PrivateKey = t.keyPair("certificate", "private_key")
	f.BindDN = t.string("bind_dn", "")
	f.BindPassword = t.bindPassword("bind_password", f.BindDN)
	f.BaseDN = t.baseDNs("base_dn", f.URLs)
	f.UserFilter = t.userFilter("user_filter", defaultUserFilter)
	f.GroupAttribute = t.ldapAttribute("group_attribute", "memberOf")
	f.NestedGroups = oneOf(t, "nested_groups", "", NestedGroups...)
	if f.NestedGroups != "" && f.NestedGroups != "off" && f.GroupAttribute == "" {
		t.bad("nested_groups", `given beside group_attribute = ""; want a group_attribute, or no nested_groups`)
	}
	f.DuoUsernameAttribute = t.ldapAttribute("duo_username_attribute", "")
	f.PasswordChange = t.bool("password_change", false)
	f.Timeout = t.duration("timeout", 5*time.Second, 100*time.Millisecond, time.Minute)
	secure := f.StartTLS || slices.ContainsFunc(f.URLs, func(u string) bool { return strings.HasPrefix(u, "ldaps:") })
	if f.CAFile != "" && len(f.URLs) > 0 && !secure {
		t.warn("ca_file", "given, but no connection is by TLS; want ldaps://, or start_tls")
	}
	if (f.Certificate != "") && len(f.URLs) > 0 && !secure {
		t.warn("certificate", "given, but no connection is by TLS; want ldaps://, or start_tls")
	}
	t.passwordChange(f)
}

// passwordChange refuses password_change where something is missing for it. Active Directory changes passwords over TLS only
// (MS-ADTS §3.1.1.3.1.5.1). bind_dn makes the change, because a user whose password has expired can't bind.
func (t *table) passwordChange(f *FirstFactor) {
	clear := func(u string) bool { return strings.HasPrefix(u, "ldap:") }
	switch {
	case !f.PasswordChange:
	case f.BindDN == "":
		t.bad("password_change", "true, without bind_dn; want an account that makes the change")
	case !f.StartTLS && slices.ContainsFunc(f.URLs, clear):
		t.bad("password_change", "true, beside an ldap:// URL without start_tls; want TLS at every server")
	}
}

// bindPassword reads the password of bind_dn, which must not be empty: a bind with an empty password is an anonymous one
// (RFC 4513 §5.1.2). Without bind_dn there must be no password.
func (t *table) bindPassword(key, dn string) Secret {
	if dn != "" {
		return t.secret(key, "the password of bind_dn")
	}
	for _, k := range []string{key, key + "_file", key + "_env"} {
		t.seen = append(t.seen, k)
		if t.has(k) {
			t.bad(k, "given without bind_dn; want bind_dn, or neither, to search anonymously")
		}
	}
	return Secret{}
}

// ldapURLs reads the URLs of the directory. It refuses a connection without TLS, which shows passwords to the network.
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

// isLoopback reports whether a host is this machine by its loopback address. What is sent there crosses no network.
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

// isAttribute reports whether s has only the characters that the names, OIDs and options of attributes have.
func isAttribute(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f || !isBare(byte(r)) && r != '.' && r != ';' })
}

// maxFilter bounds the length of user_filter in octets, because the parser recurses.
const maxFilter = 4096

func (t *table) userFilter(key, def string) string {
	s := t.string(key, def)
	switch {
	case s == "":
		t.bad(key, "empty; want a filter with %s, such as %s", Placeholder, defaultUserFilter)
		return s
	case !strings.Contains(s, Placeholder):
		t.bad(key, "%s, without %s, which finds the same entry for everybody; want it in place of the name", quote(s), Placeholder)
		return s
	case len(s) > maxFilter:
		t.bad(key, "longer than %d octets; want a shorter filter", maxFilter)
		return s
	}
	if _, err := ldap.CompileFilter(s); err != nil {
		t.bad(key, "%s, which is no filter; want one in balanced brackets, such as %s", quote(s), defaultUserFilter)
	}
	return s
}

// baseDNs reads one DN or a list of them. Only a Global Catalog can be searched from its root, "".
func (t *table) baseDNs(key string, urls []string) []string {
	const want = "want one such as dc=example,dc=com"
	raw, isList := t.keys[key].([]any)
	if !isList {
		s := t.need(key, "where the users are, such as dc=example,dc=com")
		if s != "" && !isDN(s) {
			t.bad(key, "%s, which is no DN; %s", quote(s), want)
		}
		return []string{s}
	}
	list := t.strings(key, nil)
	if len(raw) == 0 {
		t.bad(key, "empty; want where the users are, such as dc=example,dc=com")
	}
	catalog := len(urls) > 0 && !slices.ContainsFunc(urls, func(u string) bool {
		return !strings.HasSuffix(u, ":3268") && !strings.HasSuffix(u, ":3269")
	})
	for i, s := range list {
		switch {
		case !t.isString(key, i):
		case s == "" && !catalog:
			t.bad(nth(key, i), "empty, which only a Global Catalog (port 3268 or 3269) takes; %s", want)
		case s != "" && !isDN(s):
			t.bad(nth(key, i), "%s, which is no DN; %s", quote(s), want)
		case slices.Contains(list[:i], s):
			t.bad(nth(key, i), "%s a second time; want it once", quote(s))
		}
	}
	return list
}

func isDN(s string) bool {
	dn, err := ldap.ParseDN(s)
	return err == nil && len(dn.RDNs) > 0
}

// keyPair reads the paths of a certificate and its private key, both or neither.
func (t *table) keyPair(certificate, privateKey string) (certPath, keyPath string) {
	certPath, keyPath = t.string(certificate, ""), t.string(privateKey, "")
	switch {
	case certPath == "" && keyPath == "":
		return "", ""
	case certPath == "":
		t.bad(privateKey, "given without %s; want both", certificate)
		return "", ""
	case keyPath == "":
		t.bad(certificate, "given without %s; want both", privateKey)
		return "", ""
	}
	certPath = t.pemFile(certificate, certPath, "want a readable PEM file")
	text, err := t.secretFile(privateKey, keyPath)
	if err != nil {
		t.bad(privateKey, "%s", err)
		return certPath, t.file.abs(keyPath)
	}
	chain, err := os.ReadFile(certPath)
	if err != nil {
		return certPath, t.file.abs(keyPath) // pemFile has reported it
	}
	if _, err := tls.X509KeyPair(chain, []byte(text)); err != nil {
		t.bad(privateKey, "not the private key of %s; want its key, as PEM", certificate)
	}
	return certPath, t.file.abs(keyPath)
}
