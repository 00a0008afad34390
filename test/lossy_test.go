package test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"duoradiusd/test/nas"
)

// line is a lossy connection between a daemon and its clients: every second reply is lost. It counts the packets.
type line struct {
	daemon *daemon
	every  time.Duration // after which a client repeats its request
	limit  time.Duration // within which the daemon must answer

	replies, lost, copies, requests, answered atomic.Int64

	mu      sync.Mutex // guards all fields below
	slowest time.Duration
	stall   time.Duration // the longest time for which this machine did not let the test run
}

func (l *line) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d requests, %d copies, %d replies, of which %d lost; the slowest answer after %v; the machine stood still for %v",
		l.requests.Load(), l.copies.Load(), l.replies.Load(), l.lost.Load(), l.slowest.Round(time.Millisecond), l.stall.Round(time.Millisecond))
}

// watch notices if the machine is so busy that no answer could be in time. It ends with the test.
func (l *line) watch(t testing.TB) {
	const beat = 10 * time.Millisecond
	last := time.Now()
	for t.Context().Err() == nil {
		time.Sleep(beat)
		now := time.Now()
		l.mu.Lock()
		l.stall = max(l.stall, now.Sub(last)-beat)
		l.mu.Unlock()
		last = now
	}
}

// lose reports whether the reply that just came is lost.
func (l *line) lose() bool {
	if l.replies.Add(1)%2 == 0 {
		return false
	}
	l.lost.Add(1)
	return true
}

// port is one port of a client of the lossy line.
type port struct {
	line *line
	nas  *nas.NAS
	asks []*ask
}

// ask is one request, with its copies and its reply.
type ask struct {
	request   *nas.Request
	sent      time.Time
	abandoned bool          // the client has given up, so no reply may come
	first     []byte        // the first reply, whether it was lost or not
	answered  time.Time     // when it came
	reply     *nas.Response // the reply that was not lost
}

func (l *line) open() (*port, error) {
	n, err := nas.Dial(l.daemon.Addr(), netip.AddrPort{})
	return &port{line: l, nas: n}, err
}

// send sends a new request.
func (p *port) send(r *nas.Request) (*ask, error) {
	a := &ask{request: r, sent: time.Now()}
	p.asks = append(p.asks, a)
	p.line.requests.Add(1)
	return a, p.nas.Send(r.Bytes())
}

func (p *port) again(a *ask) error {
	p.line.copies.Add(1)
	return p.nas.Send(a.request.Bytes())
}

// barrier returns when everything that was sent before has been read. It sends a request that is rejected at once, and
// waits for the reject.
func (p *port) barrier(name string) error {
	r := newAttempt(nil).request(name, "").CHAP("no such method here")
	r.Identifier = p.asks[0].request.Identifier + 128
	if err := p.nas.Send(r.Bytes()); err != nil {
		return err
	}
	b, err := p.nas.Receive(patience)
	if err != nil {
		return err
	}
	reply, err := r.Verify(b)
	if err == nil && reply.Code != nas.CodeAccessReject {
		err = fmt.Errorf("CHAP: got %v", reply)
	}
	return err
}

// settle repeats the requests that have no answer until all have one. It returns an error if something happens that must
// not happen.
func (p *port) settle() error {
	for p.waits() {
		b, err := p.nas.Receive(p.line.every)
		switch {
		case err == nil:
			err = p.take(b)
		case errors.Is(err, nas.ErrNoReply):
			err = p.repeat()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *port) waits() bool {
	for _, a := range p.asks {
		if a.reply == nil && !a.abandoned {
			return true
		}
	}
	return false
}

func (p *port) repeat() error {
	for _, a := range p.asks {
		if a.reply != nil || a.abandoned {
			continue
		}
		switch {
		case a.first == nil && time.Since(a.sent) > p.line.limit+patience:
			return errors.New("no reply")
		case a.first != nil && time.Since(a.answered) > patience:
			return errors.New("the reply was lost, and does not come again")
		}
		if err := p.again(a); err != nil {
			return err
		}
	}
	return nil
}

func (p *port) take(b []byte) error {
	for _, a := range p.asks {
		reply, err := a.request.Verify(b)
		if err != nil {
			continue
		}
		switch {
		case a.abandoned:
			return fmt.Errorf("an abandoned request was answered: %v", reply)
		case a.first == nil:
			a.first, a.answered = b, time.Now()
			if err := p.line.timed(time.Since(a.sent)); err != nil {
				return err
			}
		case !bytes.Equal(a.first, b):
			return fmt.Errorf("two replies to one request:\n% x\n% x", a.first, b)
		}
		if a.reply != nil {
			return nil // a copy and the reply have crossed
		}
		if p.line.lose() {
			return p.again(a)
		}
		a.reply = reply
		return nil
	}
	return fmt.Errorf("a reply to nothing that was asked: % x", b)
}

func (l *line) timed(took time.Duration) error {
	l.answered.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slowest = max(l.slowest, took)
	if took > l.limit+l.stall {
		return fmt.Errorf("answered after %v, want %v at most", took, l.limit)
	}
	return nil
}

// settleAll waits for all ports at the same time.
func settleAll(ports []*port) error {
	problems := make([]error, len(ports))
	var wg sync.WaitGroup
	for i, p := range ports {
		wg.Go(func() { problems[i] = p.settle() })
	}
	wg.Wait()
	return errors.Join(problems...)
}

// crowd runs this many users until the time is over, each with random numbers of its own. The first error ends all.
// all.
func crowd(t *testing.T, users int, d time.Duration, one func(dice *rand.Rand, name string) error) (logins int) {
	t.Helper()
	var done, failed atomic.Int64
	end := time.Now().Add(d)
	var wg sync.WaitGroup
	for i := range users {
		dice := rand.New(rand.NewPCG(2026, uint64(i)))
		wg.Go(func() {
			for n := 0; time.Now().Before(end) && failed.Load() == 0; n++ {
				name := fmt.Sprintf("user%d-%d", i, n)
				if err := one(dice, name); err != nil {
					failed.Add(1)
					t.Errorf("%s: %v", name, err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return int(done.Load())
}
