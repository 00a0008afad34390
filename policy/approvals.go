package policy

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Approvals remembers who was allowed by Duo, and until when. The LRU bounds its size; the expiry stands in the
// value, because approvals differ in lifetime and a lifetime of 0 must mean none.
type Approvals struct {
	mu  sync.Mutex // guards lru and the approvals in it
	lru *simplelru.LRU[approvalKey, *approval]
}

// approvalKey holds the Duo identity and application too: who is mapped to another Duo user, and a client that asks
// another application, begin anew.
type approvalKey struct {
	user    string
	duo     Identity
	at      string // the Duo application
	service string // "" when approvals are not bound to it; so too the next two
	client  string
	ip      netip.Addr
}

type approval struct {
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
	UserIP      netip.Addr `json:"user_ip,omitzero"`
	ApprovedAt  time.Time  `json:"approved_at"`
	EndsAt      time.Time  `json:"ends_at"` // as granted; a configuration that grants less now ends it sooner
	LastUsedAt  time.Time  `json:"last_used_at,omitzero"`
	Uses        int        `json:"uses"` // logins that it has answered
}

// limits are the bounds of an approval's life beside its lifetime. 0 means none.
type limits struct {
	idle time.Duration
	uses int
}

func newApprovals(entries int) *Approvals {
	return &Approvals{lru: mustLRU[approvalKey, *approval](max(entries, 1))}
}

// use reports whether an approval still counts, and counts this use of it. lifetime is what the configuration grants
// today: an approval given under a longer one ends with it.
func (a *Approvals) use(key approvalKey, now time.Time, lifetime time.Duration, l limits) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	got, ok := a.lru.Get(key)
	if !ok {
		return false
	}
	if passed(got.at, now, min(lifetime, got.lifetime)) ||
		l.idle > 0 && passed(got.used, now, l.idle) ||
		l.uses > 0 && got.uses >= l.uses {
		a.lru.Remove(key)
		return false
	}
	got.used = now
	got.uses++
	return true
}

func (a *Approvals) add(key approvalKey, now time.Time, lifetime time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lru.Add(key, &approval{at: now, lifetime: lifetime, used: now})
}

// listedAtOnce bounds how long a list holds up logins.
const listedAtOnce = 1000

// List returns the approvals of a user, by canonical name, or everybody's for "": the most recently used first, at most
// so many; 0 is all. Those whose time has passed are not among them.
func (a *Approvals) List(user string, most int) []Approval {
	a.mu.Lock()
	keys := a.lru.Keys()
	a.mu.Unlock()
	slices.Reverse(keys)
	if user != "" {
		keys = slices.DeleteFunc(keys, func(key approvalKey) bool { return key.user != user })
	}
	if most <= 0 {
		most = len(keys)
	}
	list := make([]Approval, 0, min(most, len(keys)))
	now := time.Now()
	for some := range slices.Chunk(keys, listedAtOnce) {
		list = a.appendSome(list, some, now)
		if len(list) >= most {
			return list[:most]
		}
	}
	return list
}

func (a *Approvals) appendSome(list []Approval, keys []approvalKey, now time.Time) []Approval {
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

func (got *approval) public(key approvalKey) Approval {
	p := Approval{
		User: key.user, DuoUserID: key.duo.UserID, DuoUsername: key.duo.Username,
		Service: key.service, Client: key.client, UserIP: key.ip,
		ApprovedAt: got.at.UTC().Round(0), EndsAt: got.at.UTC().Round(0).Add(got.lifetime), Uses: got.uses,
	}
	if got.uses > 0 {
		p.LastUsedAt = got.used.UTC().Round(0)
	}
	return p
}

// forget takes away every approval of a Duo user, after a report of fraud say.
func (a *Approvals) forget(duo Identity) {
	a.forgetWhere(func(key approvalKey) bool { return key.duo == duo })
}

// Forget takes away every approval of a user, by canonical name, and returns how many still counted.
func (a *Approvals) Forget(user string) int {
	return a.forgetWhere(func(key approvalKey) bool { return key.user == user })
}

// ForgetAll takes away everybody's approvals, and returns how many still counted.
func (a *Approvals) ForgetAll() int {
	return a.forgetWhere(func(approvalKey) bool { return true })
}

func (a *Approvals) forgetWhere(which func(approvalKey) bool) (counted int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for _, key := range a.lru.Keys() {
		if !which(key) {
			continue
		}
		if got, ok := a.lru.Peek(key); ok && !passed(got.at, now, got.lifetime) {
			counted++
		}
		a.lru.Remove(key)
	}
	return counted
}

// Resize changes how many approvals are kept at most; the least recently used go first.
func (a *Approvals) Resize(entries int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lru.Resize(max(entries, 1))
}

// Len returns how many approvals are kept, expired ones that nobody has asked for since included.
func (a *Approvals) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lru.Len()
}

// passed reports whether limit has passed since t, by the monotonic clock or by the wall clock: the first stands
// still while a machine sleeps, the second may be set back.
func passed(t, now time.Time, limit time.Duration) bool {
	return now.Sub(t) >= limit || now.Round(0).Sub(t.Round(0)) >= limit
}
