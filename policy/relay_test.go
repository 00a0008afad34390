package policy_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	. "duoradiusd/policy"
)

// upstream is a strict FirstFactor that speaks RADIUS. It answers with the script of a test, in order, and records what it
// was asked.
type upstream struct {
	t       *testing.T
	scripts func(FirstRequest) said // used instead of the script

	mu     sync.Mutex // guards the fields below
	script []said
	asked  []FirstRequest
	states map[string]bool // of its questions; true: answered
}

// said is one answer of the upstream.
type said struct {
	account Account
	err     error
	after   time.Duration
}

func yes(a Account) said { return said{account: a} }
func no(r Refusal) said  { return said{err: fmt.Errorf("upstream: nps1: %w", &r)} }

// back returns an answer that asks for more, with this text of the upstream's server.
func back(a AskBack) said {
	if a.Wait == 0 {
		a.Wait = 30 * time.Second
	}
	return said{err: fmt.Errorf("upstream: nps1: %w", &a)}
}

func (u *upstream) Authenticate(ctx context.Context, r FirstRequest) (Account, error) {
	s := u.take(r)
	if err := pause(ctx, s.after); err != nil {
		return Account{}, fmt.Errorf("upstream: nps1: %w", err)
	}
	return s.account, s.err
}

func (u *upstream) take(r FirstRequest) (s said) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked = append(u.asked, r)
	answered, known := u.states[r.State]
	switch {
	case r.State != "" && (!known || answered):
		u.t.Errorf("the upstream is asked about a State that it did not give, or again: %+v", r)
	case r.State == "" && r.Method == MethodPassword && r.Password == "":
		u.t.Errorf("the upstream is asked with an empty password: %+v", r)
	case r.Method != MethodPassword && r.Password != "":
		u.t.Errorf("a password beside %v: %+v", r.Method, r)
	}
	if r.State != "" {
		u.states[r.State] = true
	}
	switch {
	case u.scripts != nil:
		s = u.scripts(r)
	case len(u.script) == 0:
		u.t.Errorf("the upstream was asked once more than scripted: %+v", r)
		return said{err: ErrRejected}
	default:
		s, u.script = u.script[0], u.script[1:]
	}
	var back *AskBack
	if errors.As(s.err, &back) {
		u.states[back.State] = false
	}
	return s
}

func (u *upstream) says(script ...said) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.script = script
}

// asks returns what the upstream was asked, one word for each request: "alice:pw", "alice:code@S1", "alice[ms-chap]".
func (u *upstream) asks() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var words []string
	for _, r := range u.asked {
		word := r.User + ":" + r.Password
		if r.Method != MethodPassword {
			word = fmt.Sprintf("%s[%s]", r.User, r.Method)
		}
		if r.State != "" {
			word += "@" + r.State
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// inRelay runs f in a world whose first factor is an upstream RADIUS server.
func inRelay(t *testing.T, f func(w *world, u *upstream)) {
	t.Helper()
	inWorld(t, func(w *world) {
		u := &upstream{t: t, states: map[string]bool{}}
		w.client.FirstFactor = u
		f(w, u)
		if len(u.script) != 0 && !t.Failed() {
			t.Errorf("%d scripted answers of the upstream were not asked for", len(u.script))
		}
	})
}

func (w *world) upstreamWasAsked(u *upstream, want string) {
	w.Helper()
	if got := u.asks(); got != want {
		w.Errorf("the upstream was asked %q, want %q", got, want)
	}
}

// TestAskBack: the client gets the upstream's prompt with all that belongs to it. The upstream gets the answer with its own
// State. Then Duo is asked.
func TestAskBack(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		w.client.PassAll = true
		u.says(back(AskBack{State: "S1", Message: "Your password has expired. New password:",
			Attributes: []Attribute{vsa(cisco, 1, "prompt")}, Wait: time.Minute}),
			back(AskBack{State: "S2", Message: "Again:"}), yes(Account{Attributes: []Attribute{attr(class, "up")}}))
		v := w.login("pw")
		w.wants(v, "challenge relayed: Your password has expired. New password:")
		if got := attributes(v); got != "9/1=prompt" || v.Wait != time.Minute || v.User != "alice" || v.EAP != "" {
			t.Errorf("attributes %q, Wait %v, User %q, EAP %q", got, v.Wait, v.User, v.EAP)
		}
		if v.State == "S1" || len(v.State) != 32 {
			t.Errorf("the upstream's State goes to the client: %q", v.State)
		}
		v = w.login("new", state(v.State))
		w.wants(v, "challenge relayed: Again:")
		if len(v.Attributes) != 0 {
			t.Errorf("attributes %q", attributes(v))
		}
		if preauths, _ := w.duo.counts(); preauths != 0 {
			t.Error("Duo was asked before the first factor said yes")
		}
		w.answers(allows(time3))
		v = w.login("new", state(v.State))
		w.wants(v, "accept approved push T1")
		w.wantsAttributes(v, "25=up")
		w.upstreamWasAsked(u, "alice:pw alice:new@S1 alice:new@S2")
	})
}

// TestAskBackRequest: in each round the upstream gets the attributes of that round's request.
func TestAskBackRequest(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		u.says(back(AskBack{State: "S1"}), no(Refusal{}))
		request := func(n byte, s string) Attempt {
			return w.attempt("pw", as(`EXAMPLE\Alice`), state(s), func(a *Attempt) {
				a.Authenticator, a.Attributes = [16]byte{n}, []byte{n, 3, n}
			})
		}
		v := w.decide(w.Context(), request(1, ""))
		w.decide(w.Context(), request(2, v.State))
		for i, got := range u.asked {
			n := byte(i + 1)
			want := FirstRequest{User: "alice", Password: "pw", State: []string{"", "S1"}[i], Typed: `EXAMPLE\Alice`,
				ClientAddr: got.ClientAddr, Authenticator: [16]byte{n}, Attributes: []byte{n, 3, n}}
			if !reflect.DeepEqual(got, want) || got.ClientAddr.String() != "192.0.2.10" {
				t.Errorf("round %d: %+v, want %+v", n, got, want)
			}
		}
	})
}

// TestAskBackWait: the client is told how long the answer is good, and never longer than that.
func TestAskBackWait(t *testing.T) {
	for _, tt := range []struct {
		method Method
		said   time.Duration
		want   time.Duration
	}{
		{MethodPassword, 30 * time.Second, 30 * time.Second},
		{MethodPassword, time.Hour, ChallengeLife},
		{MethodPassword, 0, ChallengeLife},
		{MethodMSCHAP, 0, ChallengeLife},
		{MethodEAP, 30 * time.Second, 30 * time.Second},
		{MethodEAP, time.Hour, ChallengeLife},
		{MethodEAP, 0, 0}, // left to the authenticator
	} {
		inRelay(t, func(w *world, u *upstream) {
			u.says(said{err: &AskBack{State: "S1", Wait: tt.said}}, yes(Account{}))
			field := map[bool]string{true: "pw"}[tt.method == MethodPassword]
			v := w.policy.Decide(w.Context(), w.attempt(field, by(tt.method)))
			if v.Outcome != OutcomeChallenge || v.Wait != tt.want {
				t.Errorf("%v, %v: %s, Wait %v, want %v", tt.method, tt.said, line(v), v.Wait, tt.want)
			}
			w.answers(allows(0))
			time.Sleep(ChallengeLife - 1)
			w.wants(w.login(field, by(tt.method), state(v.State)), "accept approved push T1")
		})
	}
}

// TestAskBackState: the State of a prompt is good once, for a short time, and for the client, user and method that got it.
func TestAskBackState(t *testing.T) {
	for _, tt := range []struct {
		name string
		but  func(w *world) func(*Attempt)
		kept bool // and for the right one afterwards
	}{
		{"another client", func(w *world) func(*Attempt) { return through(w.at("lab", "vpn")) }, true},
		{"another user", func(*world) func(*Attempt) { return as("bob") }, true},
		{"no user", func(*world) func(*Attempt) { return as("\x00") }, true},
		{"another State", func(*world) func(*Attempt) { return state("S1") }, true},
		{"another address", func(*world) func(*Attempt) { return from(cafe) }, false},
		{"another method", func(*world) func(*Attempt) { return func(a *Attempt) { a.Method, a.Password = MethodMSCHAP, "" } }, false},
		{"too late", func(*world) func(*Attempt) { time.Sleep(ChallengeLife); return func(*Attempt) {} }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inRelay(t, func(w *world, u *upstream) {
				u.says(back(AskBack{State: "S1", Message: "Code:"}))
				s := w.login("pw").State
				w.wants(w.login("code", state(s), tt.but(w)), badState)
				w.upstreamWasAsked(u, "alice:pw")
				if tt.kept {
					w.answers(allows(0))
					u.says(yes(Account{}))
					w.wants(w.login("code", state(s)), "accept approved push T1")
				}
				w.wants(w.login("code", state(s), from(nowIP)), badState)
			})
		})
	}
	inRelay(t, func(w *world, u *upstream) { // the address may be left out, and the first one still counts
		u.says(back(AskBack{State: "S1"}), yes(Account{}))
		s := w.login("pw").State
		w.answers(allows(0))
		w.wants(w.login("code", state(s), from(nowIP)), "accept approved push T1")
		if got := w.duo.auths[0].IP; got != home {
			t.Errorf("Duo was told %v", got)
		}
	})
}

// TestFactorThroughAskBack: a factor that was typed beside the password is used after the upstream's prompts. The answer to
// a prompt is for the upstream, even if it looks like a factor.
func TestFactorThroughAskBack(t *testing.T) {
	for field, want := range map[string]string{
		"pw,123456": "accept approved passcode",
		"pw,phone2": "accept approved phone T1",
		"pw,push":   "accept approved push T1",
		"pw":        "accept approved push T1",
	} {
		inRelay(t, func(w *world, u *upstream) {
			u.says(back(AskBack{State: "S1"}), back(AskBack{State: "S2"}), yes(Account{}))
			v := w.login(field)
			v = w.login("new,654321", state(v.State))
			w.answers(allows(time3))
			w.wants(w.login("", state(v.State)), want)
			w.upstreamWasAsked(u, "alice:pw alice:new,654321@S1 alice:@S2")
		})
	}
}

// TestAskBackThenMenu: the upstream's prompts come first, and then the menu of the policy.
func TestAskBackThenMenu(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		w.client.Mode = ModeChallenge
		w.duo.pre.Devices = []Device{smartphone, landline, token}
		u.says(back(AskBack{State: "S1", Message: "Code:"}), yes(Account{Groups: []string{"staff"}}))
		w.rules(Rule{Groups: []string{"staff"}}, Rule{Need: NeedDeny})
		s := w.answer("", "pw", "challenge relayed: Code:")
		s = w.answer(s, "otp", menuOffer)
		w.answers(allows(0))
		w.answer(s, "123456", "accept approved passcode")
		w.upstreamWasAsked(u, "alice:pw alice:otp@S1")
	})
}

// TestAskBackRounds: an upstream that prompts without end is stopped.
func TestAskBackRounds(t *testing.T) {
	for method, limit := range map[Method]int{MethodPassword: 8, MethodCHAP: 8, MethodMSCHAP: 8, MethodEAP: 64} {
		t.Run(method.String(), func(t *testing.T) {
			inRelay(t, func(w *world, u *upstream) {
				n := 0
				u.scripts = func(FirstRequest) said { n++; return back(AskBack{State: fmt.Sprint("S", n)}) }
				field := map[bool]string{true: "pw"}[method == MethodPassword]
				v := w.login(field, by(method))
				rounds := 0
				for ; v.Outcome == OutcomeChallenge && rounds < 1000; rounds++ {
					v = w.login(field, by(method), state(v.State))
				}
				if v.User != "alice" || v.Reason != ReasonBadPassword || v.Message != "Wrong user name or password." || rounds != limit {
					t.Errorf("%s after %d challenges, want %d", line(v), rounds, limit)
				}
				if n != limit+1 {
					t.Errorf("the upstream was asked %d times", n)
				}
			})
		})
	}
}

// TestAskBackRoundsAreALogins: the next login may have as many rounds again.
func TestAskBackRoundsAreALogins(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		n := 0
		u.scripts = func(FirstRequest) said { n++; return back(AskBack{State: fmt.Sprint("S", n)}) }
		for range 2 {
			s := ""
			for range MaxPrompts {
				v := w.login("pw", state(s))
				if s = v.State; v.Outcome != OutcomeChallenge {
					w.Fatal(line(v))
				}
			}
		}
	})
}

// TestAskBackIsCountedOnce: a prompt does not mean that the password was right, and its answer is not a new try.
func TestAskBackIsCountedOnce(t *testing.T) {
	inRelay(t, func(w *world, u *upstream) {
		n := 0
		u.scripts = func(FirstRequest) said { n++; return back(AskBack{State: fmt.Sprint("S", n)}) }
		for range wrongPerUser { // begun and not continued
			if v := w.login("pw"); v.Outcome != OutcomeChallenge {
				w.Fatal(line(v))
			}
		}
		w.wants(w.login("pw"), "reject throttled: Too many wrong passwords. Try again in 30 seconds.")
	})
	inRelay(t, func(w *world, u *upstream) { // the whole login, each time: the yes resets the count
		w.rules(Rule{Need: NeedExempt})
		for n := range 3 * wrongPerUser {
			u.says(back(AskBack{State: fmt.Sprint("S", n)}), yes(Account{}))
			w.wants(w.login("code", state(w.login("pw").State)), "accept exempt")
		}
	})
}
