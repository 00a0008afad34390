package test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// deafDuo accepts TCP connections and sends nothing, so that no TLS handshake ends.
func deafDuo(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	go func() {
		defer close(done)
		var held []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			held = append(held, c)
		}
		for _, c := range held {
			c.Close()
		}
	}()
	return l.Addr().String()
}

// TestSlowTLS: a Duo that never ends its handshake can't be asked. Each failmode does what it says, in time.
func TestSlowTLS(t *testing.T) {
	t.Parallel()
	slow(t, "it waits for seconds until a handshake has taken too long")
	for failmode, want := range map[string]byte{"secure": nas.CodeAccessReject, "safe": nas.CodeAccessAccept} {
		t.Run(failmode, func(t *testing.T) {
			t.Parallel()
			d := startDaemon(t, nil, fmt.Sprintf(`
[duo]
api_host    = %q
ca          = "system"
api_timeout = "2s"
failmode    = %q
[[client]]
timeout = "5s"
`, deafDuo(t), failmode))
			start := time.Now()
			if p := login(t, d, "alice", "push"); p.Code != want {
				t.Errorf("%v, want code %d", p, want)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestTerminalEscapes: control characters in Duo's texts reach neither the user nor the log.
func TestTerminalEscapes(t *testing.T) {
	t.Parallel()
	duo := startDuo(t, fakeduo.User{Username: "alice", Preauth: "deny", PreauthMessage: "No \x1b[31mway\x1b]0;owned\a\u009b2J <b>in</b>."})
	d := startDaemon(t, duo, "")
	p := login(t, d, "alice", "push")
	if got, want := p.ReplyMessage(), "No [31mway]0;owned2J bin/b."; got != want {
		t.Errorf("the user reads %q, want %q", got, want)
	}
	if log := strings.Join(d.Log(), "\n"); strings.ContainsAny(log, "\x1b\a\u009b") {
		t.Errorf("a control character in the log: %q", log)
	}
}
