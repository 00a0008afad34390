package shared

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/valkey-io/valkey-go"

	"duoradiusd/policy"
	"duoradiusd/policy/canonical"
	"duoradiusd/policy/factor"
)

// approvals implements policy.Approvals. The store keeps the approvals of one person in one hash. Each approval is a field.
// The field "epoch" holds a number that grows with each revocation. An approval counts only in the epoch in which it was
// given.
type approvals struct {
	*link
	local policy.Approvals

	mu     sync.Mutex                    // guards the fields below
	epochs *simplelru.LRU[string, int64] // by tag: the highest epoch seen, so that an older copy of a hash does not count again
	frauds map[policy.Phone]struct{}     // phones whose approvals the store must forget as soon as it can be asked
}

const (
	epochField      = "epoch"
	revokedField    = "revoked" // holds, sealed, when approvals were last revoked
	maxEpochs       = 1 << 16
	maxPerUser      = 64                  // approvals of one person; the oldest are dropped
	longestApproval = 31 * 24 * time.Hour // no configuration of [remember] allows a longer approval
	clockSkew       = time.Minute         // how much the clocks of two daemons may differ, for an approval's age
	useTries        = 4                   // how often Use tries while other daemons use the same approval
)

func newApprovals(l *link, local policy.Approvals) *approvals {
	epochs, err := simplelru.NewLRU[string, int64](maxEpochs, nil)
	if err != nil {
		panic(err) // happens only for a size below 1
	}
	return &approvals{link: l, local: local, epochs: epochs, frauds: make(map[policy.Phone]struct{})}
}

// tag returns the tag of the hash that holds a person's approvals. person is a folded name.
func (a *approvals) tag(person string) string { return a.config.Keys.name("person", person) }
func (a *approvals) hash(tag string) string   { return a.approvalsOf(tag) }
func (l *link) approvalsOf(tag string) string { return l.key("approvals", tag) }
func (a *approvals) field(k policy.ApprovalKey) string {
	return a.config.Keys.name("approval", k.User, k.Duo.UserID, k.Duo.Username, k.Application, k.Service, k.Client, k.IP.String())
}

// identityKey returns the key of the set of tags whose hashes hold approvals of a Duo user.
func (a *approvals) identityKey(duo policy.Identity) string {
	return a.key("identity", a.config.Keys.name("identity", duo.UserID, duo.Username))
}

// Use implements policy.Approvals. It takes one command if there are no limits on idle time and on uses. The uses of an
// approval without such limits are not counted.
func (a *approvals) Use(ctx context.Context, key policy.ApprovalKey, limits policy.ApprovalLimits) (bool, error) {
	tag := a.tag(canonical.Fold(key.User))
	for range useTries {
		got, sealed, err := a.get(ctx, tag, key)
		switch {
		case errors.Is(err, ErrDown):
			return orLocal(a.link, func() (bool, error) { return a.local.Use(ctx, key, limits) })
		case err != nil || got == nil:
			return false, err
		}
		now := a.config.Now()
		if got.At.After(now.Add(clockSkew)) || now.Sub(got.At) >= min(limits.Lifetime, got.Lifetime) ||
			limits.Idle > 0 && now.Sub(got.Used) >= limits.Idle ||
			limits.Uses > 0 && got.Uses >= limits.Uses || !slices.Contains(limits.Factors, got.Factor) {
			return false, nil
		}
		if limits.Idle == 0 && limits.Uses == 0 {
			return true, nil
		}
		got.Used, got.Uses = now, got.Uses+1
		if counted, err := a.replace(ctx, tag, sealed, got); counted || err != nil {
			return counted, err
		}
	}
	return false, nil // other daemons used it at the same time too often, so the user is asked
}

// get returns the approval of a key if it belongs to the current epoch. sealed is its value in the store.
func (a *approvals) get(ctx context.Context, tag string, key policy.ApprovalKey) (got *storedApproval, sealed string, err error) {
	hash, field := a.hash(tag), a.field(key)
	var values []string
	err = a.call(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		values, err = valuesOf(c.Do(ctx, c.B().Hmget().Key(hash).Field(epochField, field).Build()))
		return err
	})
	if err != nil || len(values) != 2 || values[1] == "" {
		return nil, "", err
	}
	got = a.unseal(hash, field, values[1], &key)
	if got == nil || got.Epoch != a.epoch(tag, values[0]) {
		return nil, "", nil
	}
	return got, values[1], nil
}

// valuesOf reads a list of strings. It returns "" for a value that the store does not have.
func valuesOf(r valkey.ValkeyResult) ([]string, error) {
	list, err := r.ToArray()
	if err != nil {
		return nil, err
	}
	values := make([]string, len(list))
	for i := range list {
		values[i], _ = list[i].ToString()
	}
	return values, nil
}

// unseal opens the value of a field. It returns nil if the approval does not count here, or if key is given and differs.
func (a *approvals) unseal(hash, field, sealed string, key *policy.ApprovalKey) *storedApproval {
	b, ok := a.config.Keys.open(hash+"/"+field, sealed, a.config.Now())
	if !ok {
		return nil
	}
	got, ok := decodeApproval(b, key)
	if !ok || key == nil && a.field(got.Key) != field {
		return nil
	}
	return got
}

func (a *approvals) sealed(hash string, s *storedApproval) (field, sealed string) {
	field = a.field(s.Key)
	return field, a.config.Keys.seal(hash+"/"+field, s.encode(), s.At.Add(s.Lifetime))
}

// epoch returns the epoch of a hash. It returns 0 if there is none, or if this daemon has seen a higher one.
func (a *approvals) epoch(tag, sealed string) int64 {
	b, ok := a.config.Keys.open(a.hash(tag)+"/"+epochField, sealed, a.config.Now())
	n, err := strconv.ParseInt(string(b), 10, 64)
	if !ok || err != nil {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if seen, _ := a.epochs.Get(tag); n < seen {
		return 0
	}
	a.epochs.Add(tag, n)
	return n
}

// nextEpoch returns a new epoch that is higher than all earlier ones, also in its sealed form, and remembers it.
func (a *approvals) nextEpoch(tag string) (n int64, sealed string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen, _ := a.epochs.Get(tag)
	n = max(seen+1, a.now().UnixMicro())
	a.epochs.Add(tag, n)
	return n, a.config.Keys.seal(a.hash(tag)+"/"+epochField, strconv.AppendInt(nil, n, 10), a.config.Now().Add(2*longestApproval))
}

var replaceScript = valkey.NewLuaScript(`
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1`)

// replace writes an approval with one more use. It does nothing if another daemon has changed the approval since.
func (a *approvals) replace(ctx context.Context, tag, before string, s *storedApproval) (counted bool, err error) {
	hash := a.hash(tag)
	field, sealed := a.sealed(hash, s)
	err = a.call(ctx, func(ctx context.Context, c valkey.Client) error {
		n, err := replaceScript.Exec(ctx, c, []string{hash}, []string{field, before, sealed}).AsInt64()
		counted = n == 1
		return err
	})
	return counted, err
}

var addScript = valkey.NewLuaScript(`
local epoch = redis.call('HGET', KEYS[1], 'epoch') or ''
if epoch ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'epoch', ARGV[2], ARGV[3], ARGV[4])
for i = 6, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
local left = redis.call('PTTL', KEYS[1])
if left < tonumber(ARGV[5]) then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
return 1`)

// Add implements policy.Approvals. It adds nothing if the approvals of the person are revoked at the same time.
func (a *approvals) Add(ctx context.Context, key policy.ApprovalKey, factor factor.Factor, lifetime time.Duration) error {
	tag, now := a.tag(canonical.Fold(key.User)), a.config.Now()
	hash, index := a.hash(tag), a.identityKey(key.Duo)
	life := min(lifetime, longestApproval)
	s := &storedApproval{Key: key, Factor: factor, At: now, Used: now, Lifetime: lifetime}
	err := a.call(ctx, func(ctx context.Context, c valkey.Client) error {
		all, err := c.Do(ctx, c.B().Hgetall().Key(hash).Build()).AsStrMap()
		if err != nil {
			return err
		}
		before := all[epochField]
		epoch := before
		if s.Epoch = a.epoch(tag, before); s.Epoch == 0 {
			s.Epoch, epoch = a.nextEpoch(tag)
		}
		field, sealed := a.sealed(hash, s)
		delete(all, epochField)
		delete(all, revokedField)
		args := append([]string{before, epoch, field, sealed, strconv.FormatInt(life.Milliseconds(), 10)}, a.spent(hash, all, s.Epoch, field)...)
		// The index is written first: a report of fraud finds approvals by the index.
		for _, r := range c.DoMulti(ctx, c.B().Sadd().Key(index).Member(tag).Build(),
			c.B().Pexpire().Key(index).Milliseconds((2 * longestApproval).Milliseconds()).Build()) {
			if err := r.Error(); err != nil {
				return err
			}
		}
		return addScript.Exec(ctx, c, []string{hash}, args).Error()
	})
	if err != nil && errors.Is(err, ErrDown) {
		_, err = orLocal(a.link, func() (struct{}, error) { return struct{}{}, a.local.Add(ctx, key, factor, lifetime) })
	}
	return err
}

// spent returns the fields that a new approval replaces: those that no longer count, and the oldest if there are too many.
func (a *approvals) spent(hash string, all map[string]string, epoch int64, keep string) (fields []string) {
	var good []*storedApproval
	for field, sealed := range all {
		switch s := a.unseal(hash, field, sealed, nil); {
		case field == keep:
		case s == nil || s.Epoch != epoch:
			fields = append(fields, field)
		default:
			good = append(good, s)
		}
	}
	slices.SortFunc(good, func(x, y *storedApproval) int { return x.Used.Compare(y.Used) })
	for len(good) >= maxPerUser {
		fields, good = append(fields, a.field(good[0].Key)), good[1:]
	}
	return fields
}
