package memory

import (
	"crypto/rand"
	"sync/atomic"

	"duoradiusd/policy"
)

// Memory is the five stores of policy inside this process, and what of them survives a restart. It is safe for concurrent
// use.
type Memory struct {
	approvals    *approvals
	transactions *transactions
	challenges   *challenges
	guard        *localGuard
	replays      *replays

	key     [32]byte
	shared  bool           // key is that of all processes
	changes *atomic.Uint64 // of anything that Save writes
	urgent  *atomic.Uint64 // of anything that SaveChanges writes
	number  uint64         // of the latest Snapshot that is whole; saves come one after the other
}

// New returns a Memory that is empty. It remembers at most entries approvals.
func New(entries int) *Memory {
	changes, urgent := new(atomic.Uint64), new(atomic.Uint64)
	m := &Memory{
		approvals:    newApprovals(entries, changes, urgent),
		transactions: newTransactions(urgent),
		challenges:   newChallenges(urgent),
		guard:        newGuard(urgent),
		replays:      newReplays(urgent),
		changes:      changes,
		urgent:       urgent,
	}
	m.approvals.transactions = m.transactions
	rand.Read(m.key[:])
	return m
}

// Stores returns the stores.
func (m *Memory) Stores() policy.Stores {
	return policy.Stores{
		Approvals: m.approvals, Transactions: m.transactions, Challenges: m.challenges, Guard: m.guard, Replays: m.replays,
	}
}

// Key is what digests of passwords are made with, see policy.NewRuntime: that of the run before, once Restore was called.
func (m *Memory) Key() [32]byte { return m.key }

// UseKey replaces Key by one that several processes have; Restore leaves it as it is.
func (m *Memory) UseKey(key [32]byte) { m.key, m.shared = key, true }

// Runtime returns a Runtime over m alone.
func (m *Memory) Runtime() *policy.Runtime { return policy.NewRuntime(m.Stores(), m.key) }

// Changes returns a number that is another whenever something may have changed since that Save writes.
func (m *Memory) Changes() uint64 { return m.changes.Load() + m.urgent.Load() }

// UrgentChanges is Changes for what SaveChanges writes.
func (m *Memory) UrgentChanges() uint64 { return m.urgent.Load() }

// Resize changes how many approvals this process keeps at most; the least recently used go first.
func (m *Memory) Resize(entries int) { m.approvals.resize(entries) }

// Counts is what a Memory is busy with, for those who watch.
type Counts struct {
	Approvals    int    // kept by this process, expired ones that nobody has asked for since included
	Transactions int    // pushes, calls and passcode checks that wait for Duo's answer
	Kept         int    // transactions, those that are over included, that a login may still be answered by or that keep a phone ringing
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
