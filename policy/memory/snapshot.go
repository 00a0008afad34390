package memory

import (
	"cmp"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"runtime"
	"slices"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/canonical"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
)

// Snapshot is the part of a Memory that survives a restart. It holds the state of unfinished logins, which may include a
// typed passcode, and the key of the digests. Therefore whoever stores it must encrypt it. Each list that comes from an LRU
// begins with the least recently used entry.
type Snapshot struct {
	Transactions []savedTransaction
	otherState
	Approvals [][]savedApproval
}

// otherState is what a snapshot has between the transactions and the approvals. Both of them are written in lists, which end with
// an empty list.
type otherState struct {
	Written    time.Time
	Number     uint64 // the number of a complete Snapshot; one by SaveChanges has the number of the Snapshot that it adds to
	DigestKey  [32]byte
	Challenges []savedChallenge
	Pushes     []savedPushes
	Guesses    savedGuesses
	Replays    []savedReplay
}

type savedApproval struct {
	policy.ApprovalKey
	Factor   factor.Factor
	At, Used int64 // Unix time, in nanoseconds
	Lifetime time.Duration
	Uses     int
}

type savedChallenge struct {
	State string
	policy.OpenChallenge
}

type savedReplay struct {
	Request policy.RequestDigest
	ID      policy.TransactionID
	At      time.Time
}

const (
	maxSnapshot = 1 << 28         // the most octets that Restore reads
	maxSaved    = maxSnapshot / 4 // the most octets of approvals that Save writes, roughly: those of half a million logins
)

// clockSlack is how far the clock may be set back between two runs.
const clockSlack = time.Minute

// Save writes what survives a restart: approvals, challenges, the counts of the guard, and the transactions that a user's
// next try may join. This includes secrets, so w must encrypt what it gets.
func (m *Memory) Save(w io.Writer) error {
	m.number++
	return m.encode(w, m.approvals.save)
}

// SaveChanges writes the same as Save, without the approvals that the last Save wrote: there are many of them and few
// change. Its output goes to a second file, and only Restore with the output of that same Save can use it. This w must
// encrypt too.
func (m *Memory) SaveChanges(w io.Writer) error {
	return m.encode(w, m.approvals.saveAdded)
}

// encode copies the transactions first; the approvals are copied afterwards. Therefore Duo is asked again after a restart
// about a transaction that ends between the two, and no approval is saved that a report of fraud has removed.
func (m *Memory) encode(w io.Writer, approvals func() [][]savedApproval) error {
	out := gob.NewEncoder(w)
	err := encodeLists(out, m.transactions.save())
	if err == nil {
		c := otherState{Written: time.Now(), Number: m.number, DigestKey: m.key, Challenges: m.challenges.save(), Replays: m.replays.save()}
		m.guard.save(&c)
		err = out.Encode(c)
	}
	if err == nil {
		err = encodeLists(out, slices.Values(approvals()))
	}
	if err != nil {
		return fmt.Errorf("encode what is remembered: %w", err)
	}
	return nil
}

// encodeLists writes lists that are not empty, and an empty list as their end. It lets others run after each list, because
// to encode them all takes long.
func encodeLists[T any](out *gob.Encoder, lists iter.Seq[[]T]) error {
	for list := range lists {
		if err := out.Encode(list); err != nil {
			return err
		}
		runtime.Gosched()
	}
	return out.Encode([]T{})
}

// decodeLists reads what encodeLists wrote.
func decodeLists[T any](in *gob.Decoder) (lists [][]T, err error) {
	for {
		var list []T
		if err := in.Decode(&list); err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return lists, nil
		}
		lists = append(lists, list)
	}
}

// ErrChanges says that the output of SaveChanges can't be read. In that case Restore has used the output of Save.
var ErrChanges = errors.New("the latest saved changes can't be used")

// Restore reads the output of Save into m, which must not be in use yet. changes is the output of SaveChanges after that
// Save, or nil. Restore returns the transactions of the previous run that are still live, if canResume says that Duo can be
// asked for their answers. After any error but ErrChanges no approval is restored. A time in the future was written by a
// wrong clock: Restore accepts it only where that restricts a user.
func (m *Memory) Restore(r, changes io.Reader, canResume func(policy.Transaction) bool, limits guard.PushLimits) (live []policy.Transaction, err error) {
	s, err := Decode(r)
	if err != nil {
		return nil, fmt.Errorf("decode what was remembered: %w", err)
	}
	if changes != nil {
		newer, unfit := Decode(changes)
		if unfit != nil {
			err = fmt.Errorf("%w: %w", ErrChanges, unfit)
		} else if newer.Number == s.Number { // else a later Save has it all
			s.Transactions, s.otherState, s.Approvals = newer.Transactions, newer.otherState, append(s.Approvals, newer.Approvals...)
		}
	}
	live, unfit := m.restore(s, canResume, limits)
	return live, errors.Join(unfit, err)
}

func (m *Memory) restore(s *Snapshot, canResume func(policy.Transaction) bool, limits guard.PushLimits) (live []policy.Transaction, err error) {
	now := time.Now()
	m.guard.restore(&s.otherState, limits, now)
	if s.Written.After(now.Add(clockSlack)) {
		return nil, errors.New("what was remembered is dated later than now; is this machine's clock right?")
	}
	if !m.shared {
		m.key = s.DigestKey
	}
	m.number = s.Number
	for _, list := range s.Approvals {
		m.approvals.restore(list, now)
	}
	live = m.transactions.restore(s.Transactions, canResume, now)
	m.challenges.restore(s.Challenges, now)
	m.replays.restore(s.Replays, now)
	return live, nil
}

// Encode writes s in the form that Decode reads.
func (s *Snapshot) Encode(w io.Writer) error {
	out := gob.NewEncoder(w)
	if err := encodeLists(out, slices.Chunk(s.Transactions, atOnce)); err != nil {
		return err
	}
	if err := out.Encode(s.otherState); err != nil {
		return err
	}
	return encodeLists(out, slices.Values(s.Approvals))
}

// Decode reads what Encode wrote. It turns a panic into an error, because encoding/gob makes no promise for input that it
// did not write.
func Decode(r io.Reader) (s *Snapshot, err error) {
	defer func() {
		if p := recover(); p != nil {
			s, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	in := gob.NewDecoder(io.LimitReader(r, maxSnapshot))
	s = new(Snapshot)
	transactions, err := decodeLists[savedTransaction](in)
	if err != nil {
		return nil, err
	}
	s.Transactions = slices.Concat(transactions...)
	if err := in.Decode(&s.otherState); err != nil {
		return nil, err
	}
	s.Approvals, err = decodeLists[savedApproval](in)
	return s, err
}

// earlier returns the earlier of t and limit.
func earlier(t, limit time.Time) time.Time {
	if t.After(limit) {
		return limit
	}
	return t
}

// save returns the approvals in lists, the least recently used first. If there are too many, it leaves out the least
// recently used. It never makes a login wait for long.
func (a *approvals) save() [][]savedApproval {
	a.mu.Lock()
	a.added = make(map[policy.ApprovalKey]struct{})
	a.mu.Unlock()
	found := a.copies(func(*approval) bool { return true })
	slices.SortFunc(found, func(a, b approval) int { return cmp.Compare(a.turn, b.turn) })
	from := len(found)
	for room := maxSaved; from > 0; from-- {
		if room -= sizeOf(found[from-1].key); room < 0 {
			break
		}
	}
	return saved(found[from:])
}

// saveAdded returns the approvals that were added since the last save, in lists.
func (a *approvals) saveAdded() [][]savedApproval {
	a.mu.Lock()
	keys := slices.Collect(maps.Keys(a.added))
	a.mu.Unlock()
	now := time.Now()
	found := make([]approval, 0, len(keys))
	for some := range slices.Chunk(keys, atOnce) {
		a.mu.Lock()
		for _, key := range some {
			if e := a.byKey[key]; e != nil {
				if got := e.Value.(*approval); !passed(got.at, now, got.lifetime) {
					found = append(found, *got)
				}
			}
		}
		a.mu.Unlock()
	}
	return saved(found)
}

// saved converts approvals to the form of a snapshot, in lists.
func saved(list []approval) (lists [][]savedApproval) {
	for some := range slices.Chunk(list, atOnce) {
		saved := make([]savedApproval, len(some))
		for i, got := range some {
			saved[i] = savedApproval{got.key, got.factor, got.at.UnixNano(), got.used.UnixNano(), got.lifetime, got.uses}
		}
		lists = append(lists, saved)
	}
	return lists
}

// sizeOf returns roughly how many octets an approval takes in a snapshot.
func sizeOf(k policy.ApprovalKey) int {
	return 80 + len(k.User) + len(k.Duo.UserID) + len(k.Duo.Username) + len(k.Application) + len(k.Service) + len(k.Client)
}

func (a *approvals) restore(list []savedApproval, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range list {
		at, used := time.Unix(0, s.At), time.Unix(0, s.Used)
		if s.Factor == "" || at.After(now.Add(clockSlack)) || passed(at, now, s.Lifetime) {
			continue // an older version did not save the factor
		}
		// From now on their age also counts by the monotonic clock, which nobody can set.
		at, used = now.Add(-max(now.Sub(at), 0)), now.Add(-max(now.Sub(used), 0))
		a.put(&approval{key: s.ApprovalKey, person: canonical.Fold(s.User), factor: s.Factor, at: at, lifetime: s.Lifetime, used: used, uses: s.Uses})
	}
}

func (cs *challenges) save() (list []savedChallenge) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.all(func(state string, c *policy.OpenChallenge) { list = append(list, savedChallenge{state, *c}) })
	return list
}

func (cs *challenges) restore(list []savedChallenge, now time.Time) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, s := range list {
		if now.Before(s.Ends) && !s.Ends.After(now.Add(policy.ChallengeLife+clockSlack)) {
			cs.add(s.State, &s.OpenChallenge)
		}
	}
}

func (r *replays) save() (list []savedReplay) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.marks.Keys() {
		if m, ok := r.marks.Peek(request); ok {
			list = append(list, savedReplay{request, m.ID, m.At})
		}
	}
	return list
}

func (r *replays) restore(list []savedReplay, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range list {
		r.marks.Add(s.Request, replayMark{s.ID, earlier(s.At, now)})
	}
}
