package policy

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
)

// Memory is what outlives a change of configuration: approvals, live transactions,
// challenges, and what the guard counted. It is safe for concurrent use.
type Memory struct {
	Approvals *Approvals
	OnFraud   func(user, txid string) // told of each push that its user reports as fraud, waited for or not; may be nil

	challenges *challenges
	guard      *guard

	digest digest

	changes atomic.Uint64

	ctx  context.Context // of the live transactions
	stop context.CancelFunc
	wg   sync.WaitGroup
	crew *Crew

	mu      sync.Mutex // guards all below
	live    map[joinKey]seat
	ringing map[bell]*transaction // at most one of each at a time
	running int                   // transactions that are not over
	joins   uint64                // logins that were given a transaction which another had begun
	starts  map[string]*turnstile // by the Duo application
	span    *span                 // of the transactions that begin now
}

// NewMemory returns an empty Memory that remembers at most entries approvals.
func NewMemory(entries int) *Memory {
	m := &Memory{
		Approvals:  newApprovals(entries),
		challenges: newChallenges(),
		guard:      newGuard(),
		live:       make(map[joinKey]seat),
		ringing:    make(map[bell]*transaction),
		starts:     make(map[string]*turnstile),
	}
	rand.Read(m.digest.key[:])
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.crew = NewCrew(m.ctx)
	return m
}

// Changes returns a number that is another whenever something may have changed since.
func (m *Memory) Changes() uint64 { return m.changes.Load() }

// Close ends the live transactions and waits for them. None begins any more.
func (m *Memory) Close() {
	m.mu.Lock()
	m.stop()
	m.mu.Unlock()
	m.wg.Wait()
}

// startsAt returns the turnstile of a Duo application: the slowness of one is not another's.
func (m *Memory) startsAt(application string) *turnstile {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.starts[application]
	if t == nil {
		t = &turnstile{}
		m.starts[application] = t
	}
	return t
}
