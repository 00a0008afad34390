package conf

import (
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// WhenDown says what happens to a login that needs the cluster's store while the store can't be asked.
type WhenDown string

// The values of [cluster] when_down.
const (
	WhenDownAlone  WhenDown = "alone"  // each daemon goes on by itself, as a single daemon would
	WhenDownReject WhenDown = "reject" // the login is rejected, unless it needs no second factor
)

// Cluster is [cluster]: the Redis or Valkey server by which several daemons act as one.
type Cluster struct {
	Network     string   // tcp or unix; "": there is no cluster
	Address     string   // HOST:PORT, or the path of a socket; "" with Sentinels
	TLS         bool     // rediss://
	Database    int      // 0 to 15
	Sentinels   []string // HOST:PORT each
	Master      string   // the master's name at the Sentinels
	Username    string   // "" = the default user
	Password    Secret   // the zero Secret = none
	CAFile      string   // absolute path; "" = the system's roots
	Certificate string   // absolute path of our own certificate; "" = none
	PrivateKey  string   // absolute path of its key; "" = none
	KeyPath     string   // absolute path of the key file
	KeyFile     Secret   // what the key file holds
	Prefix      string   // how all names in the store begin
	Timeout     time.Duration
	WhenDown    WhenDown
}

func readCluster(t *table) Cluster {
	c := Cluster{
		Sentinels: t.sentinels("sentinels"),
		Master:    t.string("master", ""),
		Username:  t.string("username", ""),
		CAFile:    t.string("ca_file", ""),
		Prefix:    t.prefix("prefix", "duoradiusd"),
		Timeout:   t.duration("timeout", 100*time.Millisecond, 5*time.Millisecond, 2*time.Second),
		WhenDown:  oneOf(t, "when_down", WhenDownAlone, WhenDownAlone, WhenDownReject),
	}
	t.clusterURL("url", &c)
	if forms := []string{"password", "password_file", "password_env"}; slices.ContainsFunc(forms, t.has) {
		c.Password = t.secret("password", "the password of the Redis user")
	} else {
		t.seen = append(t.seen, forms...)
	}
	if c.CAFile != "" {
		c.CAFile = t.pemFile("ca_file", c.CAFile, "want a readable PEM file")
	}
	c.Certificate, c.PrivateKey = t.keyPair("certificate", "private_key")
	keyFile := t.string("key_file", "cluster.key")
	if c.Network == "" {
		return c
	}
	switch {
	case len(c.Sentinels) > 0 && c.Master == "":
		t.bad("master", "missing beside sentinels; want the name under which they know the primary")
	case len(c.Sentinels) == 0 && c.Master != "":
		t.bad("master", "given without sentinels; want sentinels")
	case !c.TLS && (c.CAFile != "" || c.Certificate != ""):
		t.bad("url", "without TLS beside ca_file or certificate; want rediss://")
	case c.Username != "" && c.Password == Secret{}:
		t.bad("username", "given without a password; want one of password, password_file, password_env")
	}
	c.KeyPath = t.file.abs(keyFile)
	text, err := t.secretFile("key_file", keyFile)
	if err != nil {
		t.bad("key_file", "%s; make one with: duoradiusd cluster key FILE", err)
	}
	c.KeyFile = NewSecret(text)
	return c
}

// clusterURL reads the URL of the server. It refuses a password in the URL, because URLs are shown.
func (t *table) clusterURL(key string, c *Cluster) {
	const want = "redis://HOST:PORT, rediss://HOST:PORT (TLS) or unix:///PATH"
	s := t.string(key, "")
	if s == "" {
		return
	}
	u, err := url.Parse(s)
	if err != nil {
		t.bad(key, "no URL; want %s", want)
		return
	}
	c.Network, c.TLS = "tcp", u.Scheme == "rediss"
	switch {
	case u.User != nil:
		t.bad(key, "with a user name or a password; want them as username and password_file")
	case u.RawQuery != "" || u.Fragment != "" || u.Opaque != "":
		t.bad(key, "%s, with more than a host and a database; want %s", quote(s), want)
	case u.Scheme == "unix":
		c.Network, c.Address = "unix", u.Path
		if u.Host != "" || !filepath.IsAbs(u.Path) || len(c.Sentinels) > 0 {
			t.bad(key, "%s; want unix:///PATH, without sentinels", quote(s))
		}
	case u.Scheme != "redis" && u.Scheme != "rediss":
		t.bad(key, "%s; want %s", quote(s), want)
	case len(c.Sentinels) > 0 && u.Host != "":
		t.bad(key, "%s, with a host beside sentinels; want %s://, because the sentinels name the host", quote(s), u.Scheme)
	case len(c.Sentinels) == 0 && !isHostPort(u.Host):
		t.bad(key, "%s; want %s", quote(s), want)
	default:
		if c.Address = u.Host; u.Host != "" && u.Port() == "" {
			c.Address += ":6379"
		}
		t.database(key, strings.Trim(u.Path, "/"), c)
	}
}

func (t *table) database(key, path string, c *Cluster) {
	if path == "" {
		return
	}
	n, err := strconv.Atoi(path)
	if err != nil || n < 0 || n > 15 {
		t.bad(key, "database %s; want a number from 0 to 15", quote(path))
	}
	c.Database = n
}

func (t *table) sentinels(key string) []string {
	list := t.strings(key, nil)
	for i, s := range list {
		if colon := strings.LastIndexByte(s, ':'); t.isString(key, i) && (!isHostPort(s) || colon < 0 || !isPort(s[colon+1:])) {
			t.bad(nth(key, i), "%s; want HOST:PORT, such as sentinel1.example.com:26379", quote(s))
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

// prefix reads the beginning of all names in the store. Access lists of the store and people refer to it.
func (t *table) prefix(key, def string) string {
	s := t.word(key, def)
	if len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f || !isBare(byte(r)) && r != '.' && r != ':' }) {
		t.bad(key, "%s; want up to 64 letters, digits, and . : _ -", quote(s))
	}
	return s
}
