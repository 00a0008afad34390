package policy

import (
	"bytes"
	"testing"
	"time"
)

// FuzzRestore: whatever is read, nobody panics, and nothing that is no snapshot is taken for one with approvals.
func FuzzRestore(f *testing.F) {
	m := NewMemory(10)
	key := approvalKey{user: "alice", duo: Identity{UserID: "DU1"}, at: "DI1", service: "vpn", ip: home}
	m.Approvals.add(key, time.Now(), time.Hour)
	m.challenges.put(&challenge{client: "vpn", user: "alice", ends: time.Now().Add(time.Minute), options: []option{{Push, smartphone}}})
	m.guard.rung(Identity{Username: "bob"}, "deny", PushGuard{Pushes: 3, Cooldown: time.Hour, Window: time.Hour}, time.Now())
	m.guard.admit("carol", home, time.Now())
	m.guard.wrong(cafe, time.Now())
	tr := &transaction{user: key.duo, name: "alice", factor: Push, start: time.Now(), txid: "T1", began: true, done: make(chan struct{})}
	m.enlist(joinKey{client: "vpn", user: "alice", ip: home}, seat{tr, Account{Groups: []string{"staff"}}})
	var b bytes.Buffer
	if err := m.Save(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := NewMemory(10)
		err := m.Restore(bytes.NewReader(b), func(string) SecondFactor { return nil }, PushGuard{Cooldown: time.Hour})
		if n := m.Approvals.Len(); err != nil && n != 0 {
			t.Errorf("%v, and yet %d approvals", err, n)
		}
		m.Close()
	})
}

// TestRestoreDamaged: each octet changed, and a cut at each: no panic, and after an error nothing.
func TestRestoreDamaged(t *testing.T) {
	m := NewMemory(10)
	m.Approvals.add(approvalKey{user: "alice", ip: home}, time.Now(), time.Hour)
	var b bytes.Buffer
	if err := m.Save(&b); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	restore := func(b []byte) (int, error) {
		m := NewMemory(10)
		defer m.Close()
		err := m.Restore(bytes.NewReader(b), func(string) SecondFactor { return nil }, PushGuard{})
		return m.Approvals.Len(), err
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
