package radiusd_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/radiusd"
	"duoradiusd/radiusd/wire"
	"duoradiusd/test/nas"
)

// alive asks with patience.
func (d *door) alive() error {
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	return d.Alive(ctx)
}

func TestAlive(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	d.listen("127.0.0.1:0", "127.0.0.2:0")
	n := d.nas("")
	for range 20 {
		if err := d.alive(); err != nil {
			t.Fatal(err)
		}
		d.wants(nas.CodeAccessAccept, n, login()) // the loop goes on
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := d.alive(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	d.Shutdown(t.Context())
	if err := d.alive(); err != nil {
		t.Errorf("a server that was shut down: %v", err)
	}
}

// TestAliveLosesNothing: being asked costs no packet, and a reload at the same time ends the loops that it should.
func TestAliveLosesNothing(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	stop := make(chan struct{})
	var asking sync.WaitGroup
	defer asking.Wait()
	defer close(stop)
	asking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := d.alive(); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	n := d.nas("")
	for range 100 {
		d.wants(nas.CodeAccessAccept, n, login())
		d.listen("127.0.0.1:0", "127.0.0.2:0")
		var other netip.AddrPort
		for _, a := range d.Addresses() {
			if a != d.address {
				other = a
			}
		}
		asking.Go(func() {
			if err := d.alive(); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(50 * time.Microsecond) // so that it is being asked, most times
		d.listen("127.0.0.1:0")
		eventually(t, "the loop ends, and its socket is closed", func() bool {
			conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(other))
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
}

// TestAliveNot: the health check notices a table that does not answer, and a read loop that waits for it.
func TestAliveNot(t *testing.T) {
	d := open(t, house{decide: always(accept)})
	release := d.Hold()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := d.Alive(short)
	release()
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the tables of logins") {
		t.Errorf("with the table held: %v", err)
	}
	if err := d.alive(); err != nil {
		t.Errorf("after it: %v", err)
	}

	stuck := make(chan struct{})
	d = open(t, house{able: func() bool { <-stuck; return true }})
	n := d.nas("")
	status := nas.StatusServer(secret)
	d.send(n, status)
	short, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	eventually(t, "the loop is noticed to hang", func() bool {
		err = d.Alive(short)
		return err != nil
	})
	if want := "the reader of " + d.address.String() + " does not answer"; !strings.Contains(err.Error(), want) {
		t.Errorf("with the loop stuck: %v, want %q", err, want)
	}
	close(stuck)
	d.reply(n, status)
	if err := d.alive(); err != nil {
		t.Errorf("after it: %v", err)
	}
}

// socket opens a UDP socket and hands it over, as a service manager does.
func socket(t *testing.T, network, address string) (*os.File, netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenPacket(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	f, err := conn.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// TestSockets: an address whose socket is handed over is not opened a second time, which would fail. A request that came
// before the start is answered, and the socket still serves after a reload without it.
func TestSockets(t *testing.T) {
	for _, tt := range []struct{ network, address, ask, other string }{
		{"udp4", "127.0.0.1:0", "127.0.0.1", ""},
		{"udp4", "0.0.0.0:0", "127.0.0.7", "127.0.0.8"}, // the reply must leave from the address that was asked
		{"udp", "[::]:0", "127.0.0.7", "::1"},
	} {
		t.Run(tt.address, func(t *testing.T) {
			file, at := socket(t, tt.network, tt.address)
			stream, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			streamFile, err := stream.(*net.TCPListener).File()
			if err != nil {
				t.Fatal(err)
			}
			defer streamFile.Close()

			s := &radiusd.Server{Sockets: []*os.File{streamFile, file}}
			d := &door{Server: s, t: t, decider: &decider{decide: always(accept)}}
			d.use(0, client(from("127.0.0.0/8")), &radiusd.Client{Name: "six", Addresses: []netip.Prefix{netip.MustParsePrefix("::1/128")},
				Secret: wire.NewSecret(secret), Login: &policy.Client{Name: "six"}})
			d.address = netip.AddrPortFrom(netip.MustParseAddr(tt.ask), at.Port())
			n := d.nas("")
			early := login()
			d.send(n, early)
			d.listen(at.String())
			t.Cleanup(func() { d.Shutdown(t.Context()) })
			if p := d.reply(n, early); p.Code != nas.CodeAccessAccept {
				t.Errorf("got %v", p)
			}
			if tt.other != "" {
				other := dial(t, netip.AddrPortFrom(netip.MustParseAddr(tt.other), at.Port()), "")
				d.wants(nas.CodeAccessAccept, other, login())
			}
			d.listen("127.0.0.1:0")
			d.listen(at.String())
			d.wants(nas.CodeAccessAccept, n, login())
		})
	}
}

// TestAliveOfAnEndedLoop: many ask at once about a listener whose read loop has ended, and none of them waits.
func TestAliveOfAnEndedLoop(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := radiusd.EndedLoop(conn)
	for range 3 {
		if err := ask(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
