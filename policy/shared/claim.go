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
		if c.begun { // a daemon that already follows the record must learn that it has failed
			ts.own(n.Transaction, told).end(policy.AuthResult{}, errNotBegun)
		}
		return t, claim, err
	}
	o := ts.own(n.Transaction, told, c.leads()...)
	t, claim, err = ts.local.Claim(ctx, n)
	if err != nil || claim != policy.ClaimOwned { // a transaction from before the store answered again stands in the way
		o.end(policy.AuthResult{}, errNotBegun)
	}
	return t, claim, err
}

var errNotBegun = fmt.Errorf("%w: the daemon that was to begin it did not", policy.ErrUnavailable)

// claimTries limits how many pointers that lead nowhere one claim may replace. These are the pointer of the join key, the
// two of the phone, and those of daemons that claim at the same time.
const claimTries = 6

// claiming is a claim in progress. A phone has two names, the Duo user and the person: several names may be aliases of one
// Duo user, and one person may have several Duo users. The keys of the two names are in different slots of a Redis Cluster,
// so a claim runs two scripts. The first script writes the record and the phone's pointer by Duo user. The second one writes
// the phone's pointer by person. Each script is atomic, and the record exists before both pointers lead to it. Therefore, of
// two claims that share either name, at most one succeeds.
type claiming struct {
	ts    *transactions
	n     policy.NewTransaction
	begun bool              // the record is in the store, or may be there
	keys  map[string]string // the keys of the pointers, by kind: join, duo or person
	stale map[string]string // the values of pointers that lead nowhere, by kind
}

func newClaiming(ts *transactions, n policy.NewTransaction) *claiming {
	rings := ts.ringKeys(n.Phone, n.Factor)
	return &claiming{ts: ts, n: n, stale: make(map[string]string),
		keys: map[string]string{"join": ts.joinKey(n.Key), "duo": rings[0], "person": rings[1]}}
}

// leads returns all pointers that the claim has set.
func (c *claiming) leads() (list []lead) {
	if c.keys["join"] != "" {
		list = append(list, lead{c.keys["join"], pointer{c.n.ID, c.n.Account}})
	}
	if reachesPhone(c.n.Factor) {
		list = append(list, lead{c.keys["duo"], pointer{ID: c.n.ID}}, lead{c.keys["person"], pointer{ID: c.n.ID}})
	}
	return list
}

// run makes the claim in the store. If another daemon already has a transaction that answers this login, it returns a copy.
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

// met returns what an existing pointer means for this claim. It returns a Claim of 0 if the pointer leads nowhere.
func (c *claiming) met(ctx context.Context, kind, sealed string) (t policy.Transaction, claim policy.Claim, err error) {
	ts := c.ts
	p, ok := ts.openPointer(c.keys[kind], sealed)
	switch {
	case !ok && ts.config.Keys.foreign(sealed): // the daemon that wrote it may have made a phone ring (K87)
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

// try sets the pointers that are not yet set. It returns "" if all are set; otherwise the pointer in the way and its value.
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

// begin runs claimScript. A join key that does not hold the Duo user is in another slot, so its pointer is set after the
// script. This is safe, because the State of such a key belongs to one login only.
func (c *claiming) begin(ctx context.Context) (kind, found string, err error) {
	ts, n := c.ts, c.n
	sealed, err := ts.sealRecord(record{Transaction: ts.there(n.Transaction)}, recordLife)
	if err != nil {
		return "", "", err
	}
	join, joinValue := ts.key("join", ts.duoTag(n.Phone.Duo)), "" // a key that the script does not use
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
	c.begun = err == nil && kind == "" || err != nil && err != ErrDown // other errors than ErrDown: it may have been sent
	if err == nil && kind == "" && joinValue == "" {
		err = ts.point(ctx, n.Key, pointer{n.ID, n.Account})
	}
	return kind, found, err
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// point writes a pointer from a join key to a transaction.
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
