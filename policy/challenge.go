package policy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	challengeLife    = 2 * time.Minute // to find the phone and type a code
	challengeEntries = 1 << 14
	firstEntries     = 1 << 12 // of one client's whose users have proved nothing yet
	challengeTries   = 3       // wrong codes
	challengeRounds  = 8       // challenges in one login, whatever they were for
)

// challenge is a login half-way: the first factor was right, the second is asked for.
type challenge struct {
	client    string
	user      string
	duo       Identity
	userIP    netip.Addr  // as the login began
	authentic bool        // the same
	account   Account     // what the first factor said
	first     *firstRound // the first factor asks back; nil: the second does
	origin    joinKey     // of the request that it answered
	options   []option
	wrong     int // codes
	rounds    int
	pushed    *transaction // of a Verified Push: Enter waits for it
	ends      time.Time
}

// challenges keeps them by State. A State is good once: whoever removes it has it.
type challenges struct {
	mu     sync.Mutex // guards all
	second shelf
	first  map[string]shelf // by client: who has proved nothing yet pushes out others of that kind alone
}

type shelf = *simplelru.LRU[string, *challenge]

func newChallenges() *challenges {
	return &challenges{second: mustLRU[string, *challenge](challengeEntries), first: make(map[string]shelf)}
}

// put keeps c under a new State of 128 random bits in printable form: some clients carry State as a C string.
func (cs *challenges) put(c *challenge) (state string) {
	var b [16]byte
	rand.Read(b[:])
	state = hex.EncodeToString(b[:])
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.add(state, c)
	return state
}

// add is called with mu held.
func (cs *challenges) add(state string, c *challenge) {
	on := cs.second
	if c.first != nil {
		if on = cs.first[c.client]; on == nil {
			on = mustLRU[string, *challenge](firstEntries)
			cs.first[c.client] = on
		}
	}
	on.Add(state, c)
}

// take hands out the challenge of a State, once, to the client and user that were given it (RFC 2865 §5.24).
func (cs *challenges) take(state, client, user string, now time.Time) *challenge {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, on := range []shelf{cs.second, cs.first[client]} {
		if on == nil {
			continue
		}
		c, ok := on.Peek(state)
		if !ok || c.client != client || c.user != user {
			continue
		}
		on.Remove(state)
		if !now.Before(c.ends) {
			return nil
		}
		return c
	}
	return nil
}

// all calls f for each, the least recently used of a kind first. It is called with mu held.
func (cs *challenges) all(f func(state string, c *challenge)) {
	for _, on := range slices.Concat([]shelf{cs.second}, slices.Collect(maps.Values(cs.first))) {
		for _, state := range on.Keys() {
			if c, ok := on.Peek(state); ok {
				f(state, c)
			}
		}
	}
}

// challenge begins a challenge with what this login has settled. Its origin is the login's first request, however many
// challenges came since.
func (l *login) challenge() *challenge {
	c := &challenge{client: l.Client.Name, user: l.called, duo: l.duo, userIP: l.UserIP, authentic: l.Authentic, account: l.account}
	if l.origin != nil {
		c.origin = *l.origin
	} else {
		c.origin = l.joinKey()
	}
	return c
}

// ask puts a challenge before the user: say, then what can be typed.
func (l *login) ask(c *challenge, say string) Verdict {
	c.ends = time.Now().Add(challengeLife)
	c.rounds++
	if c.rounds > challengeRounds {
		return l.reject(Denied, sayDenied)
	}
	v := l.facts
	v.Outcome, v.Reason, v.User = Challenge, Challenged, l.name
	v.Message, v.Wait = say, challengeLife
	v.State = l.memory.challenges.put(c)
	return v
}

// resume goes on with the challenge of a State. A login with a State never starts afresh.
func (l *login) resume(ctx context.Context) Verdict {
	if !l.settleName(l.User) {
		return l.reject(BadState, sayStartAgain)
	}
	c := l.memory.challenges.take(l.State, l.Client.Name, l.called, time.Now())
	if c == nil {
		return l.rejoin(ctx)
	}
	if !l.takeUp(c) {
		return l.reject(BadState, sayStartAgain)
	}
	if c.first != nil {
		return l.goOn(ctx, c)
	}
	if v, ok := l.mayPass(); !ok { // a reload since
		return v
	}
	l.asking = time.Now()
	return l.answerTo(ctx, c)
}

// takeUp goes on with what the login had settled when the challenge was sent. Clients may leave the user's address out
// of the answer to a challenge; another one they may not tell.
func (l *login) takeUp(c *challenge) bool {
	if c.origin.at != l.Client.Application || !l.settleAccount(c.account) || c.duo != l.duo || l.UserIP.IsValid() && l.UserIP != c.userIP {
		return false
	}
	l.UserIP = c.userIP
	l.Authentic = l.Authentic && c.authentic
	l.origin = &c.origin
	return true
}

// rejoin answers a client that asks again, with a new Identifier, while the answer to a challenge is being worked on:
// the State is used, but the transaction that it began is live.
func (l *login) rejoin(ctx context.Context) Verdict {
	key := l.joinKey()
	t, account, _ := l.memory.join(&key, l.duo, l.since)
	if t == nil || !l.settleAccount(account) || l.mapped() && l.duo != t.user {
		return l.reject(BadState, sayStartAgain)
	}
	if v, ok := l.mayPass(); !ok { // a reload since
		return v
	}
	l.duo, l.asking = t.user, time.Now()
	return l.await(t)
}

// answerTo takes what the user typed to a challenge of the second factor.
func (l *login) answerTo(ctx context.Context, c *challenge) Verdict {
	answer := strings.TrimSpace(l.Password)
	if answer == "" && c.pushed != nil {
		l.memory.alsoFor(l.joinKey(), c.pushed, l.account)
		return l.await(c.pushed)
	}
	asked, ok := c.chosen(answer)
	if !ok || asked.factor == "" {
		return l.again(c, sayNotUnderstood)
	}
	if !l.allowed(asked.factor) {
		return l.again(c, sayNotAllowed)
	}
	l.answers = c
	return l.askDuo(ctx, asked)
}

// answered asks once more where Duo's answer to what the user typed leaves that open.
func (l *login) answered(c *challenge, v Verdict) Verdict {
	switch {
	case v.Reason == CodesSent:
		c.options = nil
		return l.ask(c, sayCodesSent+"\n"+sayPasscode)
	case v.Reason == Denied && v.Factor == Passcode,
		v.Reason == NoDevice, v.Reason == Cooldown, v.Reason == Pending:
		return l.again(c, v.Message)
	}
	return v
}

// again asks once more after a wrong answer, three times in all.
func (l *login) again(c *challenge, why string) Verdict {
	if c.wrong++; c.wrong >= challengeTries {
		return l.reject(Denied, why)
	}
	return l.ask(c, why+"\n"+l.menu(c.options))
}
