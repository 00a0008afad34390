package radiusd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/test/nas"
)

// picky is a socket that can't send to one port, and sends three datagrams at once at most.
type picky struct {
	socket
	port int
	sent []int // ports
}

var errPicky = errors.New("operation not permitted")

func (p *picky) readBatch() ([]message, error) { return nil, io.EOF }

func (p *picky) writeBatch(list []message) (n int, err error) {
	for _, m := range list[:min(len(list), 3)] {
		to := int(m.peer.Port())
		if to == p.port && n == 0 {
			return 0, errPicky // as sendmmsg(2) does: only when nothing was sent before it
		}
		if to == p.port {
			return n, nil
		}
		p.sent = append(p.sent, to)
		n++
	}
	return n, nil
}

// TestReplyThatCanNotBeSent: a reply that cannot be sent does not keep back the replies behind it, wherever it stands in the batch.
func TestReplyThatCanNotBeSent(t *testing.T) {
	for bad := range 8 {
		p := &picky{port: bad}
		l := &listener{socket: p}
		var want []int
		for port := range 7 {
			from := netip.AddrPortFrom(home.Addr(), uint16(port))
			(&datagram{asker: asker{listener: l, from: from}, inBatch: true}).answer([]byte("reply"))
			if port != bad {
				want = append(want, port)
			}
		}
		l.sendReplies()
		l.sendReplies() // nothing is sent twice
		if !slices.Equal(p.sent, want) {
			t.Errorf("%d: sent to %v, want %v", bad, p.sent, want)
		}
	}
}

// crammed is a socket of a system that has no room.
type crammed struct{ picky }

func (c *crammed) writeBatch([]message) (int, error) {
	c.sent = append(c.sent, 1)
	return 0, os.NewSyscallError("sendmmsg", syscall.EAGAIN)
}

// TestNoRoomForReplies: each would be waited for, so the first is the last that is tried.
func TestNoRoomForReplies(t *testing.T) {
	c := &crammed{}
	l := &listener{socket: c}
	for range 3 {
		(&datagram{asker: asker{listener: l, from: home}, inBatch: true}).answer([]byte("reply"))
	}
	if l.sendReplies(); len(c.sent) != 1 || len(l.replies) != 0 {
		t.Errorf("%d tries, %d left", len(c.sent), len(l.replies))
	}
}

// TestManyAtOnce: what waits in the socket is answered all, each sender with its own reply, a login that waits among them
// neither late nor lost.
func TestManyAtOnce(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
		t.Run(listen, func(t *testing.T) { manyAtOnce(t, netip.MustParseAddrPort(listen)) })
	}
}

func manyAtOnce(t *testing.T, listen netip.AddrPort) {
	letGo, reading := make(chan struct{}), make(chan struct{}, 1)
	settle := func(_ context.Context, a policy.Attempt) policy.Verdict {
		return policy.Verdict{Outcome: policy.OutcomeChallenge, Reason: policy.ReasonChallenged, User: a.User, State: a.User}
	}
	s := &Server{Logger: slog.New(slog.DiscardHandler)}
	c := testClient()
	c.Addresses = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	clients, err := NewClients([]*Client{c})
	if err != nil {
		t.Fatal(err)
	}
	s.Use(Settings{Clients: clients, Decider: halting{settle, letGo, reading}})
	if err := s.Listen([]netip.AddrPort{listen}); err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	port := s.Addresses()[0].Port()
	dial := func(n int) *nas.NAS {
		to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(n%5 + 1)}), 0)
		if listen.Addr().IsUnspecified() { // each of its addresses must answer for itself
			to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 1, byte(n%7 + 1)}), port)
		}
		d, err := nas.Dial(to, from)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	}
	first := dial(0)
	if err := first.Send(nas.AccessRequest(testSecret, "halt", "x").Sign(nas.First).Bytes()); err != nil {
		t.Fatal(err)
	}
	<-reading // the loop stands still: what comes now waits in the socket
	const many = 3*batchSize + 5
	senders, requests := make([]*nas.NAS, many), make([]*nas.Request, many)
	for i := range many {
		name := fmt.Sprintf("quick-%d", i)
		if i%10 == 3 {
			name = fmt.Sprintf("slow-%d", i)
		}
		senders[i], requests[i] = dial(i), nas.AccessRequest(testSecret, name, "x").Sign(nas.First)
		if err := senders[i].Send(requests[i].Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	close(letGo)
	for i, n := range senders {
		b, err := n.Receive(5 * time.Second)
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		p, err := requests[i].Verify(b)
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		if state := p.State(); !slices.Contains([]string{fmt.Sprintf("quick-%d", i), fmt.Sprintf("slow-%d", i)}, string(state)) {
			t.Errorf("%d got the reply of %q", i, state)
		}
	}
}

// halting knows all but those whose name begins with "slow" at once, and halts the read loop when "halt" comes.
type halting struct {
	deciderFunc
	letGo   chan struct{}
	reading chan struct{}
}

func (h halting) DecideAtOnce(a policy.Attempt) (policy.Verdict, bool) {
	if a.User == "halt" {
		h.reading <- struct{}{}
		<-h.letGo
	}
	return h.deciderFunc(context.Background(), a), a.User[:2] != "sl"
}
