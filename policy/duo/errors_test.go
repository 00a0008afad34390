package duo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"duoradiusd/policy"
)

// fresh returns a connection to a server that speaks one version of HTTP.
func fresh(t *testing.T, http2 bool, handler http.HandlerFunc) (*httptest.Server, *http.ClientConn) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2 = http2
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: http2}
	client, err := transport.NewClientConn(t.Context(), "https", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return s, client
}

// get makes one request over the connection.
func get(t *testing.T, s *httptest.Server, client *http.ClientConn) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.RoundTrip(r)
	if err == nil {
		resp.Body.Close()
	}
	return err
}

// TestErrorTexts: some errors of net/http are known by their text only, and still have it. TestOneLoginOnePush checks those
// of GOAWAY, and TestDeadConnection that of a ping without an answer.
func TestErrorTexts(t *testing.T) {
	for _, tt := range []struct {
		text        string
		http2, used bool
	}{
		{textIdleClosed, false, true},
		{textUnusable, true, true},
		{textNeverBegan, true, false},
	} {
		s, client := fresh(t, tt.http2, func(http.ResponseWriter, *http.Request) {})
		if tt.used {
			if err := get(t, s, client); err != nil {
				t.Fatal(err)
			}
		}
		s.CloseClientConnections()
		for client.Err() == nil {
			time.Sleep(time.Millisecond) // the connection's reader notices it
		}
		if err := get(t, s, client); err == nil || err.Error() != tt.text || !neverBegan(err) || kindOf(err, 0) != policy.ErrUnavailable {
			t.Errorf("got %v, want %s", err, tt.text)
		}
	}
	s, client := fresh(t, true, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	err := get(t, s, client)
	if code, ok := streamReset(err); !ok || code != http2.ErrCodeInternal || untouched(err) || kindOf(err, 0) != policy.ErrUnavailable {
		t.Errorf("got %v, %v, of %v", code, ok, err)
	}
}

// TestKinds: the list of errors that are an outage and of those that are not, among errors that can't be made on loopback.
func TestKinds(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	call := func(n syscall.Errno) error { return dial(os.NewSyscallError("connect", n)) }
	name := func(e net.DNSError) error { return dial(&e) }
	for _, tt := range []struct {
		err  error
		wire time.Duration
		want error
	}{
		{call(syscall.ECONNREFUSED), 0, policy.ErrUnavailable},
		{call(syscall.ECONNRESET), 0, policy.ErrUnavailable},
		{call(syscall.EHOSTUNREACH), 0, policy.ErrUnavailable},
		{call(syscall.ENETUNREACH), 0, policy.ErrUnavailable},
		{call(syscall.ETIMEDOUT), time.Minute, policy.ErrUnavailable},
		{call(syscall.EMFILE), 0, policy.ErrOverloaded},
		{call(syscall.ENFILE), 0, policy.ErrOverloaded},
		{call(syscall.EACCES), 0, nil}, // a firewall of this machine
		{call(syscall.EADDRNOTAVAIL), 0, nil},
		{name(net.DNSError{Err: "server misbehaving", IsTemporary: true}), 0, policy.ErrUnavailable},
		{name(net.DNSError{Err: "i/o timeout", IsTimeout: true}), fairChance, policy.ErrUnavailable},
		{name(net.DNSError{Err: "i/o timeout", IsTimeout: true}), fairChance - 1, policy.ErrCutShort},
		{name(net.DNSError{Err: "no such host", IsNotFound: true}), time.Minute, policy.ErrMisconfigured},
		{name(net.DNSError{Err: "server misbehaving"}), 0, nil}, // REFUSED
		{name(net.DNSError{Err: "dial udp: socket: too many open files", IsTemporary: true}), 0, policy.ErrOverloaded},
		{context.DeadlineExceeded, fairChance, policy.ErrUnavailable},
		{context.DeadlineExceeded, fairChance - 1, policy.ErrCutShort},
		{&queueError{context.DeadlineExceeded}, time.Hour, policy.ErrOverloaded},
		{fmt.Errorf("stream error: %w", http2.StreamError{Code: http2.ErrCodeRefusedStream}), 0, nil}, // an error on this side
		{fmt.Errorf("http: server gave HTTP response to HTTPS client"), 0, nil},
	} {
		if got := kindOf(tt.err, tt.wire); got != tt.want {
			t.Errorf("%v after %v: got %v, want %v", tt.err, tt.wire, got, tt.want)
		}
	}
}
