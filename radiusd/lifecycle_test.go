package radiusd_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/radiusd"
	"duoradiusd/radiusd/wire"
	"duoradiusd/test/nas"
)

// shutdown begins Shutdown and returns a function that waits for its end.
func (d *door) shutdown(ctx context.Context) (wait func()) {
	d.t.Helper()
	done := make(chan struct{})
	go func() {
		d.Shutdown(ctx)
		close(done)
	}()
	nowhere := addrPorts("203.0.113.1:1") // this address does not belong to the host; that changes nothing while the door is open
	eventually(d.t, "the door closes", func() bool { return errors.Is(d.Listen(nowhere), radiusd.ErrClosed) })
	return func() {
		d.t.Helper()
		select {
		case <-done:
		case <-time.After(patience):
			d.t.Fatal("Shutdown hangs")
		}
	}
}

func TestShutdownAnswersPending(t *testing.T) {
	d := open(t, house{})
	n := d.nas("")
	a, b := login(), login()
	d.send(n, a)
	first := d.next()
	d.send(n, b)
	second := d.next()
	wait := d.shutdown(t.Context())
	d.send(n, login()) // nobody reads it
	first.verdict <- accept
	if p := d.reply(n, a); p.Code != nas.CodeAccessAccept {
		t.Errorf("got %v", p)
	}
	second.verdict <- reject
	if p := d.reply(n, b); p.Code != nas.CodeAccessReject {
		t.Errorf("got %v", p)
	}
	wait()
	if got := len(d.decider.calls()); got != 2 {
		t.Errorf("%d logins reached the Decider, want 2", got)
	}
	if len(d.Addresses()) != 0 {
		t.Errorf("still listens on %v", d.Addresses())
	}
	free(t, d.address)
	d.Shutdown(t.Context()) // again
}

func TestShutdownRejectsTheRest(t *testing.T) {
	d := open(t, house{rejectDelay: time.Hour})
	n := d.nas("")
	var asked []*nas.Request
	for range 5 {
		asked = append(asked, login())
		d.send(n, asked[len(asked)-1])
		d.next()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	d.shutdown(ctx)()
	for range asked {
		b, err := n.Receive(patience)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(asked, func(r *nas.Request) bool { _, err := r.Verify(b); return err == nil })
		if i < 0 || b[0] != nas.CodeAccessReject {
			t.Errorf("got % x", b)
			continue
		}
		asked = slices.Delete(asked, i, i+1)
	}
	if inFlight, _ := d.Pending(); inFlight != 0 {
		t.Errorf("%d in progress", inFlight)
	}
}

// TestShutdownWithoutTheDecider: a Decider that does not end with its context does not delay Shutdown.
func TestShutdownWithoutTheDecider(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	entered := make(chan struct{}, 1)
	d := open(t, house{decide: func(context.Context, policy.Attempt) policy.Verdict {
		entered <- struct{}{}
		<-release
		return accept
	}})
	n := d.nas("")
	r := login()
	d.send(n, r)
	<-entered
	now, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	d.shutdown(now)()
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	if p := d.reply(n, r); p.Code != nas.CodeAccessReject {
		t.Errorf("got %v, want a reject", p)
	}
	eventually(t, "its line", func() bool { return len(d.log.lines("reason=shutting-down", "code=Access-Reject")) == 1 })
	free(t, d.address)
}

func TestShutdownBeforeAnything(t *testing.T) {
	var s radiusd.Server
	s.Shutdown(t.Context())
	if err := s.Listen(addrPorts("127.0.0.1:0")); !errors.Is(err, radiusd.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if s.Addresses() != nil || s.Clients() != nil {
		t.Error("a Server that never ran has addresses or clients")
	}
}

// free fails unless an address can be bound again.
func free(t *testing.T, a netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestListenKeepsWhatIsOpen(t *testing.T) {
	d := open(t, house{})
	n := d.nas("")
	r := login()
	d.send(n, r)
	c := d.next()
	d.listen("127.0.0.1:0", "127.0.0.2:0", "127.0.0.1:0")
	if got := d.Addresses(); len(got) != 2 || !slices.Contains(got, d.address) {
		t.Errorf("listens on %v, want %v and one more", got, d.address)
	}
	c.verdict <- accept
	d.reply(n, r)
	i := slices.IndexFunc(d.Addresses(), func(a netip.AddrPort) bool { return a != d.address })
	second := dial(t, d.Addresses()[i], "127.0.0.1")
	for _, n := range []*nas.NAS{n, second} {
		r := login()
		d.send(n, r)
		d.next().verdict <- accept
		d.reply(n, r)
	}
}

// TestListenFails: when one address can't be opened, nothing changes.
func TestListenFails(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	taken, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := d.Listen(addrPorts("127.0.0.3:0", taken.LocalAddr().String(), "127.0.0.4:0")); err == nil {
		t.Fatal("no error")
	}
	if got := d.Addresses(); len(got) != 1 || got[0] != d.address {
		t.Errorf("listens on %v, want %v still", got, d.address)
	}
	d.wants(nas.CodeAccessAccept, d.nas(""), login())
}

// TestListenRemoves: a removed listener admits no new login, even while other removed listeners have pending logins. Its
// own logins are still answered from its address, and then it closes.
func TestListenRemoves(t *testing.T) {
	d := open(t, house{})
	d.listen("127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0")
	type pending struct {
		n *nas.NAS
		r *nas.Request
		c *call
	}
	var all []pending
	for _, a := range d.Addresses() {
		p := pending{n: dial(t, a, "127.0.0.1"), r: login()}
		d.send(p.n, p.r)
		p.c = d.next()
		all = append(all, p)
	}
	removed := d.Addresses()
	d.listen("127.0.0.4:0")
	time.Sleep(20 * time.Millisecond) // until they have heard
	for _, p := range all {
		d.send(p.n, login())
	}
	fresh := dial(t, d.Addresses()[0], "127.0.0.1")
	r := login()
	d.send(fresh, r)
	if c := d.next(); len(d.decider.calls()) != len(all)+1 {
		t.Errorf("%d logins reached the Decider, want %d", len(d.decider.calls()), len(all)+1)
	} else {
		c.verdict <- accept
	}
	d.reply(fresh, r)
	for _, p := range all {
		p.c.verdict <- accept
		d.reply(p.n, p.r)
	}
	for _, a := range removed {
		eventually(t, "an address that is free again", func() bool {
			conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
}

// TestShutdownWaitsForRemoved: Shutdown waits for removed listeners, too. Their last replies leave before it returns.
func TestShutdownWaitsForRemoved(t *testing.T) {
	d := open(t, house{})
	n := d.nas("")
	r := login()
	d.send(n, r)
	c := d.next()
	d.listen()
	wait := d.shutdown(t.Context())
	c.verdict <- accept
	wait()
	if b, err := n.Receive(time.Millisecond); err != nil {
		t.Error(err)
	} else if _, err := r.Verify(b); err != nil {
		t.Error(err)
	}
	free(t, d.address)
}

// TestReload: logins in progress end under the old settings, and new ones begin under the new settings.
func TestReload(t *testing.T) {
	d := open(t, house{})
	n := d.nas("")
	old := login()
	b := d.send(n, old)
	c := d.next()
	const changed = "another secret, after the reload"
	d.use(0, client(func(c *radiusd.Client) { c.Secret = wire.NewSecret(changed) }))
	if err := n.Send(b); err != nil { // a copy that the new secret does not fit
		t.Fatal(err)
	}
	r := nas.AccessRequest(changed, "jo", "hunter2").Sign(nas.First)
	d.send(n, r)
	d.next().verdict <- accept
	d.reply(n, r)
	c.verdict <- accept
	d.reply(n, old)
	if got := d.Drops(); got[wrong] != 1 {
		t.Errorf("drops: %v", got)
	}
}

// TestUseWhileServing is for the race detector: settings change while packets come in, and one change uses the same Client
// again.
func TestUseWhileServing(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	same := client()
	var hands sync.WaitGroup
	stop := make(chan struct{})
	for _, f := range []func(){
		func() { d.use(0, same) },
		func() { d.use(0, client(), client(from("127.0.0.2/32"), func(c *radiusd.Client) { c.Name = "other" })) },
		func() { d.Clients(); d.Drops(); d.Pending(); d.Addresses() },
		func() {
			if err := d.Listen(addrPorts("127.0.0.1:0", "127.0.0.9:0")); err != nil {
				t.Error(err)
			}
			if err := d.Listen(addrPorts("127.0.0.1:0")); err != nil {
				t.Error(err)
			}
		},
	} {
		hands.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					f()
				}
			}
		})
	}
	n := d.nas("")
	for range 300 {
		d.wants(nas.CodeAccessAccept, n, login())
	}
	close(stop)
	hands.Wait()
}
