package policy_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
)

// TestOneLoginOnePush does with a policy what clients, users and Duo can do, in any order: copies, retries, failovers,
// clients that give up, other addresses, wrong passwords, passcodes, challenges answered twice or late, reloads, restarts,
// and answers that come early, late or never. A seed is one order. In every order,
//
//   - no phone rings twice at once;
//   - a login has at most one push: another one goes out only for a login that began after the answer to the first, when
//     that answer was heard, and within a minute not at all when that answer was lost;
//   - each accept traces to one allow of Duo for the same join key: client, user, address and password field;
//   - each accept that was remembered traces to such an accept of the same approval key: user, service and address, within
//     its lifetime and after the last report of fraud;
//   - every Decide is back in time (decide says so) and nothing is left behind (end says so).
func TestOneLoginOnePush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { play(t, rounds(), false) })
}

func rounds() uint64 {
	if testing.Short() {
		return 40
	}
	return 400
}

// TestOneLoginOnePushWithLostReplies: the same with a network that loses replies. The client then sends the login again,
// and gets the same answer once more.
func TestOneLoginOnePushWithLostReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { play(t, rounds(), true) })
}

func play(t *testing.T, rounds uint64, lossy bool) {
	for seed := range rounds {
		newStorm(newWorld(t), seed, lossy).run()
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

// TestSeedIsOneOrder: the same seed plays the same round again, so that a failure can be examined.
func TestSeedIsOneOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(20) {
			first, second := newStorm(newWorld(t), seed, false).run(), newStorm(newWorld(t), seed, false).run()
			if !slices.Equal(first, second) {
				t.Errorf("seed %d plays\n%s\nand then\n%s", seed, strings.Join(first, "\n"), strings.Join(second, "\n"))
			}
		}
	})
}

const rightCode, wrongCode = "111111", "222222"

// storm is one round of random events.
type storm struct {
	*world
	seed  uint64
	lossy bool
	rand  *rand.Rand // used by the round's own goroutine only
	start time.Time
	wg    sync.WaitGroup

	mu       sync.Mutex // guards all fields below; it is locked after the mutex of fakeDuo
	tries    []try
	pushes   []*push
	begun    map[string][]time.Time // by join key: when its tries began
	repeated map[string]int         // by txid: how often its allow was given again
	unsigned map[string][]time.Time // by join key: when its unsigned tries began, which get no late answer
	sent     map[string]int         // by txid: how often its answer was sent to a client
	heard    map[string]time.Time   // by txid: when its answer reached a client
	states   []Attempt              // challenges to answer
	accepts  map[string][]time.Time // by approval key: accepts that Duo's allow has earned
	reused   map[string][]time.Time // by approval key: accepts that were remembered
	frauds   map[string][]time.Time // by user: reports of fraud
	verdicts []string
}

// try is one request, which its client may repeat or give up.
type try struct {
	Attempt
	giveUp func(error)
}

// push is a push that the fake Duo has begun.
type push struct {
	key        string // join key
	txid       string
	from, till time.Time // the phone rings from one to the other
	named      time.Time // when Duo tells its txid
	reply      reply
	lost       bool // there was a restart before its txid came, or more than a minute after its start, so nobody can learn its answer
}

func newStorm(w *world, seed uint64, lossy bool) *storm {
	s := &storm{
		world: w, seed: seed, lossy: lossy, rand: rand.New(rand.NewPCG(seed, 2)), start: time.Now(),
		begun: map[string][]time.Time{}, unsigned: map[string][]time.Time{}, repeated: map[string]int{}, sent: map[string]int{}, heard: map[string]time.Time{},
		accepts: map[string][]time.Time{}, reused: map[string][]time.Time{}, frauds: map[string][]time.Time{},
	}
	w.process.repeats = true
	w.duo.scripts = s.answer
	w.client.Second = duoThroughRestarts{w.duo, s}
	w.client.Remember = time.Duration(s.n(2)) * time.Minute
	w.client.PushTimeout = time.Duration(s.n(2)) * 20 * time.Second
	w.client.Failmode = []Failmode{FailmodeSecure, FailmodeSilent}[s.n(2)]
	w.settings.Guard = guard.PushLimits{Pushes: 3, Window: 5 * time.Minute, Cooldown: time.Duration(s.n(2)) * time.Minute}
	w.load()
	return s
}

// run plays the round and returns the result of every login.
func (s *storm) run() []string {
	for range 20 + s.n(30) {
		s.chance(0.5, func() { s.passes(time.Second) })
		s.chance(0.2, func() { s.passes(40 * time.Second) })
		s.event()
	}
	s.wg.Wait()
	time.Sleep(TransactionLimit)
	s.check()
	s.end()
	slices.Sort(s.verdicts) // events of one moment have no order
	return s.verdicts
}

// passes lets some time pass, at most as much as this, and stops at a moment at which nothing else happens.
func (s *storm) passes(most time.Duration) {
	time.Sleep(time.Duration(1 + s.rand.Int64N(int64(most))))
	synctest.Wait()
}

// event does the next thing that a client, or the administrator, does.
func (s *storm) event() {
	what, which := s.n(100), s.n(1<<20)
	s.mu.Lock()
	tries, states := slices.Clone(s.tries), slices.Clone(s.states)
	s.mu.Unlock()
	var earlier try
	if len(tries) > 0 {
		earlier = tries[which%len(tries)]
	}
	switch {
	case what < 5:
		s.load()
		return
	case what < 9:
		s.restart()
		return
	case what < 16 && len(tries) > 0:
		earlier.giveUp(ErrAbandoned)
		return
	}
	s.weather()
	switch {
	case what < 22 && len(tries) > 0: // the client turns to the daemon's other address
		earlier.giveUp(ErrAbandoned)
		s.begin(s.fresh(earlier.Attempt))
	case what < 30 && len(tries) > 0: // it asks again with a new Identifier
		s.begin(s.fresh(earlier.Attempt))
	case what < 34 && len(tries) > 0: // or sends the same octets
		s.begin(earlier.Attempt)
	case what < 55 && len(states) > 0:
		a := states[which%len(states)]
		a.Password = []string{"", "1", "2", "9", "push", "sms", rightCode, wrongCode, "nonsense"}[s.n(9)]
		s.begin(s.fresh(a))
	default:
		a := s.fresh(s.request())
		s.begin(a)
		s.chance(0.3, func() { // a copy, while the first request is still at Duo
			s.passes(time.Microsecond)
			s.begin(a)
		})
	}
	synctest.Wait()
}

// weather chooses how preauth behaves from now on.
func (s *storm) weather() {
	err, code, wait := error(nil), []string{"", "376"}[s.n(2)], time.Duration(s.rand.Int64N(int64(2*time.Second)))
	s.chance(0.1, func() { err = []error{errDown, errNo, errOdd}[s.n(3)] })
	s.duo.mu.Lock()
	defer s.duo.mu.Unlock()
	s.duo.preErr, s.duo.pre.Code, s.duo.preWait = err, code, wait
}

// fields are the texts that users type into the password field. Each has its own client address, which the phone shows and
// which is not a part of a join key: it tells which login a push belongs to.
var fields = []string{"pw", "pw,push", "pw,push2", "pw,phone", "pw," + rightCode, "pw," + wrongCode, "wrong"}

// request is an Access-Request without State.
func (s *storm) request() Attempt {
	field := []int{0, 0, 0, 0, 0, 1, 2, 2, 3, 4, 5, 6}[s.n(12)]
	a := s.attempt(fields[field], as([]string{"alice", "bob"}[s.n(2)]), from([]netip.Addr{home, home, cafe, nowIP}[s.n(4)]))
	a.ClientAddr = netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + field)})
	if s.n(3) == 0 {
		c := s.at("gateway", "gateway")
		c.Mode = ModeChallenge
		a.Client = &c
	}
	a.Authentic = s.lossy || s.n(12) > 0
	return a
}

// fresh gives a request a new Authenticator.
func (s *storm) fresh(a Attempt) Attempt {
	binary.LittleEndian.PutUint64(a.Authenticator[:], 1+s.rand.Uint64())
	return a
}

func (s *storm) begin(a Attempt) {
	ctx, cancel := context.WithCancelCause(s.Context())
	lost := s.lossy && s.n(4) == 0
	s.mu.Lock()
	s.tries = append(s.tries, try{a, cancel})
	key := joinKeyOf(a)
	s.begun[key] = append(s.begun[key], time.Now())
	if !a.Authentic {
		s.unsigned[key] = append(s.unsigned[key], time.Now())
	}
	s.mu.Unlock()
	w := &world{T: s.T, policy: s.policy}
	s.wg.Go(func() {
		v := w.decide(ctx, a)
		s.note(a, v)
		if context.Cause(ctx) == nil {
			s.reply(a, v, lost)
		}
		cancel(nil)
	})
}

// restart ends the daemon as a shutdown does and starts it again a little later.
func (s *storm) restart() {
	s.mu.Lock()
	for _, t := range s.tries {
		t.giveUp(context.Canceled)
	}
	s.tries = nil
	s.mu.Unlock()
	s.wg.Wait()
	var saved bytes.Buffer
	if err := s.process.Save(&saved); err != nil {
		s.Fatal(err)
	}
	ended := time.Now()
	s.process.Close()
	s.passes(20 * time.Second)
	s.mu.Lock()
	for _, p := range s.pushes {
		if p.till.After(ended) {
			p.lost = p.lost || p.named.After(ended) || time.Since(p.from) >= RingingTime
			p.till = latest(p.till, time.Now()) // the daemon learns of it now
		}
	}
	s.mu.Unlock()
	repeats := s.process.repeats
	s.process = newProcess(100)
	s.process.repeats = repeats
	second := func(string) SecondFactor { return s.client.Second }
	if err := s.process.restore(&saved, second, s.settings.Guard); err != nil {
		s.Fatal(err)
	}
	s.load()
	synctest.Wait()
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// duoThroughRestarts is a fake Duo that goes on when the daemon ends: the next daemon asks for transactions of an earlier
// one.
type duoThroughRestarts struct {
	*fakeDuo
	storm *storm
}

func (d duoThroughRestarts) Auth(ctx context.Context, r *AuthRequest) (AuthResult, error) {
	if r.Began == "" {
		return d.fakeDuo.Auth(ctx, r)
	}
	p := d.storm.pushOf(r.Began)
	if p == nil {
		d.t.Errorf("Duo is asked for the answer of %q, which is no push", r.Began)
		return AuthResult{}, errNo
	}
	if err := pause(ctx, time.Until(p.till)); err != nil {
		return AuthResult{Txid: r.Began}, err
	}
	result := p.reply.AuthResult
	result.Txid = r.Began
	return result, p.reply.err
}

func (s *storm) pushOf(txid string) *push {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.pushes, func(p *push) bool { return p.txid == txid })
	if i < 0 {
		return nil
	}
	return s.pushes[i]
}

// reply passes on to the client what it gets of a Verdict.
func (s *storm) reply(a Attempt, v Verdict, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.Txid != "" && v.Outcome != OutcomeChallenge && v.Reason != ReasonNoAnswer {
		s.sent[v.Txid]++
		if !lost && s.heard[v.Txid].IsZero() {
			s.heard[v.Txid] = time.Now()
		}
	}
	if v.Outcome == OutcomeChallenge && !lost {
		a.State = v.State
		s.states = append(s.states, a)
	}
}

// answer chooses the answer of Duo and the user. It is called with fakeDuo's mutex held. Its choice depends on the seed and
// on the number of pushes, and not on the order of the calls.
func (s *storm) answer(r AuthRequest) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.Factor.Rings() {
		switch {
		case r.Factor == factor.SMS:
			return sent
		case r.Passcode == rightCode:
			return allows(time.Second)
		}
		return wrong
	}
	draw := rand.New(rand.NewPCG(s.seed, uint64(len(s.pushes))))
	after := 500*time.Millisecond + time.Duration(draw.Int64N(int64(59*time.Second)))
	a := []reply{allows(after), allows(after), allows(after), denies("deny", "", after), denies("fraud", "", after), timedOut,
		{err: errDown, after: after}, {err: errNo}}[draw.IntN(8)]
	if a.after > 0 {
		a.begins = time.Duration(draw.Int64N(int64(400 * time.Millisecond)))
	}
	txid := r.Txid
	if txid == "" {
		txid = fmt.Sprintf("T%d", s.duo.txids)
	}
	now := time.Now()
	for _, p := range s.pushes {
		switch same := strings.HasPrefix(p.key, r.Name+" "); {
		case same && p.reply.err == nil && now.Before(p.till):
			s.Errorf("push %s rings the phone of %s, which rings for %s", txid, r.Name, p.txid)
		case same && (p.reply.err == errDown || p.lost) && now.Sub(p.from) < RingingTime:
			s.Errorf("%s: push %s went out %v after %s, whose answer was lost", p.key, txid, now.Sub(p.from), p.txid)
		}
	}
	key := fmt.Sprintf("%s at %s from %v", r.Name, r.Info[1][1], r.IP)
	s.pushes = append(s.pushes, &push{key: key, txid: txid, from: now, named: now.Add(a.begins), till: now.Add(a.after), reply: a})
	return a
}

func (s *storm) n(n int) int { return s.rand.IntN(n) }

func (s *storm) chance(p float64, f func()) {
	if s.rand.Float64() < p {
		f()
	}
}
