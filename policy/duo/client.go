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
	config Config
	host   string // as it was given, without the port
	agent  string
	signer *signer
	lanes  *lanes
	health health

	ctx  context.Context // of the probes
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// agent is how Duo's SDK calls itself, whose way of asking this is.
const agent = "duo_api_golang/0.2.0"

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
	client := &Client{config: c, host: host, agent: agent, health: health{changed: c.OnHealth}}
	if c.UserAgent != "" {
		client.agent = c.UserAgent + " " + agent
	}
	client.ctx, client.stop = context.WithCancel(context.Background())
	client.signer = newSigner(c.IntegrationKey, c.SecretKey, host)
	// The hook gets the SDK's own transport: the only way to reach the SDK's list of roots.
	duoapi.NewDuoApi("", "", host, "", duoapi.SetTransport(func(t *http.Transport) {
		tune(t, c)
		client.lanes = &lanes{model: t, address: net.JoinHostPort(host, port), max: c.MaxConnections}
	}))
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
	t.TLSClientConfig.NextProtos = []string{"h2", "http/1.1"}
	t.TLSClientConfig.DynamicRecordSizingDisabled = true // what gathers goes in one write
	t.TLSHandshakeTimeout = c.APITimeout
	t.MaxConnsPerHost = 1 // see lanes
	t.IdleConnTimeout = idleTimeout
	t.DisableCompression = true
}

// Close ends the probes and drops the connections: those with calls under way when these are over.
func (c *Client) Close() {
	c.health.mu.Lock()
	c.stop() // under the lock: no probe begins from now on
	c.health.mu.Unlock()
	c.wg.Wait()
	c.lanes.close()
}
