package policy_test

import (
	"context"
	"io"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/memory"
)

// listOf returns the list of approvals of a.
func listOf(t testing.TB, a Approvals, user string, most int) []Approval {
	t.Helper()
	list, err := a.List(context.Background(), user, most)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// forgotten forgets a user's approvals and returns how many still counted.
func forgotten(t testing.TB, a Approvals, user string) int {
	t.Helper()
	n, err := a.Forget(context.Background(), user)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// cooling reports whether the guard keeps a Duo user's phone silent.
func (w *world) cooling(duo Identity) bool {
	w.Helper()
	hold, err := w.process.Guard.CoolingDown(context.Background(), Phone{Duo: duo})
	if err != nil {
		w.Fatal(err)
	}
	return hold != ""
}

// lateAnswer is how long the answer of a transaction is kept for the user's next try. It is given to one such try.
const lateAnswer = 30 * time.Second

// process holds what a daemon keeps when its configuration changes: the stores in memory, and the Runtime.
type process struct {
	*memory.Memory
	*Runtime
	repeats bool // an answer is given again to a copy of the login; without it each of a test's logins is a login of its own
}

// newProcess returns a process that remembers at most entries approvals.
func newProcess(entries int) *process {
	p := &process{Memory: memory.New(entries)}
	p.use(p.Memory.Stores())
	return p
}

// use makes a Runtime with these stores.
func (p *process) use(stores Stores) {
	var told func(string, string)
	if p.Runtime != nil {
		told = p.OnFraud
	}
	stores.Transactions = answersOnce{stores.Transactions, p}
	p.Runtime = NewRuntime(stores, p.Key())
	p.OnFraud = told
}

// restore reads what was saved, and asks for the answers of transactions that are still live.
func (p *process) restore(r io.Reader, second func(application string) SecondFactor, limits guard.PushLimits) error {
	live, err := p.Restore(r, nil, func(t Transaction) bool { return CanResume(t, second(t.Application)) }, limits)
	p.use(p.Memory.Stores())
	for _, t := range live {
		p.Resume(t, second(t.Application), limits)
	}
	return err
}

// answersOnce gives an answer to one login only, unless the process repeats answers.
type answersOnce struct {
	Transactions
	process *process
}

func (a answersOnce) Find(ctx context.Context, key JoinKey, began time.Time) (Join, bool, error) {
	j, ok, err := a.Transactions.Find(ctx, key, began)
	if j.Repeated && !a.process.repeats {
		return Join{}, false, err
	}
	return j, ok, err
}
