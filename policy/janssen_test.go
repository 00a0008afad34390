package policy_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	. "duoradiusd/policy"
)

// The tests of this file check what users of Janssen's Duo script rely on: the password is checked first and Duo is asked
// second, for the members of a group. Nobody gets in because something is down.

// journal records who is asked, in order.
type journal struct {
	FirstFactor
	SecondFactor
	list []string
}

func (j *journal) Authenticate(ctx context.Context, r FirstRequest) (Account, error) {
	j.list = append(j.list, "password")
	return j.FirstFactor.Authenticate(ctx, r)
}

func (j *journal) Preauth(ctx context.Context, r PreauthRequest) (Preauth, error) {
	j.list = append(j.list, "preauth")
	return j.SecondFactor.Preauth(ctx, r)
}

func (j *journal) Auth(ctx context.Context, r *AuthRequest) (AuthResult, error) {
	j.list = append(j.list, "auth")
	return j.SecondFactor.Auth(ctx, r)
}

// TestJanssenOrder: Duo is asked only after a right password.
func TestJanssenOrder(t *testing.T) {
	for _, tt := range []struct {
		field, want string
		asked       []string
	}{
		{"pw", "accept approved push T1", []string{"password", "preauth", "auth"}},
		{"pw,push", "accept approved push T1", []string{"password", "preauth", "auth"}},
		{"no", wrongWord, []string{"password"}},
		{"no,push", wrongWord, []string{"password"}},
		{"no,123456", wrongWord, []string{"password"}},
		{"no,sms", wrongWord, []string{"password"}},
		{"", wrongWord, nil},
		{",push", wrongWord, nil},
		{",123456", wrongWord, nil},
	} {
		for _, mode := range []Mode{ModeAuto, ModeChallenge} {
			t.Run(tt.field+"/"+string(mode), func(t *testing.T) {
				inWorld(t, func(w *world) {
					j := &journal{FirstFactor: w.ldap, SecondFactor: w.duo}
					w.client.FirstFactor, w.client.Second, w.client.Mode = j, j, mode
					want, asked := tt.want, tt.asked
					if mode == ModeChallenge && tt.field == "pw" {
						v := w.login("pw")
						if v.Reason != ReasonChallenged {
							w.Fatal(line(v))
						}
						w.answers(allows(time3))
						w.wants(w.login("1", state(v.State)), want)
						asked = []string{"password", "preauth", "preauth", "auth"}
					} else {
						if len(asked) > 1 {
							w.answers(allows(time3))
						}
						w.wants(w.login(tt.field), want)
					}
					if !slices.Equal(j.list, asked) {
						t.Errorf("asked %v, want %v", j.list, asked)
					}
				})
			})
		}
	}
}

// TestJanssenMembersOnly: Duo is asked for the members of a group. All other users get in with their password.
func TestJanssenMembersOnly(t *testing.T) {
	rules := []Rule{{Name: "members", Groups: []string{"duo-users"}, Need: NeedRequired}, {Name: "others", Need: NeedExempt}}
	for _, tt := range []struct {
		groups []string
		member bool
	}{
		{[]string{"duo-users"}, true},
		{[]string{"staff", "CN=x,DC=y", "Duo-Users"}, true},
		{nil, false},
		{[]string{}, false},
		{[]string{""}, false},
		{[]string{"staff"}, false},
		{[]string{"duo-users-2", "no-duo-users", "duo", "users"}, false},
		{[]string{"cn=duo-users,dc=y"}, false}, // a whole DN names only that group
	} {
		inGroups(t, tt.groups, func(w *world) {
			w.rules(rules...)
			want := "accept exempt"
			if tt.member {
				want = "accept approved push T1"
				w.answers(allows(time3))
			}
			w.wants(w.login("pw"), want)
			w.wants(w.login("no"), wrongWord)
			if preauths, _ := w.duo.counts(); (preauths != 0) != tt.member {
				t.Errorf("%q: %d preauths", tt.groups, preauths)
			}
		})
	}
	inGroups(t, []string{"duo-users"}, func(w *world) { // a member whom Duo denies is not let in by the other rule
		w.rules(rules...)
		w.answers(denied)
		w.wants(w.login("pw"), "reject denied push T1: Login request denied.")
		w.duo.preErr = errDown
		w.wants(w.login("pw"), "reject duo-unavailable"+later)
	})
}

// TestJanssenFailsClosed: if the directory can't say yes, nobody gets in, whatever failmode and rules say. The reject is in
// time, and Duo is not asked.
func TestJanssenFailsClosed(t *testing.T) {
	for name, tt := range map[string]struct {
		fail func(d *directory)
		want string
	}{
		"refused":          {func(d *directory) { d.err = errNoBind }, "reject first-factor-unavailable" + later},
		"down like Duo":    {func(d *directory) { d.err = errDown }, "reject first-factor-unavailable" + later},
		"misconfigured":    {func(d *directory) { d.err = errKeys }, "reject first-factor-unavailable" + later},
		"canceled":         {func(d *directory) { d.err = context.Canceled }, "reject first-factor-unavailable" + later},
		"its own deadline": {func(d *directory) { d.err = context.DeadlineExceeded }, "reject first-factor-unavailable" + later},
		"hangs":            {func(d *directory) { d.delay = time.Hour }, "reject first-factor-unavailable" + later},
		"can't check it":   {func(d *directory) { d.err = ErrUnsupported }, "reject unsupported-method"},
		"no, and an error": {func(d *directory) { d.err = errors.Join(errNoBind, ErrRejected) }, wrongWord},
	} {
		for _, rule := range []Need{NeedRequired, NeedExempt} {
			t.Run(name+"/"+string(rule), func(t *testing.T) {
				inWorld(t, func(w *world) {
					w.client.Failmode, w.settings.Unlisted = FailmodeSafe, UnlistedFirstFactor
					w.rules(Rule{Groups: []string{"duo-users"}}, Rule{Need: rule, Failmode: FailmodeSafe})
					w.ldap.accounts = map[string]Account{"alice": {Groups: []string{"duo-users"}}}
					w.duo.preErr = errDown
					tt.fail(w.ldap)
					for _, field := range []string{"pw", "pw,push", "pw,123456"} {
						begun := time.Now()
						v := w.login(field)
						w.wants(v, tt.want)
						if took := time.Since(begun); took > patience || len(v.Attributes) != 0 {
							t.Errorf("took %v, attributes %q", took, attributes(v))
						}
					}
					if preauths, auths := w.duo.counts(); preauths+auths != 0 {
						t.Errorf("Duo was asked: %d preauths, %d auths", preauths, auths)
					}
				})
			})
		}
	}
}

// TestJanssenRememberedNeedsThePassword: an approval replaces Duo, and never the directory.
func TestJanssenRememberedNeedsThePassword(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.Remember, w.client.Failmode = time.Hour, FailmodeSafe
		w.answers(allows(0))
		w.wants(w.login("pw"), "accept approved push T1")
		w.wants(w.login("no"), wrongWord)
		w.ldap.err = errNoBind
		w.wants(w.login("pw"), "reject first-factor-unavailable"+later)
		w.ldap.err = nil
		w.wants(w.login("pw"), "accept remembered")
	})
}

// breaking is a directory that panics.
type breaking struct{}

func (breaking) Authenticate(context.Context, FirstRequest) (Account, error) {
	panic("the directory breaks")
}

// TestJanssenPanic: a panic of the first factor is no yes, and delays no later login.
func TestJanssenPanic(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.FirstFactor, w.client.Failmode = breaking{}, FailmodeSafe
		for range 2 * wrongPerUser {
			w.wants(w.login("pw"), "reject panic: The login can't be checked now. Try again in a minute.")
		}
		if preauths, _ := w.duo.counts(); preauths != 0 {
			t.Error("Duo was asked")
		}
	})
}
