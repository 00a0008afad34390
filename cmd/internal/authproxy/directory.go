package authproxy

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
)

const clearAdvice = `duoradiusd binds with the password itself, so it speaks to directories over TLS only: the domain controllers need a certificate for the names below`

// directory writes an [ad_client].
func (i *importer) directory(t *table, s *section) {
	t.set("type", str("ldap"))
	i.transport(t, s)
	i.binding(t, s)
	base := s.get("search_dn")
	if base == nil {
		i.missing(s, "search_dn", "the DN where the users are")
	} else {
		dn := i.text(base, "a DN")
		if dn != "" && !strings.Contains(dn, "=") {
			i.bad(base, "%s; want a DN such as DC=example,DC=com", quote(dn))
		}
		t.set("base_dn", str(dn), base)
	}
	i.userFilter(t, s)
	timeout := s.get("timeout")
	seconds := i.seconds(timeout, 10)
	switch {
	case timeout == nil:
		t.set("timeout", str("10s"))
	case seconds < 1 || seconds > 60:
		t.change("timeout", str(fmt.Sprintf("%ds", min(max(seconds, 1), 60))), "duoradiusd allows 1 to 60 s", timeout)
	default:
		t.set("timeout", str(fmt.Sprintf("%ds", seconds)), timeout)
	}
}

// transport writes urls, start_tls and ca_file.
func (i *importer) transport(t *table, s *section) {
	how := s.get("transport")
	transport := i.oneOf(how, "clear", "clear", "ldaps", "starttls")
	scheme, usual := "ldap", 389
	if transport == "ldaps" {
		scheme, usual = "ldaps", 636
	}
	port := s.get("port")
	number := i.port(port, usual)
	var urls []string
	from := hosts(s)
	for _, o := range from {
		host := i.host(o)
		if number != usual {
			host = net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(number))
		}
		urls = append(urls, scheme+"://"+host)
	}
	if len(urls) == 0 {
		i.missing(s, "host", "the name or address of the domain controller")
	}
	from = append(from, present(port)...)
	i.once(t, urls, from)
	switch {
	case transport != "clear":
		from = append(from, how)
	case how == nil:
		t.note(decide, "transport is not given, which means clear: "+clearAdvice)
	default:
		t.note(decide, clearAdvice, how)
	}
	t.set("urls", strs(unique(urls)), from...)
	if scheme == "ldap" {
		t.set("start_tls", "true")
	}
	if ca := s.get("ssl_ca_certs_file"); ca != nil {
		i.path(t, "ca_file", ca)
	} else if transport == "clear" {
		t.note(changed, "ssl_ca_certs_file is not given: certificates are checked against the system's roots; ca_file names others")
	}
	switch o := s.get("ssl_verify_hostname"); {
	case o == nil:
	case i.yes(o):
		t.keep("names in certificates are checked", o)
	default:
		t.note(decide, "duoradiusd always checks the names in certificates, so urls must name the hosts as their certificates do", o)
	}
}

// binding writes bind_dn and its password. duoradiusd binds with the simple method (RFC 4513 §5.1.3), for which Active
// Directory takes a DN, user@domain and DOMAIN\user.
func (i *importer) binding(t *table, s *section) {
	how, user, dn, domain := s.get("auth_type"), s.get("service_account_username"), s.get("bind_dn"), s.get("ntlm_domain")
	if o := s.get("ntlm_workstation"); o != nil {
		t.note(dropped, "duoradiusd has no NTLM", o)
	}
	method := i.oneOf(how, "ntlm2", "ntlm2", "plain", "sspi")
	switch {
	case how == nil:
		t.note(changed, "auth_type is not given, which means ntlm2 in Duo's proxy; duoradiusd uses a simple bind inside TLS")
	case method == "plain":
		t.keep("a simple bind, inside TLS", how)
	case method == "ntlm2":
		t.note(changed, "duoradiusd uses a simple bind inside TLS", how)
	}
	switch {
	case method == "sspi" && user == nil && dn == nil:
		t.note(decide, "Duo's proxy binds as the Windows machine itself, which duoradiusd can't do: set bind_dn and bind_password_file to an account that may read the directory", how)
		if domain != nil {
			t.note(dropped, "duoradiusd has no NTLM", domain)
		}
		return
	case method == "sspi":
		t.note(changed, "duoradiusd uses a simple bind, as the account that is given", how)
	case user == nil && dn == nil:
		i.missing(s, "service_account_username", "the account that looks for the users")
	}
	i.bindDN(t, s, user, dn, domain)
	if password := present(s.get("service_account_password"), s.get("service_account_password_protected")); len(password) > 0 {
		i.secret(t, "bind_password", s.name+".password", password...)
	} else {
		i.missing(s, "service_account_password", "the password of the account that looks for the users")
	}
}

func (i *importer) bindDN(t *table, s *section, user, dn, domain *option) {
	name := i.text(user, "a name")
	if domain != nil && (dn != nil || strings.ContainsAny(name, `@\=`)) {
		t.note(dropped, "bind_dn names the domain itself", domain)
	}
	switch {
	case dn != nil:
		if user != nil {
			t.note(dropped, "bind_dn names the account", user)
		}
		t.set("bind_dn", str(i.text(dn, "a DN")), dn)
	case strings.ContainsAny(name, `@\=`):
		t.set("bind_dn", str(name), user)
	case domain != nil:
		t.change("bind_dn", str(i.text(domain, "a domain")+`\`+name), "a simple bind needs the domain too", user, domain)
	case dnsDomain(s.get("search_dn")) != "":
		t.change("bind_dn", str(name+"@"+dnsDomain(s.get("search_dn"))), "a simple bind needs the domain too; it was taken from search_dn", present(user)...)
	case user != nil:
		t.ask("bind_dn", str(name), `a simple bind needs the domain too: make it user@domain, DOMAIN\user or a DN`, user)
	}
}

var domainPart = regexp.MustCompile(`(?i)(?:^|,)\s*DC\s*=\s*([^,]+)`)

// dnsDomain returns example.com for OU=x,DC=example,DC=com (RFC 2247 §2).
func dnsDomain(o *option) string {
	if o == nil {
		return ""
	}
	var parts []string
	for _, m := range domainPart.FindAllStringSubmatch(o.value, -1) {
		parts = append(parts, strings.ToLower(strings.TrimSpace(m[1])))
	}
	return strings.Join(parts, ".")
}

var attributeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.;-]*$`)

// userFilter writes a filter that finds only users who may log in. As in Duo's proxy, the password counts as wrong for users
// whom security_group_dn and ldap_filter leave out.
func (i *importer) userFilter(t *table, s *section) {
	name, at, group, filter := s.get("username_attribute"), s.get("at_attribute"), s.get("security_group_dn"), s.get("ldap_filter")
	attributes := []string{i.attribute(name, "sAMAccountName")}
	if b := i.attribute(at, "userPrincipalName"); !strings.EqualFold(b, attributes[0]) {
		attributes = append(attributes, b)
	}
	who := ""
	for _, a := range attributes {
		who += "(" + a + "={username})"
	}
	if len(attributes) > 1 {
		who = "(|" + who + ")"
	}
	why := []string{"a user name is looked for in each of the attributes, whether it has an @ or not"}
	text := "(&(objectClass=person)" + who
	if dn := i.text(group, "a DN"); dn != "" {
		if !strings.Contains(dn, "=") {
			i.bad(group, "%s; want the DN of a group", quote(dn))
		}
		text += "(memberOf=" + escapeFilter(dn) + ")"
		why = append(why, "a user who is not in the group is told that the password is wrong, as in Duo's proxy; to include members of nested groups, write memberOf:1.2.840.113556.1.4.1941:= in place of memberOf=")
	}
	if f := i.text(filter, "an LDAP filter"); f != "" {
		text += i.filter(filter, f)
	}
	t.change("user_filter", str(text+")"), strings.Join(why, "; "), present(name, at, group, filter)...)
}

func (i *importer) attribute(o *option, def string) string {
	if o == nil {
		return def
	}
	if a := i.text(o, "an attribute"); a != "" && !attributeName.MatchString(a) {
		i.bad(o, "%s; want the name of an attribute", quote(a))
	}
	return o.value
}

// filter reads an LDAP filter. The brackets around a single item may be missing.
func (i *importer) filter(o *option, f string) string {
	if !strings.HasPrefix(f, "(") {
		f = "(" + f + ")"
	}
	depth := 0
	for n, r := range f {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 && n < len(f)-1 || depth < 0 {
			i.bad(o, "%s; want one LDAP filter in balanced brackets", quote(f))
			return f
		}
	}
	if depth != 0 || !strings.Contains(f, "=") {
		i.bad(o, "%s; want one LDAP filter in balanced brackets", quote(f))
	}
	return strings.ReplaceAll(f, "{username}", `\7busername}`)
}

// escapeFilter escapes a value for a filter (RFC 4515 §3). It also escapes braces, which could mark the place of the user's
// name.
func escapeFilter(s string) string {
	return strings.NewReplacer(`\`, `\5c`, `*`, `\2a`, `(`, `\28`, `)`, `\29`, "\x00", `\00`, `{`, `\7b`).Replace(s)
}

// unique leaves out repeated words.
func unique(list []string) (out []string) {
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			out = append(out, s)
		}
		seen[s] = true
	}
	return out
}
