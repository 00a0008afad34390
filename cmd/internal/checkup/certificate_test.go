package checkup

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"duoradiusd/conf"
)

const day = 24 * time.Hour

// writeCertificates writes certificates of one key, which end so long after now, and returns the paths of the PEM file
// and of the key.
func writeCertificates(t *testing.T, now time.Time, ends ...time.Duration) (path, keyPath string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for i, left := range ends {
		c := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: "duoradiusd.example.com"},
			NotBefore: now.AddDate(-2, 0, 0), NotAfter: now.Add(left)}
		der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path, keyPath = filepath.Join(t.TempDir(), "chain.pem"), filepath.Join(t.TempDir(), "key.pem")
	for name, text := range map[string][]byte{path: b.Bytes(), keyPath: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path, keyPath
}

// TestAdminCertificate: check looks at the date of the certificate of the status page, and of each certificate of its chain.
func TestAdminCertificate(t *testing.T) {
	now := time.Now()
	on := func(left time.Duration) string { return now.Add(left).UTC().Format(time.DateOnly) }
	for _, tt := range []struct {
		name          string
		ends          []time.Duration
		level         Level
		found, remedy string
	}{
		{"expired", []time.Duration{-3 * day}, Problem, "the certificate expired on " + on(-3*day), "renew it"},
		{"ends soon", []time.Duration{10*day + time.Hour}, Warning, "the certificate expires on " + on(10*day+time.Hour) + ", in 10 days", "renew it"},
		{"ends on the last day of the warnings", []time.Duration{30*day - time.Hour}, Warning, "the certificate expires on " + on(30*day-time.Hour) + ", in 29 days", "renew it"},
		{"ends later", []time.Duration{30*day + time.Hour}, OK, "the certificate is valid until " + on(30*day+time.Hour), ""},
		{"expired, of a longer-lived authority", []time.Duration{-3 * day, 700 * day}, Problem, "of its 2 certificates, the one that ends first expired on " + on(-3*day), "renew it"},
		{"its authority ends soon", []time.Duration{60 * day, 5*day + time.Hour}, Warning, "of its 2 certificates, the one that ends first expires on " + on(5*day+time.Hour) + ", in 5 days", "renew it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path, key := writeCertificates(t, now, tt.ends...)
			file := filepath.Join(t.TempDir(), "duoradiusd.toml")
			text := `
[duo]
api_host = "api-0a1b2c3d.duosecurity.com"
integration_key = "DI0A1B2C3D4E5F6G7H8I"
secret_key = "0a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d"
[admin]
socket = ""
address = "127.0.0.1:0"
certificate = '` + path + `'
private_key = '` + key + `'
[[client]]
name = "vpn"
address = ["192.0.2.10"]
secret = "a secret of this test alone"
first_factor = "none"
`
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := conf.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			var list []Finding
			if err := Run(t.Context(), c, Options{Offline: true, Tell: func(f Finding) { list = append(list, f) }}); err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(list, func(f Finding) bool { return f.Subject == "[admin] certificate "+path })
			if i < 0 {
				t.Fatalf("nothing about the certificate: %v", list)
			}
			if f := list[i]; f.Level != tt.level || f.Found != tt.found || f.Remedy != tt.remedy {
				t.Errorf("got %s, %q, %q; want %s, %q, %q", f.Level, f.Found, f.Remedy, tt.level, tt.found, tt.remedy)
			}
		})
	}
}

// TestCertificateFiles: each file is looked at under the key that names it. Of several authorities, one may have ended.
func TestCertificateFiles(t *testing.T) {
	own, _ := writeCertificates(t, time.Now(), -day)
	two, _ := writeCertificates(t, time.Now(), -day, 700*day)
	none := filepath.Join(t.TempDir(), "none.pem")
	if err := os.WriteFile(none, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &conf.Config{
		Duo:          &conf.Duo{CA: conf.CAPinned},
		Applications: []conf.Application{{Name: "a", Duo: conf.Duo{CA: two}}},
		FirstFactors: []conf.FirstFactor{{Name: "corp", CAFile: two, Certificate: own}, {Name: "old", CAFile: none}},
		Cluster:      conf.Cluster{CAFile: own, Certificate: two},
		Admin:        conf.Admin{Certificate: filepath.Join(t.TempDir(), "missing.pem")},
	}
	want := []string{
		`application "a" ca ` + two + ": warning of its 2 certificates, the first ends on",
		`first factor "corp" certificate ` + own + ": problem the certificate expired on",
		`first factor "old" ca_file ` + none + ": problem contains no certificate",
		`[cluster] ca_file ` + own + ": problem the certificate expired on",
		`[cluster] certificate ` + two + ": problem of its 2 certificates, the one that ends first expired on",
		`[admin] certificate ` + c.Admin.Certificate + ": problem open ",
	}
	questions := (&run{config: c}).certificates()
	if len(questions) != len(want) {
		t.Fatalf("%d questions, want %d", len(questions), len(want))
	}
	for i, q := range questions {
		f := q.ask(t.Context())[0]
		if got := q.subject + ": " + string(f.Level) + " " + f.Found; !strings.HasPrefix(got, want[i]) {
			t.Errorf("got %q, want %q", got, want[i])
		}
	}
}
