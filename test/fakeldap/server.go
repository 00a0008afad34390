package fakeldap

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"duoradiusd/test/authority"
)

// Config configures a Server. The zero Config is a directory without TLS that anybody may search.
type Config struct {
	BindDN       string // the one account that may search; "": whoever does not bind
	BindPassword string
	BaseDN       string // "": dc=example,dc=com

	TLS        bool   // from the first octet
	StartTLS   bool   // offered, and wanted before a bind
	MaxVersion uint16 // of TLS; 0: the latest
	Host       string // one more name in the certificate; 127.0.0.1 and localhost always are

	ClientCert []byte // the only certificate, as DER, that a client may show; nil: none is wanted

	ActiveDirectory bool                                      // its diagnostics, and nothing without a bind
	AcceptPassword  func(old, new string) (diagnostic string) // of a new password; "" accepts it; nil: all are accepted
	Range           int                                       // so many values of an attribute at once, as Active Directory does with 1500; 0: all
	Memory          int                                       // how many requests are remembered; 0: 10 000
}

// Server is a fake directory. Its methods may be called at any time, by any goroutine.
type Server struct {
	cfg    Config
	cert   *authority.Certificate
	memory memory
	faults faults
	tree   tree

	mu       sync.Mutex // guards what follows
	addr     string
	listener net.Listener // nil while down
	conns    map[*conn]bool
	total    int
	closed   bool
	busy     sync.WaitGroup
}

// New returns a server that does nothing yet.
func New(cfg Config) (*Server, error) {
	if cfg.BaseDN == "" {
		cfg.BaseDN = "dc=example,dc=com"
	}
	if cfg.Memory <= 0 {
		cfg.Memory = 10_000
	}
	cert, err := authority.New("fakeldap", cfg.Host)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, cert: cert, conns: map[*conn]bool{}}
	s.memory.limit = cfg.Memory
	s.faults.released = make(chan struct{})
	s.tree.entries = []Entry{{DN: cfg.BaseDN}}
	if cfg.BindDN != "" {
		s.Set(Entry{DN: cfg.BindDN, Password: cfg.BindPassword})
	}
	return s, nil
}

// Start returns a server that listens on a port of 127.0.0.1 until the test ends, and fails it if a client sent what no
// client may.
func Start(t testing.TB, cfg Config) *Server {
	t.Helper()
	s, err := New(cfg)
	if err == nil {
		err = s.Listen("127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		for _, v := range s.Violations() {
			t.Error(v)
		}
	})
	return s
}

// Listen serves on addr ("127.0.0.1:0") until Close.
func (s *Server) Listen(addr string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.listener != nil {
		return errors.New("fakeldap: a server listens once")
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("fakeldap: %w", err)
	}
	s.listener, s.addr = l, l.Addr().String()
	s.busy.Go(func() { s.accept(l) })
	return nil
}

func (s *Server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.busy.Go(func() { s.Serve(c) })
	}
}

// Serve answers one connection until it ends. Listen's are served so; a test in a synctest bubble, which can have no
// sockets, brings a net.Pipe.
func (s *Server) Serve(nc net.Conn) {
	c := &conn{s: s, raw: nc, Conn: nc, gone: make(chan struct{})}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		nc.Close()
		return
	}
	s.total++
	c.number = s.total
	s.conns[c] = true
	s.mu.Unlock()
	c.serve()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// Down stops listening and cuts every connection. Up listens on the same port again.
func (s *Server) Down() {
	s.mu.Lock()
	l := s.listener
	s.listener = nil
	s.mu.Unlock()
	if l != nil {
		l.Close()
	}
	s.Cut()
}

// Up ends a Down.
func (s *Server) Up() error { return s.Listen(s.Addr()) }

// Cut closes every connection, as a directory does with idle ones.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.raw.Close()
	}
}

// Close ends the server, its connections and its goroutines.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.Heal()
	s.Down()
	s.busy.Wait()
}

// Addr is host:port.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// URL is ldaps:// or ldap://, with 127.0.0.1.
func (s *Server) URL() string {
	if s.cfg.TLS {
		return "ldaps://" + s.Addr()
	}
	return "ldap://" + s.Addr()
}

// CAPEM is the certificate of the CA that has signed the server's.
func (s *Server) CAPEM() []byte { return s.cert.PEM }

// Roots returns a pool with the CA that has signed the server's certificate.
func (s *Server) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.cert.CA)
	return pool
}

// Connections returns how many connections are open now.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// TotalConnections returns how many connections were accepted since the start.
func (s *Server) TotalConnections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

func (s *Server) tlsConfig() *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{s.cert.Leaf}, MinVersion: tls.VersionTLS10, MaxVersion: s.cfg.MaxVersion}
	if s.cfg.ClientCert != nil {
		c.ClientAuth = tls.RequireAnyClientCert
		c.VerifyConnection = func(state tls.ConnectionState) error {
			if !bytes.Equal(state.PeerCertificates[0].Raw, s.cfg.ClientCert) {
				return errors.New("fakeldap: another client certificate")
			}
			return nil
		}
	}
	return c
}

func sameDN(a, b string) bool { return strings.EqualFold(a, b) }
