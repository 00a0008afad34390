package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	slapdBase            = "dc=example,dc=com"
	slapdRoot            = "cn=admin," + slapdBase
	slapdService         = "cn=svc," + slapdBase
	slapdServicePassword = "the service's own"
)

// slapd is OpenLDAP's real server. It runs in the foreground, without privileges, on 127.0.0.1, and logs each operation.
type slapd struct {
	*companion
	t           testing.TB
	dir         string
	ldap, ldaps int // ports
}

// startSlapd starts a slapd with these people. It ends with the test. more is further configuration of the server.
func startSlapd(t testing.TB, people []person, more string) *slapd {
	t.Helper()
	s := &slapd{t: t, dir: t.TempDir()}
	config, err := os.ReadFile("testdata/slapd/slapd.conf")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	certifySlapd(t, s.dir)
	write(t, filepath.Join(s.dir, "slapd.conf"), strings.NewReplacer("@DIR@", s.dir, "@MORE@", more).Replace(string(config)))
	entries, groups := ldif(people)
	write(t, filepath.Join(s.dir, "people.ldif"), entries)
	s.tool("slapadd", "-q", "-f", filepath.Join(s.dir, "slapd.conf"), "-l", filepath.Join(s.dir, "people.ldif"))
	for range 5 { // another program may take a port first
		s.ldap, s.ldaps = freeTCPPort(t), freeTCPPort(t)
		if s.start() {
			// Groups are added last, and over LDAP, so that the memberof overlay sees them.
			write(t, filepath.Join(s.dir, "groups.ldif"), groups)
			s.tool("ldapadd", "-x", "-H", s.url("ldaps"), "-D", slapdRoot, "-w", "root", "-f", filepath.Join(s.dir, "groups.ldif"))
			return s
		}
	}
	t.Fatal("slapd does not start")
	return nil
}

// start runs it on its ports, and reports false if it can't have them.
func (s *slapd) start() bool {
	s.t.Helper()
	// 256 means: log connections, operations and results.
	c := exec.Command(realClient(s.t, "slapd"), "-d", "256", "-f", filepath.Join(s.dir, "slapd.conf"), "-h", s.url("ldap")+" "+s.url("ldaps"))
	s.companion = accompany(s.t, "slapd", c)
	if _, ok := s.wait("slapd starting"); ok { // it has its ports, but does not listen yet
		return eventually(s.t, "slapd listens", func() bool { return listensTCP(s.ldap) && listensTCP(s.ldaps) })
	}
	s.end()
	if s.said("bind(") == 0 {
		s.t.Fatal("slapd does not start")
	}
	return false
}

func listensTCP(port int) bool {
	c, err := net.Dial("tcp4", fmt.Sprint("127.0.0.1:", port))
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func (s *slapd) url(scheme string) string {
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, map[string]int{"ldap": s.ldap, "ldaps": s.ldaps}[scheme])
}

func (s *slapd) ca() string { return filepath.Join(s.dir, "ca.pem") }

// vouch adds the CA that has signed its certificate to the options.
func (s *slapd) vouch(roots *x509.CertPool) {
	s.t.Helper()
	text, err := os.ReadFile(s.ca())
	if err != nil {
		s.t.Fatal(err)
	}
	if !roots.AppendCertsFromPEM(text) {
		s.t.Fatal("no CA")
	}
}

// tool runs one of OpenLDAP's programs.
func (s *slapd) tool(name string, args ...string) {
	s.t.Helper()
	c := exec.Command(realClient(s.t, name), args...)
	c.Env = append(os.Environ(), "LDAPTLS_CACERT="+s.ca())
	if out, err := c.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// person is one entry of a person in the directory.
type person struct {
	cn, uid, password string
	groups            []string // the names of the person's groups
	more              string   // lines of LDIF
}

func (p person) dn() string { return "cn=" + p.cn + ",ou=people," + slapdBase }

// ldif returns the entries of people, and of the groups that they are in.
func ldif(people []person) (entries, groups string) {
	members := map[string][]string{}
	var b strings.Builder
	for _, p := range people {
		fmt.Fprintf(&b, "dn: %s\nobjectClass: inetOrgPerson\ncn: %s\nsn: x\nuid:: %s\nuserPassword:: %s\n%s\n", p.dn(), p.cn,
			base64.StdEncoding.EncodeToString([]byte(p.uid)), base64.StdEncoding.EncodeToString([]byte(p.password)), p.more)
		for _, g := range p.groups {
			members[g] = append(members[g], "member: "+p.dn())
		}
	}
	head := "dn: " + slapdBase + "\nobjectClass: dcObject\nobjectClass: organization\no: x\ndc: example\n\n" +
		"dn: ou=people," + slapdBase + "\nobjectClass: organizationalUnit\nou: people\n\n" +
		"dn: ou=groups," + slapdBase + "\nobjectClass: organizationalUnit\nou: groups\n\n" +
		"dn: " + slapdService + "\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: svc\nuserPassword: " +
		slapdServicePassword + "\n\n" +
		"dn: cn=lockout," + slapdBase + "\nobjectClass: device\nobjectClass: pwdPolicy\ncn: lockout\npwdAttribute: userPassword\n" +
		"pwdLockout: TRUE\npwdMaxFailure: 2\npwdMustChange: TRUE\npwdMaxAge: 31536000\n\n"
	for g, list := range members {
		groups += fmt.Sprintf("dn: cn=%s,ou=groups,%s\nobjectClass: groupOfNames\n%s\n\n", g, slapdBase, strings.Join(list, "\n"))
	}
	return head + b.String(), groups
}

// freeTCPPort returns a TCP port of 127.0.0.1 that no program has at the moment.
func freeTCPPort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// certifySlapd writes a CA, and a certificate for 127.0.0.1 with its key, into dir: ca.pem, cert.pem, key.pem.
func certifySlapd(t testing.TB, dir string) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	start := time.Now().Add(-time.Hour)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a CA for a test"}, NotBefore: start,
		NotAfter: start.AddDate(0, 0, 30), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "slapd"}, NotBefore: start,
		NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	must(err)
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	for name, block := range map[string]*pem.Block{"ca.pem": {Type: "CERTIFICATE", Bytes: caDER},
		"cert.pem": {Type: "CERTIFICATE", Bytes: leafDER}, "key.pem": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		write(t, filepath.Join(dir, name), string(pem.EncodeToMemory(block)))
	}
}
