package radiusd

import (
	"bytes"
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

// Decider decides logins. policy.Policy implements it.
type Decider interface {
	// Decide returns the login's Verdict. It may wait until ctx ends. The cause of ctx is policy.ErrAbandoned if the client
	// no longer waits for the answer.
	Decide(ctx context.Context, a policy.Attempt) policy.Verdict
	// DecideAtOnce returns the Verdict of a login that can be decided without asking Duo or a directory. It must not wait,
	// because the goroutine that reads the socket calls it. It returns false for every other login and then changes
	// nothing; the server passes such a login to Decide.
	DecideAtOnce(a policy.Attempt) (policy.Verdict, bool)
}

// Settings are the parts of the configuration that a reload replaces. It replaces all of them together.
type Settings struct {
	Clients     *Clients
	Decider     Decider
	RejectDelay time.Duration // the shortest time between a request and its reject
}

// Server answers RADIUS clients. Set its exported fields, call Use, then call Listen.
type Server struct {
	MaxInFlight int          // the largest number of logins in progress; zero: 32 768
	Logger      *slog.Logger // nil: slog.Default()
	LoginLog    *LoginLog    // writes the log lines of logins; nil: Logger writes them
	Able        func() bool  // reports whether logins can be answered now; if not, Status-Server gets no reply; nil: always
	OnLogin     func(Event)  // is called at the end of each login, from many goroutines at once; nil: not called
	State       Store        // keeps the ratchets, replies and Request Authenticators over a restart; nil: they are lost
	Sockets     []*os.File   // UDP sockets that are already open; Listen uses a copy of one that has the wanted address

	settings   atomic.Pointer[Settings]
	drops      drops
	unknown    unknownSources
	outcomes   outcomes
	start      sync.Once
	duplicates *duplicates
	logins     context.Context // ends when pending logins must be rejected
	giveUp     context.CancelCauseFunc
	retired    sync.WaitGroup // counts removed listeners that may still have logins to answer; mu is held when it grows
	writing    sync.Mutex     // held while State is written, so that the newest state is written last; guards encoded and unsaved
	encoded    bytes.Buffer   // memory for the State that is written
	unsaved    bool           // the last write of State failed, and the log says so

	mu        sync.Mutex // guards everything below
	listeners map[netip.AddrPort]*listener
	traffic   map[string]*traffic // by the client's name
	saving    bool                // a write of State is scheduled
	saveAgain time.Time           // the earliest time of the next write of State
	closed    bool
}

// ErrClosed is the error that Listen returns after Shutdown.
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

// Use makes the server use settings for the packets that it receives from now on. Logins in progress keep the settings with
// which they started.
func (s *Server) Use(settings Settings) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range settings.Clients.list {
		if t := s.trafficOf(c.Name); c.traffic != t { // Clients that are already in use must not be changed
			c.traffic = t
		}
	}
	s.settings.Store(&settings)
}

// trafficOf returns the traffic of the named client, and creates it if needed. The caller holds mu.
func (s *Server) trafficOf(client string) *traffic {
	if s.traffic[client] == nil {
		s.traffic[client] = &traffic{}
	}
	return s.traffic[client]
}

// Pending returns how many logins are in progress and how many replies are kept for copies of their requests.
func (s *Server) Pending() (inFlight, kept int) {
	s.init()
	return s.duplicates.load()
}

// Shutdown stops reading, and returns when every login in progress has been answered. If ctx ends first, Shutdown rejects
// the logins that are left.
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
	case <-time.After(time.Second): // a Decider ignores its context
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

// receive handles one datagram. b and control belong to the reader, which overwrites them after receive has returned.
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

// admit handles an Access-Request that passed all checks. It answers a copy of a known request with the kept reply. It
// answers a new login at once if that needs no waiting. For any other login it starts a goroutine. It returns a drop reason
// if the request gets no reply.
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

// decideLater starts a goroutine that decides and answers l.
func (s *Server) decideLater(l *login) {
	d := l.datagram
	ctx, abandon := context.WithCancelCause(s.logins)
	s.duplicates.wait(l.request, string(d.packet.value(d.packet.userName)), abandon, d.received)
	d.listener.logins.Add(1)
	go l.run(ctx)
}

// rejectDelay returns the shortest time between a request and its reject. The delay slows down password guessing. Its
// random part hides how long the server itself took. The delay is at most a third of the client's timeout.
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
