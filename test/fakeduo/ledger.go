package fakeduo

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// ledger holds the transactions. A pending one costs a timer, no goroutine.
type ledger struct {
	expiry   time.Duration
	pollWait time.Duration
	limit    int
	memory   *memory

	mu       sync.Mutex // guards what follows, and what changes in every transaction
	all      map[string]*transaction
	order    []*transaction // by start
	began    chan struct{}  // closed and replaced when a phone begins to ring
	verified map[string]verified
}

// verified is a verified push that preauth has announced and /auth may begin.
type verified struct {
	txid    string
	userID  string
	code    string
	expires time.Time
}

func newLedger(cfg Config, m *memory) *ledger {
	return &ledger{
		expiry:   cfg.Expiry,
		pollWait: cfg.PollWait,
		limit:    cfg.Memory,
		memory:   m,
		all:      map[string]*transaction{},
		began:    make(chan struct{}),
		verified: map[string]verified{},
	}
}

// prepare announces a verified push.
func (l *ledger) prepare(userID string) verified {
	n, _ := rand.Int(rand.Reader, big.NewInt(900)) // the error is always nil
	v := verified{newTxid(), userID, fmt.Sprint(100 + n.Int64()), time.Now().Add(l.expiry)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.verified) >= l.limit {
		for txid, old := range l.verified {
			if time.Now().After(old.expires) {
				delete(l.verified, txid)
			}
		}
	}
	l.verified[v.txid] = v
	return v
}

// claim takes an announced push. It succeeds once, for the push's user, before the push expires.
func (l *ledger) claim(txid, userID string) (code string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, ok := l.verified[txid]
	if !ok || v.userID != userID || time.Now().After(v.expires) {
		return "", false
	}
	delete(l.verified, txid)
	return v.code, true
}

// find returns a transaction by its id.
func (l *ledger) find(txid string) (Transaction, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.all[txid]
	if t == nil {
		return Transaction{}, false
	}
	return t.Transaction, true
}

// close stops the timers. Pending transactions stay pending.
func (l *ledger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.order {
		if t.timer != nil {
			t.timer.Stop()
		}
	}
}
