package authproxy

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// clientKinds are the sections that check passwords. With duo_only_client, nobody checks a password.
var clientKinds = map[string]bool{"ad_client": true, "radius_client": true, "duo_only_client": true}

// firstFactors writes the sections that check passwords for a server.
func (i *importer) firstFactors() {
	for _, s := range i.sections {
		if !i.firsts[s] {
			continue
		}
		t := i.table(s, "[[first_factor]]", s.title())
		s.home = t
		i.factorTables = append(i.factorTables, t)
		t.set("name", str(s.name))
		if s.kind == "ad_client" {
			i.directory(t, s)
		} else {
			i.upstream(t, s)
		}
	}
}

// upstream writes a [radius_client].
func (i *importer) upstream(t *table, s *section) {
	t.set("type", str("radius"))
	var servers []string
	var from []*option
	for _, host := range hosts(s) {
		port := s.get("port" + strings.TrimPrefix(host.name, "host"))
		servers = append(servers, net.JoinHostPort(strings.Trim(i.host(host), "[]"), strconv.Itoa(i.port(port, 1812))))
		from = append(from, present(host, port)...)
	}
	if len(servers) == 0 {
		i.missing(s, "host", "the address of the RADIUS server")
	}
	i.once(t, servers, from)
	t.set("servers", strs(unique(servers)), from...)
	if secret := present(s.get("secret"), s.get("secret_protected")); len(secret) > 0 {
		i.secret(t, "secret", s.name+".secret", secret...)
	} else {
		i.missing(s, "secret", "the secret that the RADIUS server knows")
	}
	t.change("message_authenticator", str("require"), `replies of the upstream server have to carry a Message-Authenticator, as they can be forged otherwise (CVE-2024-3596); "accept" is for a server that sends none`)
	retries, wait := s.get("retries"), s.get("retry_wait")
	seconds := i.number(retries, 3, 0, 1000) * i.seconds(wait, 2)
	why := fmt.Sprintf("timeout is retries (%s) times retry_wait (%s): Duo's proxy asks a server for that long before it asks the next one", valueOr(retries, "3"), valueOr(wait, "2"))
	t.change("timeout", str(fmt.Sprintf("%ds", min(max(seconds, 1), 60))), why, present(retries, wait)...)
	if o := s.get("nas_ip"); o != nil {
		t.note(changed, "the upstream server gets the client's own NAS-IP-Address; check that its policies fit", o)
	}
	if o := s.get("pw_codec"); o != nil {
		switch strings.ToLower(o.value) {
		case "utf-8", "utf8", "utf_8":
			t.keep("the upstream server gets passwords in UTF-8", o)
		default:
			t.note(decide, quote(o.value)+": duoradiusd sends passwords to the upstream server in UTF-8 only", o)
		}
	}
}

// hosts returns host, host_2, host_3 ... in this order.
func hosts(s *section) []*option { return append(present(s.get("host")), numbered(s, "host")...) }

// once says which servers the section names twice.
func (i *importer) once(t *table, servers []string, from []*option) {
	seen := map[string]bool{}
	for _, x := range servers {
		if seen[x] {
			t.note(dropped, x+" is given twice", from...)
		}
		seen[x] = true
	}
}

func valueOr(o *option, def string) string {
	if o == nil {
		return def
	}
	return cmp.Or(o.value, def)
}
