package memory

import (
	"crypto/rand"
	"sync/atomic"

	"duoradiusd/policy"
)

// Memory holds the five stores of package policy inside this process, and saves the part of them that must survive a
// restart. It is safe for concurrent use.
type Memory struct {
	approvals    *approvals
	transactions *transactions
	challenges   *challenges
	guard        *localGuard
	replays      *replays

	key     [32]byte
	shared  bool           // all processes of a cluster have the same key
	changes *atomic.Uint64 // counts changes of anything that Save writes
	urgent  *atomic.Uint64 // counts changes of anything that SaveChanges writes
	number  uint64         // the number of the latest complete Snapshot; only one save runs at a time
}

// New returns an empty Memory. It keeps at most entries approvals.
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

// Key returns the key with which digests of passwords are made (policy.NewRuntime). After Restore it is the key of the
// previous run.
func (m *Memory) Key() [32]byte { return m.key }

// UseKey replaces Key by a key that several processes share. Restore does not change such a key.
func (m *Memory) UseKey(key [32]byte) { m.key, m.shared = key, true }

// Runtime returns a Runtime that uses only the stores of m.
func (m *Memory) Runtime() *policy.Runtime { return policy.NewRuntime(m.Stores(), m.key) }

// Changes returns a number that changes whenever something that Save writes may have changed.
func (m *Memory) Changes() uint64 { return m.changes.Load() + m.urgent.Load() }

// UrgentChanges returns a number that changes whenever something that SaveChanges writes may have changed.
func (m *Memory) UrgentChanges() uint64 { return m.urgent.Load() }

// Resize changes how many approvals this process keeps at most. The least recently used ones are dropped first.
func (m *Memory) Resize(entries int) { m.approvals.resize(entries) }

// Counts holds the sizes of a Memory, for monitoring.
type Counts struct {
	Approvals    int    // kept by this process; an expired one counts until somebody asks for it
	Transactions int    // pushes, calls and passcode checks that wait for Duo's answer
	Kept         int    // transactions, those that are over included, that a login may still be answered by or that keep a phone ringing
	Joins        uint64 // logins that joined a transaction that another login had begun, since the start
}

// Counts returns the present sizes of m.
func (m *Memory) Counts() Counts {
	c := m.transactions.counts()
	c.Approvals = m.approvals.len()
	return c
}

// Alive returns when every store of this process has answered. It never returns if a store hangs.
func (m *Memory) Alive() {
	m.approvals.len()
	m.challenges.len()
	m.guard.len()
	m.replays.len()
	m.transactions.counts()
}
