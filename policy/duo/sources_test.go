package duo_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"duoradiusd/policy/duo"
	"duoradiusd/test/fakeduo"
)

// listening accepts connections on loopback and gives each to serve.
func listening(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go serve(conn)
		}
	}()
	return ln.Addr().String()
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func reset(c net.Conn) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

func silent(net.Conn) {}

// at returns a client of whatever is at an address.
func at(t *testing.T, address string, edit ...func(*duo.Config)) *duo.Client {
	t.Helper()
	cfg := duo.Config{Host: address, IntegrationKey: "DI", SecretKey: "secret", APITimeout: 2500 * time.Millisecond}
	for _, e := range edit {
		e(&cfg)
	}
	c, err := duo.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// resolvedBy returns a client whose resolver answers with a code (RFC 1035, 4.1.1); a negative one is none, and -2 a resolver
// that is not there.
func resolvedBy(t *testing.T, code int) *duo.Client {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	if code == -2 {
		server.Close()
	}
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			if code >= 0 {
				answer := append([]byte(nil), b[:n]...)
				binary.BigEndian.PutUint16(answer[2:], 0x8180|uint16(code))
				binary.BigEndian.PutUint16(answer[10:], 0) // no additional records
				server.WriteTo(answer[:end(answer)], from)
			}
		}
	}()
	c := at(t, "api.duo.example.")
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
	c.Model().DialContext = (&net.Dialer{Resolver: resolver}).DialContext
	return c
}

// end is where a query's only question ends.
func end(query []byte) int {
	i := 12
	for query[i] != 0 {
		i += int(query[i]) + 1
	}
	return i + 5
}

// certified returns a client of a server with a certificate that is good between two moments, counted from now.
func certified(t *testing.T, from, to time.Duration, names []string, trusted bool) *duo.Client {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to), DNSNames: names,
		IsCA: true, BasicConstraintsValid: true,
	}
	if names == nil {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.Config.ErrorLog = nobody
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	if trusted {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		roots.AddCert(cert)
	}
	return at(t, s.Listener.Addr().String(), func(c *duo.Config) { c.Roots = roots })
}

// faulty returns a client of a Duo with a fault on a path; "" = on all of them.
func faulty(t *testing.T, path string, f fakeduo.Fault) *duo.Client {
	t.Helper()
	f.Times = -1
	s, c := ready(t, fakeduo.Config{}, fakeduo.User{}, func(c *duo.Config) { c.APITimeout = 2500 * time.Millisecond })
	s.Inject(path, f)
	return c
}

// proxied returns a client behind a proxy that answers CONNECT so.
func proxied(t *testing.T, answer string) *duo.Client {
	t.Helper()
	proxy := listening(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil && answer != "" {
			io.WriteString(c, answer)
			c.Close()
		}
	})
	return behind(t, proxy)
}

func behind(t *testing.T, proxy string) *duo.Client {
	t.Helper()
	return at(t, "api.duo.example", func(c *duo.Config) {
		c.Proxy = &url.URL{Scheme: "http", User: url.UserPassword("us", "hunter2"), Host: proxy}
	})
}

// source is one way in which a preauth comes to nothing.
type source struct {
	name   string
	client func(t *testing.T) *duo.Client
	kind   string // of preauth's error
	outage bool   // a ping beside it fails as well
}

// sources are all that can go wrong on the way to Duo and at Duo. Only those with an outage let failmode act.
func sources() []source { return slices.Concat(wayAndCertificates(), proxies(), answers()) }

func wayAndCertificates() []source {
	year := 365 * 24 * time.Hour
	return []source{
		{"refused", func(t *testing.T) *duo.Client { return at(t, closedPort(t)) }, "unavailable", true},
		{"reset", func(t *testing.T) *duo.Client { return at(t, listening(t, reset)) }, "unavailable", true},
		{"closed", func(t *testing.T) *duo.Client { return at(t, listening(t, func(c net.Conn) { c.Close() })) }, "unavailable", true},
		{"silence in place of TLS", func(t *testing.T) *duo.Client { return at(t, listening(t, silent)) }, "unavailable", true},
		{"no such name", func(t *testing.T) *duo.Client { return resolvedBy(t, 3) }, "misconfigured", false},
		{"SERVFAIL", func(t *testing.T) *duo.Client { return resolvedBy(t, 2) }, "unavailable", true},
		{"a silent resolver", func(t *testing.T) *duo.Client { return resolvedBy(t, -1) }, "unavailable", true},
		{"no resolver", func(t *testing.T) *duo.Client { return resolvedBy(t, -2) }, "unavailable", true},
		{"REFUSED by the resolver", func(t *testing.T) *duo.Client { return resolvedBy(t, 5) }, "unknown", false},
		{"a certificate that has ended", func(t *testing.T) *duo.Client { return certified(t, -2*year, -year, nil, true) }, "misconfigured", false},
		{"a certificate of the future", func(t *testing.T) *duo.Client { return certified(t, year, 2*year, nil, true) }, "misconfigured", false},
		{"a certificate of nobody", func(t *testing.T) *duo.Client { return certified(t, -year, year, nil, false) }, "misconfigured", false},
		{"a certificate of somebody else", func(t *testing.T) *duo.Client { return certified(t, -year, year, []string{"x.example"}, true) }, "misconfigured", false},
		{"no TLS", func(t *testing.T) *duo.Client {
			return at(t, listening(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); io.Copy(io.Discard, c) }))
		}, "misconfigured", false},
		{"no common TLS", func(t *testing.T) *duo.Client {
			return at(t, listening(t, func(c net.Conn) {
				c.Read(make([]byte, 4096))
				c.Write([]byte{21, 3, 3, 0, 2, 2, 70}) // alert: protocol_version
				io.Copy(io.Discard, c)
			}))
		}, "misconfigured", false},
		{"too many open files", func(t *testing.T) *duo.Client {
			c := at(t, "127.0.0.1")
			c.Model().DialContext = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
			}
			return c
		}, "overloaded", false},
		{"an answer without end", func(t *testing.T) *duo.Client {
			return stub(t, func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(strings.Repeat(" ", 2<<20))) })
		}, "unknown", false},
	}
}

func proxies() (list []source) {
	for name, answer := range map[string]string{
		"407": "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "403": "HTTP/1.1 403 Forbidden\r\n\r\n",
	} {
		list = append(list, source{"a proxy's " + name, func(t *testing.T) *duo.Client { return proxied(t, answer) }, "misconfigured", false})
	}
	for _, status := range []string{"502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"} {
		answer := "HTTP/1.1 " + status + "\r\n\r\n"
		list = append(list, source{"a proxy's " + status, func(t *testing.T) *duo.Client { return proxied(t, answer) }, "unavailable", true})
	}
	return append(list,
		source{"a proxy's 500", func(t *testing.T) *duo.Client { return proxied(t, "HTTP/1.1 500 Oops\r\n\r\n") }, "unknown", false},
		source{"a proxy's page", func(t *testing.T) *duo.Client {
			return proxied(t, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n<html>Sign in</html>")
		}, "misconfigured", false},
		source{"a proxy that is silent", func(t *testing.T) *duo.Client { return proxied(t, "") }, "unavailable", true},
		source{"a proxy that closes", func(t *testing.T) *duo.Client { return behind(t, listening(t, func(c net.Conn) { c.Close() })) }, "unavailable", true},
		source{"no proxy there", func(t *testing.T) *duo.Client { return behind(t, closedPort(t)) }, "unavailable", true},
	)
}

func answers() (list []source) {
	for _, tt := range []struct {
		name string
		f    fakeduo.Fault
		kind string
		both bool // an outage where pings suffer it as well
	}{
		{"500", fakeduo.Fault{Status: 500}, "unavailable", true},
		{"502 in HTML", fakeduo.Fault{Status: 502, Body: "<html>"}, "unavailable", true},
		{"503", fakeduo.Fault{Code: 50301}, "unavailable", true},
		{"cut", fakeduo.Fault{CutBefore: true}, "unavailable", true},
		{"silence", fakeduo.Fault{Hang: true}, "unavailable", true},
		{"400", fakeduo.Fault{Code: 40002}, "refused", false},
		{"401", fakeduo.Fault{Code: 40103}, "misconfigured", false},
		{"wrong clock", fakeduo.Fault{Code: 40105}, "misconfigured", false},
		{"403", fakeduo.Fault{Code: 40301}, "misconfigured", false},
		{"404", fakeduo.Fault{Status: 404}, "refused", false},
		{"429", fakeduo.Fault{Status: 429, RetryAfter: "60"}, "refused", false},
		{"302", fakeduo.Fault{Status: 302}, "unknown", false},
		{"half an answer", fakeduo.Fault{Body: `{"stat":"OK","response":{"result":"allow"`}, "unknown", false},
		{"a page", fakeduo.Fault{Body: "<html>"}, "unknown", false},
		{"an unknown result", fakeduo.Fault{Body: `{"stat":"OK","response":{"result":"maybe"}}`}, "unknown", false},
	} {
		list = append(list,
			source{tt.name + " to all", func(t *testing.T) *duo.Client { return faulty(t, "", tt.f) }, tt.kind, tt.both},
			source{tt.name + " to preauth", func(t *testing.T) *duo.Client { return faulty(t, preauthPath, tt.f) }, tt.kind, false})
	}
	return list
}
