package ldapauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"

	"duoradiusd/test/authority"
	"duoradiusd/test/fakeldap"
)

func TestTLS(t *testing.T) {
	client, err := authority.New("client", "")
	if err != nil {
		t.Fatal(err)
	}
	own := &client.Leaf
	for _, tt := range []struct {
		name   string
		fake   fakeldap.Config
		change func(*Config)
		want   string
	}{
		{"ldaps", fakeldap.Config{TLS: true}, nil, "yes"},
		{"starttls", fakeldap.Config{StartTLS: true}, nil, "yes"},
		{"host name", fakeldap.Config{TLS: true}, host("localhost"), "yes"},
		{"other name", fakeldap.Config{TLS: true}, host("dc9.example.com"), "TLS: tls: failed to verify certificate: x509"},
		{"other name, starttls", fakeldap.Config{StartTLS: true}, host("dc9.example.com"), "TLS: tls: failed to verify certificate: x509"},
		{"other CA", fakeldap.Config{TLS: true}, func(c *Config) { c.Roots = x509.NewCertPool() }, "certificate signed by unknown authority"},
		{"system's CAs", fakeldap.Config{StartTLS: true}, func(c *Config) { c.Roots = nil }, "certificate signed by unknown authority"},
		{"TLS 1.1", fakeldap.Config{TLS: true, MaxVersion: tls.VersionTLS11}, nil, "protocol version not supported"},
		{"TLS 1.2", fakeldap.Config{StartTLS: true, MaxVersion: tls.VersionTLS12}, nil, "yes"},
		{"client certificate", fakeldap.Config{TLS: true, ClientCert: own.Certificate[0]}, func(c *Config) { c.Certificate = own }, "yes"},
		{"no client certificate", fakeldap.Config{TLS: true, ClientCert: own.Certificate[0]}, nil, "certificate required"},
		{"ldaps at a server in clear", fakeldap.Config{}, func(c *Config) { c.URLs[0] = strings.Replace(c.URLs[0], "ldap:", "ldaps:", 1) }, "TLS: "},
		{"in clear at a server that wants TLS", fakeldap.Config{StartTLS: true}, func(c *Config) { c.StartTLS = false }, "confidentiality required (13)"},
		{"StartTLS at a server without", fakeldap.Config{}, func(c *Config) { c.StartTLS = true }, "StartTLS: operations error (1)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := fake(t, tt.fake)
			c := config(s)
			c.StartTLS = tt.fake.StartTLS
			if tt.change != nil {
				tt.change(&c)
			}
			d := opened(t, c)
			dialAlways(d, s)
			got := answer(t, d, "jo", "right")
			if tt.want == "yes" && got != "yes" {
				t.Errorf("got %q", got)
			}
			wantIn(t, got, tt.want)
			for _, r := range s.Requests("bind") {
				if !r.TLS && (tt.fake.TLS || c.StartTLS) {
					t.Errorf("a bind in clear: %+v", r)
				}
			}
		})
	}
}

// dialAlways connects to s under any name.
func dialAlways(d *Directory, s *fakeldap.Server) {
	d.servers[0].dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Addr())
	}
}

// host returns the URL of the same server with another name.
func host(name string) func(*Config) {
	return func(c *Config) { c.URLs[0] = strings.Replace(c.URLs[0], "127.0.0.1", name, 1) }
}

// TestStartTLSAnswers: only success leads on to TLS, and data that came before TLS is not read within TLS.
func TestStartTLSAnswers(t *testing.T) {
	// These are two successful binds, which could be taken for the answers to the next requests.
	yes := "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00" +
		"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x00\x04\x00\x04\x00"
	for _, tt := range []struct {
		fault fakeldap.Fault
		want  string
	}{
		{fakeldap.Fault{Code: 52, Diagnostic: "no TLS today"}, `StartTLS: unavailable (52): "no TLS today"`},
		{fakeldap.Fault{Code: 10, Referrals: []string{"ldap://elsewhere"}}, "StartTLS: the server refers to another one"},
		{fakeldap.Fault{Drop: true}, "StartTLS: "},
		{fakeldap.Fault{Notice: true}, "StartTLS: the answer is not one to StartTLS"},
		{fakeldap.Fault{Raw: []byte(yes)}, "StartTLS: the answer is not one to StartTLS"},
		{fakeldap.Fault{Raw: []byte("\x30\x03\x02\x01\x01")}, "StartTLS: the answer is not one to StartTLS"},
		{fakeldap.Fault{Raw: []byte("\x04\x84\x7f\xff\xff\xff" + strings.Repeat("x", maxStartTLS))}, "StartTLS: "},
		{fakeldap.Fault{Raw: []byte("\x30\x84")}, "StartTLS: "},
		{fakeldap.Fault{Hang: true}, "context deadline exceeded"},
		{fakeldap.Fault{Behind: []byte(yes)}, "TLS: "},
	} {
		s := fake(t, fakeldap.Config{StartTLS: true})
		s.Inject("starttls", tt.fault)
		c := config(s)
		c.StartTLS = true
		if strings.Contains(tt.want, "deadline") {
			c.Timeout /= 50
		}
		wantIn(t, answer(t, opened(t, c), "jo", "right"), tt.want)
		if n := s.Count("bind"); n != 0 {
			t.Errorf("%v: %d binds", tt.fault, n)
		}
	}
}
