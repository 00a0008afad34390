package memory

import (
	"cmp"
	"container/list"
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/canonical"
	"duoradiusd/policy/factor"
)

// approvals implements policy.Approvals inside this process. If there are too many, the least recently used one is dropped.
// The expiry is part of the value, because lifetimes differ and a lifetime of 0 must mean no approval.
type approvals struct {
	changes      *atomic.Uint64 // counts all changes
	urgent       *atomic.Uint64 // counts the changes of added
	transactions *transactions  // an answer of these is given again for a while after an allow; nil in some tests

	mu      sync.Mutex // guards all below and the approvals in it
	entries int        // the most approvals that are kept
	byKey   map[policy.ApprovalKey]*list.Element
	recent  list.List                       // of *approval; the most recently used one is first
	turn    uint64                          // grows with each use
	added   map[policy.ApprovalKey]struct{} // added since the last save; nil if nobody saves
}

// maxAdded bounds added when the disk refuses every save.
const maxAdded = 1 << 16

type approval struct {
	key      policy.ApprovalKey
	person   string        // the folded name
	factor   factor.Factor // the factor that earned the approval
	at       time.Time
	lifetime time.Duration
	used     time.Time
	uses     int
	turn     uint64 // the turn of the last use, which orders the approvals independently of the clock
}

func newApprovals(entries int, changes, urgent *atomic.Uint64) *approvals {
	return &approvals{changes: changes, urgent: urgent, entries: max(entries, 1), byKey: make(map[policy.ApprovalKey]*list.Element)}
}

// Use implements Approvals.
func (a *approvals) Use(_ context.Context, key policy.ApprovalKey, limits policy.ApprovalLimits) (bool, error) {
	return a.UseAtOnce(key, time.Now(), limits), nil
}

// UseAtOnce does the same as Use, for callers that can't wait.
func (a *approvals) UseAtOnce(key policy.ApprovalKey, now time.Time, limits policy.ApprovalLimits) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.byKey[key]
	if e == nil {
		return false
	}
	got := a.touch(e)
	if !slices.Contains(limits.Factors, got.factor) {
		return false
	}
	a.changes.Add(1)
	if passed(got.at, now, min(limits.Lifetime, got.lifetime)) ||
		limits.Idle > 0 && passed(got.used, now, limits.Idle) ||
		limits.Uses > 0 && got.uses >= limits.Uses {
		a.remove(e)
		return false
	}
	got.used = now
	got.uses++
	return true
}

// Add implements Approvals.
func (a *approvals) Add(_ context.Context, key policy.ApprovalKey, factor factor.Factor, lifetime time.Duration) error {
	a.add(key, factor, time.Now(), lifetime)
	return nil
}

func (a *approvals) add(key policy.ApprovalKey, factor factor.Factor, now time.Time, lifetime time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.put(&approval{key: key, person: canonical.Fold(key.User), factor: factor, at: now, lifetime: lifetime, used: now})
	a.changes.Add(1)
	if a.added != nil && len(a.added) < maxAdded {
		a.added[key] = struct{}{}
		a.urgent.Add(1)
	}
}

// put stores an approval. The caller holds mu.
func (a *approvals) put(got *approval) {
	if e := a.byKey[got.key]; e != nil {
		e.Value = got
		a.touch(e)
		return
	}
	e := a.recent.PushFront(got)
	a.byKey[got.key] = e
	a.touch(e)
	a.shrink()
}

// touch makes an approval the most recently used one. The caller holds mu.
func (a *approvals) touch(e *list.Element) *approval {
	got := e.Value.(*approval)
	a.turn++
	got.turn = a.turn
	a.recent.MoveToFront(e)
	return got
}

// remove removes an approval. The caller holds mu.
func (a *approvals) remove(e *list.Element) {
	delete(a.byKey, e.Value.(*approval).key)
	a.recent.Remove(e)
}

// shrink drops approvals while there are too many. The caller holds mu.
func (a *approvals) shrink() {
	for a.recent.Len() > a.entries {
		a.remove(a.recent.Back())
	}
}

// atOnce bounds how many approvals or transactions are read while logins wait for mu, and how many are encoded without a pause.
const atOnce = 128

// each calls do for each approval, in no order, with mu held. It releases mu now and then so that logins can go on. It may
// miss an approval that is added or removed meanwhile.
func (a *approvals) each(do func(*list.Element, *approval)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, e := range a.byKey { // the specification of Go allows changes of the map between two rounds
		do(e, e.Value.(*approval))
		if n++; n%atOnce == 0 {
			a.mu.Unlock()
			runtime.Gosched()
			a.mu.Lock()
		}
	}
}

// copies returns copies of the unexpired approvals that fits selects, in no order.
func (a *approvals) copies(fits func(*approval) bool) []approval {
	now, found := time.Now(), make([]approval, 0, a.len())
	a.each(func(_ *list.Element, got *approval) {
		if fits(got) && !passed(got.at, now, got.lifetime) {
			found = append(found, *got)
		}
	})
	return found
}

// List implements Approvals.
func (a *approvals) List(_ context.Context, user string, most int) ([]policy.Approval, error) {
	found := a.copies(func(got *approval) bool { return user == "" || got.key.User == user })
	slices.SortFunc(found, func(a, b approval) int { return cmp.Compare(b.turn, a.turn) })
	if most > 0 && most < len(found) {
		found = found[:most]
	}
	public := make([]policy.Approval, len(found))
	for i := range found {
		public[i] = found[i].public()
	}
	return public, nil
}

func (got *approval) public() policy.Approval {
	p := policy.Approval{
		User: got.key.User, DuoUserID: got.key.Duo.UserID, DuoUsername: got.key.Duo.Username,
		Service: got.key.Service, Client: got.key.Client, Factor: got.factor, UserIP: got.key.IP,
		ApprovedAt: got.at.UTC().Round(0), EndsAt: got.at.UTC().Round(0).Add(got.lifetime), Uses: got.uses,
	}
	if got.uses > 0 {
		p.LastUsedAt = got.used.UTC().Round(0)
	}
	return p
}

// ForgetPhone implements Approvals.
func (a *approvals) ForgetPhone(_ context.Context, phone policy.Phone) error {
	a.forgetWhere(func(got *approval) bool { return got.key.Duo == phone.Duo || got.person == phone.Person })
	a.transactions.endRepeats(func(p policy.Phone) bool { return p.Duo == phone.Duo || p.Person == phone.Person })
	return nil
}

// Forget implements Approvals.
func (a *approvals) Forget(_ context.Context, person string) (int, error) {
	a.transactions.endRepeats(func(p policy.Phone) bool { return p.Person == person })
	return a.forgetWhere(func(got *approval) bool { return got.person == person }), nil
}

// ForgetAll implements Approvals.
func (a *approvals) ForgetAll(context.Context) (int, error) {
	a.transactions.endRepeats(func(policy.Phone) bool { return true })
	return a.forgetWhere(func(*approval) bool { return true }), nil
}

func (a *approvals) forgetWhere(which func(*approval) bool) (counted int) {
	a.changes.Add(1)
	now := time.Now()
	a.each(func(e *list.Element, got *approval) {
		if !which(got) {
			return
		}
		if !passed(got.at, now, got.lifetime) {
			counted++
		}
		a.remove(e)
	})
	a.changes.Add(1)
	return counted
}

func (a *approvals) resize(entries int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entries = max(entries, 1)
	a.shrink()
}

func (a *approvals) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.recent.Len()
}

// passed reports whether the time limit has passed since t, by the monotonic clock or by the wall clock. Both are needed:
// the monotonic clock stands still while a machine sleeps, and the wall clock may be set back.
func passed(t, now time.Time, limit time.Duration) bool {
	return now.Sub(t) >= limit || now.Round(0).Sub(t.Round(0)) >= limit
}
