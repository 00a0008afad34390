package policy

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
)

// Memory is what outlives a change of configuration: the Stores, and the transactions that this process has at Duo. It
// is safe for concurrent use.
type Memory struct {
	Stores
	OnFraud func(user, txid string) // told of each push that its user reports as fraud, waited for or not; may be nil

	// The stores inside this process, which Save writes.
	approvals    *localApprovals
	transactions *localTransactions
	challenges   *localChallenges
	guard        *localGuard
	replays      *localReplays
	digest       *digest
	changes      *atomic.Uint64
	shared       bool // the key of digest is that of all processes

	running context.Context // ends with Close
	stop    context.CancelFunc
	mu      sync.Mutex // lets no transaction begin after Close
	wg      sync.WaitGroup
}

// NewMemory returns a Memory whose stores are in this process and empty. It remembers at most entries approvals.
func NewMemory(entries int) *Memory {
	changes := new(atomic.Uint64)
	m := &Memory{
		approvals:    newLocalApprovals(entries, changes),
		transactions: newLocalTransactions(changes),
		challenges:   newLocalChallenges(changes),
		guard:        newLocalGuard(changes),
		replays:      newLocalReplays(changes),
		digest:       new(digest),
		changes:      changes,
	}
	m.approvals.transactions = m.transactions
	rand.Read(m.digest.key[:])
	m.Stores = m.Local()
	m.running, m.stop = context.WithCancel(context.Background())
	return m
}

// Local returns the stores inside this process.
func (m *Memory) Local() Stores {
	return Stores{m.approvals, m.transactions, m.challenges, m.guard, m.replays}
}

// Share has m use stores that several processes share; they may fall back on Local's. key is what the processes make
// digests of passwords with. It is called before Restore and the first login.
func (m *Memory) Share(stores Stores, key [32]byte) {
	m.Stores, m.digest.key, m.shared = stores, key, true
}

// Changes returns a number that is another whenever something may have changed since that Save writes.
func (m *Memory) Changes() uint64 { return m.changes.Load() }

// Resize changes how many approvals this process keeps at most; the least recently used go first.
func (m *Memory) Resize(entries int) { m.approvals.resize(entries) }

// Counts is what a Memory is busy with, for those who watch.
type Counts struct {
	Approvals    int    // kept by this process, expired ones that nobody has asked for since included
	Transactions int    // pushes, calls and passcode checks that wait for Duo's answer
	Joins        uint64 // logins that were given a transaction which another had begun, since the start
}

// Counts returns what m is busy with.
func (m *Memory) Counts() Counts {
	c := m.transactions.counts()
	c.Approvals = m.approvals.len()
	return c
}

// Alive returns when every store of this process has answered. When one hangs it never returns.
func (m *Memory) Alive() {
	m.approvals.len()
	m.challenges.len()
	m.guard.len()
	m.replays.len()
	m.transactions.counts()
}

// Close ends the transactions at Duo and waits for them. None begins any more.
func (m *Memory) Close() {
	m.mu.Lock()
	m.stop()
	m.mu.Unlock()
	m.wg.Wait()
}

// runs runs f beside the logins, until Close at most. It reports false after Close.
func (m *Memory) runs(f func(ctx context.Context)) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running.Err() != nil {
		return false
	}
	m.wg.Go(func() { f(m.running) })
	return true
}
