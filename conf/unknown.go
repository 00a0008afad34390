package conf

import (
	"slices"
	"strings"
)

// unbuilt lists what the configuration is to have and this version does not have: a table, a key, or the values of a key that
// begin with a word. Whoever builds one deletes its line.
var unbuilt = []string{
	"eap",
	"listen.network=tls",
	"listen.takes_accounting",
	"listen.certificate",
	"listen.private_key",
	"listen.client_ca",
	"listen.client_crl",
	"listen.tls_min",
	"listen.alpn",
	"listen.max_connections",
	"listen.idle_timeout",
	"client.certificate_names",
	"client.certificate_fingerprints",
	"client.eap",
	"client.eap_only",
	"client.eap_tls_max",
	"client.gtc_prompts",
	"client.accounting",
	"client.accounting_servers",
	"client.disconnect",
	"client.disconnect_secret",
	"client.disconnect_secret_file",
	"client.disconnect_secret_env",
	"log.accounting_log",
}

const notBuilt = "known, but not built yet"

// isUnbuilt reports whether a key, or a value of that key where value is not empty, is known but not built. word is how
// such a value begins; the rest of the value may be a URL with a password.
func isUnbuilt(table, key, value string) (word string, ok bool) {
	if table != "" {
		key = table + "." + key
	}
	for _, u := range unbuilt {
		k, word, hasValue := strings.Cut(u, "=")
		if k == key && hasValue == (value != "") && strings.HasPrefix(value, word) {
			return word, true
		}
	}
	return "", false
}

// tableNames are the tables that the top of a file may hold.
var tableNames = []string{
	"duo", "application", "listen", "client", "first_factor", "username", "user", "rule", "reply", "remember", "cluster", "guard", "messages", "admin", "log", "state",
}

// unknownTables reports the keys and tables at the top of a file that have no meaning there.
func (l *loader) unknownTables() {
	for _, f := range l.files {
		top := l.top(f)
		top.seen = append(slices.Clone(tableNames), "include")
		top.rest()
	}
}

// rest reports the keys of a table that the loader has not read.
func (t *table) rest() {
	for key, v := range t.keys {
		if slices.Contains(t.seen, key) {
			continue
		}
		if _, ok := isUnbuilt(t.table, key, ""); ok {
			if !t.unbuilt && !isEmpty(v) {
				t.bad(key, "%s; want it left out", notBuilt)
			}
			continue
		}
		t.unknown(key, v)
	}
}

// isEmpty reports whether a value asks for nothing: "" or [].
func isEmpty(v any) bool {
	list, ok := v.([]any)
	return v == "" || ok && len(list) == 0
}

func (t *table) unknown(key string, v any) {
	what := "unknown key " + quote(key)
	if strings.Contains(typeName(v), "table") {
		what = "unknown table " + quote(key)
	}
	at := string(appendKey(nil, key))
	if i := slices.IndexFunc(t.seen, func(k string) bool { return strings.EqualFold(k, key) }); i >= 0 {
		t.bad(at, "%s; differs from %q only in case", what, t.seen[i])
		return
	}
	if near := nearest(key, t.seen); near != "" {
		t.bad(at, "%s; did you mean %q?", what, near)
		return
	}
	t.bad(at, "%s; want it left out", what)
}
