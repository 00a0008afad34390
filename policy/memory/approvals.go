package memory

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/canonical"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// approvals is Approvals inside this process. The LRU bounds its size; the expiry stands in the value, because
// approvals differ in lifetime and a lifetime of 0 must mean none.
type approvals struct {
	changes      *atomic.Uint64 // of anything
	urgent       *atomic.Uint64 // of added
	transactions *transactions  // whose allow is given again for a while; nil in some tests

	mu    sync.Mutex // guards all below, and the approvals in lru
	lru   *simplelru.LRU[policy.ApprovalKey, *approval]
	added map[policy.ApprovalKey]struct{} // since the last save; nil where nobody saves
}

// maxAdded bounds what a disk on which nothing can be saved leaves behind.
const maxAdded = 1 << 16

type approval struct {
	person   string        // folded
	factor   policy.Factor // that earned it
	at       time.Time
	lifetime time.Duration
	used     time.Time
	uses     int
}

func newApprovals(entries int, changes, urgent *atomic.Uint64) *approvals {
	return &approvals{changes: changes, urgent: urgent, lru: mustLRU[policy.ApprovalKey, *approval](max(entries, 1))}
}

// Use implements Approvals.
func (a *approvals) Use(_ context.Context, key policy.ApprovalKey, limits policy.ApprovalLimits) (bool, error) {
	return a.UseAtOnce(key, time.Now(), limits), nil
}

// UseAtOnce is Use, for those who can't wait.
func (a *approvals) UseAtOnce(key policy.ApprovalKey, now time.Time, limits policy.ApprovalLimits) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	got, ok := a.lru.Get(key)
	if !ok || !slices.Contains(limits.Factors, got.factor) {
		return false
	}
	a.changes.Add(1)
	if passed(got.at, now, min(limits.Lifetime, got.lifetime)) ||
		limits.Idle > 0 && passed(got.used, now, limits.Idle) ||
		limits.Uses > 0 && got.uses >= limits.Uses {
		a.lru.Remove(key)
		return false
	}
	got.used = now
	got.uses++
	return true
}

// Add implements Approvals.
func (a *approvals) Add(_ context.Context, key policy.ApprovalKey, factor policy.Factor, lifetime time.Duration) error {
	a.add(key, factor, time.Now(), lifetime)
	return nil
}

func (a *approvals) add(key policy.ApprovalKey, factor policy.Factor, now time.Time, lifetime time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lru.Add(key, &approval{person: canonical.Fold(key.User), factor: factor, at: now, lifetime: lifetime, used: now})
	a.changes.Add(1)
	if a.added != nil && len(a.added) < maxAdded {
		a.added[key] = struct{}{}
		a.urgent.Add(1)
	}
}

// listedAtOnce bounds how long a list holds up logins.
const listedAtOnce = 1000

// List implements Approvals.
func (a *approvals) List(_ context.Context, user string, most int) ([]policy.Approval, error) {
	a.mu.Lock()
	keys := a.lru.Keys()
	a.mu.Unlock()
	slices.Reverse(keys)
	if user != "" {
		keys = slices.DeleteFunc(keys, func(key policy.ApprovalKey) bool { return key.User != user })
	}
	if most <= 0 {
		most = len(keys)
	}
	list := make([]policy.Approval, 0, min(most, len(keys)))
	now := time.Now()
	for some := range slices.Chunk(keys, listedAtOnce) {
		list = a.appendSome(list, some, now)
		if len(list) >= most {
			return list[:most], nil
		}
	}
	return list, nil
}

func (a *approvals) appendSome(list []policy.Approval, keys []policy.ApprovalKey, now time.Time) []policy.Approval {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range keys {
		got, ok := a.lru.Peek(key)
		if !ok || passed(got.at, now, got.lifetime) {
			continue
		}
		list = append(list, got.public(key))
	}
	return list
}

func (got *approval) public(key policy.ApprovalKey) policy.Approval {
	p := policy.Approval{
		User: key.User, DuoUserID: key.Duo.UserID, DuoUsername: key.Duo.Username,
		Service: key.Service, Client: key.Client, Factor: got.factor, UserIP: key.IP,
		ApprovedAt: got.at.UTC().Round(0), EndsAt: got.at.UTC().Round(0).Add(got.lifetime), Uses: got.uses,
	}
	if got.uses > 0 {
		p.LastUsedAt = got.used.UTC().Round(0)
	}
	return p
}

// ForgetPhone implements Approvals.
func (a *approvals) ForgetPhone(_ context.Context, phone policy.Phone) error {
	a.forgetWhere(func(key policy.ApprovalKey, got *approval) bool {
		return key.Duo == phone.Duo || got.person == phone.Person
	})
	a.transactions.endRepeats(func(p policy.Phone) bool { return p.Duo == phone.Duo || p.Person == phone.Person })
	return nil
}

// Forget implements Approvals.
func (a *approvals) Forget(_ context.Context, person string) (int, error) {
	a.transactions.endRepeats(func(p policy.Phone) bool { return p.Person == person })
	return a.forgetWhere(func(_ policy.ApprovalKey, got *approval) bool { return got.person == person }), nil
}

// ForgetAll implements Approvals.
func (a *approvals) ForgetAll(context.Context) (int, error) {
	a.transactions.endRepeats(func(policy.Phone) bool { return true })
	return a.forgetWhere(func(policy.ApprovalKey, *approval) bool { return true }), nil
}

func (a *approvals) forgetWhere(which func(policy.ApprovalKey, *approval) bool) (counted int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changes.Add(1)
	now := time.Now()
	for _, key := range a.lru.Keys() {
		got, ok := a.lru.Peek(key)
		if !ok || !which(key, got) {
			continue
		}
		if !passed(got.at, now, got.lifetime) {
			counted++
		}
		a.lru.Remove(key)
	}
	return counted
}

func (a *approvals) resize(entries int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lru.Resize(max(entries, 1))
}

func (a *approvals) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lru.Len()
}

// passed reports whether limit has passed since t, by the monotonic clock or by the wall clock: the first stands
// still while a machine sleeps, the second may be set back.
func passed(t, now time.Time, limit time.Duration) bool {
	return now.Sub(t) >= limit || now.Round(0).Sub(t.Round(0)) >= limit
}
