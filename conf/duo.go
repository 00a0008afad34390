package conf

import (
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"duoradiusd/internal/display"
	"duoradiusd/policy"
)

// Duo is the Duo application ("Auth API" or "Partner Auth API") that clients use unless they name another.
type Duo struct {
	APIHost        string // host or host:port
	IntegrationKey string
	SecretKey      Secret
	Failmode       policy.Failmode // what to do when Duo can't be asked
	APITimeout     time.Duration   // how long one API call may take, without the wait for the user's answer
	PushTimeout    time.Duration   // how long to wait for the user's answer
	Proxy          *url.URL        // http://host:port, an HTTP CONNECT proxy; nil = none
	ProxyUsername  string          // for basic authentication at the proxy (RFC 7617); "" = none is sent
	ProxyPassword  Secret
	MaxConnections int    // the most connections to Duo that are open at once
	UserIP         string // which user addresses Duo is told: "public", "all" or "none"
	CA             string // "pinned", "system" or the absolute path of a PEM file
}

// Application is a further Duo application, for the clients that name it.
type Application struct {
	Name string
	Duo
}

// The values of Duo.CA that are no paths.
const (
	CAPinned = "pinned" // the list that Duo's SDK carries
	CASystem = "system"
)

// shortestSafe is the shortest api_timeout with failmode = "safe": Duo's silence counts as an outage after this time.
const shortestSafe = 2 * time.Second

func readDuo(t *table) Duo {
	d := Duo{
		APIHost:        t.apiHost("api_host"),
		IntegrationKey: t.integrationKey("integration_key"),
		SecretKey:      t.secret("secret_key", "the application's secret key"),
		Failmode:       t.failmode("failmode", policy.FailmodeSecure),
		APITimeout:     t.duration("api_timeout", 10*time.Second, 100*time.Millisecond, 2*time.Minute),
		PushTimeout:    t.duration("push_timeout", time.Minute, time.Second, 5*time.Minute), // policy ends a transaction then
		Proxy:          t.proxy("proxy"),
		ProxyUsername:  t.string("proxy_username", ""),
		MaxConnections: t.int("max_connections", 2048, 2, 65535),
		UserIP:         oneOf(t, "user_ip", "public", "public", "all", "none"),
		CA:             t.ca("ca"),
	}
	d.ProxyPassword = t.proxyPassword(d)
	if d.Failmode == policy.FailmodeSafe && d.APITimeout < shortestSafe {
		t.bad("api_timeout", `%s, beside failmode = "safe": if Duo is only slow, users would be accepted without it; want at least 2s`, quote(display.Duration(d.APITimeout)))
	}
	return d
}

// proxyPassword reads the password for the proxy. It must be given together with proxy and proxy_username.
func (t *table) proxyPassword(d Duo) Secret {
	const key = "proxy_password"
	given := ""
	for _, form := range []string{key, key + "_file", key + "_env"} {
		if t.has(form) {
			given = form
		}
	}
	switch {
	case strings.ContainsFunc(d.ProxyUsername, func(r rune) bool { return r == ':' || unicode.IsControl(r) }):
		t.bad("proxy_username", "has a colon or a control character; want a name without (RFC 7617, 2)")
	case d.ProxyUsername != "" && (!t.has("proxy") || t.keys["proxy"] == ""):
		t.bad("proxy_username", "given without proxy; want both or neither")
	case d.ProxyUsername != "" && given == "":
		t.bad("proxy_username", "given without %s; want both or neither", key)
	case d.ProxyUsername == "" && given != "":
		t.bad(given, "given without proxy_username; want both or neither")
	}
	if given == "" {
		t.seen = append(t.seen, key, key+"_file", key+"_env")
		return Secret{}
	}
	return t.secret(key, "the password for the proxy")
}

func readApplication(t *table) Application {
	return Application{Name: t.name("name"), Duo: readDuo(t)}
}

func (t *table) apiHost(key string) string {
	const want = "the application's API hostname, such as api-xxxxxxxx.duosecurity.com"
	s := t.need(key, want)
	if exampleHost.MatchString(s) {
		t.placeholder(key)
		return s
	}
	if s == "" || isHostPort(s) {
		return s
	}
	_, host, isURL := strings.Cut(s, "://")
	if !isURL {
		host = s
	}
	host, _, isURL2 := strings.Cut(host, "/")
	if (isURL || isURL2) && isHostPort(host) {
		t.bad(key, "%s, a URL; want %q", quote(s), host)
		return s
	}
	t.bad(key, "%s; want %s", quote(s), want)
	return s
}

// integrationKey reads the integration key. It does not show a value that it refuses, because that may be the secret key.
func (t *table) integrationKey(key string) string {
	const want = "the application's integration key, such as DIXXXXXXXXXXXXXXXXXX"
	s := t.need(key, want)
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || !unicode.IsPrint(r) }) {
		t.bad(key, "a key with a blank or control character; want %s", want)
	}
	return s
}

// failmode warns of the mode that lets people in without a second factor.
func (t *table) failmode(key string, def policy.Failmode) policy.Failmode {
	mode := oneOf(t, key, def, policy.FailmodeSecure, policy.FailmodeSafe, policy.FailmodeSilent)
	if mode == policy.FailmodeSafe {
		t.warn(key, `"safe": whoever can block the way to Duo needs no second factor; want "secure" where that matters`)
	}
	return mode
}

func (t *table) proxy(key string) *url.URL {
	s := t.string(key, "")
	if s == "" {
		return nil
	}
	const want = "http://HOST:PORT"
	host, isHTTP := strings.CutPrefix(s, "http://")
	host = strings.TrimSuffix(host, "/")
	colon := strings.LastIndexByte(host, ':')
	if !isHTTP || colon < 0 || !isHostPort(host) || !isPort(host[colon+1:]) {
		t.bad(key, "%s; want %s", quote(s), want)
		return nil
	}
	return &url.URL{Scheme: "http", Host: host}
}

func (t *table) ca(key string) string {
	const want = `want pinned, system or a readable PEM file`
	s := t.string(key, CAPinned)
	if s == CAPinned || s == CASystem {
		return s
	}
	if s == "" {
		t.bad(key, "empty; %s", want)
		return s
	}
	return t.pemFile(key, s, want)
}

// pemFile checks that a PEM file holds certificates, and returns the file's absolute path.
func (t *table) pemFile(key, s, want string) string {
	path := t.file.abs(s)
	text, err := os.ReadFile(path)
	if err != nil {
		t.bad(key, "%s: %s; %s", quote(s), reason(err), want)
		return path
	}
	t.out.opened = append(t.out.opened, path)
	found := 0
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		found++
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			t.bad(key, "%s: certificate %d is malformed; %s", quote(s), found, want)
		}
	}
	if found == 0 {
		t.bad(key, "%s: no certificate; %s", quote(s), want)
	}
	return path
}
