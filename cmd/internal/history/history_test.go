package history

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"duoradiusd/policy"
	"duoradiusd/radiusd"
)

// TestShare: one person never has more than 20 logins here, and all persons together 10 000; the newest stay.
func TestShare(t *testing.T) {
	var l Logins
	l.Add(radiusd.Event{User: "bob"})
	for i := range 3 * mostOfOneUser {
		l.Add(radiusd.Event{User: "Alice", Txid: fmt.Sprint(i)})
	}
	if list := l.List(Query{User: "alice"}); len(list) != mostOfOneUser || list[0].Txid != fmt.Sprint(3*mostOfOneUser-1) {
		t.Errorf("alice has %d, the newest %q", len(list), list[0].Txid)
	}
	if list := l.List(Query{User: "bob"}); len(list) != 1 {
		t.Errorf("bob has %d", len(list))
	}
	for i := range 2 * most {
		l.Add(radiusd.Event{User: fmt.Sprint("user", i)})
	}
	list := l.List(Query{})
	if len(list) != most || list[0].User != fmt.Sprint("user", 2*most-1) || len(l.byUser) != most {
		t.Errorf("%d logins of %d users", len(list), len(l.byUser))
	}
	if got := l.List(Query{User: "bob"}); len(got) != 0 {
		t.Error("bob is still there")
	}
}

// TestQuery: each filter restricts, and Most takes the newest.
func TestQuery(t *testing.T) {
	var l Logins
	l.Add(radiusd.Event{User: "alice", Client: "vpn", Reason: policy.ReasonApproved})
	l.Add(radiusd.Event{User: "alice", Client: "ssh", Reason: policy.ReasonBadPassword})
	l.Add(radiusd.Event{User: "bob", Client: "vpn", Reason: policy.ReasonBadPassword})
	for _, tt := range []struct {
		q    Query
		want string
	}{
		{Query{}, "321"}, {Query{User: "ALICE"}, "21"}, {Query{Client: "vpn"}, "31"}, {Query{Reason: string(policy.ReasonBadPassword)}, "32"},
		{Query{After: 2}, "3"}, {Query{Most: 2}, "32"}, {Query{User: "alice", Client: "ssh", Most: 5}, "2"}, {Query{User: "carol"}, ""},
	} {
		got := ""
		for _, login := range l.List(tt.q) {
			got += fmt.Sprint(login.Number)
		}
		if got != tt.want {
			t.Errorf("%+v: got %s, want %s", tt.q, got, tt.want)
		}
	}
	if login, ok := l.Get(2); !ok || login.Client != "ssh" {
		t.Errorf("Get(2): %v %v", login, ok)
	}
	if _, ok := l.Get(9); ok {
		t.Error("Get(9) found one")
	}
}

// TestWait: who waits is woken by a login that fits, not by another, and by the end of the context.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Logins
		got := make(chan []Login, 1)
		ctx, cancel := context.WithCancel(t.Context())
		wait := func(q Query) {
			go func() {
				list, _ := l.Wait(ctx, q)
				got <- list
			}()
		}
		wait(Query{User: "bob"})
		synctest.Wait()
		l.Add(radiusd.Event{User: "alice"})
		synctest.Wait()
		select {
		case list := <-got:
			t.Fatalf("woken for %v", list)
		default:
		}
		l.Add(radiusd.Event{User: "bob"})
		if list := <-got; len(list) != 1 || list[0].User != "bob" {
			t.Errorf("got %v", list)
		}
		wait(Query{After: 2})
		synctest.Wait()
		cancel()
		if list := <-got; len(list) != 0 {
			t.Errorf("got %v", list)
		}
	})
}
