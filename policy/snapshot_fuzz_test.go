package policy

import (
	"bytes"
	"testing"
	"time"
)

// FuzzRestore: whatever is read, nobody panics, and nothing that is no snapshot is taken for one with approvals.
func FuzzRestore(f *testing.F) {
	m := NewMemory(10)
	key := ApprovalKey{User: "alice", Duo: Identity{UserID: "DU1"}, Application: "DI1", Service: "vpn", IP: home}
	m.approvals.add(key, FactorPush, time.Now(), time.Hour)
	ctx := f.Context()
	m.Challenges.Put(ctx, &OpenChallenge{Client: "vpn", User: "alice", Ends: time.Now().Add(time.Minute), Options: []Option{{FactorPush, smartphone}}})
	m.Guard.PushEnded(ctx, Phone{Duo: Identity{Username: "bob"}, Person: "bob"}, PushEnd{Status: "deny", Took: time.Minute}, PushLimits{Pushes: 3, Cooldown: time.Hour, Window: time.Hour})
	guess := Guess{GuessPassword, "carol", SourceOf(home, "vpn"), GuessLimits{10, 10, 50, 30 * time.Second}}
	admission, _ := m.Guard.Admit(ctx, guess)
	m.Guard.Settle(ctx, admission, GuessWrong)
	m.Guard.Know(ctx, guess)
	m.Transactions.Claim(ctx, NewTransaction{Transaction: Transaction{Phone: Phone{Duo: key.Duo, Person: "alice"}, Name: "alice", Factor: FactorPush, Txid: "T1", Began: true},
		Key: JoinKey{Client: "vpn", User: "alice", IP: home}, Account: Account{Groups: []string{"staff"}}})
	m.Replays.Mark(ctx, RequestDigest{1}, "X")
	var b bytes.Buffer
	if err := m.Save(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := NewMemory(10)
		err := m.Restore(bytes.NewReader(b), func(string) SecondFactor { return nil }, PushLimits{Cooldown: time.Hour})
		if n := m.approvals.len(); err != nil && n != 0 {
			t.Errorf("%v, and yet %d approvals", err, n)
		}
		m.Close()
	})
}

// TestRestoreDamaged: each octet changed, and a cut at each: no panic, and after an error nothing.
func TestRestoreDamaged(t *testing.T) {
	m := NewMemory(10)
	m.approvals.add(ApprovalKey{User: "alice", IP: home}, FactorPush, time.Now(), time.Hour)
	var b bytes.Buffer
	if err := m.Save(&b); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	restore := func(b []byte) (int, error) {
		m := NewMemory(10)
		defer m.Close()
		err := m.Restore(bytes.NewReader(b), func(string) SecondFactor { return nil }, PushLimits{})
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
