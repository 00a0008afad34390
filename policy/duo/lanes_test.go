package duo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"duoradiusd/policy"
)

// scripted returns a client whose connections are TLS and HTTP/2 to peers driven by hand, each as it is dialed.
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

// pushed begins a push in the background.
func pushed(c *Client) *asking {
	a := &asking{}
	go func() {
		_, a.err = c.begin(context.Background(), &policy.AuthRequest{User: policy.Identity{Username: "jo"}, Factor: policy.Push, Device: "auto"})
		if a.err == nil {
			a.resp = &response{}
		}
		a.done = true
	}()
	synctest.Wait()
	return a
}

// One login, one push, whatever becomes of a connection: /auth is sent again only when Duo has certainly not looked at
// it, and then it is, over another connection if need be.
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
				first.want(t, "", "")
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
				if second.err != nil && !noReply(second.err) && tt.name != "503" {
					t.Errorf("got %v, want Duo unreachable", second.err)
				}
				pass(10 * time.Second) // a probe may be on its way
				c.Close()
				for _, p := range all {
					p.nc.Close()
				}
				close(peers)
				for p := range peers {
					p.nc.Close()
				}
			})
		})
	}
}

// A server that refuses all there is gets a few requests, and then there is an error.
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
				pass(time.Millisecond)
			}
		}
		if took := time.Since(start); !noReply(a.err) || n > unseenTries || took > 2*time.Second {
			t.Errorf("got %v after %d tries in %v", a.err, n, took)
		}
		c.stop() // a probe was begun
		p.nc.Close()
		c.Close()
	})
}

// After Close a connection goes when its last call is over.
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
		if a.want(t, "", ""); !p.closed() {
			t.Error("goes on after the last call")
		}
	})
}

// Lanes take what their connections say, more and less, and are struck when these take no more.
func TestRoomOfLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(2, 0)
		first := enterHTTP2(t, l, 1)[0]
		l.roomFor(first, 10)
		if in := enterHTTP2(t, l, 9); slices.ContainsFunc(in, func(lane *lane) bool { return lane != first }) || len(in) != 9 {
			t.Errorf("%d of 9 on the first connection", len(in))
		}
		if in := enterHTTP2(t, l, 12); len(in) != 10 || l.dialing != 1 || in[0] == first {
			t.Errorf("%d of 12 on the second, %d dialing", len(in), l.dialing)
		}
		second := l.all[1]
		l.roomFor(second, 4) // it takes fewer: those who are there already are for the connection to refuse
		for range 7 {
			l.release(second, false, false)
		}
		if in := enterHTTP2(t, l, 3); len(in) != 1 {
			t.Errorf("%d of 3 where one goes", len(in))
		}
		l.roomFor(first, 0)
		l.roomFor(first, 0)
		if in := enterHTTP2(t, l, 1); len(in) != 1 || in[0] == first || len(l.all) != 2 || l.leaving != 1 {
			t.Errorf("got %d, %d lanes and %d leaving", len(in), len(l.all), l.leaving)
		}
		l.roomFor(first, 100)
		for range 10 {
			l.release(first, false, true)
		}
		if l.leaving != 0 || slices.Contains(l.all, first) {
			t.Errorf("%d leaving", l.leaving)
		}
	})
}

// Connections that take no more requests do not keep others from being made, but not without bound.
func TestLeavingLanes(t *testing.T) {
	l := open(3, 1)
	for range 3 {
		lane := enterHTTP2(t, l, 1)[0]
		l.roomFor(lane, 1)
	}
	for _, lane := range slices.Clone(l.all) {
		l.roomFor(lane, 0)
	}
	if in := enterHTTP2(t, l, 4); len(in) != 3 || len(l.all) != 3 || l.leaving != 3 {
		t.Errorf("%d of 4, %d lanes and %d leaving", len(in), len(l.all), l.leaving)
	}
	for _, lane := range slices.Clone(l.all) {
		l.roomFor(lane, 0)
	}
	if in := enterHTTP2(t, l, 1); len(in) != 0 {
		t.Errorf("one more, %d lanes and %d leaving", len(l.all), l.leaving)
	}
}

// enterHTTP2 asks for n places and returns those that are given at once.
func enterHTTP2(t *testing.T, l *lanes, n int) (in []*lane) {
	t.Helper()
	for range n {
		ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
		if lane, err := l.acquire(ctx, time.Time{}, false); err == nil {
			in = append(in, lane)
		}
		cancel()
	}
	return in
}
