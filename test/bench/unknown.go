package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	unknownRow = "unknown sources"
	besideRate = 500              // logins per second beside the flood
	flat       = 8.0              // how much the daemon's memory may grow, in MB
	slack      = time.Millisecond // how much the p99 may differ
)

// unknown measures the row of packets from addresses of no client.
func (b *bench) unknown(ctx context.Context) error {
	duo, err := b.duo(ctx, 0, false)
	if err != nil {
		return err
	}
	s, err := b.ours(ctx, titleOurs, configuration(duo, "8h"))
	if err != nil {
		return err
	}
	if err := b.prime(ctx, s, b.people); err != nil {
		return err
	}
	people := make([]identity, int(besideRate*b.scale.Pace.Seconds()))
	for i := range people {
		people[i] = b.people[i%len(b.people)]
	}
	quiet, loud := &rounds{}, &rounds{}
	if _, err := b.paced(ctx, unknownRow, s, people, besideRate); err != nil { // so that the memory for logins is in use before the floods
		return err
	}
	var sent, accepted int
	var lines logLines
	var took time.Duration // how long the floods took
	var grown float64      // in MB, less the growth without packets from unknown sources
	var p99, beside, more []float64
	for turn := range b.scale.Turns {
		b.say("%s: %d packets/s beside %d logins/s, %d of %d", unknownRow, b.scale.Flood, besideRate, turn+1, b.scale.Turns)
		alone, err := calmly(ctx, b, unknownRow, func() (pacing, error) { return b.paced(ctx, unknownRow, s, people, besideRate) })
		if err != nil {
			return err
		}
		quiet.add(alone.outcome)
		b.settle(s)
		together, err := calmly(ctx, b, unknownRow, func() (flooded, error) { return b.flooded(ctx, s, people, &lines) })
		if err != nil {
			return err
		}
		loud.add(together.outcome)
		sent += together.sent
		took += together.took
		accepted += together.accepted
		grown += together.grown - alone.grown
		p, q := quantile(alone.took, 0.99).Seconds(), quantile(together.tally.took, 0.99).Seconds()
		p99, beside, more = append(p99, p), append(beside, q), append(more, q-p)
	}
	b.report.Figures = append(b.report.Figures, quiet.figure(unknownRow+", none", s, 0), loud.figure(unknownRow, s, 0))

	perSecond, logins := float64(sent)/took.Seconds(), len(people)*b.scale.Turns
	b.judge(verdict{unknownRow, fmt.Sprintf("%d packets/s, flat memory", b.scale.Flood),
		fmt.Sprintf("%.0f/s sent, %+.1f MB beside without", perSecond, grown), grown < flat && perSecond > 0.8*float64(b.scale.Flood)})
	all := time.Since(lines.since)
	b.judge(verdict{unknownRow, "at most one log line in 10 s", fmt.Sprintf("%d in %.1f s", lines.n, all.Seconds()),
		lines.n <= int(all.Seconds()/10)+1})
	b.judge(verdict{unknownRow, "logins unaffected: all answered, p99 within 1 ms of that without",
		fmt.Sprintf("%d of %d, p99 %s, without %s", accepted, logins, milliseconds(seconds(median(beside))), milliseconds(seconds(median(p99)))),
		accepted == logins && seconds(median(more)) <= slack})
	return nil
}

// flooded holds the size of a flood and the results of the logins that were made at the same time.
type flooded struct {
	outcome
	sent int
	took time.Duration
}

// logLines counts the log lines of all floods that are not about a login. The daemon may write only one of them in ten
// seconds, also during turns that do not count.
type logLines struct {
	n     int
	since time.Time // when the first flood began
}

// flooded makes each of people log in at a fixed rate, while packets come from unknown sources.
func (b *bench) flooded(ctx context.Context, s *server, people []identity, lines *logLines) (flooded, error) {
	stop := b.startFlood(ctx, s)
	start, before := time.Now(), s.now()
	if lines.since.IsZero() {
		lines.since = start
	}
	l := towards(s, people)
	l.rate, l.count = besideRate, len(people)
	t, err := l.run(ctx)
	took := time.Since(start)
	sent, floodErr := stop()
	if err := errors.Join(err, floodErr); err != nil {
		return flooded{}, err
	}
	o := s.since(before, t)
	lines.n += b.settle(s) - t.accepted
	return flooded{o, sent, took}, nil
}

// settle waits until the log of s is complete, because it is written in the background. Then it empties the log and
// returns how many lines it had.
func (b *bench) settle(s *server) (lines int) {
	for before := -1; lines != before; {
		before = lines
		time.Sleep(300 * time.Millisecond)
		lines = s.lines()
	}
	s.forget()
	return lines
}

// startFlood sends packets from unknown sources to s until stop is called.
func (b *bench) startFlood(ctx context.Context, s *server) (stop func() (sent int, err error)) {
	ctx, cancel := context.WithCancel(ctx)
	var sent int
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { sent, err = flood(ctx, s.addr, b.scale.Flood) })
	return func() (int, error) {
		cancel()
		wg.Wait()
		return sent, err
	}
}

// flood sends well-formed packets from many addresses of no client.
func flood(ctx context.Context, to netip.AddrPort, perSecond int) (sent int, err error) {
	const sources = 16
	conns := make([]*ipv4.PacketConn, sources)
	for i := range conns {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 9, byte(1 + i)}), 0)
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(from))
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		conns[i] = ipv4.NewPacketConn(conn)
	}
	s, who := newScribe(), identity{"mallory", "192.0.2.66"}
	messages := make([]ipv4.Message, atOnce)
	for i := range messages {
		messages[i] = ipv4.Message{Buffers: [][]byte{s.request(nil, byte(i), who, 0)}, Addr: net.UDPAddrFromAddrPort(to)}
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for start, turn := time.Now(), 0; ; turn++ {
		select {
		case <-ctx.Done():
			return sent, nil
		case <-tick.C:
		}
		// Packets that the machine had no time to send are made up for later, a few at a time.
		due := min(int(time.Since(start).Seconds()*float64(perSecond))-sent, perSecond/50)
		for due > 0 {
			n, err := conns[turn%sources].WriteBatch(messages[:min(due, atOnce)], 0)
			if err != nil {
				return sent, fmt.Errorf("flood: %w", err)
			}
			sent += n
			due -= n
			turn++
		}
	}
}
