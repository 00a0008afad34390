package authproxy

import (
	"fmt"
	"slices"
	"strings"

	"duoradiusd/policy/canonical"
)

// exempt writes the rule for the users who need no second factor.
func (i *importer) exempt(v *server, live bool) {
	from := numbered(v.section, "exempt_username")
	if len(from) == 0 {
		return
	}
	var users []string
	for _, o := range from {
		name := i.text(o, "a user's name")
		if _, ok := (canonical.Names{}).Canonical(name); !ok && name != "" {
			i.bad(o, "a name with invisible characters, or too long; want a user's name")
		}
		if !slices.Contains(users, name) {
			users = append(users, name)
		}
	}
	t := i.table(v.section, "[[rule]]", v.title())
	t.off = !live
	t.set("name", str("exempt at "+v.name))
	t.set("users", strs(users), from...)
	t.set("services", strs([]string{v.name}))
	if v.first == nil {
		t.note(changed, "duoradiusd checks no password of these users either; the client must have checked it", from...)
	}
	t.set("second_factor", str("exempt"))
	i.rules = append(i.rules, t)
}

// fromMain says what happens to the options of [main] that have no key of their own.
var fromMain = []struct {
	options []string
	why     string
}{
	{[]string{"log_stdout", "log_syslog", "syslog_facility"}, "the log goes to standard error, and from there to the journal"},
	{[]string{"log_max_files", "log_max_size"}, "logrotate rotates the files; at SIGHUP duoradiusd opens them again"},
	{[]string{"log_sso_events"}, "duoradiusd has no single sign-on"},
	{[]string{"test_connectivity_on_startup"}, "duoradiusd asks Duo when it starts; before that: duoradiusd check"},
	{[]string{"interface", "client", "http_proxy_host", "http_proxy_port", "http_ca_certs_file"}, "no section uses it"},
}

// mainSection writes what is in [main] and in no other table.
func (i *importer) mainSection() {
	s, t := i.main, i.log
	if o := s.get("debug"); i.yes(o) {
		t.set("level", str("debug"), o)
	} else if o != nil {
		t.keep("the level is info", o)
	}
	dir := s.get("log_dir")
	switch o := s.get("log_auth_events"); {
	case !i.yes(o):
		if o != nil {
			t.keep("auth_log is off", o)
		}
		if dir != nil {
			t.note(dropped, "the log goes to standard error, and from there to the journal", dir)
		}
	case dir != nil && strings.HasPrefix(dir.value, "/"):
		t.set("auth_log", str(strings.TrimRight(i.text(dir, "a folder"), "/")+"/authevents.log"), o, dir)
	default:
		t.change("auth_log", str("/var/log/duoradiusd/authevents.log"), "one JSON line per login; the folder must exist, and the daemon must be able to write to it", present(o, dir)...)
	}
	if o := s.get("fips_mode"); i.yes(o) {
		i.head.note(decide, "duoradiusd has no FIPS mode: RADIUS itself is built on MD5", o)
	} else if o != nil {
		i.head.keep("duoradiusd has no FIPS mode either", o)
	}
	for _, m := range fromMain {
		var from []*option
		for _, name := range m.options {
			if o := s.get(name); o != nil && o.fates == [fates]bool{} {
				from = append(from, o)
			}
		}
		if len(from) > 0 && strings.HasPrefix(m.options[0], "log_") {
			t.note(dropped, m.why, from...)
		} else if len(from) > 0 {
			i.head.note(dropped, m.why, from...)
		}
	}
}

const ldapAdvice = `its appliances ask by LDAP, which duoradiusd does not answer. Most appliances can ask by RADIUS too: make a [radius_server_auto] of this section, with the same ikey, skey, api_host, failmode and client, and with radius_ip_1 and radius_secret_1 of each appliance; then import again, and set the appliances to RADIUS. For those that speak LDAP only, keep Duo's proxy`

// noServer says what to do about a file that has no section for RADIUS clients.
func (i *importer) noServer() {
	const want = "no [radius_server_...] section; want one: it names the RADIUS clients, their secrets and the keys of Duo's application"
	var ldap *section
	for _, s := range i.sections {
		if s.kind == "ldap_server_auto" {
			ldap = s
		}
	}
	if ldap == nil {
		i.add(0, "%s", want)
		return
	}
	i.add(0, "%s", want)
	i.add(ldap.line, "%s: %s", ldap.title(), ldapAdvice)
}

// elsewhere lists the sections for which duoradiusd has nothing.
var elsewhere = map[string]string{
	"ldap_server_auto":         ldapAdvice,
	"http_proxy":               "duoradiusd is no HTTP proxy; keep Duo's, or any CONNECT proxy that lets Duo's hosts through",
	"cloud":                    "duoradiusd does not sync directories; keep Duo's proxy for that",
	"radius_server_accounting": `duoradiusd takes Accounting-Requests at the addresses of [[listen]] whose takes_accounting is true, and the key accounting of each [[client]] says what happens to them`,
	"sso":                      "Duo Single Sign-On needs Duo's own proxy; keep it for that",
}

// others writes comments on the sections that make no table.
func (i *importer) others() {
	for _, v := range i.servers {
		if v.kind == "radius_server_eap" {
			i.eap(v.section)
		}
		if o := v.get("http_proxy_port"); o != nil && o.fates == [fates]bool{} && v.home != nil {
			v.home.note(dropped, "a port without http_proxy_host in this section", o)
		}
	}
	for _, s := range i.sections {
		if s.home != nil {
			continue
		}
		t := i.table(s, "", fmt.Sprintf("%s, line %d", s.title(), s.line))
		s.home = t
		i.rest = append(i.rest, t)
		var from []*option
		for _, o := range s.options {
			if o.replaced == nil && !o.empty {
				from = append(from, o)
			}
		}
		switch {
		case s.kind == "duo_only_client":
		case clientKinds[s.kind]:
			t.note(dropped, "no [radius_server_...] uses this section", from...)
		case elsewhere[s.kind] != "":
			t.note(decide, elsewhere[s.kind], from...)
		default:
			t.note(decide, "duoradiusd import does not know this section, so it is left out"+i.likely(s), from...)
		}
	}
}

// likely guesses what a section was meant to be.
func (i *importer) likely(s *section) string {
	kind := strings.ToLower(s.kind)
	_, other := elsewhere[kind]
	if s.kind != kind && (other || clientKinds[kind] || slices.Contains(serverKinds, kind) || kind == "main") {
		return "; want its name in small letters"
	}
	return ""
}

// eap writes a commented-out table that will serve EAP.
func (i *importer) eap(s *section) {
	t := i.table(s, "[eap]", s.title())
	t.off = true
	i.rest = append(i.rest, t)
	certs, key := s.get("certs"), s.get("pkey")
	t.set("methods", strs([]string{"peap-gtc"}))
	if from := present(certs, key); len(from) > 0 {
		t.note(decide, "duoradiusd does not use them yet: it does not end EAP itself", from...)
	}
	if certs != nil {
		t.lines = append(t.lines, line{"certificate", str(i.text(certs, "a file")), ""})
	}
	if key != nil {
		t.lines = append(t.lines, line{"private_key", str(i.text(key, "a file")), ""})
	}
	if o := present(s.get("prompt"), s.get("minimum_tls_version"), s.get("cipher_list")); len(o) > 0 {
		t.note(dropped, "duoradiusd does not end EAP itself yet", o...)
	}
}
