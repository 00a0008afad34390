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
	Lines       *Lines       // of logins, past Logger; nil: Logger writes them
	Able        func() bool  // whether logins can be answered now: Status-Server is silent otherwise; nil: always
	OnLogin     func(Event)  // told of the end of each login, from many goroutines at once; nil: nobody
	State       Store        // where ratchets are kept over a restart; nil: nowhere
	Sockets     []*os.File   // UDP sockets that are open already, for Listen to use where an address is theirs; they stay open

	settings  atomic.Pointer[Settings]
	drops     drops
	outcomes  outcomes
	start     sync.Once
	exchanges *exchanges
	logins    context.Context // ends when pending logins must be rejected
	giveUp    context.CancelCauseFunc
	retired   sync.WaitGroup // listeners that are removed and may have logins to answer; added to with mu held
	writing   sync.Mutex     // held while State is written, so that the newest is the last; guards unsaved
	unsaved   bool           // State could not be written, and that is said

	mu        sync.Mutex // guards everything below
	listeners map[netip.AddrPort]*listener
	sockets   int                 // how many listeners there ever were: each has a number of its own
	traffic   map[string]*traffic // by the client's name
	saving    bool                // State will be written in a moment
	closed    bool
}

// ErrClosed is what a Server says that was shut down.
var ErrClosed = errors.New("radiusd: server closed")

func (s *Server) init() {
	s.start.Do(func() {
		if s.MaxInFlight <= 0 {
			s.MaxInFlight = 1 << 15
		}
		s.exchanges = newExchanges(s.MaxInFlight)
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
	return s.exchanges.load()
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
		l.reading.Wait()
	}
	select {
	case <-after(s.exchanges.wait):
	case <-ctx.Done():
	}
	s.giveUp(context.Canceled)
	s.exchanges.wait()
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

// receive takes one datagram. b and its control messages are the read loop's and are used again afterwards.
func (s *Server) receive(d *datagram, b, oob []byte) {
	defer func() {
		if p := recover(); p != nil && s.drops.add(panicked, d.at) > 0 {
			s.log().Error("panic while reading a packet", "from", d.from.String(), "panic", p)
		}
	}()
	settings := s.settings.Load()
	why := s.judge(d, b, settings.Clients)
	if why == passed {
		d.to = d.listener.destination(oob)
		if d.packet.code() == codeStatusServer {
			why = s.answerStatus(d)
		} else {
			why = s.admit(d, settings)
		}
	}
	if why != passed {
		s.drop(d, why)
	}
}

// admit starts the login of a believed Access-Request, unless it repeats another.
func (s *Server) admit(d *datagram, settings *Settings) dropped {
	x := &exchange{slot: d.slot(), authenticator: d.packet.authenticator(), client: d.client, authentic: d.authentic, turn: d.turn}
	reply, why := s.exchanges.take(x, d.packet.resumes(), d.at)
	if reply != nil {
		d.answer(reply)
		return passed
	}
	if why != passed {
		return why
	}
	userIP := d.packet.userIP(d.client.userIP)
	l := login{server: s, settings: settings, exchange: x, datagram: d, userIP: userIP, room: x.room[:0]}
	if v, ok := l.decideAtOnce(); ok {
		l.reply(&v)
		return passed
	}
	s.begin(&login{server: s, settings: settings, exchange: x, datagram: d.kept(), userIP: userIP})
	return passed
}

// begin has l decided by a goroutine of its own.
func (s *Server) begin(l *login) {
	x, d := l.exchange, l.datagram
	ctx, abandon := context.WithCancelCause(s.logins)
	user := string(d.packet.value(d.packet.userName))
	if !s.exchanges.waits(x, user, abandon, d.at) {
		abandon(nil)
		l.reply(&policy.Verdict{Reason: policy.Abandoned, User: user})
		return
	}
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
