package duo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"duoradiusd/policy"
)

const (
	beforeKnown   = 100         // how many requests net/http lets share a connection before Duo's SETTINGS come
	settleTimeout = time.Second // how long to wait for Duo's SETTINGS
)

// dialError says why a connection could not be made. It wraps an error of TLS, because http.Client rewords a bare one.
type dialError struct {
	error
	took time.Duration // how long the attempt took
}

func (e *dialError) Unwrap() error { return e.error }

// dial makes a connection. Its time limit does not depend on the caller, because other requests may wait for the connection.
func (p *pool) dial(c *conn) {
	ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
	defer cancel()
	start := time.Now()
	client, err := p.connect(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialing--
	c.client = client
	if err != nil {
		c.err = &dialError{err, time.Since(start)}
		p.strike(c)
	} else {
		p.begin(c, client.Available())
	}
	close(c.dialed)
	p.rest(c)
	p.admit()
}

// begin puts a new connection into use. An HTTP/1.1 connection takes one request at a time.
func (p *pool) begin(c *conn, available int) {
	if available <= 1 {
		p.width, c.room, c.settled = 1, 1, true
		close(c.open)
		return
	}
	if p.width <= 1 {
		p.width = min(available, beforeKnown)
	}
	// The hook may run while its caller holds locks, also p.mu, so it only starts a goroutine (golang/go#80680).
	c.client.SetStateHook(func(*http.ClientConn) { go p.settle(c) })
	time.AfterFunc(settleTimeout, func() { p.settle(c) })
}

// settle lets all requests use an HTTP/2 connection: when Duo's SETTINGS or a first answer have come, or after settleTimeout.
func (p *pool) settle(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.settled {
		return
	}
	c.settled = true
	c.client.SetStateHook(nil)
	c.room = min(c.client.Available()+c.client.InFlight(), mostStreams)
	close(c.open)
	if c.room == 0 {
		p.strike(c)
	} else {
		p.width = c.room
	}
	p.admit()
}

// proxyError is an error that the proxy, or the way to the proxy, has caused.
type proxyError struct {
	host   string // and port
	status int    // HTTP status of its answer to CONNECT (RFC 9110, 9.3.6); 0 if the answer is not the cause
	what   string // what the proxy did
	err    error  // the cause; nil with a status
}

func (e *proxyError) Error() string {
	text := "the proxy " + e.host + " " + e.what
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	return text
}

func (e *proxyError) Unwrap() error { return e.err }

// kind sorts an answer to CONNECT. Only an answer that says that the proxy can't reach Duo is an outage.
func (e *proxyError) kind() error {
	switch {
	case e.status == http.StatusBadGateway, e.status == http.StatusServiceUnavailable, e.status == http.StatusGatewayTimeout:
		return policy.ErrUnavailable
	case e.status == http.StatusOK, e.status >= 400 && e.status < 500:
		return policy.ErrMisconfigured
	}
	return nil
}

// tunnel records whether the proxy has accepted CONNECT. It is in the context of a dial.
type tunnel struct{ opened bool }

type tunnelKey struct{}

// connect makes a connection, through the proxy if there is one.
func (p *pool) connect(ctx context.Context) (*http.ClientConn, error) {
	t := new(tunnel)
	client, err := p.transport.NewClientConn(context.WithValue(ctx, tunnelKey{}, t), "https", p.address)
	if err == nil || p.proxy == "" {
		return client, err
	}
	if said, ok := errors.AsType[*proxyError](err); ok {
		return nil, said
	}
	if !t.opened {
		return nil, &proxyError{host: p.proxy, what: "can't be reached, or does not answer CONNECT", err: err}
	}
	if _, noTLS := errors.AsType[tls.RecordHeaderError](err); noTLS {
		return nil, &proxyError{host: p.proxy, what: "answers CONNECT with 200, but then what it sends is not TLS", err: err}
	}
	return nil, p.through(err)
}

// through adds to an error that the connection goes through the proxy.
func (p *pool) through(err error) error {
	if p.proxy == "" {
		return err
	}
	return fmt.Errorf("through the proxy %s: %w", p.proxy, err)
}

// tunnelOpened checks the proxy's answer to CONNECT. It is http.Transport's OnProxyConnectResponse.
func tunnelOpened(ctx context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if n := resp.Header.Get("Content-Length"); resp.StatusCode == http.StatusOK && n != "" && n != "0" { // RFC 9110, 9.3.6
		return &proxyError{host: proxy.Host, status: resp.StatusCode, what: "answers CONNECT with a page"}
	}
	if resp.StatusCode == http.StatusOK {
		if t, ok := ctx.Value(tunnelKey{}).(*tunnel); ok {
			t.opened = true
		}
		return nil
	}
	what := fmt.Sprintf("refuses to connect to Duo: it answers CONNECT with %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	if resp.StatusCode == http.StatusProxyAuthRequired {
		what += "; are proxy_username and proxy_password right?"
	}
	return &proxyError{host: proxy.Host, status: resp.StatusCode, what: what}
}
