package shared

import (
	"context"

	"duoradiusd/policy"
)

// Cluster is this daemon's part of a cluster. It is safe for concurrent use.
type Cluster struct {
	link         *link
	approvals    *approvals
	transactions *transactions
	challenges   *challenges
	guard        *sharedGuard
	replays      *replays
	local        policy.Stores
}

// New returns a Cluster in front of this process's own stores. It does nothing before Start.
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

// Start begins to reach the server, and returns without it when that takes long.
func (s *Cluster) Start() { s.link.start() }

// Use takes the names of the RADIUS clients of a new configuration, which the peers compare with theirs.
func (s *Cluster) Use(clients []string) { s.link.setClients(clients) }

// Close ends what runs beside the logins.
func (s *Cluster) Close() {
	s.transactions.close()
	s.link.close()
}

// orLocal returns what a local store answers, or ErrDown where logins are to be rejected while the store is down.
func orLocal[T any](l *link, local func() (T, error)) (T, error) {
	if l.config.WhenDown == WhenDownReject {
		var none T
		return none, ErrDown
	}
	return local()
}
