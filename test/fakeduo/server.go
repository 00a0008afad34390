package fakeduo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"duoradiusd/test/authority"
)

// Config configures a Server. The zero Config is valid.
type Config struct {
	IntegrationKey string // "": a fixed pair that nobody takes for a real one
	SecretKey      string
	Host           string // one more host name that may be signed and is in the certificate; 127.0.0.1 and localhost always are

	DisableHTTP2 bool
	MaxStreams   int  // HTTP/2: concurrent streams a connection; 0: 128, as common front ends have it
	IPv6         bool // take IPv6 in ipaddr
	AllowChunked bool // take a POST without Content-Length, which Duo's SDK sends as it comes

	Expiry   time.Duration // of a push or a call; 0: 60 s
	PollWait time.Duration // how long auth_status waits for news; 0: 30 s
	Memory   int           // how many requests, allows and settled transactions are remembered; 0: 100 000
}

// Server is a fake Duo. Its methods may be called at any time, by any goroutine; Addr, CAPEM, Transport, Down and
// Up only mean something once Start has returned.
type Server struct {
	cfg    Config
	memory *memory
	faults *faults
	users  *roster
	ledger *ledger
	conns  *conns
	skew   atomic.Int64 // of our clock, in nanoseconds

	mu     sync.Mutex // guards what follows
	cert   *authority.Certificate
	addr   string
	http   *http.Server // nil while down
	closed bool
	serves sync.WaitGroup // the accept loop
	busy   sync.WaitGroup // requests
}

// New returns a server that does nothing yet.
func New(cfg Config) *Server {
	if cfg.IntegrationKey == "" {
		cfg.IntegrationKey = "DIFAKEFAKEFAKEFAKE00"
	}
	if cfg.SecretKey == "" {
		cfg.SecretKey = "fakefakefakefakefakefakefakefakefakefake"
	}
	orDefault(&cfg.MaxStreams, 128)
	orDefault(&cfg.Expiry, 60*time.Second)
	orDefault(&cfg.PollWait, 30*time.Second)
	orDefault(&cfg.Memory, 100_000)
	memory := newMemory(cfg.Memory)
	return &Server{
		cfg:    cfg,
		memory: memory,
		faults: &faults{released: make(chan struct{})},
		users:  &roster{byName: map[string]*account{}, byID: map[string]*account{}},
		ledger: newLedger(cfg, memory),
		conns:  &conns{},
	}
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Start listens on addr ("127.0.0.1:0") and serves until Close.
func (s *Server) Start(addr string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.addr != "" {
		return errors.New("fakeduo: a server starts once")
	}
	cert, err := authority.New("fakeduo", s.cfg.Host)
	if err != nil {
		return err
	}
	s.cert = cert
	return s.listen(addr)
}

// listen opens the port and serves it. s.mu is held.
func (s *Server) listen(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("fakeduo: %w", err)
	}
	s.addr = ln.Addr().String()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(!s.cfg.DisableHTTP2)
	srv := &http.Server{
		Handler:     s,
		TLSConfig:   &tls.Config{Certificates: []tls.Certificate{s.cert.Leaf}},
		Protocols:   protocols,
		HTTP2:       &http.HTTP2Config{MaxConcurrentStreams: s.cfg.MaxStreams},
		ConnContext: s.conns.opened,
		ConnState:   s.conns.changed,
		ErrorLog:    log.New(io.Discard, "", 0), // tests cut connections on purpose
	}
	s.http = srv
	s.serves.Go(func() { srv.ServeTLS(ln, "", "") })
	return nil
}

// Close ends the listener, connections, requests and timers. It returns when the last request has ended.
func (s *Server) Close() {
	s.Down()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.Heal()
	s.busy.Wait()
	s.ledger.close()
}

// Down makes the server unreachable: new connections are refused, open ones are cut, and requests under way are dropped.
// Transactions go on, as a phone rings on although Duo can't be reached.
func (s *Server) Down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http == nil {
		return
	}
	s.http.Close()
	s.http = nil
	s.serves.Wait()
}

// Up ends Down. The server listens on the same port again.
func (s *Server) Up() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.addr == "" || s.http != nil {
		return errors.New("fakeduo: not down")
	}
	return s.listen(s.addr)
}

// enter counts a request that begins. It returns false if the server is closed.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.busy.Add(1)
	return true
}

func (s *Server) leave() { s.busy.Done() }

// Addr returns host:port as listened on.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// CAPEM returns the certificate of the CA that vouches for the server.
func (s *Server) CAPEM() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cert == nil {
		return nil
	}
	return s.cert.PEM
}

// IntegrationKey returns the one integration key that is known here.
func (s *Server) IntegrationKey() string { return s.cfg.IntegrationKey }

// SecretKey returns the secret key that goes with it.
func (s *Server) SecretKey() string { return s.cfg.SecretKey }

// Transport makes tr connect to this server, whatever host name it is asked for, and trust the server's CA. It fits
// duoapi.SetTransport: the SDK signs the host name without a port, so the port must come from the dialer.
func (s *Server) Transport(tr *http.Transport) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pool := x509.NewCertPool()
	pool.AddCert(s.cert.CA)
	if tr.TLSClientConfig == nil {
		tr.TLSClientConfig = &tls.Config{}
	}
	tr.TLSClientConfig.RootCAs = pool
	tr.Proxy = nil
	addr, dialer := s.addr, &net.Dialer{}
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, addr)
	}
}

// Skew shifts the server's clock by d. A request whose date differs from it by more than 300 s gets 401, code 40105.
func (s *Server) Skew(d time.Duration) { s.skew.Store(int64(d)) }

// now is the time by the server's clock.
func (s *Server) now() time.Time { return time.Now().Add(time.Duration(s.skew.Load())) }
