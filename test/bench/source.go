package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/ipv4"
)

// slot is one of the 256 Identifiers of a source.
type slot struct {
	busy    bool
	packet  [][]byte // the one packet of the slot, in the form that the system call needs
	stocked bool     // the packet is in the stock, which has room for its reply
	own     []byte   // memory for a packet that is not in the stock
	login   int
	sent    time.Time // when the packet was sent first
	again   time.Time // when the packet is sent again
	times   int       // how often the packet was sent
	doubted bool      // a late reply may belong to the earlier request of this slot
}

// source is one socket of a NAS and the logins that it makes.
type source struct {
	load   *load
	number int
	conn   *net.UDPConn
	batch  *ipv4.PacketConn
	scribe *scribe
	stock  stock

	slots    [256]slot
	pending  int
	begun    int // the number of logins that have begun
	out      []ipv4.Message
	in       []ipv4.Message
	deadline time.Time // the read deadline of the socket
	checked  time.Time // when repeat was called last
	tally    tally
	err      error // the error with which run has ended
}

const (
	atOnce   = 32                     // the most datagrams in one system call
	lookover = 100 * time.Millisecond // the time between two calls of repeat
)

// open opens the socket of a source. The source's address is one of eight, so that the server sees several NASes.
func (l *load) open(number int) (*source, error) {
	from := netip.AddrPortFrom(nasAddr(l.network, number), 0)
	conn, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(from), net.UDPAddrFromAddrPort(l.target))
	if err != nil {
		return nil, fmt.Errorf("a NAS's socket: %w", err)
	}
	conn.SetReadBuffer(1 << 20)
	s := &source{load: l, number: number, conn: conn, batch: ipv4.NewPacketConn(conn), scribe: newScribe()}
	for i := range s.slots {
		s.slots[i].packet = make([][]byte, 1)
	}
	s.in = make([]ipv4.Message, atOnce)
	for i := range s.in {
		s.in[i].Buffers = [][]byte{make([]byte, 512)}
	}
	return s, nil
}

// nasCount is the number of NASes, each of which has its own address.
const nasCount = 8

// nasAddr returns an address from 127.0.NETWORK.1 to 127.0.NETWORK.8.
func nasAddr(network byte, number int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 0, network, byte(1 + number%nasCount)})
}

// run makes the logins of this source. It returns when each of them has a reply or is lost.
func (s *source) run(ctx context.Context) error {
	for ctx.Err() == nil {
		now := time.Now()
		for s.due(now) {
			s.begin(now)
		}
		if now.Sub(s.checked) >= lookover {
			s.repeat(now)
		}
		if err := s.flush(); err != nil {
			return err
		}
		if s.over(now) && (s.pending == 0 || now.After(s.load.end.Add(s.load.patience))) {
			break
		}
		if err := s.receive(s.wake(now)); err != nil {
			return err
		}
	}
	s.tally.lost = s.pending
	return ctx.Err()
}

// login returns the number of the k-th login of this source. The sources take turns in the numbering.
func (s *source) login(k int) int { return s.number + k*s.load.sources }

func (s *source) who(login int) identity { return s.load.crowd[login%len(s.load.crowd)] }

// startOf returns when a login begins in a load with a rate.
func (s *source) startOf(login int) time.Time {
	return s.load.start.Add(time.Duration(float64(login) / s.load.rate * float64(time.Second)))
}

// over reports whether no more logins begin.
func (s *source) over(now time.Time) bool {
	if s.load.count > 0 {
		return s.login(s.begun) >= s.load.count
	}
	return !now.Before(s.load.end)
}

func (s *source) due(now time.Time) bool {
	if s.over(now) || s.pending == len(s.slots) {
		return false
	}
	if s.load.rate > 0 {
		return !now.Before(s.startOf(s.login(s.begun)))
	}
	share := s.load.inFlight / s.load.sources
	if s.number < s.load.inFlight%s.load.sources {
		share++
	}
	return s.pending < share
}

// begin sends the next request. It counts the Identifiers up, as NASes do, and skips those that are in use.
func (s *source) begin(now time.Time) {
	identifier := byte(s.begun)
	for s.slots[identifier].busy {
		identifier++
	}
	n := s.login(s.begun)
	sl := &s.slots[identifier]
	sl.packet[0] = s.stock.request(s.begun, identifier)
	if sl.stocked = sl.packet[0] != nil; !sl.stocked {
		sl.own = s.scribe.request(sl.own, identifier, s.who(n), uint32(n))
		sl.packet[0] = sl.own
	}
	sl.doubted = sl.times > 1
	sl.busy, sl.login, sl.sent, sl.again, sl.times = true, n, now, now.Add(s.load.every), 0
	s.send(sl)
	if s.load.twice > 0 && n%s.load.twice == s.load.twice-1 {
		s.send(sl) // as an impatient NAS sends it, or a network that duplicates packets
	}
	s.begun++
	s.tally.begun = now
	s.pending++
}

// repeat sends a request again that has had no reply for some time. If a request was sent often enough, its login is
// lost and its Identifier is free again.
func (s *source) repeat(now time.Time) {
	s.checked = now
	for i := range s.slots {
		sl := &s.slots[i]
		if sl.busy && now.After(sl.again) {
			sl.again = now.Add(s.load.every)
			s.tally.copies++
			s.send(sl)
		}
	}
}

func (s *source) send(sl *slot) {
	sl.times++
	s.out = append(s.out, ipv4.Message{Buffers: sl.packet})
}

func (s *source) flush() error {
	for left := s.out; len(left) > 0; {
		n, err := s.batch.WriteBatch(left[:min(len(left), atOnce)], 0)
		if err != nil {
			return fmt.Errorf("send to %v: %w", s.load.target, err)
		}
		left = left[n:]
	}
	s.out = s.out[:0]
	return nil
}

// wake returns the time at which the source must stop waiting for replies, even if none has come.
func (s *source) wake(now time.Time) time.Time {
	until := s.checked.Add(lookover)
	if s.load.rate > 0 && !s.over(now) && s.pending < len(s.slots) {
		if due := s.startOf(s.login(s.begun)); due.Before(until) {
			until = due
		}
	}
	return until
}

func (s *source) receive(until time.Time) error {
	if !until.Equal(s.deadline) {
		s.deadline = until
		s.conn.SetReadDeadline(until)
	}
	n, err := s.batch.ReadBatch(s.in[:min(s.pending+1, atOnce)], 0)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case err != nil:
		return fmt.Errorf("receive from %v: %w", s.load.target, err)
	}
	now := time.Now()
	for _, m := range s.in[:n] {
		s.take(m.Buffers[0][:m.N], now)
	}
	return nil
}

// putBy keeps an Access-Accept of a closed loop, so that it is verified after the turn. It returns false if the reply
// must be verified now.
func (s *source) putBy(sl *slot, reply []byte) bool {
	return sl.stocked && !sl.doubted && s.load.inFlight > 0 && reply[0] == accessAccept && lay(reply, sl.packet[0])
}

// take handles a reply. A reply to a request that has already had one is late: the server has answered a copy as well.
func (s *source) take(reply []byte, now time.Time) {
	if len(reply) < headerLength {
		s.tally.late++
		return
	}
	sl := &s.slots[reply[1]]
	code := reply[0]
	if !sl.busy || !s.putBy(sl, reply) && !s.scribe.right(reply, sl.packet[0], s.load.bare) {
		s.tally.late++
		return
	}
	sl.busy = false
	s.pending--
	if code != accessAccept {
		s.tally.refused++
		return
	}
	s.tally.accepted++
	s.tally.took = append(s.tally.took, now.Sub(sl.sent))
	if s.load.byLogin != nil {
		s.load.byLogin[sl.login] = now.Sub(sl.sent)
	}
	s.tally.last = now
}
