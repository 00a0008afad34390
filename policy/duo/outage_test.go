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
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"duoradiusd/policy"
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
func sources() []source {
	year := 365 * 24 * time.Hour
	list := []source{
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
	for name, answer := range map[string]string{
		"407": "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "403": "HTTP/1.1 403 Forbidden\r\n\r\n",
	} {
		list = append(list, source{"a proxy's " + name, func(t *testing.T) *duo.Client { return proxied(t, answer) }, "misconfigured", false})
	}
	for _, status := range []string{"502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"} {
		answer := "HTTP/1.1 " + status + "\r\n\r\n"
		list = append(list, source{"a proxy's " + status, func(t *testing.T) *duo.Client { return proxied(t, answer) }, "unavailable", true})
	}
	list = append(list,
		source{"a proxy's 500", func(t *testing.T) *duo.Client { return proxied(t, "HTTP/1.1 500 Oops\r\n\r\n") }, "unknown", false},
		source{"a proxy's page", func(t *testing.T) *duo.Client {
			return proxied(t, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n<html>Sign in</html>")
		}, "misconfigured", false},
		source{"a proxy that is silent", func(t *testing.T) *duo.Client { return proxied(t, "") }, "unavailable", true},
		source{"a proxy that closes", func(t *testing.T) *duo.Client { return behind(t, listening(t, func(c net.Conn) { c.Close() })) }, "unavailable", true},
		source{"no proxy there", func(t *testing.T) *duo.Client { return behind(t, closedPort(t)) }, "unavailable", true},
	)
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

// TestOutageList: which error each of them is, whether a ping says the same, and what becomes of a login where failmode is
// "safe".
func TestOutageList(t *testing.T) {
	for _, s := range sources() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c := s.client(t)
			got, err := c.Preauth(t.Context(), policy.PreauthRequest{User: jo})
			if kind(err) != s.kind || got.Result != policy.PreauthUnknown {
				t.Errorf("preauth: got %v, %v (%s), want %s", got.Result, err, kind(err), s.kind)
			}
			if outage := c.Outage(t.Context()); s.kind == "unavailable" && errors.Is(outage, policy.ErrUnavailable) != s.outage {
				t.Errorf("outage: got %v, want %v", outage, s.outage)
			} else if s.kind == "unavailable" && !s.outage && outage != nil {
				t.Errorf("the ping failed: %v", outage)
			}
			v := policy.New(policy.Settings{}, policy.NewMemory(10)).Decide(t.Context(), policy.Attempt{
				User: "jo", Authentic: true, Client: &policy.Client{
					Name: "vpn", Service: "vpn", Second: c, Factors: []policy.Factor{policy.FactorPush}, Failmode: policy.FailmodeSafe,
				}})
			if opens := v.Outcome == policy.OutcomeAccept; opens != s.outage || opens && v.Reason != policy.ReasonFailedOpen || v.Err == nil {
				t.Errorf("failmode safe: got %v, %v, %v; want opened %v", v.Outcome, v.Reason, v.Err, s.outage)
			}
			for _, err := range []error{err, c.Outage(t.Context())} {
				if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "us:")) {
					t.Errorf("shows the proxy's password: %v", err)
				}
			}
			if strings.Contains(s.name, "proxy") && !strings.Contains(err.Error(), "the proxy 127.0.0.1:") {
				t.Errorf("does not name the proxy: %v", err)
			}
		})
	}
}

// TestOurQueueIsNoOutage: in a rush of our own making Duo answers all that it is asked. Who waits in line until the time is up
// has not found Duo down.
func TestOurQueueIsNoOutage(t *testing.T) {
	bubble(t, fakeduo.Config{DisableHTTP2: true}, fakeduo.User{}, func(c *duo.Config) { c.APITimeout, c.MaxConnections = 3*time.Second, 4 },
		func(t *testing.T, w *world) {
			w.Inject(preauthPath, fakeduo.Fault{Delay: time.Second, Times: -1})
			var wg sync.WaitGroup
			var mu sync.Mutex
			count := map[string]int{}
			for range 40 {
				wg.Go(func() {
					_, err := w.Client.Preauth(t.Context(), policy.PreauthRequest{User: jo})
					mu.Lock()
					defer mu.Unlock()
					count[kind(err)]++
				})
			}
			wg.Wait()
			if count["none"] < 8 || count["overloaded"] == 0 || count["unavailable"] > 0 || count["unknown"] > 0 {
				t.Errorf("got %v", count)
			}
			if err := w.Outage(t.Context()); err != nil {
				t.Errorf("outage: %v", err)
			}
		})
}

// TestOutageIsShared: however many logins want to know, one ping asks; it has its fair chance beside a login that ends sooner,
// and its failure counts for five seconds.
func TestOutageIsShared(t *testing.T) {
	bubble(t, fakeduo.Config{}, fakeduo.User{}, nil, func(t *testing.T, w *world) {
		w.Inject(pingPath, fakeduo.Fault{Hang: true, Times: -1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Outage(ctx); kind(err) != "cut short" || w.took() != time.Second {
			t.Errorf("a login that ends first: got %v after %v", err, w.took())
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := w.Outage(t.Context()); kind(err) != "unavailable" || w.took() != 2200*time.Millisecond {
					t.Errorf("got %v after %v", err, w.took())
				}
			})
		}
		wg.Wait()
		if n := w.Count(pingPath); n != 1 {
			t.Errorf("%d pings", n)
		}
		time.Sleep(4 * time.Second)
		if start := w.took(); kind(w.Outage(t.Context())) != "unavailable" || w.took() != start {
			t.Errorf("it does not count any more")
		}
		w.Heal()
		time.Sleep(4 * time.Second)
		if err := w.Outage(t.Context()); err != nil {
			t.Errorf("healed: %v", err)
		}
	})
}

// TestPingBesidePreauth: a preauth that hangs for one user is no outage; a ping that began two seconds after it says so.
func TestPingBesidePreauth(t *testing.T) {
	bubble(t, fakeduo.Config{}, fakeduo.User{}, nil, func(t *testing.T, w *world) {
		w.Inject(preauthPath, fakeduo.Fault{Hang: true})
		time.AfterFunc(1999*time.Millisecond, func() {
			if n := w.Count(pingPath); n != 0 {
				t.Errorf("%d pings before two seconds", n)
			}
		})
		time.AfterFunc(2500*time.Millisecond, func() {
			if n := w.Count(pingPath); n != 1 {
				t.Errorf("%d pings after two seconds", n)
			}
		})
		_, err := w.Client.Preauth(t.Context(), policy.PreauthRequest{User: jo})
		if kind(err) != "unavailable" || w.Outage(t.Context()) != nil {
			t.Errorf("got %v, outage %v", err, w.Outage(t.Context()))
		}
	})
}

// TestUserIP: which addresses Duo is told, by setting. TestAddress has the list of "public".
func TestUserIP(t *testing.T) {
	for setting, want := range map[duo.UserIP][3]string{
		duo.UserIPPublic: {"203.0.113.7", "", ""},
		"":               {"203.0.113.7", "", ""},
		duo.UserIPAll:    {"203.0.113.7", "10.1.2.3", "2001:db8::1"},
		duo.UserIPNone:   {"", "", ""},
	} {
		s, c := ready(t, fakeduo.Config{IPv6: true}, fakeduo.User{}, func(c *duo.Config) { c.UserIP = setting })
		for i, ip := range []string{"203.0.113.7", "10.1.2.3", "2001:db8::1"} {
			if _, err := c.Preauth(t.Context(), policy.PreauthRequest{User: jo, IP: addr(ip)}); err != nil {
				t.Fatal(err)
			}
			if got := last(t, s, preauthPath).Params.Get("ipaddr"); got != want[i] {
				t.Errorf("%q, %s: got %q, want %q", setting, ip, got, want[i])
			}
		}
	}
}

// TestFront: a handshake shows which HTTP Duo chose, whose root vouches for it, and the proxy.
func TestFront(t *testing.T) {
	for _, proto := range protocols {
		s, c := ready(t, proto.cfg, fakeduo.User{})
		if c.Front() != nil {
			t.Error("before a handshake")
		}
		if _, err := c.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		f := c.Front()
		if want := strings.TrimSuffix(proto.name, ".0"); f.HTTP != want || f.Root == nil || f.Root.Subject.CommonName != "fakeduo CA" || f.Proxy != "" {
			t.Errorf("got %+v, want %s", f, want)
		}
		proxy, _ := connectProxy(t)
		c = connected(t, s, func(c *duo.Config) { c.Proxy = &url.URL{Scheme: "http", Host: proxy} })
		if _, err := c.Ping(t.Context()); err != nil || c.Front().Proxy != proxy {
			t.Errorf("got %+v, %v", c.Front(), err)
		}
	}
}

// TestPinnedRoots: the day of the list is that of the SDK which go.mod names.
func TestPinnedRoots(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	want := "duo_api_golang v0.0.0-" + strings.ReplaceAll(duo.PinnedRoots, "-", "")
	if !strings.Contains(string(text), want) {
		t.Errorf("go.mod has no %s", want)
	}
}
