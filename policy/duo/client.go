package duo

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	duoapi "github.com/duosecurity/duo_api_golang"
)

// Config is one Duo application.
type Config struct {
	Host           string         // api-xxxxxxxx.duosecurity.com; a port may follow
	IntegrationKey string         //
	SecretKey      string         //
	APITimeout     time.Duration  // one API call, the wait for the user's answer apart; 0 = 10 s
	PushTimeout    time.Duration  // the wait for the user's answer; 0 = 60 s
	Proxy          *url.URL       // an HTTP CONNECT proxy, with user name and password where it wants them; nil = none, the environment is not read
	Roots          *x509.CertPool // nil = the list that Duo's SDK carries
	Trusts         string         // what Roots are, for the text of errors; "" = Duo's list
	MaxConnections int            // open at once, over either HTTP; over HTTP/1.1 each waiting push holds one; 0 = 2048
	UserAgent      string
	UserIP         UserIP // which user addresses Duo is told; "" = UserIPPublic

	OnHealth func(Health, error) // told of its changes, one after the other; may be nil
}

// PinnedRoots is the day of the list of roots that Duo's SDK carries.
const PinnedRoots = "2025-04-30"

// Client asks Duo on behalf of one application. It is safe for concurrent use.
type Client struct {
	config Config
	api    *duoapi.DuoApi // signs; never changed, see ask
	pool   *pool
	health health
	front  atomic.Pointer[Front]

	ctx  context.Context // of the pings
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// Front is what the last TLS handshake has shown of Duo's front end.
type Front struct {
	HTTP  string            // "HTTP/2" or "HTTP/1.1": what it chose of these two (ALPN, RFC 7301)
	Root  *x509.Certificate // vouches for its certificate
	Proxy string            // host:port; "" = none
}

// Front returns what the last TLS handshake has shown; nil where there was none.
func (c *Client) Front() *Front { return c.front.Load() }

// New returns a Client. It opens no connection.
func New(c Config) (*Client, error) {
	host, port, err := net.SplitHostPort(c.Host)
	if err != nil {
		host, port = c.Host, "443"
	}
	if host == "" {
		return nil, errors.New("api_host is empty")
	}
	c.APITimeout = cmp.Or(c.APITimeout, 10*time.Second)
	c.PushTimeout = cmp.Or(c.PushTimeout, 60*time.Second)
	c.MaxConnections = cmp.Or(c.MaxConnections, 2048)
	c.Trusts = cmp.Or(c.Trusts, "a list of its own")
	if c.Roots == nil {
		c.Trusts = "the list that Duo's SDK carries, of " + PinnedRoots
	}
	client := &Client{config: c, health: health{changed: c.OnHealth}}
	client.ctx, client.stop = context.WithCancel(context.Background())
	p := &pool{address: net.JoinHostPort(host, port), max: c.MaxConnections, timeout: max(c.APITimeout, fairChance)}
	if c.Proxy != nil {
		p.proxy = c.Proxy.Host
	}
	client.pool = p
	// Signed is the host alone: Duo verifies without the port. The hook gets the SDK's own transport, the only way to its roots.
	client.api = duoapi.NewDuoApi(c.IntegrationKey, c.SecretKey, host, c.UserAgent, duoapi.SetTransport(func(t *http.Transport) {
		client.tune(t)
		p.transport = t
	}))
	return client, nil
}

func (c *Client) tune(t *http.Transport) {
	if c.config.Roots != nil {
		t.TLSClientConfig.RootCAs = c.config.Roots
	}
	t.TLSClientConfig.VerifyConnection = c.see
	t.Proxy = nil
	if c.config.Proxy != nil {
		t.Proxy = http.ProxyURL(c.config.Proxy)
		t.OnProxyConnectResponse = tunnelOpened
	}
	t.DialContext = (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.Protocols.SetHTTP2(true)
	t.HTTP2 = &http.HTTP2Config{
		SendPingTimeout:               5 * time.Second,  // of silence
		PingTimeout:                   3 * time.Second,  // then the connection is dead, and what waits on it is asked again in time
		WriteByteTimeout:              10 * time.Second, // also of the first words, which no context bounds (golang/go#79253)
		MaxReceiveBufferPerStream:     maxBody + 16<<10, // an answer that is too long shows itself
		MaxReceiveBufferPerConnection: 4 << 20,
	}
	t.MaxResponseHeaderBytes = 64 << 10
	t.DisableCompression = true
}

// see keeps what a handshake has shown. It is called after the certificate has been verified.
func (c *Client) see(s tls.ConnectionState) error {
	f := &Front{HTTP: "HTTP/1.1", Proxy: c.pool.proxy}
	if s.NegotiatedProtocol == "h2" {
		f.HTTP = "HTTP/2"
	}
	if len(s.VerifiedChains) > 0 {
		chain := s.VerifiedChains[0]
		f.Root = chain[len(chain)-1]
	}
	c.front.Store(f)
	return nil
}

// Close ends the pings and drops the connections: those with calls under way when these are over.
func (c *Client) Close() {
	c.health.mu.Lock()
	c.stop() // under the lock: no ping begins from now on
	c.health.mu.Unlock()
	c.wg.Wait()
	c.pool.close()
}

// UserIP says which user addresses Duo is told. Duo's policies by place and network have no effect where it is told none.
type UserIP string

const (
	UserIPPublic UserIP = "public" // IPv4 that says where on the Internet the user is
	UserIPAll    UserIP = "all"    // whatever the client says, private addresses and IPv6 too
	UserIPNone   UserIP = "none"   // none at all
)

var sharedSpace = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598: private to a provider

// text returns an address as Duo is told it; "" for one that it is not told.
func (u UserIP) text(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	public := ip.Is4() && ip.IsGlobalUnicast() && !ip.IsPrivate() && !sharedSpace.Contains(ip)
	if !ip.IsValid() || ip.IsUnspecified() || u == UserIPNone || !public && u != UserIPAll {
		return ""
	}
	return ip.String()
}
