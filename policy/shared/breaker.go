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

// ErrDown says that the shared store can't be asked at present.
var ErrDown = errors.New("the cluster's store can't be asked")

// breaker keeps logins from waiting for a store that does not answer. One failure opens it. While it is open, only the
// goroutine of the link asks the store.
type breaker struct {
	up       atomic.Bool
	failures atomic.Uint64
	wake     chan struct{} // has room for one value, which says that an operation has failed

	mu      sync.Mutex // guards the fields below
	last    error      // the error that opened the breaker
	said    string     // the state that the log reported last
	outages int        // the number of outages that the log has reported
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

// changed reports whether the log must report this state, because it reported another one last. outages is the number of
// outages that the log has reported, including this one.
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

// serverDown holds the first words of those server errors which say that the server answers nobody, or refuses this daemon.
// Other errors say that one command was wrong.
var serverDown = []string{"READONLY", "OOM", "NOAUTH", "WRONGPASS", "NOPERM", "LOADING", "MASTERDOWN", "MISCONF",
	"CLUSTERDOWN", "NOREPLICAS", "TRYAGAIN", "UNBLOCKED", "BUSY"}

// isDown reports whether err, from a call that had its full time, means that the store can't be asked.
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

// call runs f with a client and with the time that one operation may take. An error means that the store gave no answer. If
// the caller's own context ends, that does not count as a failure of the store.
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
	if isDown(err) && l.client.Load() == client { // an error of an old client says nothing about the server now
		l.breaker.fail(err)
	}
	return errors.Join(ErrDown, err)
}

const (
	beatEvery = 2 * time.Second        // how often the link announces this daemon and reads the store's clock
	retryMin  = 100 * time.Millisecond // the first pause before a store that is down is tried again
	retryMax  = 2 * time.Second        // the longest such pause
)
