package shared

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"

	"duoradiusd/policy"
)

// Claim implements policy.Transactions.
func (ts *transactions) Claim(ctx context.Context, n policy.NewTransaction) (policy.Transaction, policy.Claim, error) {
	tag := ts.duoTag(n.Phone.Duo)
	defer ts.lock(tag).Unlock()
	if join, ok, err := ts.findHere(ctx, n.Key, n.LoginBegan); ok || err != nil {
		return join.Transaction, policy.ClaimJoined, err
	}
	n.ID, n.Start = newID(tag), ts.config.Now()
	c := newClaiming(ts, n)
	t, claim, err := c.run(ctx)
	told := err == nil
	if errors.Is(err, ErrDown) {
		claim, err = policy.ClaimOwned, ts.alone()
	}
	if err != nil || claim != policy.ClaimOwned {
		if c.begun { // whoever follows it already is told
			ts.own(n.Transaction, told).end(policy.AuthResult{}, errNotBegun)
		}
		return t, claim, err
	}
	o := ts.own(n.Transaction, told, c.leads()...)
	t, claim, err = ts.local.Claim(ctx, n)
	if err != nil || claim != policy.ClaimOwned { // something of before the store answered again
		o.end(policy.AuthResult{}, errNotBegun)
	}
	return t, claim, err
}

var errNotBegun = fmt.Errorf("%w: the daemon that was to begin it did not", policy.ErrUnavailable)

// claimTries is how many pointers that lead nowhere a claim may meet: the join key's, the phone's two, and those of daemons
// that claim at the same moment.
const claimTries = 6

// claiming is a claim in progress. A phone has two names, the Duo user and the person, and each has a slot of its own in a
// Redis Cluster: aliases lead to one Duo user, and a person may have several. So a claim takes two scripts. The first one
// makes the record and takes the phone by its Duo user, the second one takes it by person. Each is atomic, and the record is
// there before both names lead to it: of two claims that have either name in common, one at most succeeds.
type claiming struct {
	ts    *transactions
	n     policy.NewTransaction
	begun bool              // the record is in the store, or may be
	keys  map[string]string // of the pointers, by the word that the scripts have for each: join, duo, person
	stale map[string]string // values of pointers that lead nowhere
}

func newClaiming(ts *transactions, n policy.NewTransaction) *claiming {
	rings := ts.ringKeys(n.Phone, n.Factor)
	return &claiming{ts: ts, n: n, stale: make(map[string]string),
		keys: map[string]string{"join": ts.joinKey(n.Key), "duo": rings[0], "person": rings[1]}}
}

// leads are all pointers of the claim.
func (c *claiming) leads() (list []lead) {
	if c.keys["join"] != "" {
		list = append(list, lead{c.keys["join"], pointer{c.n.ID, c.n.Account}})
	}
	if reachesPhone(c.n.Factor) {
		list = append(list, lead{c.keys["duo"], pointer{ID: c.n.ID}}, lead{c.keys["person"], pointer{ID: c.n.ID}})
	}
	return list
}

// run claims in the store. Where another daemon has claimed what answers this login, it returns a copy of that.
func (c *claiming) run(ctx context.Context) (policy.Transaction, policy.Claim, error) {
	for range claimTries {
		kind, sealed, err := c.try(ctx)
		if err != nil || kind == "" {
			return c.n.Transaction, policy.ClaimOwned, err
		}
		t, claim, err := c.met(ctx, kind, sealed)
		if err != nil || claim != 0 {
			return t, claim, err
		}
		c.stale[kind] = sealed
	}
	return policy.Transaction{}, policy.ClaimPhoneRings, nil
}

// met says what the pointer that stands in the way means for this claim; no Claim where it leads nowhere.
func (c *claiming) met(ctx context.Context, kind, sealed string) (t policy.Transaction, claim policy.Claim, err error) {
	ts := c.ts
	p, ok := ts.openPointer(c.keys[kind], sealed)
	switch {
	case !ok && ts.config.Keys.foreign(sealed): // it may have made a phone ring (K87)
		return t, policy.ClaimPhoneRings, nil
	case !ok:
		return t, 0, nil
	}
	s, err := ts.fetch(ctx, p.ID)
	if err != nil || s == nil {
		return t, 0, err
	}
	if kind != "join" {
		if s.rings(ts.toStore(c.n.LoginBegan), ts.now()) {
			claim = policy.ClaimPhoneRings
		}
		return t, claim, nil
	}
	joins, late := s.answers(ts.toStore(c.n.LoginBegan), ts.now())
	if joins && late {
		times := 0
		times, err = ts.giveLate(ctx, s)
		joins = times == 1
	}
	if !joins || err != nil {
		return t, 0, err
	}
	t, joins, err = ts.copied(ctx, s, c.n)
	if !joins || err != nil {
		return t, 0, err
	}
	return t, policy.ClaimJoined, nil
}

// try takes what is still to be taken. It returns "" once all is, or which pointer stands in the way, and its value.
func (c *claiming) try(ctx context.Context) (kind, found string, err error) {
	if !c.begun {
		if kind, found, err = c.begin(ctx); err != nil || kind != "" {
			return kind, found, err
		}
	}
	if !reachesPhone(c.n.Factor) {
		return "", "", nil
	}
	sealed, err := c.ts.sealPointer(c.keys["person"], pointer{ID: c.n.ID})
	if err != nil {
		return "", "", err
	}
	args := []string{c.stale["person"], sealed, millis(pointerLife)}
	err = c.ts.call(ctx, func(ctx context.Context, client valkey.Client) (err error) {
		found, err = personScript.Exec(ctx, client, []string{c.keys["person"]}, args).ToString()
		return err
	})
	if found != "" {
		kind = "person"
	}
	return kind, found, err
}

// begin runs claimScript. A join key that does not know the Duo user has a slot of its own, and its pointer is set behind
// the script: its State is of one login alone.
func (c *claiming) begin(ctx context.Context) (kind, found string, err error) {
	ts, n := c.ts, c.n
	sealed, err := ts.sealRecord(record{Transaction: ts.there(n.Transaction)}, recordLife)
	if err != nil {
		return "", "", err
	}
	join, joinValue := ts.key("join", ts.duoTag(n.Phone.Duo)), "" // not used
	if c.keys["join"] != "" && n.Key.Duo == n.Phone.Duo {
		join = c.keys["join"]
		if joinValue, err = ts.sealPointer(join, pointer{n.ID, n.Account}); err != nil {
			return "", "", err
		}
	}
	duoValue := ""
	if reachesPhone(n.Factor) {
		if duoValue, err = ts.sealPointer(c.keys["duo"], pointer{ID: n.ID}); err != nil {
			return "", "", err
		}
	}
	keys := []string{join, ts.txKey(n.ID), ts.leaseKey(n.ID), c.keys["duo"]}
	args := []string{c.stale["join"], joinValue, c.stale["duo"], duoValue, ts.node, sealed, millis(recordLife), millis(leaseLife), millis(pointerLife)}
	err = ts.call(ctx, func(ctx context.Context, client valkey.Client) error {
		answer, err := claimScript.Exec(ctx, client, keys, args).AsStrSlice()
		if err == nil && len(answer) == 2 {
			kind, found = answer[0], answer[1]
		}
		return err
	})
	c.begun = err == nil && kind == "" || err != nil && err != ErrDown // ErrDown alone: nothing was sent
	if err == nil && kind == "" && joinValue == "" {
		err = ts.point(ctx, n.Key, pointer{n.ID, n.Account})
	}
	return kind, found, err
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// point makes a join key lead to a transaction.
func (ts *transactions) point(ctx context.Context, k policy.JoinKey, p pointer) error {
	key := ts.joinKey(k)
	if key == "" {
		return nil
	}
	sealed, err := ts.sealPointer(key, p)
	if err != nil {
		return err
	}
	return ts.call(ctx, func(ctx context.Context, c valkey.Client) error {
		return c.Do(ctx, c.B().Set().Key(key).Value(sealed).Px(pointerLife).Build()).Error()
	})
}
