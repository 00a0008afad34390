package duo

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
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
	Proxy          *url.URL       // an HTTP CONNECT proxy; nil = none, the environment is not read
	Roots          *x509.CertPool // nil = the list that Duo's SDK carries
	MaxConnections int            // open at once; over HTTP/1.1 each waiting push holds one; 0 = 2048
	UserAgent      string

	OnHealth func(Health, error) // told of its changes, one after the other; may be nil
}

// Client asks Duo on behalf of one application. It is safe for concurrent use.
type Client struct {
	config  Config
	address string         // host:port to connect to
	base    *duoapi.DuoApi // copied for each call: SetCustomHTTPClient is not safe on a shared value
	lanes   *lanes
	health  health

	ctx  context.Context // of the probes
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// longPoll bounds one auth_status call. Duo answers a poll without news after about half a minute.
const longPoll = 45 * time.Second

// New returns a Client. It opens no connection.
func New(c Config) (*Client, error) {
	host, port, err := net.SplitHostPort(c.Host)
	if err != nil {
		host, port = c.Host, "443"
	}
	if host == "" {
		return nil, fmt.Errorf("duo: api_host is empty")
	}
	if c.APITimeout <= 0 {
		c.APITimeout = 10 * time.Second
	}
	if c.PushTimeout <= 0 {
		c.PushTimeout = 60 * time.Second
	}
	if c.MaxConnections <= 0 {
		c.MaxConnections = 2048
	}
	client := &Client{config: c, address: net.JoinHostPort(host, port), health: health{changed: c.OnHealth}}
	client.ctx, client.stop = context.WithCancel(context.Background())
	// The hook gets the SDK's own transport: the only way to reach the SDK's list of roots.
	hook := func(t *http.Transport) {
		tune(t, c)
		client.lanes = &lanes{model: t, max: c.MaxConnections}
	}
	// The SDK signs the host it is given, port included, which Duo does not: callTransport adds the port.
	client.base = duoapi.NewDuoApi(c.IntegrationKey, c.SecretKey, host, c.UserAgent, duoapi.SetTransport(hook))
	return client, nil
}

func tune(t *http.Transport, c Config) {
	if c.Roots != nil {
		t.TLSClientConfig.RootCAs = c.Roots
	}
	t.Proxy = nil
	if c.Proxy != nil {
		t.Proxy = http.ProxyURL(c.Proxy)
	}
	t.DialContext = (&net.Dialer{Timeout: c.APITimeout, KeepAlive: 30 * time.Second}).DialContext
	t.ForceAttemptHTTP2 = true
	t.TLSHandshakeTimeout = c.APITimeout
	t.MaxConnsPerHost = 1 // see lanes
	t.IdleConnTimeout = idleTimeout
	t.DisableCompression = true
	t.HTTP2 = &http.HTTP2Config{
		SendPingTimeout: 5 * time.Second, // so that what waits on a dead connection is asked again in time
		PingTimeout:     3 * time.Second,
	}
}

// Close ends the probes and drops the connections that are idle.
func (c *Client) Close() {
	c.health.mu.Lock()
	c.stop() // under the lock: no probe begins from now on
	c.health.mu.Unlock()
	c.wg.Wait()
	c.lanes.closeIdle()
}
