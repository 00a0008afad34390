package shared_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/shared"
	"duoradiusd/test/authority"
)

// TestK83_Password: a wrong password of the store counts as an outage, and the log says why.
func TestK83_Password(t *testing.T) {
	r, duo := runRedis(t, "--requirepass", "right"), newDuo()
	a := start(t, "a", r.addr, duo, func(c *shared.Config) { c.Password = "wrong" })
	approve(t, a, duo, "alice")
	if c := a.cluster.Counters(); c.Up || !strings.Contains(c.Error, "WRONGPASS") {
		t.Errorf("%+v", c)
	}
	if a.log.has("wrong") || a.log.has("right") {
		t.Error("a password stands in the log")
	}
	b := start(t, "b", r.addr, duo, func(c *shared.Config) { c.Password = "right" })
	if !b.cluster.Counters().Up {
		t.Error(b.cluster.Counters().Error)
	}
}

// TestK83_Unix: the server listens on a Unix socket, which does not exist yet when the daemon starts (K75).
func TestK83_Unix(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "r.sock")
	duo := newDuo()
	a := start(t, "a", "", duo, func(c *shared.Config) { c.Network, c.Address = "unix", socket })
	approve(t, a, duo, "alice")
	runRedis(t, "--unixsocket", socket)
	eventually(t, "a has the store", func() bool { return a.cluster.Counters().Up })
	approve(t, a, duo, "bob")
	wants(t, "a", a.login("bob"), policy.OutcomeAccept, policy.ReasonRemembered)
}

// TestK35_AccessList: the access list of conf/cluster.md allows everything that two daemons and the check do, and nothing
// else, such as another's keys.
func TestK35_AccessList(t *testing.T) {
	page, err := os.ReadFile("../../conf/cluster.md")
	if err != nil {
		t.Fatal(err)
	}
	_, line, ok := strings.Cut(string(page), "\nACL SETUSER ")
	line, _, _ = strings.Cut(line, "\n")
	if !ok {
		t.Fatal("no ACL line in conf/cluster.md")
	}
	r, duo := runRedis(t), newDuo()
	r.cli(strings.Fields("acl setuser " + line)...)
	r.cli("acl", "setuser", "default", "off")
	as := func(c *shared.Config) { c.Username, c.Password, c.Prefix = "duoradiusd", "PASSWORD", "duoradiusd" }
	a, b := start(t, "a", r.addr, duo, as), start(t, "b", r.addr, duo, as)
	allStores(t, a, b, duo)
	server, _, err := a.cluster.Probe(t.Context())
	if err != nil || server.Version == "" {
		t.Errorf("check: %+v, %v", server, err)
	}
	if st := a.cluster.Status(t.Context()); st.Error != "" || len(st.Peers) != 2 {
		t.Errorf("status: %+v", st)
	}
	r.user = []string{"--no-auth-warning", "--user", "duoradiusd", "-a", "PASSWORD"}
	for line := range strings.Lines(r.cli("info", "errorstats")) {
		if strings.HasPrefix(line, "errorstat_NOPERM") {
			t.Error(line)
		}
	}
	for _, bad := range [][]string{{"get", "another:key"}, {"flushall"}, {"keys", "*"}, {"config", "get", "requirepass"}} {
		if said := r.cli(bad...); !strings.Contains(said, "NOPERM") {
			t.Errorf("%v: %s", bad, said)
		}
	}
}

// TestK35_TLS: the server has a certificate of its own CA and requires one of the daemon. A daemon that has none, or that
// does not trust the server's, can't use the store.
func TestK35_TLS(t *testing.T) {
	own, err := authority.New("redis", "")
	if err != nil {
		t.Fatal(err)
	}
	client, clientPEM := clientCertificate(t)
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := x509.MarshalPKCS8PrivateKey(own.Leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	runRedis(t, "--tls-port", fmt.Sprint(port), "--tls-auth-clients", "yes", "--tls-ca-cert-file", file("clients.pem", clientPEM),
		"--tls-cert-file", file("server.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Leaf.Certificate[0]})),
		"--tls-key-file", file("server.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	roots := x509.NewCertPool()
	roots.AddCert(own.CA)
	addr, duo := fmt.Sprint("127.0.0.1:", port), newDuo()
	waitForListener(t, addr) // the port without TLS, for which runRedis waits, is open a moment earlier
	with := func(c *tls.Config) func(*shared.Config) { return func(k *shared.Config) { k.TLS = c } }
	a := start(t, "a", addr, duo, with(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{client}}))
	approve(t, a, duo, "alice")
	wants(t, "a", a.login("alice"), policy.OutcomeAccept, policy.ReasonRemembered)
	if c := a.cluster.Counters(); !c.Up {
		t.Errorf("%+v", c)
	}
	for name, c := range map[string]*tls.Config{"without a certificate": {RootCAs: roots}, "without the CA": {Certificates: []tls.Certificate{client}}} {
		d := start(t, name, addr, duo, with(c))
		if d.cluster.Counters().Up {
			t.Errorf("%s: the store can be used", name)
		}
		wants(t, name, d.login("alice"), policy.OutcomeAccept, policy.ReasonApproved)
	}
}

// clientCertificate makes a certificate that is signed by itself.
func clientCertificate(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "duoradiusd"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
