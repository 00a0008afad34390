package shared

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valkey-io/valkey-go"
)

// ErrDown says that the shared store can't be asked now.
var ErrDown = errors.New("the cluster's store can't be asked")

// breaker keeps logins from waiting for a store that does not answer: after one failure it is open, and only the link's
// own goroutine tries again.
type breaker struct {
	up       atomic.Bool
	failures atomic.Uint64
	wake     chan struct{} // has a place for one: something has failed

	mu      sync.Mutex // guards what follows
	last    error      // why it is open
	said    string     // what the log said last
	outages int        // that it spoke of
}

// fail opens the breaker.
func (b *breaker) fail(err error) {
	b.failures.Add(1)
	b.mu.Lock()
	b.last = err
	b.up.Store(false)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *breaker) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = nil
	b.up.Store(true)
}

func (b *breaker) why() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// changed reports whether the log does not know of this state yet, and remembers that it does then; and how many outages
// the log has spoken of, this one among them.
func (b *breaker) changed(state string) (outages int, yes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.said == state {
		return b.outages, false
	}
	if b.said = state; state == "down" {
		b.outages++
	}
	return b.outages, true
}

// serverDown are the first words of a server's errors which say that it serves nobody, or not us, rather than that one
// command was wrong.
var serverDown = []string{"READONLY", "OOM", "NOAUTH", "WRONGPASS", "NOPERM", "LOADING", "MASTERDOWN", "MISCONF",
	"CLUSTERDOWN", "NOREPLICAS", "TRYAGAIN", "UNBLOCKED", "BUSY"}

// isDown reports whether err means that the store can't be asked, after a call that had its whole time.
func isDown(err error) bool {
	if err == nil || valkey.IsValkeyNil(err) {
		return false
	}
	if answer, ok := valkey.IsValkeyErr(err); ok {
		word, _, _ := strings.Cut(answer.Error(), " ")
		for _, down := range serverDown {
			if word == down {
				return true
			}
		}
		return false
	}
	return true
}

// call runs f with a client and the time that an operation may take. Any error means that there is no answer. A caller
// that goes away is no fault of the store's.
func (l *link) call(ctx context.Context, f func(context.Context, valkey.Client) error) error {
	client := l.client.Load()
	if client == nil || !l.breaker.up.Load() {
		return ErrDown
	}
	within, cancel := context.WithTimeout(ctx, l.config.Timeout)
	defer cancel()
	err := f(within, *client)
	if err == nil || ctx.Err() != nil || valkey.IsValkeyNil(err) {
		return err
	}
	if isDown(err) && l.client.Load() == client { // what was sent to a server before the last outage says nothing of today's
		l.breaker.fail(err)
	}
	return errors.Join(ErrDown, err)
}

const (
	beatEvery = 2 * time.Second        // how often the link says that this daemon lives, and looks at the store's clock
	retryMin  = 100 * time.Millisecond // until a store that is down is tried again...
	retryMax  = 2 * time.Second        // ...and again
)
