package shared

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/valkey-io/valkey-go"

	"duoradiusd/policy"
)

// pollMin and pollMax bound the pause between two looks at another daemon's transaction. The user's answer reaches the
// client of this daemon later by at most that pause.
const (
	pollMin = 100 * time.Millisecond
	pollMax = 250 * time.Millisecond
)

// pollEvery returns a random pause, so that many followers don't ask at the same moment.
func pollEvery() time.Duration {
	var b [1]byte
	rand.Read(b[:])
	return pollMin + (pollMax-pollMin)*time.Duration(b[0])/256
}

// follow copies the state of another daemon's transaction into the local store until the transaction ends.
func (ts *transactions) follow(id policy.TransactionID) {
	ts.mu.Lock()
	again := ts.following[id]
	ts.following[id] = true
	ts.mu.Unlock()
	if again {
		return
	}
	ts.runs(func() {
		ts.followUntilOver(id)
		ts.mu.Lock()
		defer ts.mu.Unlock()
		delete(ts.following, id)
	})
}

func (ts *transactions) followUntilOver(id policy.TransactionID) {
	ctx := ts.running
	seen, unleased := time.Now(), 0
	for ctx.Err() == nil {
		s, err := ts.fetch(ctx, id)
		switch {
		case err != nil && time.Since(seen) < recordLife: // the store may answer again
		case err == nil && s == nil && time.Since(seen) < 2*leaseEvery: // the owner writes it again into an emptied store
		case s == nil:
			ts.finishCopy(id, policy.AuthResult{}, policy.ErrPushLost)
			return
		case s.over():
			ts.finishCopy(id, s.Result, s.failure())
			return
		default:
			if seen = time.Now(); s.Began {
				ts.local.Started(ctx, id, s.Txid)
			}
			if unleased++; s.leased {
				unleased = 0
			}
			if unleased > 1 && ts.ownerGone(s) { // two looks, because the transaction may have just ended
				return
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery()):
		}
	}
}

func (ts *transactions) finishCopy(id policy.TransactionID, result policy.AuthResult, failure error) {
	if errors.Is(failure, policy.ErrPushLost) {
		ts.lost.Add(1)
		ts.config.Log.Error("cluster: a push is lost: the daemon that began it is gone, and nobody knows whether the phone rings; the user gets no other push until this one can ring no more")
	}
	if err := ts.local.Finish(context.Background(), id, result, failure); err != nil {
		ts.config.Log.Error("cluster: the answer to a push of another daemon can't be given to the logins that wait for it here", "error", err)
	}
}

// ownerGone handles a transaction whose owner no longer renews its lease. It reports whether this daemon has nothing more to
// follow.
func (ts *transactions) ownerGone(s *stored) bool {
	if !s.Began { // the phone may ring, but nobody knows the txid
		ts.finishCopy(s.ID, policy.AuthResult{}, policy.ErrPushLost)
		return true
	}
	t := ts.here(s.Transaction)
	ask := ts.config.TakeOver(t)
	if ask == nil { // a daemon that is configured for this Duo application must take it over
		return false
	}
	var answer int64
	err := ts.call(ts.running, func(ctx context.Context, c valkey.Client) (err error) {
		answer, err = takeScript.Exec(ctx, c, []string{ts.txKey(s.ID), ts.leaseKey(s.ID)},
			[]string{s.token, ts.node, millis(recordLife), millis(leaseLife)}).AsInt64()
		return err
	})
	if err != nil || answer != 1 {
		return false
	}
	ts.own(t, true)
	ts.takenOver.Add(1)
	ts.config.Log.Warn("cluster: a push is taken over: the daemon that began it is gone", "txid", t.Txid)
	ask()
	return true
}
