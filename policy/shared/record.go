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

// These are the times of a transaction in the store. All are by the store's clock.
const (
	leaseEvery  = 2500 * time.Millisecond // how often an owner renews its lease
	leaseLife   = 8 * time.Second         // how long a lease lasts
	recordLife  = 90 * time.Second        // the life of a record whose owner is gone, which is longer than a phone rings
	pointerLife = 7 * time.Minute         // the life of a pointer to a record, which is longer than a transaction may take
	doneLife    = 40 * time.Second        // the life of a record that is over: a late client still finds it
)

// record is a transaction as the store keeps it, in a hash with these fields:
//
//	o  the token of the owner, which the scripts compare
//	v  the record, sealed
//	g  how often the answer was given: all who waited count as one, and each later login counts as one more
type record struct {
	policy.Transaction        // its times are by the store's clock
	Failure            string // the failure that takes the place of Result; "" means none
	Kind               int    // the index of the failure in failureKinds
}

// stored is a record that was read from the store.
type stored struct {
	record
	token  string
	leased bool // the lease of its owner has not expired
	here   bool // the local store has the end of the transaction, so it gives the answer
}

// pointer is the value of a join key or of a phone's key. It leads to a transaction.
type pointer struct {
	ID      policy.TransactionID
	Account policy.Account // what the first factor said about the login with this join key
}

// failureKinds are the failures that package policy distinguishes.
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

// failure returns the failure that the owner recorded in place of an answer.
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

// answers reports whether a login that began at began joins the transaction, by the same rule as in a single daemon. late
// says that the login joins a transaction that is over, provided that its answer may be given again (give). The end is in
// the sealed record, so that nobody can extend this time.
func (s *stored) answers(began, now time.Time) (joins, late bool) {
	switch {
	case !s.over() || began.Before(s.Ended):
		return true, false
	case now.Sub(s.Ended) >= doneLife || s.here || s.Failure != "" || s.Result.Status == "timeout":
		return false, false
	}
	return true, true
}

// anyNumber means that everybody who asks soon is given the answer.
const anyNumber = 0

// timesGiven returns how often the answer of a transaction that is over may be given, as in a single daemon. An allow may be
// given once more, because the reply to the first login may be lost. A user's denial may be given to all.
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

// rings reports whether the phone rings now, or still rang after the login that asks had begun.
func (s *stored) rings(began, now time.Time) bool {
	return !s.over() || began.Before(s.Ended) || now.Before(s.Quiet)
}

// reachesPhone reports whether a factor causes a sign at the user's phone.
func reachesPhone(f factor.Factor) bool { return f != factor.Passcode }

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}

func decode(b []byte, v any) error { return gob.NewDecoder(bytes.NewReader(b)).Decode(v) }

// duoTag returns the tag of all keys that belong to the transactions of one Duo user.
func (l *link) duoTag(duo policy.Identity) string {
	return l.config.Keys.name("duo user", policy.Phone{Duo: duo}.Keys()[0])
}

// The ID of a transaction in the store consists of the tag of its slot and a random part.

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

// isShared reports whether an ID may belong to a transaction in the store. An ID of a run without a cluster does not.
func isShared(id policy.TransactionID) bool { return strings.Contains(string(id), ".") }

// ringKeys returns the keys of the two pointers, by Duo user and by person, from a phone to the transaction for which it
// rings. For a factor that sends codes by SMS these are pointers of their own.
func (l *link) ringKeys(p policy.Phone, f factor.Factor) (keys [2]string) {
	kind := "ring"
	if f == factor.SMS {
		kind = "sms"
	}
	return [2]string{l.key(kind, l.duoTag(p.Duo)), l.key(kind, l.config.Keys.name("person", p.Person))}
}

// joinKey returns the key of the pointer from a join key to its transaction. It returns "" if nobody can join, because the
// user's address is unknown. The join key of an answer to a challenge does not hold the Duo user, so its key is in another
// slot.
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

// sealRecord seals a record. The seal expires together with the record's key, so nobody can use the record for longer.
func (l *link) sealRecord(r record, life time.Duration) (string, error) {
	b, err := encode(r)
	return l.seal(l.txKey(r.ID), b, life), err
}

func (l *link) sealPointer(key string, p pointer) (string, error) {
	b, err := encode(p)
	return l.seal(key, b, pointerLife), err
}

// openPointer opens the value of a pointer. It reports false if this cluster did not seal the value, or if it has expired.
func (l *link) openPointer(key, sealed string) (p pointer, ok bool) {
	b, ok := l.open(key, sealed)
	return p, ok && decode(b, &p) == nil && isShared(p.ID)
}

// fetch reads a transaction from the store. It returns nil if the store does not have it.
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

// here converts the times of a transaction in the store to this machine's clock.
func (l *link) here(t policy.Transaction) policy.Transaction {
	t.Start, t.Ended, t.Quiet = l.fromStore(t.Start), l.fromStore(t.Ended), l.fromStore(t.Quiet)
	return t
}

// there converts the times of a transaction from this machine's clock to the store's clock.
func (l *link) there(t policy.Transaction) policy.Transaction {
	t.Start, t.Ended, t.Quiet = l.toStore(t.Start), l.toStore(t.Ended), l.toStore(t.Quiet)
	return t
}
