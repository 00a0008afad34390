package daemon

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"duoradiusd/test/nas"
)

// TestNoSignOfLife: a daemon whose door hangs gives no sign of life, whatever else still runs, until it hangs no more.
func TestNoSignOfLife(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "90000")

	const secret = "a secret of the client"
	log := &told{}
	d, err := New(load(t, `
[[listen]]
address = "127.0.0.1:0"
[[client]]
name = "vpn"
address = ["127.0.0.1"]
secret = "`+secret+`"
first_factor = "none"
`), slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	hang, hangs := make(chan struct{}), make(chan struct{})
	d.server.Able = func() bool {
		close(hangs)
		<-hang
		return true
	}
	if err := d.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		NewManager(d).Watch(ctx)
		close(watched)
	}()
	defer func() {
		cancel()
		<-watched
		d.Shutdown(t.Context())
	}()

	// beats returns how many signs of life come within some beats.
	beats := func() (n int) {
		b := make([]byte, 4096)
		manager.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		for {
			size, err := manager.Read(b)
			if err != nil {
				return n
			}
			n += strings.Count(string(b[:size]), "WATCHDOG=1")
		}
	}
	if n := beats(); n < 2 {
		t.Errorf("%d signs of life, want 2 at least", n)
	}
	client, err := nas.Dial(d.Addresses()[0], netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Send(nas.StatusServer(secret).Sign(nas.First).Bytes()); err != nil {
		t.Fatal(err)
	}
	<-hangs
	beats() // one may be on its way
	if n := beats(); n > 0 {
		t.Errorf("%d signs of life although the door hangs", n)
	}
	if said := log.take(); !strings.Contains(said, "systemd: the watchdog gets no sign of life, because a part of the daemon does not answer") || !strings.Contains(said, "the reader of 127.0.0.1:") {
		t.Errorf("the log does not say so:\n%s", said)
	}
	close(hang)
	for range 30 { // on a busy machine the next may be a while away
		if beats() > 0 {
			return
		}
	}
	t.Error("no sign of life when it hangs no more")
}
