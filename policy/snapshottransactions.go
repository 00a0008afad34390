package policy

import (
	"context"
	"fmt"
	"time"
)

type savedTransaction struct {
	Transaction
	Keys     []savedKey
	Rings    bool      // nothing else rings this phone
	Failed   bool      // its answer is an error
	Given    time.Time // when the first login was given the answer
	Repeated bool      // another was given it again
}

// savedKey is a key under which a transaction can be joined.
type savedKey struct {
	JoinKey
	Account Account
}

// askedLate is how long after its start a transaction is still asked for its answer: a user may have reported it as
// fraud while nobody listened. lateLimit is how long Duo may take to tell.
const (
	askedLate = time.Hour
	lateLimit = 10 * time.Second
)

var errRestarted = fmt.Errorf("%w: the daemon was restarted before Duo named the transaction", ErrUnavailable)

// save returns each transaction that a login of the next run could join or that keeps a phone ringing.
func (ts *localTransactions) save() []savedTransaction {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	list := make([]savedTransaction, 0, len(ts.byID))
	now := time.Now()
	for _, t := range ts.byID {
		if t.over() && !now.Before(t.Quiet) && (t.failure != nil || !t.given.IsZero() && !ts.repeatable(t, now)) {
			continue
		}
		saved := savedTransaction{Transaction: t.Transaction, Rings: ts.ringing[t.ringKeys()[0]] == t, Failed: t.failure != nil, Given: t.given, Repeated: t.repeated}
		for _, key := range t.keys {
			if j := ts.byKey[key]; j.localTransaction == t { // no later one has it
				saved.Keys = append(saved.Keys, savedKey{key, j.account})
			}
		}
		list = append(list, saved)
	}
	return list
}

// restoreTransactions takes up the transactions of the last run. Those that were live are asked for their answers.
func (m *Memory) restoreTransactions(saved []savedTransaction, second func(string) SecondFactor, limits PushLimits, now time.Time) {
	for _, s := range saved {
		t := s.Transaction
		ask := second(t.Application)
		if live := m.transactions.restore(s, ask != nil, now); !live {
			continue
		}
		limit := transactionLimit
		if now.Sub(t.Start) >= ringingTime {
			limit = lateLimit
		}
		r := &AuthRequest{User: t.Phone.Duo, Name: t.Name, Factor: t.Factor, Began: t.Txid}
		m.runs(func(ctx context.Context) { m.askDuo(ctx, t, ask, r, limits, limit) })
	}
}

// restore takes up one transaction and reports whether it is live: Duo knows its answer and can be asked for it.
func (ts *localTransactions) restore(s savedTransaction, canAsk bool, now time.Time) (live bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := &localTransaction{Transaction: s.Transaction, done: make(chan struct{})}
	t.Start, t.Ended, t.Quiet = earlier(s.Start, now), earlier(s.Ended, now), earlier(s.Quiet, now.Add(ringingTime))
	t.given, t.repeated = earlier(s.Given, now), s.Repeated
	ts.byID[t.ID] = t
	age := now.Sub(t.Start)
	if t.Ended.IsZero() && age < ringingTime || !t.Ended.IsZero() && now.Before(ts.keptUntil(t)) {
		ts.restoreKeys(t, s) // an older answer is no login's any more
	}
	if t.Ended.IsZero() && t.Began && canAsk && age < askedLate {
		ts.live++
		return true
	}
	if t.Ended.IsZero() { // its answer will never be known
		t.Ended, s.Failed = now, true
		if t.Factor.rings() {
			t.Quiet = t.Start.Add(ringingTime)
		}
	}
	if s.Failed {
		t.failure = errRestarted
	}
	close(t.done)
	ts.forgetAfter(t, ts.keptUntil(t).Sub(now))
	return false
}

// restoreKeys lets logins join t again, with mu held, and its phone ring.
func (ts *localTransactions) restoreKeys(t *localTransaction, s savedTransaction) {
	for _, key := range s.Keys {
		ts.addKey(t, key.JoinKey, key.Account)
	}
	if s.Rings && t.Factor.reachesPhone() {
		ts.rung(t)
	}
}

// keptUntil returns, with mu held, until when something must be known of a transaction that is over: its answer may be
// given for lateAnswer, and once given it is given again for as long.
func (ts *localTransactions) keptUntil(t *localTransaction) time.Time {
	until := t.Ended.Add(lateAnswer)
	if t.failure == nil && t.Factor.rings() {
		until = until.Add(ts.repeats)
	}
	if until.Before(t.Quiet) {
		return t.Quiet
	}
	return until
}
