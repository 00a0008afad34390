package duo_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/duo"
	"duoradiusd/policy/factor"
	"duoradiusd/test/fakeduo"
)

// What a whole login is on the wire: sized bodies, signed, over the protocol and the connection that it should.
func TestWire(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto.name, func(t *testing.T) {
			s, c := ready(t, proto.cfg, fakeduo.User{Passcodes: []string{"123456"}, Tap: fakeduo.Ask})
			if _, err := c.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			answered := make(chan error)
			go func() { answered <- approveSecondPoll(t.Context(), s) }()
			if _, err := login(t.Context(), c, push); err != nil {
				t.Fatal(err)
			}
			if err := <-answered; err != nil {
				t.Fatal(err)
			}
			if _, err := c.Auth(t.Context(), &policy.AuthRequest{User: jo, Factor: factor.Passcode, Passcode: "123456"}); err != nil {
				t.Fatal(err)
			}
			wantPaths(t, s, "ping", "preauth", "auth", "auth_status", "auth_status", "auth")
			for _, r := range s.Requests() {
				if r.Proto != proto.name || r.Conn != 1 {
					t.Errorf("%s: over %s, connection %d; want %s, 1", r.Path, r.Proto, r.Conn, proto.name)
				}
				body := r.Method == "POST"
				if (r.ContentLength > 0) != body || r.ContentLength < 0 || r.TransferEncoding != nil {
					t.Errorf("%s: Content-Length %d, Transfer-Encoding %v", r.Path, r.ContentLength, r.TransferEncoding)
				}
				if body && r.ContentType != "application/x-www-form-urlencoded" {
					t.Errorf("%s: Content-Type %q", r.Path, r.ContentType)
				}
				if r.UserAgent != "duoradiusd/1 duo_api_golang/0.2.0" || r.XDuoDate != "" {
					t.Errorf("%s: User-Agent %q, X-Duo-Date %q", r.Path, r.UserAgent, r.XDuoDate)
				}
				if (r.Authorization == "") != (r.Path == pingPath) || r.Status != 200 || r.Repeated {
					t.Errorf("%s: got %+v", r.Path, r)
				}
			}
		})
	}
}

// approveSecondPoll approves the only push once the second poll for it has come.
func approveSecondPoll(ctx context.Context, s *fakeduo.Server) error {
	tx, err := s.AwaitPending(ctx, "")
	if err != nil {
		return err
	}
	for s.Count(statusPath) < 2 {
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return s.Answer(tx.Txid, fakeduo.Approve)
}

// Over HTTP/1.1 each waiting push holds a connection, and there are never more than allowed; a preauth still gets
// through though there are more pushes than connections.
func TestMaxConnections(t *testing.T) {
	const most, pushes = 6, 30
	s, c := ready(t, fakeduo.Config{DisableHTTP2: true}, fakeduo.User{Tap: fakeduo.Ask},
		func(c *duo.Config) { c.MaxConnections = most })
	var wg sync.WaitGroup
	var allowed atomic.Int32
	for range pushes {
		wg.Go(func() {
			if got, err := c.Auth(t.Context(), &push); err != nil || !got.Allowed {
				t.Errorf("got %+v, %v", got, err)
			} else {
				allowed.Add(1)
			}
		})
	}
	for s.Pushes() < pushes {
		time.Sleep(time.Millisecond)
	}
	for range 20 {
		if _, err := c.Preauth(t.Context(), policy.PreauthRequest{User: jo}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tx := range s.Transactions() {
		if err := s.Answer(tx.Txid, fakeduo.Approve); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	made := s.TotalConnections() - s.Count(pingPath) // a ping, which a busy machine may need, has a connection of its own
	if allowed.Load() != pushes || s.Pushes() != pushes || made > most {
		t.Errorf("%d allowed of %d pushes over %d connections; want %d, %d and at most %d",
			allowed.Load(), s.Pushes(), made, pushes, pushes, most)
	}
}

// One connection is enough for a login after the other, and for the smallest bound.
func TestOneConnection(t *testing.T) {
	for _, proto := range protocols {
		s, c := ready(t, proto.cfg, fakeduo.User{}, func(c *duo.Config) { c.MaxConnections = 1 })
		for range 30 {
			if got, err := login(t.Context(), c, push); err != nil || !got.Allowed {
				t.Fatalf("%s: got %+v, %v", proto.name, got, err)
			}
		}
		if s.TotalConnections() != 1 {
			t.Errorf("%s: %d connections", proto.name, s.TotalConnections())
		}
	}
}

// A thousand pushes begun together are no storm of handshakes: over HTTP/2 a hundred share a connection, and at most one
// handshake in eleven is for nothing. Where the server takes fewer streams, there are more connections.
func TestNoHandshakeStorm(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: 1600 logins")
	}
	for _, tt := range []struct {
		pushes, streams, most int // streams 0: HTTP/1.1
	}{{1000, 128, 11}, {250, 128, 7}, {60, 10, 60}, {300, 0, 330}} {
		s, c := ready(t, fakeduo.Config{MaxStreams: tt.streams, DisableHTTP2: tt.streams == 0}, fakeduo.User{Delay: 200 * time.Millisecond},
			func(c *duo.Config) { c.APITimeout = time.Minute })
		var wg sync.WaitGroup
		for range tt.pushes {
			wg.Go(func() {
				if got, err := login(t.Context(), c, push); err != nil || !got.Allowed {
					t.Errorf("got %+v, %v", got, err)
				}
			})
		}
		wg.Wait()
		if got := s.TotalConnections() - s.Count(pingPath); got > tt.most || got*10 > s.MaxConnections()*11 || s.Pushes() != tt.pushes {
			t.Errorf("%d streams a connection: %d pushes over %d connections, want %d over at most %d",
				tt.streams, s.Pushes(), got, tt.pushes, tt.most)
		}
	}
}

// Connections that die, by either end, leave room for new ones: nothing is counted that is not there.
func TestConnectionsComeBack(t *testing.T) {
	for _, proto := range protocols {
		s, c := ready(t, proto.cfg, fakeduo.User{}, func(c *duo.Config) { c.MaxConnections = 1 })
		for i := range 10 {
			switch i % 3 {
			case 0:
				s.Inject(authPath, fakeduo.Fault{CutBefore: true})
				c.Auth(t.Context(), &push)
			case 1:
				s.Down()
				if _, err := c.Ping(t.Context()); kind(err) != "unavailable" {
					t.Errorf("%s: got %v", proto.name, err)
				}
				if err := s.Up(); err != nil {
					t.Fatal(err)
				}
			case 2:
				ctx, cancel := context.WithCancel(t.Context())
				s.Inject(pingPath, fakeduo.Fault{Hang: true})
				time.AfterFunc(2*time.Millisecond, cancel)
				c.Ping(ctx)
				s.Heal()
			}
			if _, err := c.Ping(t.Context()); err != nil {
				t.Errorf("%s, %d: %v", proto.name, i, err)
			}
		}
		for start := time.Now(); s.Connections() > 1; time.Sleep(time.Millisecond) {
			if time.Since(start) > 5*time.Second {
				t.Fatalf("%s: %d connections open", proto.name, s.Connections())
			}
		}
	}
}

// A redirect is followed nowhere: what it would take along is signed for Duo alone.
func TestRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := stub(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(status)
			io.WriteString(w, `{"stat":"OK","response":{"result":"allow","time":1}}`)
		})
		for _, call := range calls {
			got := call.do(t.Context(), c)
			if want := fmt.Sprintf("Duo %s: %d: the answer is not one of the Auth API; is api_host right?", path.Base(call.path), status); got.allow ||
				kind(got.err) != "unknown" || got.err.Error() != want {
				t.Errorf("%d: got %+v, want unknown, %s", status, got, want)
			}
		}
	}
}

// stub returns a client of a Duo that answers as handler does.
func stub(t *testing.T, handler http.HandlerFunc) *duo.Client {
	t.Helper()
	front := httptest.NewTLSServer(handler)
	t.Cleanup(front.Close)
	roots := x509.NewCertPool()
	roots.AddCert(front.Certificate())
	c, err := duo.New(duo.Config{Host: front.Listener.Addr().String(), IntegrationKey: "DI", SecretKey: "secret", Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// An answer without end is read no further than a megabyte, and is not an outage.
func TestEndlessAnswer(t *testing.T) {
	var sent atomic.Int64
	c := stub(t, func(w http.ResponseWriter, r *http.Request) {
		chunk := []byte(strings.Repeat(" ", 64<<10))
		for {
			n, err := w.Write(chunk)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	got := calls[0].do(t.Context(), c)
	if got.allow || kind(got.err) != "unknown" || got.err.Error() != "Duo preauth: the answer is longer than 1048576 octets" {
		t.Errorf("got %+v, %s", got, kind(got.err))
	}
	if sent.Load() > 16<<20 {
		t.Errorf("the server got rid of %d octets", sent.Load())
	}
}

// What Duo may add or leave out one day.
func TestFieldsOfTheFuture(t *testing.T) {
	c := stub(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"stat":"OK","new":1,"response":{"result":"auth","status_msg":null,"expiration":"soon","devices":[
			{"device":"DP1","type":"phone","name":"\u001b[1mPhone","capabilities":null},
			{"device":"DH1","type":"token","display_name":"Key","capabilities":["webauthn"],"battery":{"left":1}}]}}`)
	})
	got, err := c.Preauth(t.Context(), policy.PreauthRequest{User: jo})
	want := "[{ID:DP1 Type:phone Name:\ufffd[1mPhone Number: Capabilities:[] NextCode:} " +
		"{ID:DH1 Type:token Name:Key Number: Capabilities:[webauthn] NextCode:}]"
	if text := fmt.Sprintf("%+v", got.Devices); err != nil || got.Result != policy.PreauthAuth || text != want {
		t.Errorf("got %s, %v, want %s", text, err, want)
	}
}

// Through a proxy: CONNECT with the port and the credentials of the configuration, none of the environment.
func TestProxy(t *testing.T) {
	s := started(t, fakeduo.Config{}, fakeduo.User{})
	proxy, seen := connectProxy(t)
	c := connected(t, s, func(c *duo.Config) {
		c.Proxy = &url.URL{Scheme: "http", User: url.UserPassword("us", "pw"), Host: proxy}
	})
	if got, err := login(t.Context(), c, push); err != nil || !got.Allowed {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, want := seen(), s.Addr()+" Basic dXM6cHc="; got != want {
		t.Errorf("the proxy saw %q, want %q", got, want)
	}
	down := connected(t, s, func(c *duo.Config) {
		c.Proxy = &url.URL{Scheme: "http", User: url.UserPassword("us", "pw"), Host: "127.0.0.1:1"}
	})
	if _, err := down.Ping(t.Context()); kind(err) != "unavailable" || strings.Contains(err.Error(), "pw") {
		t.Errorf("got %v", err)
	}
	if connected(t, s).Model().Proxy != nil {
		t.Error("without a proxy, one of the environment")
	}
}

// connectProxy returns the address of a proxy, and what tells which CONNECT it got last, with which credentials.
func connectProxy(t *testing.T) (addr string, seen func() string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	var got atomic.Value
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			r, err := http.ReadRequest(bufio.NewReader(in))
			if err != nil || r.Method != "CONNECT" {
				in.Close()
				continue
			}
			got.Store(r.Host + " " + r.Header.Get("Proxy-Authorization"))
			out, err := net.Dial("tcp", r.Host)
			if err != nil {
				in.Close()
				continue
			}
			io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
			go func() { io.Copy(out, in); out.Close() }()
			go func() { io.Copy(in, out); in.Close() }()
		}
	}()
	return ln.Addr().String(), func() string { s, _ := got.Load().(string); return s }
}

func TestNew(t *testing.T) {
	for host, want := range map[string]string{
		"": "api_host is empty", ":443": "api_host is empty",
		"api-xxxxxxxx.duosecurity.com": "", "api-xxxxxxxx.duosecurity.com:8443": "",
	} {
		c, err := duo.New(duo.Config{Host: host})
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%q: got %v, want %q", host, err, want)
		}
		if c != nil {
			c.Close()
			c.Close()
		}
	}
}

// After Close no probe begins, and calls still work or err.
func TestCallAfterClose(t *testing.T) {
	s, c := ready(t, fakeduo.Config{}, fakeduo.User{})
	s.Down()
	c.Close()
	if _, err := c.Preauth(t.Context(), policy.PreauthRequest{User: jo}); !errors.Is(err, policy.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if s.Count(pingPath) != 0 {
		t.Error("a probe began")
	}
}
