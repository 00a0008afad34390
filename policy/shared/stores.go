package shared

import (
	"context"

	"duoradiusd/policy"
)

// Cluster connects this daemon to the cluster. It is safe for concurrent use.
type Cluster struct {
	link         *link
	approvals    *approvals
	transactions *transactions
	challenges   *challenges
	guard        *sharedGuard
	replays      *replays
	local        policy.Stores
}

// New returns a Cluster that uses the local stores while the shared store can't be asked. It does nothing before Start.
func New(c Config, local policy.Stores) *Cluster {
	l := newLink(c)
	s := &Cluster{
		link:         l,
		local:        local,
		approvals:    newApprovals(l, local.Approvals),
		transactions: newTransactions(l, local.Transactions),
		challenges:   &challenges{l, local.Challenges},
		guard:        &sharedGuard{link: l, local: local.Guard, alone: make(map[string]struct{})},
		replays:      &replays{l, local.Replays},
	}
	l.onUp = func() error { return s.approvals.catchUp(context.Background()) }
	return s
}

// Stores returns the shared stores.
func (s *Cluster) Stores() policy.Stores {
	return policy.Stores{Approvals: s.approvals, Transactions: s.transactions, Challenges: s.challenges, Guard: s.guard, Replays: s.replays}
}

// Start begins to connect to the server. If that takes too long, Start returns before it is connected.
func (s *Cluster) Start() { s.link.start() }

// Use sets the names of the RADIUS clients of a new configuration. The peers compare these names with their own.
func (s *Cluster) Use(clients []string) { s.link.setClients(clients) }

// Close ends the goroutines of the Cluster.
func (s *Cluster) Close() {
	s.transactions.close()
	s.link.close()
}

// orLocal returns the answer of a local store, or ErrDown if when_down is "reject".
func orLocal[T any](l *link, local func() (T, error)) (T, error) {
	if l.config.WhenDown == WhenDownReject {
		var none T
		return none, ErrDown
	}
	return local()
}
