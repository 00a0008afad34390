package shared

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/valkey-io/valkey-go"

	"duoradiusd/policy"
	"duoradiusd/policy/guard"
)

// pushEndedScript records how a push ended. It counts pushes that the user did not approve.
//
//	KEYS  the cooldown of a phone, its pushes
//	ARGV  how the push ended (yes, fraud, no, or off if pushes are not counted), limit, window, cooldown, a name for this
//	      push; 6, 7: another reason why the phone must not ring, and for how long
var pushEndedScript = valkey.NewLuaScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if ARGV[1] == 'yes' then
	redis.call('DEL', KEYS[1], KEYS[2])
elseif ARGV[1] == 'fraud' then
	redis.call('SET', KEYS[1], 'unanswered', 'PX', ARGV[4])
elseif ARGV[1] == 'no' then
	redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - ARGV[3]))
	redis.call('ZADD', KEYS[2], string.format('%.0f', now), ARGV[5])
	redis.call('PEXPIRE', KEYS[2], ARGV[3])
	local limit = tonumber(ARGV[2])
	if limit > 0 and redis.call('ZCARD', KEYS[2]) >= limit then
		redis.call('SET', KEYS[1], 'unanswered', 'PX', ARGV[4])
		redis.call('DEL', KEYS[2])
	end
end
if ARGV[6] ~= '' and redis.call('PTTL', KEYS[1]) < tonumber(ARGV[7]) then redis.call('SET', KEYS[1], ARGV[6], 'PX', ARGV[7]) end
return 1`)

// phoneKeys returns the two keys, cooldown and pushes, for each of the two names of a phone.
func (g *sharedGuard) phoneKeys(p policy.Phone) (keys [2][2]string) {
	for i, name := range p.Keys() {
		tag := g.config.Keys.name("phone", name)
		keys[i] = [2]string{g.key("cooldown", tag), g.key("pushes", tag)}
	}
	return keys
}

// CoolingDown implements policy.Guard.
func (g *sharedGuard) CoolingDown(ctx context.Context, phone policy.Phone) (hold guard.Hold, err error) {
	keys := g.phoneKeys(phone)
	err = g.call(ctx, func(ctx context.Context, c valkey.Client) error {
		for _, r := range c.DoMulti(ctx, c.B().Get().Key(keys[0][0]).Build(), c.B().Get().Key(keys[1][0]).Build()) {
			why, err := r.ToString()
			if err != nil && !valkey.IsValkeyNil(err) {
				return err
			}
			hold = cmp.Or(hold, guard.Hold(why))
		}
		return nil
	})
	if errors.Is(err, ErrDown) || err == nil && hold == "" && g.wasAlone(aloneName(phone)) {
		return g.local.CoolingDown(ctx, phone)
	}
	return hold, err
}

// aloneName returns the name of a phone in sharedGuard.alone. No person's name begins with this prefix.
func aloneName(p policy.Phone) string { return "phone\x00" + p.Keys()[0] }

// PushEnded implements policy.Guard.
func (g *sharedGuard) PushEnded(ctx context.Context, phone policy.Phone, end guard.PushEnd, limits guard.PushLimits) error {
	if err := g.local.PushEnded(ctx, phone, end, limits); err != nil {
		return err
	}
	word := "no"
	switch {
	case end.Status == "allow" || end.Status == "bypass":
		word = "yes"
	case limits.Cooldown <= 0:
		word = "off"
	case end.Status == "fraud":
		word = "fraud"
	}
	args := []string{word, strconv.Itoa(limits.Pushes), millis(limits.Window), millis(limits.Cooldown), string(newID("")), string(end.Hold()), millis(guard.HoldTime)}
	for _, keys := range g.phoneKeys(phone) {
		err := g.call(ctx, func(ctx context.Context, c valkey.Client) error {
			return pushEndedScript.Exec(ctx, c, keys[:], args).Error()
		})
		if errors.Is(err, ErrDown) {
			g.countAlone(aloneName(phone))
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Clear implements policy.Guard. While the store can't be asked it fails, so that nobody believes that it has succeeded
// everywhere.
func (g *sharedGuard) Clear(ctx context.Context, what policy.GuardClear) (int, error) {
	n, localErr := g.local.Clear(ctx, what)
	err := g.call(ctx, func(ctx context.Context, c valkey.Client) error {
		var keys []string
		if what.Source != "" {
			keys = append(keys, g.source(what.Source))
		}
		if what.Person != "" {
			for _, k := range g.phoneKeys(policy.Phone{Duo: what.Duo, Person: what.Person}) {
				keys = append(keys, k[0], k[1])
			}
			counts, err := clearScript.Exec(ctx, c, []string{g.person(what.Person)}, nil).AsInt64()
			if err != nil {
				return err
			}
			n = max(n, int(counts))
		}
		for _, key := range keys { // the keys are in different slots, so each needs a command of its own
			if err := c.Do(ctx, c.B().Del().Key(key).Build()).Error(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("the other daemons still count this: %w", err)
	}
	return n, errors.Join(localErr, err)
}

// clearScript removes a person's counts and leaves the known sources.
//
//	KEYS  the person's hash
var clearScript = valkey.NewLuaScript(`
local all, n = redis.call('HKEYS', KEYS[1]), 0
for i = 1, #all do
	if string.sub(all[i], 1, 2) == 'p:' then n = n + redis.call('HDEL', KEYS[1], all[i]) end
end
return n`)
