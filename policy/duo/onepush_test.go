package duo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// scripted returns a client whose connections are TLS and HTTP/2 to peers that the test controls, one for each dial.
func scripted(t *testing.T) (*Client, chan *peer) {
	t.Helper()
	front := httptest.NewUnstartedServer(nil) // for its certificate
	front.EnableHTTP2 = true
	front.StartTLS()
	front.Close()
	roots := x509.NewCertPool()
	roots.AddCert(front.Certificate())
	c, err := New(Config{Host: "127.0.0.1", IntegrationKey: "DI", SecretKey: "secret", Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	peers := make(chan *peer, 16)
	c.Model().DialContext = func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			nc := tls.Server(far, &tls.Config{Certificates: front.TLS.Certificates, NextProtos: []string{"h2"}})
			if nc.Handshake() != nil {
				return
			}
			p := newPeer(nc)
			p.WriteSettings()
			peers <- p
		}()
		return near, nil
	}
	return c, peers
}

// hangUp closes the connections that the test has not used.
func hangUp(peers chan *peer) {
	for {
		synctest.Wait()
		select {
		case p := <-peers:
			p.nc.Close()
		default:
			return
		}
	}
}

// asking is a call in progress.
type asking struct {
	err  error
	done bool
}

// pushed begins a push in the background.
func pushed(c *Client) *asking {
	a := &asking{}
	go func() {
		_, a.err = c.begin(context.Background(), &policy.AuthRequest{User: policy.Identity{Username: "jo"}, Factor: factor.Push, Device: "auto"})
		a.done = true
	}()
	synctest.Wait()
	return a
}

// want checks that the call has succeeded.
func (a *asking) want(t *testing.T) {
	t.Helper()
	synctest.Wait()
	if !a.done || a.err != nil {
		t.Errorf("over %v, %v", a.done, a.err)
	}
}

// Whatever happens to a connection, one login is one push: /auth is sent again only if Duo has certainly not looked at it.
// Then it is sent again, over another connection if necessary.
func TestOneLoginOnePush(t *testing.T) {
	const ok = `{"stat":"OK","response":{"txid":"t"}}`
	for _, tt := range []struct {
		name string
		do   func(p *peer, id uint32)
		sent int // again, 0 or 1
	}{
		{"cut", func(p *peer, _ uint32) { p.nc.(*tls.Conn).NetConn().Close() }, 0},
		{"closed", func(p *peer, _ uint32) { p.nc.Close() }, 0},
		{"GOAWAY, above", func(p *peer, id uint32) { p.WriteGoAway(id-2, http2.ErrCodeNo, nil) }, 1},
		{"GOAWAY, above, and cut", func(p *peer, id uint32) {
			p.WriteGoAway(id-2, http2.ErrCodeNo, nil)
			p.nc.(*tls.Conn).NetConn().Close()
		}, 1},
		{"GOAWAY, not above, and cut", func(p *peer, id uint32) {
			p.WriteGoAway(id, http2.ErrCodeNo, nil)
			p.nc.(*tls.Conn).NetConn().Close()
		}, 0},
		{"REFUSED_STREAM", func(p *peer, id uint32) { p.WriteRSTStream(id, http2.ErrCodeRefusedStream) }, 1},
		{"INTERNAL_ERROR", func(p *peer, id uint32) { p.WriteRSTStream(id, http2.ErrCodeInternal) }, 0},
		{"CANCEL", func(p *peer, id uint32) { p.WriteRSTStream(id, http2.ErrCodeCancel) }, 0},
		{"REFUSED_STREAM, and an answer has begun", func(p *peer, id uint32) {
			p.headers(id, false, ":status", "200")
			p.WriteRSTStream(id, http2.ErrCodeRefusedStream)
		}, 0},
		{"GOAWAY, above, and an answer has begun", func(p *peer, id uint32) {
			p.headers(id, false, ":status", "200")
			p.WriteGoAway(id-2, http2.ErrCodeNo, nil)
		}, 0},
		{"half an answer", func(p *peer, id uint32) { p.headers(id, false, ":status", "200"); p.nc.Close() }, 0},
		{"503", func(p *peer, id uint32) { p.headers(id, true, ":status", "503") }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peers := scripted(t)
				first := pushed(c)
				p := <-peers
				all := []*peer{p}
				p.answer(1, ok)
				first.want(t)
				second := pushed(c)
				p.said()
				tt.do(p, 3)
				synctest.Wait()
				select {
				case other := <-peers:
					all = append(all, other)
				default:
				}
				again := 0
				for _, p := range all {
					if said := strings.Join(p.said(), ", "); strings.Contains(said, "POST /auth/v2/auth") {
						again++
						id := map[bool]uint32{true: 5, false: 1}[strings.Contains(said, "HEADERS 5")]
						p.answer(id, ok)
					}
				}
				if again != tt.sent {
					t.Errorf("sent %d times more, want %d", again, tt.sent)
				}
				synctest.Wait()
				if !second.done || (second.err == nil) != (tt.sent == 1) {
					t.Errorf("got %v, %v", second.done, second.err)
				}
				if second.err != nil && !broke(second.err) && tt.name != "503" {
					t.Errorf("got %v, want Duo unreachable", second.err)
				}
				time.Sleep(10 * time.Second) // a ping may be on its way
				c.Close()
				for _, p := range all {
					p.nc.Close()
				}
				hangUp(peers)
			})
		})
	}
}

// A server that refuses each stream gets a few requests, and then the call fails.
func TestAlwaysRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peers := scripted(t)
		a := pushed(c)
		p := <-peers
		start := time.Now()
		n := 0
		for ; !a.done && n < 100; n++ {
			p.WriteRSTStream(uint32(2*n+1), http2.ErrCodeRefusedStream)
			for p.said() == nil && !a.done {
				time.Sleep(time.Millisecond)
			}
		}
		if took := time.Since(start); !broke(a.err) || n > untouchedMost || took > 2*time.Second {
			t.Errorf("got %v after %d tries in %v", a.err, n, took)
		}
		c.stop() // a probe has begun
		p.nc.Close()
		c.Close()
	})
}

// After Close a connection is closed when its last call is over.
func TestCloseLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peers := scripted(t)
		a := pushed(c)
		p := <-peers
		c.Close()
		if p.closed() {
			t.Error("closed under a call")
		}
		p.answer(1, `{"stat":"OK","response":{"txid":"t"}}`)
		if a.want(t); !p.closed() {
			t.Error("goes on after the last call")
		}
	})
}
