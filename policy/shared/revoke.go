package shared

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"duoradiusd/policy"
	"duoradiusd/policy/canonical"
)

var forgetScript = valkey.NewLuaScript(`
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'revoked', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
for i = 4, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1`)

// maxFrauds bounds how many reports of fraud wait until the store can be asked.
const maxFrauds = 1 << 12

// Forget implements policy.Approvals. While the store can't be asked it fails, so that nobody believes that it has
// succeeded.
func (a *approvals) Forget(ctx context.Context, person string) (int, error) {
	n, localErr := a.local.Forget(ctx, person)
	more, err := a.forgetWhere(ctx, a.tag(person), func(policy.ApprovalKey) bool { return true })
	return n + more, errors.Join(localErr, notForgotten(err))
}

func notForgotten(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the other daemons still remember these approvals: %w", err)
}

// forgetWhere removes the approvals of a person that which selects: it begins a new epoch and moves the others to it.
func (a *approvals) forgetWhere(ctx context.Context, tag string, which func(policy.ApprovalKey) bool) (counted int, err error) {
	hash := a.hash(tag)
	var keep []*storedApproval
	err = a.call(ctx, func(ctx context.Context, c valkey.Client) error {
		all, err := c.Do(ctx, c.B().Hgetall().Key(hash).Build()).AsStrMap()
		if err != nil {
			return err
		}
		epoch := a.epoch(tag, all[epochField])
		delete(all, epochField)
		delete(all, revokedField)
		for field, sealed := range all {
			switch s := a.unseal(hash, field, sealed, nil); {
			case s == nil || s.Epoch != epoch || a.config.Now().Sub(s.At) >= s.Lifetime:
			case which(s.Key):
				counted++
			default:
				keep = append(keep, s)
			}
		}
		next, sealed := a.nextEpoch(tag)
		at := a.config.Keys.seal(hash+"/"+revokedField, strconv.AppendInt(nil, a.now().UnixMicro(), 10), a.config.Now().Add(2*longestApproval))
		args := []string{sealed, at, strconv.FormatInt((2 * longestApproval).Milliseconds(), 10)}
		for _, s := range keep {
			s.Epoch = next
			field, again := a.sealed(hash, s)
			args = append(args, field, again)
		}
		return forgetScript.Exec(ctx, c, []string{hash}, args).Error()
	})
	return counted, err
}

// revokedAt returns when approvals of a person were last revoked, by the store's clock. It returns the zero Time if that was
// long ago or never happened.
func (l *link) revokedAt(ctx context.Context, person string) (at time.Time, err error) {
	hash := l.approvalsOf(l.config.Keys.name("person", person))
	var sealed string
	err = l.call(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		sealed, err = c.Do(ctx, c.B().Hget().Key(hash).Field(revokedField).Build()).ToString()
		return err
	})
	if valkey.IsValkeyNil(err) {
		return at, nil
	}
	b, ok := l.config.Keys.open(hash+"/"+revokedField, sealed, l.config.Now())
	if micros, bad := strconv.ParseInt(string(b), 10, 64); ok && bad == nil {
		at = time.UnixMicro(micros)
	}
	return at, err
}

// ForgetPhone implements policy.Approvals. If the store can't be asked now, the approvals are removed as soon as it answers.
func (a *approvals) ForgetPhone(ctx context.Context, phone policy.Phone) error {
	localErr := a.local.ForgetPhone(ctx, phone)
	err := a.forgetPhone(ctx, phone)
	if err != nil {
		a.mu.Lock()
		if len(a.frauds) < maxFrauds {
			a.frauds[phone] = struct{}{}
		}
		a.mu.Unlock()
		a.config.Log.Error("cluster: the approvals of a user are not forgotten at the other daemons yet", "user", phone.Person, "error", err)
	}
	return errors.Join(localErr, notForgotten(err))
}

func (a *approvals) forgetPhone(ctx context.Context, phone policy.Phone) error {
	_, err := a.forgetWhere(ctx, a.tag(phone.Person), func(policy.ApprovalKey) bool { return true })
	if err != nil {
		return err
	}
	var tags []string
	err = a.call(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		tags, err = c.Do(ctx, c.B().Smembers().Key(a.identityKey(phone.Duo)).Build()).AsStrSlice()
		return err
	})
	for _, tag := range tags {
		_, more := a.forgetWhere(ctx, tag, func(key policy.ApprovalKey) bool { return key.Duo == phone.Duo })
		err = errors.Join(err, more)
	}
	return err
}

// catchUp does what was impossible while the store was down. It drops the approvals that this daemon has added alone, and it
// removes everywhere the approvals of users who have reported fraud.
func (a *approvals) catchUp(ctx context.Context) error {
	a.local.ForgetAll(ctx)
	a.mu.Lock()
	frauds := make([]policy.Phone, 0, len(a.frauds))
	for phone := range a.frauds {
		frauds = append(frauds, phone)
	}
	a.mu.Unlock()
	for _, phone := range frauds {
		if err := a.forgetPhone(ctx, phone); err != nil {
			return err
		}
		a.mu.Lock()
		delete(a.frauds, phone)
		a.mu.Unlock()
	}
	return nil
}

// ForgetAll implements policy.Approvals.
func (a *approvals) ForgetAll(ctx context.Context) (int, error) {
	n, localErr := a.local.ForgetAll(ctx)
	err := a.eachHash(ctx, func(tag string) error {
		more, err := a.forgetWhere(ctx, tag, func(policy.ApprovalKey) bool { return true })
		n += more
		return err
	})
	return n, errors.Join(localErr, notForgotten(err))
}

// enough is how many approvals List reads for each one that it returns. A page with some of all approvals does not justify a
// search through the whole store.
const enough = 20

var errEnough = errors.New("enough")

// List implements policy.Approvals. If it is asked for some approvals of all users, it returns the most recently used ones
// of those that it reads first.
func (a *approvals) List(ctx context.Context, user string, most int) (list []policy.Approval, err error) {
	if user != "" {
		list, err = a.listOf(ctx, a.tag(canonical.Fold(user)))
		list = slices.DeleteFunc(list, func(p policy.Approval) bool { return p.User != user })
	} else {
		err = a.eachHash(ctx, func(tag string) error {
			some, err := a.listOf(ctx, tag)
			if list = append(list, some...); err == nil && most > 0 && len(list) >= enough*most {
				return errEnough
			}
			return err
		})
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	if errors.Is(err, ErrDown) {
		return orLocal(a.link, func() ([]policy.Approval, error) { return a.local.List(ctx, user, most) })
	}
	slices.SortStableFunc(list, func(x, y policy.Approval) int { return lastUse(y).Compare(lastUse(x)) })
	if most > 0 && len(list) > most {
		list = list[:most]
	}
	return list, err
}

func lastUse(p policy.Approval) time.Time {
	if p.LastUsedAt.After(p.ApprovedAt) {
		return p.LastUsedAt
	}
	return p.ApprovedAt
}

func (a *approvals) listOf(ctx context.Context, tag string) (list []policy.Approval, err error) {
	hash, now := a.hash(tag), a.config.Now()
	var all map[string]string
	err = a.call(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		all, err = c.Do(ctx, c.B().Hgetall().Key(hash).Build()).AsStrMap()
		return err
	})
	epoch := a.epoch(tag, all[epochField])
	for field, sealed := range all {
		s := a.unseal(hash, field, sealed, nil)
		if s == nil || s.Epoch != epoch || now.Sub(s.At) >= s.Lifetime {
			continue
		}
		p := policy.Approval{
			User: s.Key.User, DuoUserID: s.Key.Duo.UserID, DuoUsername: s.Key.Duo.Username,
			Service: s.Key.Service, Client: s.Key.Client, UserIP: s.Key.IP,
			Factor: s.Factor, ApprovedAt: s.At.UTC().Round(0), EndsAt: s.At.UTC().Round(0).Add(s.Lifetime), Uses: s.Uses,
		}
		if s.Uses > 0 {
			p.LastUsedAt = s.Used.UTC().Round(0)
		}
		list = append(list, p)
	}
	return list, err
}

// eachHash calls f with the tag of each person who has approvals.
func (a *approvals) eachHash(ctx context.Context, f func(tag string) error) error {
	prefix := a.hash("")
	prefix = prefix[:len(prefix)-1] // without the closing brace of the tag
	for cursor := uint64(0); ; {
		var some valkey.ScanEntry
		err := a.call(ctx, func(ctx context.Context, c valkey.Client) (err error) {
			some, err = c.Do(ctx, c.B().Scan().Cursor(cursor).Match(globEscaper.Replace(prefix)+"*").Count(1000).Build()).AsScanEntry()
			return err
		})
		if err != nil {
			return err
		}
		for _, key := range some.Elements {
			if err := f(strings.TrimSuffix(strings.TrimPrefix(key, prefix), "}")); err != nil {
				return err
			}
		}
		if cursor = some.Cursor; cursor == 0 {
			return nil
		}
	}
}

var globEscaper = strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`, `\`, `\\`)
