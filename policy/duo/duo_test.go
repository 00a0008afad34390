package duo_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/duo"
	"duoradiusd/policy/factor"
	"duoradiusd/test/fakeduo"
)

const (
	preauthPath = "/auth/v2/preauth"
	authPath    = "/auth/v2/auth"
	statusPath  = "/auth/v2/auth_status"
	pingPath    = "/auth/v2/ping"
)

// This discards the log of a test's server.
var nobody = log.New(io.Discard, "", 0)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

var jo = policy.Identity{Username: "jo"}

// push is a login of jo's by push.
var push = policy.AuthRequest{User: jo, Name: "jo@example.com", Factor: factor.Push, Device: "auto"}

// protocols are the two versions of HTTP that Duo may speak.
var protocols = []struct {
	name string
	cfg  fakeduo.Config
}{
	{"HTTP/1.1", fakeduo.Config{DisableHTTP2: true}},
	{"HTTP/2.0", fakeduo.Config{}},
}

// started returns a Duo on loopback that knows jo, who answers pushes as u says.
func started(t testing.TB, cfg fakeduo.Config, u fakeduo.User) *fakeduo.Server {
	t.Helper()
	s := fakeduo.New(cfg)
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	u.Username = "jo"
	s.SetUser(u)
	return s
}

// connected returns a client of s.
func connected(t testing.TB, s *fakeduo.Server, edit ...func(*duo.Config)) *duo.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CAPEM())
	cfg := duo.Config{
		Host: s.Addr(), IntegrationKey: s.IntegrationKey(), SecretKey: s.SecretKey(), Roots: roots, UserAgent: "duoradiusd/1",
	}
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

// ready returns both a server and its client.
func ready(t testing.TB, cfg fakeduo.Config, u fakeduo.User, edit ...func(*duo.Config)) (*fakeduo.Server, *duo.Client) {
	t.Helper()
	s := started(t, cfg, u)
	return s, connected(t, s, edit...)
}

// bubble runs f with a Duo and its client in a bubble. TLS runs over pipes, because a synctest bubble can't have sockets.
func bubble(t *testing.T, cfg fakeduo.Config, u fakeduo.User, edit func(*duo.Config), f func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := fakeduo.New(cfg)
		u.Username = "jo"
		s.SetUser(u)
		front := httptest.NewUnstartedServer(s)
		front.Listener.Close()
		w := &world{Server: s, conns: make(chan net.Conn), closed: make(chan struct{})}
		front.Listener = w
		front.EnableHTTP2 = !cfg.DisableHTTP2
		front.StartTLS()
		w.Client = connected(t, s, func(c *duo.Config) {
			c.Host = "127.0.0.1"
			c.Roots = x509.NewCertPool()
			c.Roots.AddCert(front.Certificate())
			if edit != nil {
				edit(c)
			}
		})
		w.Client.Model().DialContext = w.dial
		start := time.Now()
		w.took = func() time.Duration { return time.Since(start) }
		f(t, w)
		w.Client.Close()
		s.Heal()
		front.Close()
		s.Close()
	})
}

// world is everything in a bubble, and the network between client and server.
type world struct {
	*fakeduo.Server
	*duo.Client
	took func() time.Duration // since the beginning

	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}

	mu   sync.Mutex // guards the fields below
	dark bool       // what the client sends is lost
	far  []net.Conn // the server's ends of the connections
}

func (w *world) Accept() (net.Conn, error) {
	select {
	case conn := <-w.conns:
		return conn, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *world) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

func (w *world) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

func (w *world) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case w.conns <- far:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.far = append(w.far, far)
		return &line{Conn: near, world: w}, nil
	case <-w.closed:
	case <-ctx.Done():
	}
	return nil, errors.New("dial: connection refused")
}

// sever closes every connection at the server's side, and returns when the client has noticed it.
func (w *world) sever() {
	w.mu.Lock()
	for _, far := range w.far {
		far.Close()
	}
	w.far = nil
	w.mu.Unlock()
	synctest.Wait()
}

// line is a connection on which nothing arrives any more, without an error, after a write while the world is dark.
type line struct {
	net.Conn
	world *world
	dead  bool
}

func (l *line) Write(b []byte) (int, error) {
	l.world.mu.Lock()
	l.dead = l.dead || l.world.dark
	dead := l.dead
	l.world.mu.Unlock()
	if dead {
		return len(b), nil
	}
	return l.Conn.Write(b)
}

func (w *world) setDark(dark bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dark = dark
}

// kind names the error of package policy that err matches, and checks that it matches one at most.
func kind(err error) string {
	if err == nil {
		return "none"
	}
	found := "unknown"
	for word, target := range map[string]error{
		"unavailable": policy.ErrUnavailable, "misconfigured": policy.ErrMisconfigured, "refused": policy.ErrRefused,
		"overloaded": policy.ErrOverloaded, "cut short": policy.ErrCutShort,
	} {
		if errors.Is(err, target) {
			if found != "unknown" {
				panic(fmt.Sprintf("%s and %s: %v", found, word, err))
			}
			found = word
		}
	}
	return found
}

// paths lists the requests that s has seen, by the last part of their path.
func paths(s *fakeduo.Server) []string {
	var list []string
	for _, r := range s.Requests() {
		list = append(list, r.Path[len("/auth/v2/"):])
	}
	return list
}

func wantPaths(t *testing.T, s *fakeduo.Server, want ...string) {
	t.Helper()
	if got := paths(s); !slices.Equal(got, want) {
		t.Errorf("requests: got %q, want %q", got, want)
	}
}

// last returns the last request to path that s has seen.
func last(t *testing.T, s *fakeduo.Server, path string) fakeduo.Request {
	t.Helper()
	for _, r := range slices.Backward(s.Requests()) {
		if r.Path == path {
			return r
		}
	}
	t.Fatalf("no request on %s", path)
	return fakeduo.Request{}
}

// form returns parameters in the form for comparisons: sorted, name=value, one per line.
func form(r fakeduo.Request) string {
	var lines []string
	for name, values := range r.Params {
		lines = append(lines, fmt.Sprintf("%s=%s\n", name, values[0]))
	}
	slices.Sort(lines)
	return fmt.Sprint(lines)
}

// login makes the calls preauth and auth, as policy does.
func login(ctx context.Context, c *duo.Client, r policy.AuthRequest) (policy.AuthResult, error) {
	pre, err := c.Preauth(ctx, policy.PreauthRequest{User: r.User, IP: r.IP})
	if err != nil {
		return policy.AuthResult{}, err
	}
	if pre.Result != policy.PreauthAuth {
		return policy.AuthResult{}, fmt.Errorf("preauth: result %v", pre.Result)
	}
	return c.Auth(ctx, &r)
}
