package shared

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/valkey-io/valkey-go"

	"duoradiusd/policy"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/memory"
)

// sharedGuard implements policy.Guard. For each guess the store sends the counts of all daemons to the local guard, which
// decides. If the store goes down, the local guard still has the last counts that it received. This daemon then counts
// alone; with the person's next guess after the outage it adds its counts to the store, where they can only raise a count.
// Whoever can write to the store can reset counts.
type sharedGuard struct {
	*link
	local policy.Guard

	mu    sync.Mutex          // guards alone
	alone map[string]struct{} // persons and phones for whom this daemon counted while the store was down
}

// LocalGuard is a policy.Guard that can adopt the counts of other daemons.
type LocalGuard interface {
	policy.Guard
	Budgets(guard.Guess) memory.Budgets
	Adopt(guard.Guess, memory.Budgets)
}

const (
	maxAlone   = 1 << 16
	knownLife  = 30 * 24 * time.Hour
	admitTries = 3
)

// admitScript counts a guess as wrong until settleScript corrects that. If the budget is spent, it does not count the guess.
// It returns whether it counted the guess, and the values of before: until when the source is known, and when the person's
// two budgets, for this source and for all unknown sources, are whole again. Times are in milliseconds. The budget of the
// source itself is in another slot.
//
//	KEYS  the person's hash
//	ARGV  kind, source, size of the budget, refill time; 5, 6: when the budgets that this daemon counted alone, for this
//	      source and for all unknown sources, are whole again (0: it counted none); life of the hash
var admitScript = valkey.NewLuaScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function number(v) return tonumber(v or 0) or 0 end
local here, elsewhere = 'p:' .. ARGV[1] .. ':' .. ARGV[2], 'p:' .. ARGV[1] .. ':'
local known = number(redis.call('HGET', KEYS[1], 'k:' .. ARGV[2]))
local function merged(field, alone)
	local stored = number(redis.call('HGET', KEYS[1], field))
	if number(alone) <= math.max(stored, now) then return stored end
	redis.call('HSET', KEYS[1], field, alone)
	redis.call('PEXPIRE', KEYS[1], ARGV[7])
	return number(alone)
end
local a, b = merged(here, ARGV[5]), merged(elsewhere, ARGV[6])
local field, whole = elsewhere, b
if known > now then field, whole = here, a end
local size, refill = number(ARGV[3]), number(ARGV[4])
local owed = math.min(math.max(whole - now, 0), size * refill)
local admitted = 1
if size > 0 and refill > 0 then
	if owed > (size - 1) * refill then
		admitted = 0
	else
		redis.call('HSET', KEYS[1], field, string.format('%.0f', now + owed + refill))
		if redis.call('PTTL', KEYS[1]) < number(ARGV[7]) then redis.call('PEXPIRE', KEYS[1], ARGV[7]) end
	end
end
local function text(v) return string.format('%.0f', v) end
return {text(admitted), text(known), text(a), text(b)}`)

// settleScript records the result of a guess that was admitted.
//
//	KEYS  the person's hash
//	ARGV  kind, source ("" if it was not known), result (right, unasked), refill time
var settleScript = valkey.NewLuaScript(`
local field = 'p:' .. ARGV[1] .. ':' .. ARGV[2]
if ARGV[3] == 'right' then
	redis.call('HDEL', KEYS[1], field)
elseif redis.call('HEXISTS', KEYS[1], field) == 1 then
	local whole = tonumber(redis.call('HGET', KEYS[1], field)) or 0
	redis.call('HSET', KEYS[1], field, string.format('%.0f', whole - ARGV[4]))
end
return 1`)

// wrongScript counts a wrong guess for a source.
//
//	KEYS  the source
//	ARGV  refill time, size of the budget; neither is 0
var wrongScript = valkey.NewLuaScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local refill = tonumber(ARGV[1])
local owed = math.max((tonumber(redis.call('GET', KEYS[1]) or 0) or 0) - now, 0)
owed = math.min(owed + refill, ARGV[2] * refill)
redis.call('SET', KEYS[1], string.format('%.0f', now + owed), 'PX', string.format('%.0f', owed))
return 1`)

// knowScript records a source from which Duo has allowed a login of a person. If there are too many sources, it removes the
// oldest.
//
//	KEYS  the person's hash
//	ARGV  source, life, the most sources
var knowScript = valkey.NewLuaScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HDEL', KEYS[1], 'p:passcode:' .. ARGV[1], 'p:passcode:')
redis.call('HSET', KEYS[1], 'k:' .. ARGV[1], string.format('%.0f', now + ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local count, oldest, first = 0, nil, nil
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
	if string.sub(all[i], 1, 2) == 'k:' then
		count = count + 1
		local at = tonumber(all[i + 1]) or 0
		if not first or at < first then oldest, first = all[i], at end
	end
end
if count > tonumber(ARGV[3]) then redis.call('HDEL', KEYS[1], oldest) end
return 1`)

func (g *sharedGuard) person(name string) string {
	return g.key("guard", g.config.Keys.name("person", name))
}
func (g *sharedGuard) source(name string) string {
	return g.key("source", g.config.Keys.name("source", name))
}
func (g *sharedGuard) sourceField(name string) string { return g.config.Keys.name("source", name) }

// adopter returns the local guard as a LocalGuard. It panics if the local guard is none.
func (g *sharedGuard) adopter() LocalGuard { return g.local.(LocalGuard) }

// Admit implements policy.Guard. While the store can't be asked, the local guard decides alone, even if when_down is
// "reject": a login that needs no second factor must still work.
func (g *sharedGuard) Admit(ctx context.Context, guess guard.Guess) (guard.Admission, error) {
	for range admitTries {
		counted, err := g.take(ctx, guess)
		if err != nil {
			g.countAlone(guess.Person)
			return g.local.Admit(ctx, guess)
		}
		a, err := g.local.Admit(ctx, guess)
		switch {
		case err != nil || a.Admitted == counted:
			return a, err
		case counted: // this daemon holds the guess back because of its source
			g.settle(ctx, a, "unasked")
			return a, nil
		}
		// The store refused the guess, but the local guard admitted it, because other guesses here were right meanwhile. The
		// store has those results by now, so the loop asks again.
		if err := g.local.Settle(ctx, a, guard.GuessNotAsked); err != nil {
			return a, err
		}
	}
	a := guard.Admission{Guess: guess, Limit: guard.LimitPasswords, Until: g.config.Now().Add(guess.Limits.Refill)}
	if guess.Kind == guard.GuessPasscode {
		a.Limit = guard.LimitPasscodes
	}
	return a, nil
}

// take counts a guess in the store, and gives the local guard the counts of before.
func (g *sharedGuard) take(ctx context.Context, guess guard.Guess) (counted bool, err error) {
	size := guess.Limits.WrongPasswords
	if guess.Kind == guard.GuessPasscode {
		size = guess.Limits.WrongPasscodes
	}
	if guess.Person == "" {
		size = 0
	}
	here, elsewhere := "0", "0"
	wasAlone := g.wasAlone(guess.Person)
	if wasAlone {
		b := g.adopter().Budgets(guess)
		here, elsewhere = g.stamp(b.Here), g.stamp(b.Elsewhere)
	}
	var answer []string
	var source string
	err = g.call(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		source, err = c.Do(ctx, c.B().Get().Key(g.source(guess.Source)).Build()).ToString()
		if err != nil && !valkey.IsValkeyNil(err) {
			return err
		}
		answer, err = admitScript.Exec(ctx, c, []string{g.person(guess.Person)},
			[]string{string(guess.Kind), g.sourceField(guess.Source), strconv.Itoa(size), millis(guess.Limits.Refill), here, elsewhere, millis(knownLife)}).AsStrSlice()
		return err
	})
	if err == nil && len(answer) != 4 {
		err = fmt.Errorf("%w: its answer is not one that the script gives", ErrDown)
	}
	if err != nil {
		return false, err
	}
	if wasAlone {
		g.mu.Lock()
		delete(g.alone, guess.Person)
		g.mu.Unlock()
	}
	g.adopter().Adopt(guess, memory.Budgets{KnownUntil: g.moment(answer[1]), Here: g.moment(answer[2]), Elsewhere: g.moment(answer[3]), Source: g.moment(source)})
	return answer[0] == "1", nil
}

// stamp returns a moment of this machine's clock in the form that the scripts use. moment is its reverse.
func (g *sharedGuard) stamp(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(g.toStore(t).UnixMilli(), 10)
}

func (g *sharedGuard) moment(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}
	}
	return g.fromStore(time.UnixMilli(n))
}

func (g *sharedGuard) countAlone(who string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.alone) < maxAlone {
		g.alone[who] = struct{}{}
	}
}

func (g *sharedGuard) wasAlone(who string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.alone[who]
	return ok
}

// Settle implements policy.Guard.
func (g *sharedGuard) Settle(ctx context.Context, a guard.Admission, result guard.GuessResult) error {
	if err := g.local.Settle(ctx, a, result); err != nil {
		return err
	}
	words := map[guard.GuessResult]string{guard.GuessRight: "right", guard.GuessWrong: "wrong", guard.GuessNotAsked: "unasked"}
	word := words[result]
	if word == "" || word == "unasked" && !a.Admitted { // the count in the store stays as it is
		return nil
	}
	return g.settle(ctx, a, word)
}

func (g *sharedGuard) settle(ctx context.Context, a guard.Admission, word string) error {
	if word == "wrong" && (a.Limits.WrongPerSource <= 0 || a.Limits.Refill <= 0) {
		return nil
	}
	field := ""
	if a.Known {
		field = g.sourceField(a.Source)
	}
	err := g.call(ctx, func(ctx context.Context, c valkey.Client) error {
		if word == "wrong" { // Admit has already counted the guess for the person
			return wrongScript.Exec(ctx, c, []string{g.source(a.Source)},
				[]string{millis(a.Limits.Refill), strconv.Itoa(a.Limits.WrongPerSource)}).Error()
		}
		return settleScript.Exec(ctx, c, []string{g.person(a.Person)}, []string{string(a.Kind), field, word, millis(a.Limits.Refill)}).Error()
	})
	if errors.Is(err, ErrDown) {
		g.countAlone(a.Person)
		return nil
	}
	return err
}

// Know implements policy.Guard.
func (g *sharedGuard) Know(ctx context.Context, guess guard.Guess) error {
	if err := g.local.Know(ctx, guess); err != nil {
		return err
	}
	err := g.call(ctx, func(ctx context.Context, c valkey.Client) error {
		return knowScript.Exec(ctx, c, []string{g.person(guess.Person)}, []string{g.sourceField(guess.Source), millis(knownLife), "16"}).Error()
	})
	if errors.Is(err, ErrDown) {
		return nil // the local guard knows the source
	}
	return err
}

// List implements policy.Guard. It lists only the counts that this daemon holds itself, because the store has no names.
func (g *sharedGuard) List(ctx context.Context, limits guard.GuessLimits) ([]guard.Count, error) {
	return g.local.List(ctx, limits)
}
