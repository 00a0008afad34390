package radiusauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/failover"
	"duoradiusd/radiusd/wire"
)

// maxInFlight is the most requests that wait for their replies, for all servers together.
const maxInFlight = 4096

// Config describes one set of servers that know the same users.
type Config struct {
	Name                        string        // the name of the first factor, for errors; may be empty
	Servers                     []string      // host:port, in the order in which they are asked
	Secret                      string        //
	RequireMessageAuthenticator bool          // required in replies; one that is present is always verified
	Timeout                     time.Duration // one server's time to answer; 0 = 5 s
	InnerUserName               bool          // the User-Name of an Access-Accept is always the one from inside the EAP tunnel

	OnHealth func(server string, err error) // called when a server is silent and, with nil, when it answers again; may be nil
}

// Upstream is a first factor behind RADIUS. It is safe for concurrent use.
type Upstream struct {
	config  Config
	secret  *wire.Secret
	servers []*server
	group   *failover.Group

	// Tests replace these.
	dial   func(netip.AddrPort) (net.Conn, error)
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	jitter func() float64

	ctx     context.Context // the context of lookups
	stop    context.CancelFunc
	readers sync.WaitGroup // counts the goroutines of sockets and lookups

	mu       sync.Mutex // guards the fields below
	inFlight int
	closed   bool
	logins   sync.WaitGroup
}

var _ policy.FirstFactor = (*Upstream)(nil)

var (
	errClosed = errors.New("closed")
	errBusy   = fmt.Errorf("%d requests are in flight already", maxInFlight)
)

// New returns an Upstream. It does not open sockets or look up names.
func New(c Config) (*Upstream, error) {
	if len(c.Servers) == 0 {
		return nil, errors.New("upstream: no server")
	}
	if c.Secret == "" {
		return nil, errors.New("upstream: no secret")
	}
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	u := &Upstream{config: c, secret: wire.NewSecret(c.Secret), jitter: jitter}
	u.group = u.newGroup()
	u.dial = func(addr netip.AddrPort) (net.Conn, error) {
		return net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr))
	}
	u.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}
	for _, name := range c.Servers {
		s, err := newServer(u, name)
		if err != nil {
			return nil, err
		}
		if u.find(name) >= 0 {
			return nil, fmt.Errorf("upstream: server %s is given twice", name)
		}
		u.servers = append(u.servers, s)
	}
	u.ctx, u.stop = context.WithCancel(context.Background())
	return u, nil
}

func newServer(u *Upstream, name string) (*server, error) {
	host, text, err := net.SplitHostPort(name)
	port, portErr := strconv.ParseUint(text, 10, 16)
	if err != nil || host == "" || portErr != nil || port == 0 {
		return nil, fmt.Errorf("upstream: server %q: want host:port", name)
	}
	s := &server{upstream: u, number: len(u.servers), name: name, host: host, port: uint16(port)}
	if addr, err := netip.ParseAddr(host); err == nil {
		s.host, s.resolution.addr = "", netip.AddrPortFrom(addr.Unmap(), s.port)
	}
	return s, nil
}

// find returns the number of the server with that name, or -1 if there is none.
func (u *Upstream) find(name string) int {
	return slices.IndexFunc(u.servers, func(s *server) bool { return s.name == name })
}

// Close waits for the logins that are in progress and then closes all sockets. A login ends with its context at the latest.
func (u *Upstream) Close() {
	u.mu.Lock()
	u.closed = true
	u.mu.Unlock()
	u.logins.Wait()
	u.stop()
	for _, s := range u.servers {
		s.close()
	}
	u.readers.Wait()
}

// startRequest counts a request that begins, and endRequest counts its end.
func (u *Upstream) startRequest() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.closed:
		return errClosed
	case u.inFlight >= maxInFlight:
		return errBusy
	}
	u.inFlight++
	u.logins.Add(1)
	return nil
}

func (u *Upstream) endRequest() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.inFlight--
	u.logins.Done()
}

// Authenticate asks the servers about one user.
func (u *Upstream) Authenticate(ctx context.Context, r policy.FirstRequest) (policy.Account, error) {
	a, err := u.authenticate(ctx, r)
	if !isAnswer(err) {
		return policy.Account{}, u.failed(err)
	}
	return a, err
}

// failed adds to an error which upstream it comes from.
func (u *Upstream) failed(err error) error {
	if u.config.Name == "" {
		return fmt.Errorf("upstream: %w", err)
	}
	return fmt.Errorf("upstream: %s: %w", u.config.Name, err)
}

// isAnswer reports whether err is an answer to the login: a yes, a no, or a challenge. Any other error means that no server
// could be asked.
func isAnswer(err error) bool {
	_, back := errors.AsType[*policy.AskBack](err)
	return err == nil || back || errors.Is(err, policy.ErrRejected)
}

func (u *Upstream) authenticate(ctx context.Context, r policy.FirstRequest) (a policy.Account, err error) {
	if err := u.startRequest(); err != nil {
		return a, err
	}
	defer u.endRequest()
	t, err := conversationOf(r)
	if err != nil {
		return a, err
	}
	if r.Method == policy.MethodEAP {
		if err := t.fromPeer(eapPacket(r.Attributes), r.Typed); err != nil {
			return a, err
		}
	}
	got, err := u.askAll(ctx, r, &t)
	if err != nil {
		return a, err
	}
	if a, err = u.interpret(got, r, t); !isAnswer(err) {
		err = fmt.Errorf("ask %s: %w", t.server, err)
	}
	return a, err
}
