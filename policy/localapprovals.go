package policy

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// localApprovals is Approvals inside this process. The LRU bounds its size; the expiry stands in the value, because
// approvals differ in lifetime and a lifetime of 0 must mean none.
type localApprovals struct {
	changes      *atomic.Uint64
	transactions *localTransactions // whose allow is given again for a while; nil in some tests

	mu  sync.Mutex // guards lru and the approvals in it
	lru *simplelru.LRU[ApprovalKey, *approval]
}

type approval struct {
	person   string // folded
	factor   Factor // that earned it
	at       time.Time
	lifetime time.Duration
	used     time.Time
	uses     int
}

// Approval is one login that Duo allowed and that is remembered, for those who look after the daemon.
type Approval struct {
	User        string     `json:"user"`                  // canonical
	DuoUserID   string     `json:"duo_user_id,omitempty"` // whom Duo was asked about: by this...
	DuoUsername string     `json:"duo_username,omitempty"`
	Service     string     `json:"service,omitempty"` // what it holds for; "" or the zero address: for any
	Client      string     `json:"client,omitempty"`
	Factor      Factor     `json:"factor,omitempty"` // that earned it
	UserIP      netip.Addr `json:"user_ip,omitzero"`
	ApprovedAt  time.Time  `json:"approved_at"`
	EndsAt      time.Time  `json:"ends_at"` // as granted; a configuration that grants less now ends it sooner
	LastUsedAt  time.Time  `json:"last_used_at,omitzero"`
	Uses        int        `json:"uses"` // logins that it has answered
}

func newLocalApprovals(entries int, changes *atomic.Uint64) *localApprovals {
	return &localApprovals{changes: changes, lru: mustLRU[ApprovalKey, *approval](max(entries, 1))}
}

// Use implements Approvals.
func (a *localApprovals) Use(_ context.Context, key ApprovalKey, limits ApprovalLimits) (bool, error) {
	return a.UseAtOnce(key, time.Now(), limits), nil
}

// UseAtOnce is Use, for those who can't wait.
func (a *localApprovals) UseAtOnce(key ApprovalKey, now time.Time, limits ApprovalLimits) bool {
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
func (a *localApprovals) Add(_ context.Context, key ApprovalKey, factor Factor, lifetime time.Duration) error {
	a.add(key, factor, time.Now(), lifetime)
	return nil
}

func (a *localApprovals) add(key ApprovalKey, factor Factor, now time.Time, lifetime time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lru.Add(key, &approval{person: Fold(key.User), factor: factor, at: now, lifetime: lifetime, used: now})
	a.changes.Add(1)
}

// listedAtOnce bounds how long a list holds up logins.
const listedAtOnce = 1000

// List implements Approvals.
func (a *localApprovals) List(_ context.Context, user string, most int) ([]Approval, error) {
	a.mu.Lock()
	keys := a.lru.Keys()
	a.mu.Unlock()
	slices.Reverse(keys)
	if user != "" {
		keys = slices.DeleteFunc(keys, func(key ApprovalKey) bool { return key.User != user })
	}
	if most <= 0 {
		most = len(keys)
	}
	list := make([]Approval, 0, min(most, len(keys)))
	now := time.Now()
	for some := range slices.Chunk(keys, listedAtOnce) {
		list = a.appendSome(list, some, now)
		if len(list) >= most {
			return list[:most], nil
		}
	}
	return list, nil
}

func (a *localApprovals) appendSome(list []Approval, keys []ApprovalKey, now time.Time) []Approval {
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

func (got *approval) public(key ApprovalKey) Approval {
	p := Approval{
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
func (a *localApprovals) ForgetPhone(_ context.Context, phone Phone) error {
	a.forgetWhere(func(key ApprovalKey, got *approval) bool { return key.Duo == phone.Duo || got.person == phone.Person })
	a.transactions.endRepeats(func(p Phone) bool { return p.Duo == phone.Duo || p.Person == phone.Person })
	return nil
}

// Forget implements Approvals.
func (a *localApprovals) Forget(_ context.Context, person string) (int, error) {
	a.transactions.endRepeats(func(p Phone) bool { return p.Person == person })
	return a.forgetWhere(func(_ ApprovalKey, got *approval) bool { return got.person == person }), nil
}

// ForgetAll implements Approvals.
func (a *localApprovals) ForgetAll(context.Context) (int, error) {
	a.transactions.endRepeats(func(Phone) bool { return true })
	return a.forgetWhere(func(ApprovalKey, *approval) bool { return true }), nil
}

func (a *localApprovals) forgetWhere(which func(ApprovalKey, *approval) bool) (counted int) {
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

func (a *localApprovals) resize(entries int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lru.Resize(max(entries, 1))
}

func (a *localApprovals) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lru.Len()
}

// passed reports whether limit has passed since t, by the monotonic clock or by the wall clock: the first stands
// still while a machine sleeps, the second may be set back.
func passed(t, now time.Time, limit time.Duration) bool {
	return now.Sub(t) >= limit || now.Round(0).Sub(t.Round(0)) >= limit
}
