package system_test

import (
	"net"
	"testing"

	"duoradiusd/internal/system"
)

// TestErrors: what the system says of an address that is taken, one that is not ours, and one where nobody listens.
func TestErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := net.Listen("tcp", l.Addr().String()); !system.IsInUse(err) || system.IsNotOurs(err) || system.IsRefused(err) {
		t.Errorf("a taken address: %v", err)
	}
	l.Close()
	if _, err := net.Dial("tcp", l.Addr().String()); !system.IsRefused(err) || system.IsInUse(err) {
		t.Errorf("nobody listens: %v", err)
	}
	if _, err := net.Listen("tcp", "192.0.2.1:0"); !system.IsNotOurs(err) { // RFC 5737: for documentation only
		t.Errorf("an address that is not ours: %v", err)
	}
}
