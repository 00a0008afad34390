package radiusd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/test/nas"
)

// conversation is the socket of one NAS and the replies that it has received.
type conversation struct {
	n     *nas.NAS
	asked map[byte]*nas.Request // by Identifier
	heard map[byte][]byte       // the first reply
}

// listen waits for the reply to the request with this Identifier. Meanwhile it also takes repeated replies to earlier
// requests, which must be the same octets. It repeats the request while nothing comes.
func (c *conversation) listen(identifier byte) error {
	for tries := 0; c.heard[identifier] == nil; {
		b, err := c.n.Receive(time.Second)
		if errors.Is(err, nas.ErrNoReply) && tries < 5 {
			tries++
			if err := c.n.Send(c.asked[identifier].Bytes()); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if err := c.hear(b); err != nil {
			return err
		}
	}
	return nil
}

func (c *conversation) hear(b []byte) error {
	r := c.asked[b[1]]
	if r == nil {
		return fmt.Errorf("a reply to nothing: % x", b)
	}
	if _, err := r.Verify(b); err != nil {
		return err
	}
	if first := c.heard[b[1]]; first != nil && !bytes.Equal(first, b) {
		return fmt.Errorf("two replies to Identifier %d:\n% x\n% x", b[1], first, b)
	}
	c.heard[b[1]] = b
	return nil
}

// TestConcurrentClients: many clients ask at once and repeat their requests at random. Each request is decided once and has
// one reply.
func TestConcurrentClients(t *testing.T) {
	const clients, logins = 64, 200
	var mu sync.Mutex
	decided := make(map[string]int) // by user, a new one for each request
	d := open(t, house{decide: func(_ context.Context, a policy.Attempt) policy.Verdict {
		mu.Lock()
		decided[a.User]++
		mu.Unlock()
		if rand.IntN(4) == 0 {
			time.Sleep(rand.N(3 * time.Millisecond))
		}
		v := accept
		v.Message = a.User
		if strings.HasSuffix(a.User, "0") {
			v = reject
		}
		return v
	}})
	var hands sync.WaitGroup
	var failed atomic.Int64
	for i := range clients {
		n := d.nas("")
		hands.Go(func() {
			c := &conversation{n: n, asked: make(map[byte]*nas.Request), heard: make(map[byte][]byte)}
			for j := range logins {
				r := nas.AccessRequest(secret, fmt.Sprintf("user-%d-%d", i, j), "hunter2")
				r.Identifier = byte(j)
				if rand.IntN(2) == 0 {
					r.Sign(nas.Last)
				}
				c.asked[r.Identifier] = r
				for range 1 + rand.IntN(3) {
					n.Send(r.Bytes())
				}
				if rand.IntN(3) == 0 { // an older one again
					n.Send(c.asked[byte(rand.IntN(j+1))].Bytes())
				}
				if err := c.listen(r.Identifier); err != nil {
					failed.Add(1)
					t.Errorf("client %d, login %d: %v", i, j, err)
					return
				}
			}
		})
	}
	hands.Wait()
	eventually(t, "nothing in progress", func() bool { inFlight, _ := d.Pending(); return inFlight == 0 })
	if failed.Load() > 0 {
		return
	}
	if len(decided) != clients*logins {
		t.Errorf("%d users were decided, want %d", len(decided), clients*logins)
	}
	for user, times := range decided {
		if times != 1 {
			t.Errorf("%s was decided %d times", user, times)
		}
	}
	if _, kept := d.Pending(); kept != clients*logins {
		t.Errorf("%d replies kept, want %d", kept, clients*logins)
	}
	for reason := range d.Drops() {
		if reason != dropInProgress {
			t.Errorf("drops: %v", d.Drops())
		}
	}
}

// TestConcurrentSlots: many requests use the same few Identifiers, so they abandon each other while they are answered. In
// the end no request is in progress and no reply is wrong.
func TestConcurrentSlots(t *testing.T) {
	d := open(t, house{decide: func(ctx context.Context, _ policy.Attempt) policy.Verdict {
		select {
		case <-time.After(rand.N(2 * time.Millisecond)):
		case <-ctx.Done():
		}
		return []policy.Verdict{accept, reject, ask, {Outcome: policy.OutcomeDiscard}}[rand.IntN(4)]
	}})
	var hands sync.WaitGroup
	for range 8 {
		n := d.nas("")
		hands.Go(func() {
			var asked []*nas.Request
			for range 300 {
				r := login().Sign([]nas.Placement{nas.None, nas.First, nas.Wrong}[rand.IntN(3)])
				r.Identifier = byte(rand.IntN(2))
				asked = append(asked, r)
				n.Send(r.Bytes())
				n.Send(asked[rand.IntN(len(asked))].Bytes())
				b, err := n.Receive(time.Millisecond)
				if err != nil {
					continue
				}
				right := false
				for _, r := range asked {
					_, err := r.Verify(b)
					right = right || err == nil && r.MessageAuthenticator != nas.Wrong
				}
				if !right {
					t.Errorf("a reply to nothing: % x", b)
				}
			}
		})
	}
	hands.Wait()
	eventually(t, "nothing in progress", func() bool { inFlight, _ := d.Pending(); return inFlight == 0 })
	d.close()
}
