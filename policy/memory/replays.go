package memory

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"duoradiusd/policy"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	replayMarks    = 1 << 16
	replayMarkLife = time.Hour
)

// replays implements policy.Replays inside this process.
type replays struct {
	changes *atomic.Uint64

	mu    sync.Mutex // guards marks
	marks *simplelru.LRU[policy.RequestDigest, replayMark]
}

// replayMark says which transaction a request began, and at what time.
type replayMark struct {
	ID policy.TransactionID
	At time.Time
}

func newReplays(changes *atomic.Uint64) *replays {
	return &replays{changes: changes, marks: mustLRU[policy.RequestDigest, replayMark](replayMarks)}
}

// Mark implements Replays.
func (r *replays) Mark(_ context.Context, request policy.RequestDigest, id policy.TransactionID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks.Add(request, replayMark{id, time.Now()})
	r.changes.Add(1)
	return nil
}

// Seen implements Replays.
func (r *replays) Seen(_ context.Context, request policy.RequestDigest) (policy.TransactionID, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.marks.Peek(request)
	if !ok || passed(m.At, time.Now(), replayMarkLife) {
		return "", false, nil
	}
	return m.ID, true, nil
}

func (r *replays) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.marks.Len()
}
