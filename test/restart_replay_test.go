package test

import (
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// TestReplayAfterARestart: an attacker sends a recorded Access-Request again after the daemon was restarted. Alice's phone
// must not ring once more. Another user logs in as usual.
func TestReplayAfterARestart(t *testing.T) {
	t.Parallel()
	duo := startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "bob"})
	d := startDaemon(t, duo, "[[client]]\nmessage_authenticator = \"require\"\n")
	a := newAttempt(nil)
	captured := a.request("alice", "push").Bytes()
	if b, err := sendFresh(t, d, captured, 10*time.Second); err != nil || b[0] != nas.CodeAccessAccept {
		t.Fatalf("alice can't log in: %v, %v", b, err)
	}
	d.Stop()
	d = launch(t, duo, d.dir)
	b, err := sendFresh(t, d, captured, 2*time.Second) // no reply is right, and so is the reply that alice had
	if pushes := duo.Pushes(); pushes != 1 {
		t.Errorf("the copy has got %v, %v; %d pushes, want 1", b, err, pushes)
	}
	if r := login(t, d, "bob", "push"); r.Code != nas.CodeAccessAccept || duo.Pushes() != 2 {
		t.Errorf("bob has got %v; %d pushes, want 2", r, duo.Pushes())
	}
}

// sendFresh sends a datagram from a new socket and waits for a reply.
func sendFresh(t *testing.T, d *daemon, datagram []byte, wait time.Duration) ([]byte, error) {
	t.Helper()
	n, err := newAttempt(nil).dial(d)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Send(datagram); err != nil {
		t.Fatal(err)
	}
	return n.Receive(wait)
}
