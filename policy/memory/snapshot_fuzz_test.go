package memory

import (
	"bytes"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
)

// FuzzRestore: whatever is read, Restore does not panic, and reads approvals only from a valid snapshot.
func FuzzRestore(f *testing.F) {
	m := New(10)
	key := policy.ApprovalKey{User: "alice", Duo: policy.Identity{UserID: "DU1"}, Application: "DI1", Service: "vpn", IP: home}
	m.approvals.add(key, factor.Push, time.Now(), time.Hour)
	ctx := f.Context()
	m.challenges.Put(ctx, &policy.OpenChallenge{Client: "vpn", User: "alice", Ends: time.Now().Add(time.Minute), Options: []policy.Option{{Factor: factor.Push, Device: smartphone}}})
	m.guard.PushEnded(ctx, policy.Phone{Duo: policy.Identity{Username: "bob"}, Person: "bob"}, guard.PushEnd{Status: "deny", Took: time.Minute}, guard.PushLimits{Pushes: 3, Cooldown: time.Hour, Window: time.Hour})
	guess := guard.Guess{
		Kind: guard.GuessPassword, Person: "carol", Source: guard.SourceOf(home, "vpn"),
		Limits: guard.GuessLimits{WrongPasswords: 10, WrongPasscodes: 10, WrongPerSource: 50, Refill: 30 * time.Second},
	}
	admission, _ := m.guard.Admit(ctx, guess)
	m.guard.Settle(ctx, admission, guard.GuessWrong)
	m.guard.Know(ctx, guess)
	m.transactions.Claim(ctx, policy.NewTransaction{Transaction: policy.Transaction{Phone: policy.Phone{Duo: key.Duo, Person: "alice"}, Name: "alice", Factor: factor.Push, Txid: "T1", Began: true},
		Key: policy.JoinKey{Client: "vpn", User: "alice", IP: home}, Account: policy.Account{Groups: []string{"staff"}}})
	m.replays.Mark(ctx, policy.RequestDigest{1}, "X")
	var b bytes.Buffer
	if err := m.Save(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := New(10)
		_, err := m.Restore(bytes.NewReader(b), nil, nothing, guard.PushLimits{Cooldown: time.Hour})
		if n := m.approvals.len(); err != nil && n != 0 {
			t.Errorf("%v, and yet %d approvals", err, n)
		}
	})
}

// TestRestoreDamaged: one octet is changed, or the rest is cut off, at each place. Restore does not panic, and after an
// error it has restored nothing.
func TestRestoreDamaged(t *testing.T) {
	m := New(10)
	m.approvals.add(policy.ApprovalKey{User: "alice", IP: home}, factor.Push, time.Now(), time.Hour)
	var b bytes.Buffer
	if err := m.Save(&b); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	restore := func(b []byte) (int, error) {
		m := New(10)
		_, err := m.Restore(bytes.NewReader(b), nil, nothing, guard.PushLimits{})
		return m.approvals.len(), err
	}
	for i := range whole {
		if n, err := restore(whole[:i]); err == nil || n != 0 {
			t.Errorf("cut at %d: %d approvals, %v", i, n, err)
		}
		for _, flip := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(whole)
			bad[i] ^= flip
			if n, err := restore(bad); err != nil && n != 0 {
				t.Errorf("octet %d: %d approvals, %v", i, n, err)
			}
		}
	}
}

// No transaction is live any more.
func nothing(policy.Transaction) bool { return false }
