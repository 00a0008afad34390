package radiusd

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"math/big"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"duoradiusd/policy"
	"duoradiusd/radiusd/wire"
)

// Decider decides logins. policy.Policy is one.
type Decider interface {
	// Decide returns the login's Verdict, and may wait for it until ctx ends. The cause of ctx is policy.ErrAbandoned when
	// the client stopped listening.
	Decide(ctx context.Context, a policy.Attempt) policy.Verdict
	// DecideAtOnce returns the Verdict of a login for which nobody needs to be asked, without waiting: the goroutine that
	// reads the socket calls it. It reports false for all other logins, which are Decide's, and has changed nothing then.
	DecideAtOnce(a policy.Attempt) (policy.Verdict, bool)
}

// Settings are what a change of configuration replaces, whole.
type Settings struct {
	Clients     *Clients
	Decider     Decider
	RejectDelay time.Duration // a reject of ours leaves this long after its request at least
}

// Server answers RADIUS clients. Set its knobs, call Use, then Listen.
type Server struct {
	MaxInFlight int          // logins in progress at most; zero: 32 768
	Logger      *slog.Logger // nil: slog.Default()
	LoginLog    *LoginLog    // writes the lines of logins; nil: Logger does
	Able        func() bool  // whether logins can be answered now: Status-Server is silent otherwise; nil: always
	OnLogin     func(Event)  // told of the end of each login, from many goroutines at once; nil: nobody
	State       Store        // where ratchets, replies and what captured requests are known by are kept over a restart; nil: nowhere
	Sockets     []*os.File   // UDP sockets that are open already, for Listen to use where an address is theirs; they stay open

	settings   atomic.Pointer[Settings]
	drops      drops
	unknown    unknownSources
	outcomes   outcomes
	start      sync.Once
	duplicates *duplicates
	logins     context.Context // ends when pending logins must be rejected
	giveUp     context.CancelCauseFunc
	retired    sync.WaitGroup // listeners that are removed and may have logins to answer; added to with mu held
	writing    sync.Mutex     // held while State is written, so that the newest is the last; guards unsaved
	unsaved    bool           // State could not be written, and that is said

	mu        sync.Mutex // guards everything below
	listeners map[netip.AddrPort]*listener
	traffic   map[string]*traffic // by the client's name
	saving    bool                // State will be written in a moment
	saveAgain time.Time           // when State may be written again
	closed    bool
}

// ErrClosed is what a Server says that was shut down.
var ErrClosed = errors.New("radiusd: server closed")

func (s *Server) init() {
	s.start.Do(func() {
		if s.MaxInFlight <= 0 {
			s.MaxInFlight = 1 << 15
		}
		s.duplicates = newDuplicates(s.MaxInFlight)
		s.logins, s.giveUp = context.WithCancelCause(context.Background())
		s.listeners = make(map[netip.AddrPort]*listener)
		s.traffic = make(map[string]*traffic)
	})
}

func (s *Server) log() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.Default()
}

// Use puts settings into force for the packets that come from now on. Logins in progress end as they began.
func (s *Server) Use(settings Settings) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range settings.Clients.list {
		if t := s.trafficOf(c.Name); c.traffic != t { // Clients that are in use already are only read
			c.traffic = t
		}
	}
	s.settings.Store(&settings)
}

// trafficOf is called with mu held.
func (s *Server) trafficOf(client string) *traffic {
	if s.traffic[client] == nil {
		s.traffic[client] = &traffic{}
	}
	return s.traffic[client]
}

// Pending returns how many logins are in progress and how many replies are kept for repetitions.
func (s *Server) Pending() (inFlight, kept int) {
	s.init()
	return s.duplicates.load()
}

// Shutdown reads no more, and returns when every login in progress has been answered. When ctx ends first, those that
// are left are rejected.
func (s *Server) Shutdown(ctx context.Context) {
	s.init()
	s.mu.Lock()
	s.closed = true
	listeners := s.listeners
	s.listeners = nil
	for _, l := range listeners {
		s.retire(l)
	}
	s.mu.Unlock()
	for _, l := range listeners {
		<-l.ended
	}
	select {
	case <-after(s.duplicates.waitUntilIdle):
	case <-ctx.Done():
	}
	s.giveUp(context.Canceled)
	s.duplicates.waitUntilIdle()
	select {
	case <-after(s.retired.Wait): // the last replies have left
	case <-time.After(time.Second): // a factor heeds no context
	}
	for _, l := range listeners {
		l.socket.Close()
	}
	s.save()
}

// after returns a channel that is closed when f returns.
func after(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	return done
}

// receive handles one datagram. b and its control messages are the reader's, which uses them again afterwards.
func (s *Server) receive(d *datagram, b, control []byte) {
	defer func() {
		if p := recover(); p != nil && s.drops.add(dropPanicked, d.received) > 0 {
			s.log().Error("panic while reading a packet", "from", d.from.String(), "panic", p)
		}
	}()
	settings := s.settings.Load()
	why := s.triage(d, b, settings.Clients)
	if why == notDropped {
		if d.listener.wildcard {
			d.to = destination(control, d.listener.v6)
		}
		if d.packet.code() == wire.StatusServer {
			why = s.answerStatus(d)
		} else {
			why = s.admit(d, settings)
		}
	}
	if why != notDropped {
		s.drop(d, why)
	}
}

// admit answers a believed Access-Request: a copy with the reply that is kept, a login that can be decided at once, and any
// other by a goroutine of its own.
func (s *Server) admit(d *datagram, settings *Settings) dropReason {
	x := &request{
		key: d.requestKey(), slot: slot{d.asker, d.packet.identifier()},
		authenticator: d.packet.authenticator(), client: d.client, authentic: d.authentic, datagram: d,
	}
	reply, why := s.duplicates.add(x, d.packet.resumes(), d.received)
	if reply != nil {
		d.answer(reply)
		return notDropped
	}
	if why != notDropped {
		d.reusesAuthenticator = x.reusesAuthenticator
		return why
	}
	userIP := d.packet.userIP(d.client.userIP)
	l := login{server: s, settings: settings, request: x, datagram: d, userIP: userIP, buffer: x.buffer[:0]}
	if v, ok := l.decideAtOnce(); ok {
		l.reply(&v)
		return notDropped
	}
	x.datagram = d.copied()
	s.decideLater(&login{server: s, settings: settings, request: x, datagram: x.datagram, userIP: userIP})
	return notDropped
}

// decideLater has l decided by a goroutine of its own.
func (s *Server) decideLater(l *login) {
	d := l.datagram
	ctx, abandon := context.WithCancelCause(s.logins)
	s.duplicates.wait(l.request, string(d.packet.value(d.packet.userName)), abandon, d.received)
	d.listener.logins.Add(1)
	go l.run(ctx)
}

// rejectDelay is how long after its request a reject may leave: guessing must cost time, and a jitter keeps the time
// from telling what took it. A third of the client's patience is the most.
func (s *Settings) rejectDelay(c *Client) time.Duration {
	if s.RejectDelay <= 0 {
		return 0
	}
	jitter, err := rand.Int(rand.Reader, big.NewInt(int64(s.RejectDelay)/4+1))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return min(s.RejectDelay+time.Duration(jitter.Int64()), c.Timeout/3)
}
