package radiusauth

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"
)

// flip changes one bit.
func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// unmac makes a reply that has no Message-Authenticator and is otherwise right.
func unmac(q *query, code radius.Code, list ...at) []byte { return respond(q.bare(code, list...), q) }

// badMAC makes a reply whose Message-Authenticator is wrong and whose Response Authenticator is right.
func badMAC(q *query, list ...at) []byte {
	return respond(q.bare(radius.CodeAccessAccept, append([]at{{80, strings.Repeat("x", 16)}}, list...)...), q)
}

var forgeries = []struct {
	name    string
	make    func(q *query) []byte
	want    replyStatus
	lenient bool // accepted where no Message-Authenticator is required
}{
	{"empty", func(*query) []byte { return []byte{} }, replyMalformed, false},
	{"short", func(q *query) []byte { return q.build(2)[:19] }, replyMalformed, false},
	{"truncated", func(q *query) []byte { b := q.build(2, at{18, "hello"}); return b[:len(b)-1] }, replyMalformed, false},
	{"Length under 20", func(q *query) []byte {
		b := q.build(2)
		binary.BigEndian.PutUint16(b[2:], 19)
		return b
	}, replyMalformed, false},
	{"Length over 4096", func(q *query) []byte {
		b := append(q.build(2), octets(at{25, strings.Repeat("x", 253)})...)
		for len(b) < 4097 {
			b = append(b, octets(at{25, strings.Repeat("x", min(253, 4097-len(b)-2))})...)
		}
		binary.BigEndian.PutUint16(b[2:], 4097)
		return sign(b, q)
	}, replyMalformed, false},
	{"attribute of length 0", func(q *query) []byte {
		b := q.build(2, at{18, "hello"})
		b[39] = 0
		return sign(b, q)
	}, replyMalformed, false},
	{"attribute of length 1", func(q *query) []byte {
		b := q.build(2, at{18, "hello"})
		b[39] = 1
		return sign(b, q)
	}, replyMalformed, false},
	{"attribute past the end", func(q *query) []byte {
		b := q.build(2, at{18, "hello"})
		b[39] = 8
		return sign(b, q)
	}, replyMalformed, false},
	{"attribute of one octet", func(q *query) []byte {
		b := append(q.build(2), 18)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		return sign(b, q)
	}, replyMalformed, false},
	{"type 0", func(q *query) []byte { return q.build(2, at{0, "hello"}) }, replyMalformed, false},
	{"Message-Authenticator of 17 octets", func(q *query) []byte { return unmac(q, 2, at{80, strings.Repeat("x", 17)}) }, replyMalformed, false},
	{"two Message-Authenticators", func(q *query) []byte { return q.build(2, at{80, strings.Repeat("x", 16)}) }, replyMalformed, false},
	{"other Identifier", func(q *query) []byte {
		b := bytes.Clone(q.bare(2, at{80, string(make([]byte, 16))}))
		b[1]++
		return sign(b, q)
	}, replyUnexpected, false},
	{"Access-Request", func(q *query) []byte { return q.build(1) }, replyWrongCode, false},
	{"Accounting-Response", func(q *query) []byte { return q.build(5) }, replyWrongCode, false},
	{"code 0", func(q *query) []byte { return q.build(0) }, replyWrongCode, false},
	{"code 255", func(q *query) []byte { return q.build(255) }, replyWrongCode, false},
	{"no Message-Authenticator", func(q *query) []byte { return unmac(q, 2) }, replyUnsigned, true},
	{"EAP without Message-Authenticator", func(q *query) []byte { return unmac(q, 2, at{79, "\x03\x01\x00\x04"}) }, replyUnsigned, false},
	{"wrong Message-Authenticator", func(q *query) []byte { return badMAC(q) }, replyWrongMessageAuthenticator, false},
	{"another's Message-Authenticator", func(q *query) []byte {
		b := q.build(2)
		b[0] = 3
		return respond(append(b[:4], append(q.Authenticator[:], b[20:]...)...), q)
	}, replyWrongMessageAuthenticator, false},
	{"wrong Response Authenticator", func(q *query) []byte { return flip(q.build(2), 4) }, replyWrongAuthenticator, false},
	{"Reject made an Accept", func(q *query) []byte { b := q.build(3); b[0] = 2; return b }, replyWrongAuthenticator, false},
	{"attribute changed", func(q *query) []byte { return flip(q.build(2, at{25, "staff"}), 42) }, replyWrongAuthenticator, false},
	{"another secret", func(q *query) []byte {
		other := *q
		other.secret = "not-the-secret"
		return other.build(2)
	}, replyWrongAuthenticator, false},
	{"Request Authenticator of another", func(q *query) []byte {
		other := &query{Packet: &radius.Packet{Identifier: q.Identifier, Authenticator: [16]byte{1}}, secret: q.secret}
		return other.build(2)
	}, replyWrongAuthenticator, false},
}

// TestU5Forgeries: a forged reply changes nothing. The right reply, a second later, counts, and no timer changes.
func TestU5Forgeries(t *testing.T) {
	for _, required := range []bool{true, false} {
		for _, tt := range forgeries {
			t.Run(fmt.Sprint(tt.name, required), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { forged(t, tt.make, tt.want, required, tt.lenient && !required) })
			})
		}
	}
}

func forged(t *testing.T, make func(q *query) []byte, want replyStatus, required, taken bool) {
	w := newWorld(t)
	f := w.serve(one)
	f.does(func(q *query) {
		q.send(make(q))
		if len(f.queries()) == 2 {
			time.Sleep(time.Second)
			q.reply(radius.CodeAccessReject)
		}
	})
	u := w.upstream(Config{RequireMessageAuthenticator: required}, one)
	defer u.Close()
	begun := time.Now()
	got := said(u.Authenticate(t.Context(), pap("jo", "hunter2")))
	if taken {
		if got != "yes" || time.Since(begun) != 0 {
			t.Errorf("got %s after %v, want yes at once", got, time.Since(begun))
		}
		return
	}
	if got != "no" || time.Since(begun) != 3*time.Second {
		t.Errorf("got %s after %v, want no after 3s", got, time.Since(begun))
	}
	if h := u.Health()[0]; len(h.Discarded) != 1 || h.Discarded[want.String()] != 2 || h.Retransmissions != 1 {
		t.Errorf("%d retransmissions, discarded %v; want two times %v", h.Retransmissions, h.Discarded, want)
	}
}

// TestU2Required: where a Message-Authenticator is required, a reply without one is not an answer.
func TestU2Required(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(one).does(func(q *query) { q.send(unmac(q, radius.CodeAccessAccept)) })
		u := w.upstream(Config{RequireMessageAuthenticator: true}, one)
		defer u.Close()
		want := "upstream: ask " + one + " for 5s: no answer, only a reply without Message-Authenticator"
		if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestWrongSecret: the error names the likeliest cause.
func TestWrongSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(one).does(func(q *query) {
			q.secret = "another"
			q.reply(radius.CodeAccessReject)
		})
		u := w.upstream(Config{}, one)
		defer u.Close()
		want := "upstream: ask " + one + " for 5s: no answer, only a reply with a wrong authenticator: is the secret right?"
		if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestPadded: octets after Length do not belong to the packet.
func TestPadded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(one).does(func(q *query) { q.send(append(q.build(radius.CodeAccessAccept), 1, 2, 3)) })
		u := w.upstream(Config{RequireMessageAuthenticator: true}, one)
		defer u.Close()
		if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != "yes" {
			t.Error(got)
		}
	})
}

// TestMACAnywhere: a reply's Message-Authenticator need not come first.
func TestMACAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve(one).does(func(q *query) {
			b := q.bare(radius.CodeAccessAccept, at{25, "staff"}, at{80, string(make([]byte, 16))}, at{18, "hi"})
			q.send(respond(macAtOctet(b, 29, q), q))
		})
		u := w.upstream(Config{RequireMessageAuthenticator: true}, one)
		defer u.Close()
		if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != "yes" {
			t.Error(got)
		}
	})
}

// TestLate: the reply to a login that was given up does not mean a wrong secret, and answers no other login.
func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f := w.serve(one)
		f.does(func(q *query) {
			if len(f.queries()) > 256 {
				f.queries()[0].reply(radius.CodeAccessAccept)
				return
			}
			if len(f.queries()) > 1 {
				q.reply(radius.CodeAccessReject)
			}
		})
		u := w.upstream(Config{Timeout: time.Second}, one)
		defer u.Close()
		ctx, cancel := contextFor(t, time.Second/2)
		defer cancel()
		u.Authenticate(ctx, pap("jo", "hunter2"))
		for range 255 {
			if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != "no" {
				t.Fatal(got)
			}
		}
		got := said(u.Authenticate(t.Context(), pap("jo", "hunter2")))
		if want := "upstream: ask " + one + " for 1s: no answer"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if h := u.Health()[0]; h.Discarded[replyUnexpected.String()] != 1 || len(h.Discarded) != 1 {
			t.Errorf("discarded %v", h.Discarded)
		}
	})
}

// TestU5Source: a reply that is right in every way, but comes from another port than was asked, is dropped.
func TestU5Source(t *testing.T) {
	elsewhere, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Close()
	f := listen(t)
	f.does(func(q *query) {
		elsewhere.WriteToUDPAddrPort(q.build(radius.CodeAccessAccept), netip.MustParseAddrPort(q.socket))
		if len(f.queries()) == 2 {
			q.reply(radius.CodeAccessReject)
		}
	})
	u := towards(t, Config{}, f.addr.String())
	if got := said(u.Authenticate(t.Context(), pap("jo", "hunter2"))); got != "no" {
		t.Errorf("got %s, want no", got)
	}
}
