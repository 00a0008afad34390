package shared

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/gob"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// The times of a transaction in the store. All are by the store's clock.
const (
	leaseEvery  = 2500 * time.Millisecond // how often an owner says that it lives
	leaseLife   = 8 * time.Second         // after which it doesn't
	recordLife  = 90 * time.Second        // of a record whose owner is gone: longer than a phone rings
	pointerLife = 7 * time.Minute         // of what leads to a record; longer than a transaction may take
	doneLife    = 40 * time.Second        // of the record of a transaction that is over: a late client's next try finds it
)

// record is a transaction as the store keeps it, in a hash with the fields
//
//	o  the token of the owner, which the scripts compare
//	v  the record, sealed
//	g  how often the answer was given: 1 to all who waited for it, and each later login counts
type record struct {
	policy.Transaction        // its times are by the store's clock
	Failure            string // instead of Result; "" for none
	Kind               int    // of Failure
}

// stored is a record as it was found.
type stored struct {
	record
	token  string
	leased bool // its owner lives
	here   bool // this daemon knows of its end: the local store gives the answer
}

// pointer leads from a join key, or from a phone, to a transaction.
type pointer struct {
	ID      policy.TransactionID
	Account policy.Account // what the first factor said of the login with this key
}

// The kinds of a failure that policy tells apart.
var failureKinds = []error{nil, policy.ErrUnavailable, policy.ErrMisconfigured, policy.ErrRefused, context.DeadlineExceeded, policy.ErrPushLost}

func (r *record) setFailure(err error) {
	if err == nil {
		return
	}
	r.Failure = err.Error()
	for kind, sentinel := range failureKinds {
		if sentinel != nil && errors.Is(err, sentinel) {
			r.Kind = kind
			return
		}
	}
}

// failure returns what another daemon was told instead of an answer.
func (r *record) failure() error {
	switch {
	case r.Failure == "":
		return nil
	case r.Kind <= 0 || r.Kind >= len(failureKinds):
		return fmt.Errorf("at another daemon: %s", r.Failure)
	}
	return fmt.Errorf("at another daemon: %w: %s", failureKinds[r.Kind], r.Failure)
}

func (r *record) over() bool { return !r.Ended.IsZero() }

// answers reports whether a login that began at began joins the transaction, as in a single daemon; late, that it does so
// after its end, if the answer is still to be given (give). The end is sealed, so that nobody makes that longer.
func (s *stored) answers(began, now time.Time) (joins, late bool) {
	switch {
	case !s.over() || began.Before(s.Ended):
		return true, false
	case now.Sub(s.Ended) >= doneLife || s.here || s.Failure != "" || s.Result.Status == "timeout":
		return false, false
	}
	return true, true
}

// anyNumber is for an answer that all are given who ask soon.
const anyNumber = 0

// timesGiven is how often the answer of a transaction that is over may be given, as in a single daemon: an allow once more,
// because the reply to the first may be lost; the user's no to all.
func timesGiven(t policy.Transaction) int {
	switch {
	case !t.Factor.Rings() || !t.Fresh:
	case t.Result.Status == "allow" && t.Result.Allowed:
		return 2
	case (t.Result.Status == "deny" || t.Result.Status == "fraud") && !t.Result.Allowed:
		return anyNumber
	}
	return 1
}

// rings reports whether the phone rings, or rang when the login that asks had begun already.
func (s *stored) rings(began, now time.Time) bool {
	return !s.over() || began.Before(s.Ended) || now.Before(s.Quiet)
}

// reachesPhone reports whether a factor makes itself heard at the user's phone.
func reachesPhone(f factor.Factor) bool { return f != factor.Passcode }

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}

func decode(b []byte, v any) error { return gob.NewDecoder(bytes.NewReader(b)).Decode(v) }

// duoTag is the slot of all that belongs to one Duo user's transactions.
func (l *link) duoTag(duo policy.Identity) string {
	return l.config.Keys.name("duo user", policy.Phone{Duo: duo}.Keys()[0])
}

// A TransactionID here is the tag of its slot and a random part.

func newID(tag string) policy.TransactionID {
	return policy.TransactionID(tag + "." + rand.Text())
}

func (l *link) txKey(id policy.TransactionID) string {
	tag, random, _ := strings.Cut(string(id), ".")
	return l.key("transaction", tag, random)
}

func (l *link) leaseKey(id policy.TransactionID) string {
	tag, random, _ := strings.Cut(string(id), ".")
	return l.key("lease", tag, random)
}

// isShared reports whether an ID may be of a transaction in the store: not one of a run without a cluster.
func isShared(id policy.TransactionID) bool { return strings.Contains(string(id), ".") }

// ringKeys returns the keys of what leads from a phone to the transaction that it rings for, or receives codes for by SMS: by
// Duo user, and by person.
func (l *link) ringKeys(p policy.Phone, f factor.Factor) (keys [2]string) {
	kind := "ring"
	if f == factor.SMS {
		kind = "sms"
	}
	return [2]string{l.key(kind, l.duoTag(p.Duo)), l.key(kind, l.config.Keys.name("person", p.Person))}
}

// joinKey returns the key of what leads from a join key to its transaction; "" where nobody can join, for want of the
// user's address. The answer to a challenge does not know the Duo user, so that its key has a slot of its own.
func (l *link) joinKey(k policy.JoinKey) string {
	if !k.IP.IsValid() {
		return ""
	}
	name := l.config.Keys.name("join", k.Client, k.Application, k.User, k.Duo.UserID, k.Duo.Username, k.IP.String(), string(k.Digest[:]))
	if k.Duo == (policy.Identity{}) {
		return l.key("join", name)
	}
	return l.key("join", l.duoTag(k.Duo), name)
}

// sealRecord seals a record for as long as its key lives: nobody can use it for longer.
func (l *link) sealRecord(r record, life time.Duration) (string, error) {
	b, err := encode(r)
	return l.seal(l.txKey(r.ID), b, life), err
}

func (l *link) sealPointer(key string, p pointer) (string, error) {
	b, err := encode(p)
	return l.seal(key, b, pointerLife), err
}

// openPointer reports false for what is not ours, or too old.
func (l *link) openPointer(key, sealed string) (p pointer, ok bool) {
	b, ok := l.open(key, sealed)
	return p, ok && decode(b, &p) == nil && isShared(p.ID)
}

// fetch returns what the store has of a transaction; nil where there is nothing.
func (l *link) fetch(ctx context.Context, id policy.TransactionID) (s *stored, err error) {
	if !isShared(id) {
		return nil, nil
	}
	key := l.txKey(id)
	err = l.call(ctx, func(ctx context.Context, c valkey.Client) error {
		r := c.DoMulti(ctx, c.B().Hmget().Key(key).Field("o", "v").Build(), c.B().Exists().Key(l.leaseKey(id)).Build())
		values, err := valuesOf(r[0])
		if err != nil {
			return err
		}
		leased, err := r[1].AsInt64()
		if err != nil || len(values) != 2 {
			return err
		}
		b, ok := l.open(key, values[1])
		got := &stored{token: values[0], leased: leased == 1}
		if ok && decode(b, &got.record) == nil && got.ID == id {
			s = got
		}
		return nil
	})
	return s, err
}

// here returns a transaction of the store by this machine's clock.
func (l *link) here(t policy.Transaction) policy.Transaction {
	t.Start, t.Ended, t.Quiet = l.fromStore(t.Start), l.fromStore(t.Ended), l.fromStore(t.Quiet)
	return t
}

// there returns a transaction of this machine by the store's clock.
func (l *link) there(t policy.Transaction) policy.Transaction {
	t.Start, t.Ended, t.Quiet = l.toStore(t.Start), l.toStore(t.Ended), l.toStore(t.Quiet)
	return t
}
