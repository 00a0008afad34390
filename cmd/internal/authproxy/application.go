package authproxy

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// application is one [duo] or [[application]]. Servers with the same application share it.
type application struct {
	name             string // "" is [duo]
	host, ikey, skey string
	protected        bool // skey holds skey_protected, which nobody can read
	timeout          int
	proxy, failmode  string
}

// same reports whether two servers may share an application. It ignores failmode, which a client may set too.
func (a application) same(b application) bool {
	b.name, b.failmode = a.name, a.failmode
	return a == b
}

// application writes the server's Duo application, or finds one that has the same values. In that case home says so.
func (i *importer) application(s *section, home *table) (a application, shared bool) {
	ikey, skey, protected := s.get("ikey"), s.get("skey"), s.get("skey_protected")
	timeout, proxy := s.get("api_timeout"), i.proxyOptions(s)
	a = application{
		host:     i.apiHost(s),
		ikey:     i.integrationKey(s, ikey),
		timeout:  i.seconds(timeout, 0),
		failmode: i.oneOf(s.get("failmode"), "safe", "safe", "secure"),
		proxy:    i.proxy(proxy),
	}
	switch {
	case skey != nil:
		a.skey = i.text(skey, "the application's secret key")
	case protected != nil:
		a.skey, a.protected = protected.value, true
	default:
		i.missing(s, "skey", "the application's secret key")
	}
	for _, b := range i.known {
		if b.same(a) {
			i.shareApplication(s, b, home)
			return b, true
		}
	}
	t := i.table(s, "[duo]", s.title())
	file := "duo.skey"
	if len(i.known) > 0 {
		a.name, file = s.name, s.name+".skey"
		t.header = "[[application]]"
		t.set("name", str(a.name))
	}
	i.known = append(i.known, a)
	i.applications = append(i.applications, t)
	switch {
	case i.AuthAPI:
	case len(i.known) == 1:
		t.note(decide, applicationType, present(ikey)...)
	default:
		t.note(decide, `the same question: do these keys belong to an application of the type "Auth API"?`, present(ikey)...)
	}
	t.set("api_host", str(a.host), present(s.get("api_host"), s.get("api_port"))...)
	t.set("integration_key", str(a.ikey), present(ikey)...)
	i.secret(t, "secret_key", file, present(skey, protected)...)
	i.failmode(t, s, a.failmode)
	i.apiTimeout(t, timeout, a.timeout)
	if a.proxy != "" {
		t.set("proxy", str(a.proxy), proxy...)
	}
	if ca := i.main.get("http_ca_certs_file"); ca != nil {
		i.path(t, "ca", ca)
	}
	return a, false
}

const applicationType = `Duo's proxy takes the keys of applications of many types; duoradiusd asks Duo's Auth API, which takes keys of the type "Auth API" only (Duo Admin Panel > Applications). If these keys belong to another type, such as RADIUS or Cisco ASA, add an application of the type "Auth API" and put its three values here; duoradiusd check says whether Duo takes them`

// shareApplication writes where the server's keys are.
func (i *importer) shareApplication(s *section, a application, home *table) {
	where := "[duo] has the same"
	if a.name != "" {
		where = fmt.Sprintf("[[application]] %s has the same", str(a.name))
	}
	keys := present(s.get("api_host"), s.get("api_port"), s.get("ikey"), s.get("skey"), s.get("skey_protected"),
		s.get("api_timeout"))
	keys = append(keys, own(s, i.proxyOptions(s))...)
	home.keep(where, keys...)
}

// own returns the options that are in the section itself.
func own(s *section, from []*option) (list []*option) {
	for _, o := range from {
		if o.in == s {
			list = append(list, o)
		}
	}
	return list
}

func (i *importer) apiHost(s *section) string {
	o := s.get("api_host")
	if o == nil {
		i.missing(s, "api_host", "the application's API hostname")
		return ""
	}
	host := i.host(o)
	if port := i.port(s.get("api_port"), 443); port != 443 {
		host += ":" + strconv.Itoa(port)
	}
	return host
}

// integrationKey never shows a value that it refuses, because the value may be the secret key in the wrong place.
func (i *importer) integrationKey(s *section, o *option) string {
	if o == nil {
		i.missing(s, "ikey", "the application's integration key")
		return ""
	}
	key := i.text(o, "the application's integration key")
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		i.bad(o, "a key with a blank or a character outside ASCII; want the application's integration key")
	}
	return key
}

func (i *importer) failmode(t *table, s *section, mode string) {
	o := s.get("failmode")
	if o != nil {
		t.set("failmode", str(mode), o)
		return
	}
	t.change("failmode", str(mode), "failmode is not given. Duo's proxy then takes safe and duoradiusd takes secure, so safe is written here to keep it. With secure, nobody gets in without Duo")
}

// apiTimeout keeps the timeout within duoradiusd's limits. In authproxy.cfg, 0 or no value means no limit.
func (i *importer) apiTimeout(t *table, o *option, seconds int) {
	const least, most = 2, 120
	switch {
	case o == nil:
		t.note(changed, "api_timeout is not given. Duo's proxy then sets no limit; duoradiusd gives one call of the API 10s")
	case seconds == 0:
		t.note(changed, "0 means no limit in Duo's proxy; duoradiusd gives one call of the API 10s", o)
	case seconds > most:
		t.change("api_timeout", str("120s"), "lowered to two minutes, the most that duoradiusd allows", o)
	case seconds < least: // whatever failmode is: another server may share the application with failmode = safe
		t.change("api_timeout", str("2s"), "raised to 2s, the least that failmode = safe allows: with less, users would get in without Duo when Duo is only slow", o)
	default:
		t.set("api_timeout", str(fmt.Sprintf("%ds", seconds)), o)
	}
}

// proxyOptions returns the section's own proxy options, or else those of [main]. A port alone is no proxy.
func (i *importer) proxyOptions(s *section) []*option {
	for _, s := range []*section{s, i.main} {
		if host := s.get("http_proxy_host"); host != nil {
			return present(host, s.get("http_proxy_port"))
		}
	}
	return nil
}

func (i *importer) proxy(from []*option) string {
	if len(from) == 0 {
		return ""
	}
	var port *option
	if len(from) > 1 {
		port = from[1]
	}
	host := strings.Trim(i.host(from[0]), "[]")
	return "http://" + net.JoinHostPort(host, strconv.Itoa(i.port(port, 80)))
}

// present returns the options that are set.
func present(options ...*option) (list []*option) {
	for _, o := range options {
		if o != nil {
			list = append(list, o)
		}
	}
	return list
}
