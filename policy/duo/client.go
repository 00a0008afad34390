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
	IntegrationKey string         // DI...
	SecretKey      string         // signs the calls
	APITimeout     time.Duration  // limit of one API call, without the wait for the user's answer; 0 = 10 s
	PushTimeout    time.Duration  // limit of the wait for the user's answer; 0 = 60 s
	Proxy          *url.URL       // an HTTP CONNECT proxy, with user name and password if it wants them; nil = none (the environment is not read)
	Roots          *x509.CertPool // nil = the list that Duo's SDK carries
	Trusts         string         // describes Roots in the text of errors; "" = Duo's list
	MaxConnections int            // most connections open at once; over HTTP/1.1 each waiting push holds one; 0 = 2048
	UserAgent      string
	UserIP         UserIP // which user addresses Duo is told; "" = UserIPPublic

	OnHealth func(Health, error) // called for each change of health, one call at a time; may be nil
}

// PinnedRoots is the date of the list of roots that Duo's SDK carries.
const PinnedRoots = "2025-04-30"

// Client calls Duo for one application. It is safe for concurrent use.
type Client struct {
	config Config
	api    *duoapi.DuoApi // signs the calls; ask works on a copy
	pool   *pool
	health health
	front  atomic.Pointer[Front]

	ctx  context.Context // ends the pings
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// Front describes Duo's front end as the last TLS handshake showed it.
type Front struct {
	HTTP  string            // "HTTP/2" or "HTTP/1.1": which of the two it chose (ALPN, RFC 7301)
	Root  *x509.Certificate // the root of its certificate's chain
	Proxy string            // host:port; "" = none
}

// Front returns what the last TLS handshake showed; nil if there was none.
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
	// The SDK gets the host without the port, because Duo verifies the signature without it. The hook gets the SDK's own
	// transport, which is the only way to the SDK's roots.
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
		SendPingTimeout:               3 * time.Second,  // a ping is sent after this time of silence
		PingTimeout:                   5 * time.Second,  // without an answer to the ping the connection is closed; an overloaded machine needs over 3 s
		WriteByteTimeout:              10 * time.Second, // bounds also the connection's first frames, which no context does (golang/go#79253)
		MaxReceiveBufferPerStream:     maxBody + 16<<10, // more than maxBody, so that a longer answer is noticed
		MaxReceiveBufferPerConnection: 4 << 20,
	}
	t.MaxResponseHeaderBytes = 64 << 10
	t.DisableCompression = true
}

// see stores what a handshake shows. It is called after the certificate has been verified.
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

// Close ends the pings and closes the connections. A connection with calls under way is closed when these have ended.
func (c *Client) Close() {
	c.health.mu.Lock()
	c.stop() // under the lock, so that no ping begins after it
	c.health.mu.Unlock()
	c.wg.Wait()
	c.pool.close()
}

// UserIP says which user addresses Duo is told. Duo's policies by location and network need an address to have an effect.
type UserIP string

const (
	UserIPPublic UserIP = "public" // public IPv4 addresses
	UserIPAll    UserIP = "all"    // every address, also private and IPv6
	UserIPNone   UserIP = "none"   // no address
)

var sharedSpace = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598: addresses inside a provider's network

// text returns an address in the form that Duo is told; "" if Duo is not told this address.
func (u UserIP) text(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	public := ip.Is4() && ip.IsGlobalUnicast() && !ip.IsPrivate() && !sharedSpace.Contains(ip)
	if !ip.IsValid() || ip.IsUnspecified() || u == UserIPNone || !public && u != UserIPAll {
		return ""
	}
	return ip.String()
}
