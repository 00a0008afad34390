package memory

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"duoradiusd/policy"
)

type savedTransaction struct {
	policy.Transaction
	Keys     []savedKey
	Rings    bool      // the transaction still keeps the phone for itself
	Failed   bool      // the transaction ended with an error
	Given    time.Time // when the first login was given the answer
	Repeated bool      // the answer was given to a second login
}

// savedKey is a key under which a transaction can be joined.
type savedKey struct {
	policy.JoinKey
	Account policy.Account
}

var errRestarted = fmt.Errorf("%w: the daemon was restarted before Duo named the transaction", policy.ErrUnavailable)

// save returns each transaction that a login of the next run could join, or that keeps a phone for itself. It returns them in
// lists, and copies each list when it is asked for, so that no login waits for long.
func (ts *transactions) save() iter.Seq[[]savedTransaction] {
	return func(yield func([]savedTransaction) bool) {
		ts.mu.Lock()
		all := slices.Collect(maps.Values(ts.byID))
		ts.mu.Unlock()
		list := make([]savedTransaction, 0, atOnce)
		for some := range slices.Chunk(all, atOnce) {
			if list = ts.appendSaved(list[:0], some); len(list) > 0 && !yield(list) {
				return
			}
		}
	}
}

func (ts *transactions) appendSaved(list []savedTransaction, some []*transaction) []savedTransaction {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	now := time.Now()
	for _, t := range some {
		if t.over() && !now.Before(t.Quiet) && (t.failure != nil || !t.given.IsZero() && !ts.repeatable(t, now)) {
			continue
		}
		saved := savedTransaction{Transaction: t.Transaction, Rings: ts.ringing[t.phone[0]] == t, Failed: t.failure != nil, Given: t.given, Repeated: t.repeated}
		for _, key := range t.keys {
			if j := ts.byKey[key]; j.transaction == t { // no later transaction has this key
				saved.Keys = append(saved.Keys, savedKey{key, j.account})
			}
		}
		list = append(list, saved)
	}
	return list
}

// restore restores the transactions of the previous run. It returns those that are still live, because Duo has their answers
// and can be asked for them.
func (ts *transactions) restore(saved []savedTransaction, canResume func(policy.Transaction) bool, now time.Time) (live []policy.Transaction) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, s := range saved {
		if t := ts.restoreOne(s, canResume, now); !t.over() {
			ts.live++
			live = append(live, t.Transaction)
		}
	}
	return live
}

// restoreOne restores one transaction. The caller holds mu.
func (ts *transactions) restoreOne(s savedTransaction, canResume func(policy.Transaction) bool, now time.Time) *transaction {
	t := newTransaction(s.Transaction)
	t.Start, t.Ended, t.Quiet = earlier(s.Start, now), earlier(s.Ended, now), earlier(s.Quiet, now.Add(policy.RingingTime))
	t.given, t.repeated = earlier(s.Given, now), s.Repeated
	ts.byID[t.ID] = t
	age := now.Sub(t.Start)
	if t.Ended.IsZero() && age < policy.RingingTime || !t.Ended.IsZero() && now.Before(ts.keptUntil(t)) {
		ts.restoreKeys(t, s) // no login may be given an older answer
	}
	if canResume(t.Transaction) {
		return t
	}
	if t.Ended.IsZero() { // Duo can no longer be asked for the answer
		t.Ended, s.Failed = now, true
		if t.Factor.Rings() {
			t.Quiet = t.Start.Add(policy.RingingTime)
		}
	}
	if s.Failed {
		t.failure = errRestarted
	}
	close(t.done)
	ts.forgetAfter(t, ts.keptUntil(t).Sub(now))
	return t
}

// restoreKeys lets logins join t again, and marks its phone as ringing. The caller holds mu.
func (ts *transactions) restoreKeys(t *transaction, s savedTransaction) {
	for _, key := range s.Keys {
		ts.addKey(t, key.JoinKey, key.Account)
	}
	if s.Rings && t.Factor.ReachesPhone() {
		ts.rung(t)
	}
}

// keptUntil returns until when a transaction that is over must be kept. Its answer may be given for lateAnswer, and may be
// given again for as long after it was first given. The caller holds mu.
func (ts *transactions) keptUntil(t *transaction) time.Time {
	until := t.Ended.Add(lateAnswer)
	if t.failure == nil && t.Factor.Rings() {
		until = until.Add(ts.repeats)
	}
	if until.Before(t.Quiet) {
		return t.Quiet
	}
	return until
}
