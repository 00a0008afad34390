package radiusd

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// slow is a socket that shows each batch that it is given, and sends it when it is told to.
type slow struct {
	socket
	batches chan []string
	letGo   chan struct{}
}

func (s *slow) sendBatch(list []message) {
	var octets []string
	for _, m := range list {
		octets = append(octets, string(m.b))
	}
	s.batches <- octets
	<-s.letGo
}

// sendingLate runs f in a bubble with a listener on a slow socket. want checks what is being sent, and send sends a reply.
func sendingLate(t *testing.T, f func(s *slow, l *listener, want func(...string), send func(string))) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{batches: make(chan []string), letGo: make(chan struct{})}
		l := &listener{socket: s}
		want := func(batch ...string) {
			t.Helper()
			if got := <-s.batches; !slices.Equal(got, batch) {
				t.Fatalf("sent %v together, want %v", got, batch)
			}
		}
		f(s, l, want, func(b string) { asker{listener: l}.send([]byte(b)) })
		l.late.wait()
	})
}

func isClosed(c <-chan struct{}) bool {
	synctest.Wait()
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestLateRepliesShareABatch: replies that are ready while others are sent leave together afterwards, in their order. Only
// wait waits for that; not even the login whose reply was sent first does.
func TestLateRepliesShareABatch(t *testing.T) {
	sendingLate(t, func(s *slow, l *listener, want func(...string), send func(string)) {
		first := after(func() { send("first") })
		want("first")
		send("second")
		send("third")
		idle := after(l.late.wait)
		s.letGo <- struct{}{}
		want("second", "third")
		if !isClosed(first) {
			t.Error("the first login sends the replies of others")
		}
		if isClosed(idle) {
			t.Error("idle while a batch is being sent")
		}
		send("fourth")
		s.letGo <- struct{}{}
		want("fourth")
		s.letGo <- struct{}{}
		<-idle
		go send("fifth")
		want("fifth")
		s.letGo <- struct{}{}
	})
}

// TestLateRepliesAfterAPanic: a panic that somebody recovers costs the replies of its batch and no others.
func TestLateRepliesAfterAPanic(t *testing.T) {
	sendingLate(t, func(s *slow, l *listener, want func(...string), send func(string)) {
		l.socket = &panicking{socket: s}
		recovered := after(func() {
			defer func() { recover() }()
			send("lost")
		})
		<-recovered
		go send("next")
		want("next")
		s.letGo <- struct{}{}
	})
}

// panicking is a socket whose first batch panics.
type panicking struct {
	socket
	again bool
}

func (p *panicking) sendBatch(list []message) {
	if !p.again {
		p.again = true
		panic("no")
	}
	p.socket.sendBatch(list)
}

// TestLateRepliesAreBounded: a system that has no room for replies does not fill the memory with them.
func TestLateRepliesAreBounded(t *testing.T) {
	sendingLate(t, func(s *slow, l *listener, want func(...string), send func(string)) {
		go send("first")
		want("first")
		for range maxLateReplies + 1 {
			send("more")
		}
		s.letGo <- struct{}{}
		if got := len(<-s.batches); got != maxLateReplies {
			t.Errorf("%d replies wait", got)
		}
		s.letGo <- struct{}{}
	})
}

// TestRetireWaitsForLateReplies: a socket that is retired closes when its last reply has left.
func TestRetireWaitsForLateReplies(t *testing.T) {
	sendingLate(t, func(s *slow, l *listener, want func(...string), send func(string)) {
		closing := &closing{socket: s, closed: make(chan struct{})}
		l.socket, l.ended = closing, make(chan struct{})
		close(l.ended)
		go send("first")
		want("first")
		send("last")
		new(Server).retire(l)
		s.letGo <- struct{}{}
		want("last")
		if isClosed(closing.closed) {
			t.Error("closed while the last reply is being sent")
		}
		s.letGo <- struct{}{}
		<-closing.closed
	})
}

// closing is a socket that shows when it is closed.
type closing struct {
	socket
	closed chan struct{}
}

func (c *closing) SetReadDeadline(time.Time) error { return nil }

func (c *closing) Close() error {
	close(c.closed)
	return nil
}
