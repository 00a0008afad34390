package policy_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	. "duoradiusd/policy"
)

// otherwise makes a login differ from alice's in one field of a key only. It changes the attempt or, for a user or an
// identity, the configuration at the time of the second login.
type otherwise struct {
	attempt func(*Attempt)
	users   []User
}

// clientWith changes the client of an attempt.
func clientWith(change func(*Client)) otherwise {
	return otherwise{attempt: func(a *Attempt) {
		c := *a.Client
		change(&c)
		a.Client = &c
	}}
}

// aliceAtDuo is the [[user]] of the tests of keys: alice, who is DU1 at Duo.
var aliceAtDuo = User{Name: "alice", Duo: Identity{UserID: "DU1"}}

// keyFields has a login for each field of JoinKey and ApprovalKey, which differs in this field only.
var keyFields = map[string]otherwise{
	"Client":       clientWith(func(c *Client) { c.Name = "lab" }),
	"Application":  clientWith(func(c *Client) { c.Application = "DI2" }),
	"Service":      clientWith(func(c *Client) { c.Service = "mail" }),
	"User":         {attempt: as("bob"), users: []User{aliceAtDuo, {Name: "bob", Duo: aliceAtDuo.Duo}}},
	"Duo.UserID":   {users: []User{{Name: "alice", Duo: Identity{UserID: "DU2"}}}},
	"Duo.Username": {users: []User{{Name: "alice", Duo: Identity{UserID: "DU1", Username: "asmith"}}}},
	"IP":           {attempt: from(cafe)},
	"Digest":       {attempt: func(a *Attempt) { a.Password = "pw,push" }},
}

// fieldsOf returns the fields of a key by name, and those of an Identity in it.
func fieldsOf(key any) map[string]any {
	fields := map[string]any{}
	v := reflect.ValueOf(key)
	for i := range v.NumField() {
		name, value := v.Type().Field(i).Name, v.Field(i).Interface()
		if id, ok := value.(Identity); ok {
			for inner, value := range fieldsOf(id) {
				fields[name+"."+inner] = value
			}
			continue
		}
		fields[name] = value
	}
	return fields
}

// keysOf returns the keys of an attempt.
func (w *world) keysOf(a Attempt) (JoinKey, ApprovalKey) { return w.policy.KeysOf(a) }

// keyed prepares a world in which each field of both keys has a value.
func (w *enduring) keyed() {
	w.settings.BindTo = []Binding{BindService, BindClient, BindUserIP}
	w.settings.Users = []User{aliceAtDuo}
	w.load()
}

// differs changes the world so that the attempt that it returns differs from alice's in one field.
func (w *enduring) differs(o otherwise) Attempt {
	if o.users != nil {
		w.settings.Users = o.users
		w.load()
	}
	if o.attempt == nil {
		return w.attempt("pw")
	}
	return w.attempt("pw", o.attempt)
}

// everyField runs f for every field of the key that pick chooses. If a field is new and has no login here, the test fails.
// It checks that the login differs in this field only.
func everyField(t *testing.T, pick func(JoinKey, ApprovalKey) any, f func(w *enduring, field string, o otherwise)) {
	for field := range fieldsOf(pick(JoinKey{}, ApprovalKey{})) {
		t.Run(field, func(t *testing.T) {
			o, ok := keyFields[field]
			if !ok {
				t.Fatalf("keyFields has no login that differs in %s alone", field)
			}
			inEnduring(t, func(w *enduring) {
				w.keyed()
				alice := fieldsOf(pick(w.keysOf(w.attempt("pw"))))
				if v := reflect.ValueOf(alice[field]); v.IsZero() && field != "Duo.Username" { // Duo is asked by ID or by name
					t.Errorf("%s has no value in alice's key", field)
				}
				var differ []string
				for name, value := range fieldsOf(pick(w.keysOf(w.differs(o)))) {
					if value != alice[name] {
						differ = append(differ, name)
					}
				}
				if !slices.Equal(differ, []string{field}) {
					t.Fatalf("the other login differs in %q, want %s alone", differ, field)
				}
				w.keyed()
				f(w, field, o)
			})
		})
	}
}

// TestEveryFieldOfAJoinKey: if two logins differ in one field of JoinKey, the push of one does not answer the other, before
// and after a restart. The field is saved: alice's own next try is answered.
func TestEveryFieldOfAJoinKey(t *testing.T) {
	pick := func(key JoinKey, _ ApprovalKey) any { return key }
	everyField(t, pick, func(w *enduring, field string, o otherwise) {
		joinsNot := func(when string) {
			key, _ := w.keysOf(w.differs(o))
			if _, ok, err := w.process.Transactions.Find(w.Context(), key, time.Now()); ok || err != nil {
				w.Errorf("%s: another %s joins alice's push: %v, %v", when, field, ok, err)
			}
			w.keyed()
		}
		w.answers(never)
		alice := w.pending("pw")
		joinsNot("before the restart")
		alice()
		w.duo.then("T1", allows(time3))
		w.restart()
		joinsNot("after the restart")
		w.wants(w.login("pw"), "accept approved push T1")
	})
}

// TestEveryFieldOfAnApprovalKey: an approval does not answer a login that differs in one field of ApprovalKey, before and
// after a restart. The field is saved: alice's own login is remembered.
func TestEveryFieldOfAnApprovalKey(t *testing.T) {
	pick := func(_ JoinKey, key ApprovalKey) any { return key }
	everyField(t, pick, func(w *enduring, field string, o otherwise) {
		limits := ApprovalLimits{Lifetime: time.Hour}
		asked := func(when string) {
			w.wants(w.login("pw"), "accept remembered")
			_, key := w.keysOf(w.differs(o))
			if ok, err := w.process.Approvals.Use(w.Context(), key, limits); ok || err != nil {
				w.Errorf("%s: another %s is remembered: %v, %v", when, field, ok, err)
			}
			w.keyed()
		}
		w.answers(allows(0))
		w.wants(w.login("pw"), "accept approved push T1")
		asked("before the restart")
		w.restart()
		asked("after the restart")
	})
}
