package policy

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	replayMarks    = 1 << 16
	replayMarkLife = time.Hour
)

// localReplays is Replays inside this process.
type localReplays struct {
	changes *atomic.Uint64

	mu    sync.Mutex // guards marks
	marks *simplelru.LRU[RequestDigest, replayMark]
}

// replayMark says which transaction a request began, and when.
type replayMark struct {
	ID TransactionID
	At time.Time
}

func newLocalReplays(changes *atomic.Uint64) *localReplays {
	return &localReplays{changes: changes, marks: mustLRU[RequestDigest, replayMark](replayMarks)}
}

// Mark implements Replays.
func (r *localReplays) Mark(_ context.Context, request RequestDigest, id TransactionID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks.Add(request, replayMark{id, time.Now()})
	r.changes.Add(1)
	return nil
}

// Seen implements Replays.
func (r *localReplays) Seen(_ context.Context, request RequestDigest) (TransactionID, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.marks.Peek(request)
	if !ok || passed(m.At, time.Now(), replayMarkLife) {
		return "", false, nil
	}
	return m.ID, true, nil
}

func (r *localReplays) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.marks.Len()
}
