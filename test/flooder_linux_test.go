package test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"duoradiusd/test/nas"
)

// gun is a socket that sends many datagrams with few system calls.
type gun struct {
	conn  *net.UDPConn
	batch *ipv4.PacketConn
	to    *net.UDPAddr
}

func openGun(t testing.TB, from string, to netip.AddrPort) *gun {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &gun{conn: conn, batch: ipv4.NewPacketConn(conn), to: net.UDPAddrFromAddrPort(to)}
}

// fire sends the packets in turn, perSecond of them, until ctx ends, and returns how many it sent.
func (g *gun) fire(ctx context.Context, perSecond int, packets [][]byte) (sent int, err error) {
	messages := make([]ipv4.Message, len(packets))
	for i, p := range packets {
		messages[i] = ipv4.Message{Buffers: [][]byte{p}, Addr: g.to}
	}
	tick := time.NewTicker(4 * time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); ; {
		select {
		case <-ctx.Done():
			return sent, nil
		case <-tick.C:
		}
		// Packets for which the machine had no time are not sent later, because a burst would be another test.
		due := min(int(time.Since(start).Seconds()*float64(perSecond))-sent, perSecond/50)
		for due > 0 {
			n, err := g.batch.WriteBatch(messages[:min(due, len(messages))], 0)
			if err != nil {
				return sent, fmt.Errorf("flood: %w", err)
			}
			sent += n
			due -= n
		}
	}
}

// volley has every gun fire its packets for d. It returns how many were sent per second.
func volley(t *testing.T, guns []*gun, packets [][][]byte, perSecond int, d time.Duration) (rate float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	counts := make([]int, len(guns))
	start := time.Now()
	var wg sync.WaitGroup
	for i, g := range guns {
		wg.Go(func() {
			n, err := g.fire(ctx, perSecond/len(guns), packets[i])
			if err != nil {
				t.Error(err)
			}
			counts[i] = n
		})
	}
	wg.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(start).Seconds()
}

// residents returns the memory that the daemon uses now, in KiB.
func (d *daemon) residents() int { return d.procStatus("VmRSS:") }

func (d *daemon) procStatus(key string) int {
	d.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		d.t.Error(err)
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key {
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				d.t.Error(err)
			}
			return n
		}
	}
	d.t.Errorf("/proc/PID/status has no %s", key)
	return 0
}

// overrun returns how many datagrams the kernel has dropped because the daemon's socket was full.
func (d *daemon) overrun() int {
	d.t.Helper()
	b, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		d.t.Error(err)
		return 0
	}
	port := fmt.Sprintf(":%04X", d.Addr().Port())
	in := bufio.NewScanner(bytes.NewReader(b))
	for in.Scan() {
		fields := strings.Fields(in.Text())
		if len(fields) > 12 && strings.HasSuffix(fields[1], port) {
			n, _ := strconv.Atoi(fields[len(fields)-1])
			return n
		}
	}
	d.t.Errorf("/proc/net/udp has no port %s", port)
	return 0
}

// traffic is the logins of ordinary users meanwhile, and their results.
type traffic struct {
	daemon *daemon

	mu      sync.Mutex // guards all fields below
	took    []time.Duration
	copies  int
	highest int // KiB of memory that the daemon used
}

const trafficUsers = 4

// during logs users in, each again and again, while f runs. All must get in.
func during(t *testing.T, d *daemon, f func()) *traffic {
	t.Helper()
	tr := &traffic{daemon: d}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range trafficUsers {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := tr.login(t, fmt.Sprintf("user%d", i)); err != nil {
					t.Errorf("user%d: %v", i, err)
					return
				}
				tr.watch()
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	f()
	cancel()
	wg.Wait()
	slices.Sort(tr.took)
	return tr
}

// login is repeated twice a second until it has its reply.
func (tr *traffic) login(t *testing.T, user string) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	n, err := nas.Dial(tr.daemon.Addr(), netip.AddrPort{})
	if err != nil {
		return err
	}
	defer n.Close()
	start := time.Now()
	r, err := n.Exchange(ctx, pushRequest(user), nas.Retransmit{Every: 500 * time.Millisecond, Copies: 100})
	took := time.Since(start)
	if err == nil && r.Code != nas.CodeAccessAccept {
		err = fmt.Errorf("got %v", r)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.took = append(tr.took, took)
	tr.copies += int(took / (500 * time.Millisecond))
	return err
}

func (tr *traffic) watch() {
	now := tr.daemon.residents()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.highest = max(tr.highest, now)
}

// quantile returns the time in which this many of 100 logins were done.
func (tr *traffic) quantile(of100 int) time.Duration {
	if len(tr.took) == 0 {
		return 0
	}
	return tr.took[min(len(tr.took)*of100/100, len(tr.took)-1)].Round(100 * time.Microsecond)
}

func (tr *traffic) String() string {
	return fmt.Sprintf("%d logins, all accepted, %d copies; p50 %v, p99 %v, slowest %v", len(tr.took), tr.copies,
		tr.quantile(50), tr.quantile(99), tr.quantile(100))
}
