package duo_test

import (
	"context"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/test/fakeduo"
)

// began returns a push that jo has on the phone, begun by a client that has ended.
func began(t *testing.T, w *world) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, txid := push, ""
	r.Started = func(id string) { txid = id; cancel() }
	if got, err := w.Auth(ctx, &r); err == nil || got.Txid != txid || txid == "" {
		t.Fatalf("got %+v, %v; txid %q", got, err, txid)
	}
	w.Forget()
	return txid
}

// TestBegan: the client asks for the answer to a push of an earlier run and never sends the push again, whatever happens to
// it and to the connections.
func TestBegan(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tap    fakeduo.Tap
		faults []fakeduo.Fault
		status string
	}{
		{"approved", fakeduo.Approve, nil, "allow"},
		{"denied", fakeduo.Deny, nil, "deny"},
		{"reported", fakeduo.Fraud, nil, "fraud"},
		{"no answer", fakeduo.Ignore, nil, "timeout"},
		{"cut", fakeduo.Approve, []fakeduo.Fault{{CutBefore: true}, {CutAfter: true}, {Status: 500}, {Code: 40002}}, "allow"},
	} {
		for _, proto := range protocols {
			t.Run(tt.name+" "+proto.name, func(t *testing.T) {
				bubble(t, proto.cfg, fakeduo.User{Tap: fakeduo.Ask}, nil, func(t *testing.T, w *world) {
					txid := began(t, w)
					if tt.tap != fakeduo.Ignore {
						if err := w.Answer(txid, tt.tap); err != nil {
							t.Fatal(err)
						}
					}
					for _, f := range tt.faults {
						w.Inject(statusPath, f)
					}
					started := func(string) { t.Error("it has begun again") }
					for range 2 {
						got, err := w.Auth(t.Context(), &policy.AuthRequest{User: jo, Name: "jo", Factor: factor.Push, Began: txid, Started: started})
						if err != nil || got.Status != tt.status || got.Allowed != (tt.status == "allow") || got.Txid != txid {
							t.Errorf("got %+v, %v", got, err)
						}
					}
					if w.Count(authPath) != 0 || w.Count(preauthPath) != 0 || len(w.Transactions()) != 1 {
						t.Errorf("Duo was asked %v for %d transactions", paths(w.Server), len(w.Transactions()))
					}
				})
			})
		}
	}
}

// TestBeganForgotten: Duo no longer knows the push. The client asks no longer than a push lasts, and not after the caller's
// context has ended.
func TestBeganForgotten(t *testing.T) {
	for name, fault := range map[string]fakeduo.Fault{"40002": {Code: 40002, Times: -1}, "404": {Code: 40401, Times: -1}} {
		bubble(t, fakeduo.Config{}, fakeduo.User{Tap: fakeduo.Ask}, nil, func(t *testing.T, w *world) {
			txid := began(t, w)
			w.Inject(statusPath, fault)
			before := w.took()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			got, err := w.Auth(ctx, &policy.AuthRequest{User: jo, Name: "jo", Factor: factor.Push, Began: txid})
			if got.Allowed || err == nil && got.Status != "timeout" || w.took()-before > 10*time.Second {
				t.Errorf("%s: got %+v, %v after %v", name, got, err, w.took()-before)
			}
			if n := w.Count(statusPath); n > 20 || w.Count(authPath) != 0 {
				t.Errorf("%s: %d polls", name, n)
			}
		})
	}
}
