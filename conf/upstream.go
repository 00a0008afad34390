package conf

import (
	"slices"
	"strings"
	"time"
)

const radiusPort = "1812" // RFC 2865 §3

func (t *table) readRADIUS(f *FirstFactor) {
	f.Servers = t.servers("servers")
	f.Secret = t.secret("secret", "a secret, 16 octets or more recommended")
	f.MessageAuthenticator = oneOf(t, "message_authenticator", Require, Require, Accept)
	f.InnerUserName = t.bool("inner_user_name", false)
	f.Timeout = t.duration("timeout", 5*time.Second, 500*time.Millisecond, time.Minute)
	if n := len(f.Secret.Reveal()); n > 0 && n < ShortSecret {
		t.warn(secretForm("secret", f.Given), "shorter than 16 octets; want a random one that is longer")
	}
	if f.MessageAuthenticator == Accept {
		t.warn("message_authenticator", `"accept": replies without it can be forged (CVE-2024-3596); want "require", and a server that sends it`)
	}
}

// servers reads a list of hosts, each with or without a port. An IPv6 address stands in brackets.
func (t *table) servers(key string) []string {
	const want = "HOST or HOST:PORT, such as nps.example.com:1812"
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
		if !isHostPort(s) {
			t.bad(nth(key, i), "%s; want %s", quote(s), want)
			continue
		}
		server := strings.ToLower(s)
		if !strings.Contains(server[strings.LastIndexByte(server, ']')+1:], ":") {
			server += ":" + radiusPort
		}
		if slices.Contains(out, server) {
			t.bad(nth(key, i), "%s a second time; want each server once", quote(server))
		}
		out = append(out, server)
	}
	return out
}
