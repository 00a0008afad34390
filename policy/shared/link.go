package shared

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valkey-io/valkey-go"

	"duoradiusd/policy"
)

// WhenDown says what a login does that needs the store while the store can't be asked.
type WhenDown string

const (
	WhenDownAlone  WhenDown = "alone"  // as with a single daemon
	WhenDownReject WhenDown = "reject" // it is rejected, unless it needs no second factor
)

// Config is what Open needs to know.
type Config struct {
	Network   string   // "tcp" or "unix"
	Address   string   // HOST:PORT, or the path of a socket; not used with Sentinels
	Database  int      // 0 to 15
	Sentinels []string // HOST:PORT each
	Master    string   // its name at the Sentinels
	Username  string   // of an ACL user; "" is the default user
	Password  string   // "" for none
	TLS       *tls.Config
	Keys      Keys
	Prefix    string        // of all keys in the store
	Timeout   time.Duration // of one operation
	WhenDown  WhenDown

	Version string   // of this daemon, for its peers
	Clients []string // the names of its RADIUS clients, which must be the same everywhere
	Log     *slog.Logger

	// TakeOver returns what has Duo asked for the answer of a transaction whose daemon is gone (policy.Memory.TakeOver); nil
	// where this daemon does not know the Duo application.
	TakeOver func(policy.Transaction) (ask func())
	Now      func() time.Time // nil: time.Now
	Probe    bool             // only a look at the store: no peer sees it
}

// link is the connection to the store, and what is known of it.
type link struct {
	config  Config
	node    string // this run of this daemon
	host    string
	base    time.Time     // when the link was made, by this machine's clock
	asOf    atomic.Int64  // the store's time at base, Unix time in microseconds; 0: not measured yet
	latency atomic.Int64  // of the last beat, in nanoseconds
	onUp    func() error  // before logins ask a store that answers again
	dialled chan struct{} // has a place for one: run has tried to reach the store

	client  atomic.Pointer[valkey.Client]
	breaker breaker
	clients atomic.Pointer[string] // the digest of the clients' names

	stop context.CancelFunc
	wg   sync.WaitGroup
}

func newLink(c Config) *link {
	if c.Now == nil {
		c.Now = time.Now
	}
	l := &link{config: c, node: rand.Text(), base: c.Now(), breaker: breaker{wake: make(chan struct{}, 1)}, dialled: make(chan struct{}, 1)}
	l.host, _ = os.Hostname()
	l.setClients(c.Clients)
	return l
}

// flushDelay is how long a command waits for others where several logins ask the store at once. Without it each command was a
// packet of its own, and a look at an approval took 26 µs of processor time instead of 15 (DESIGN section 7: approvals in
// Redis).
const flushDelay = 50 * time.Microsecond

// option is the client's configuration. Reads are repeated by nobody, and each call ends in time also where it sits in the
// handshake of a connection (dial and write time-outs).
func (l *link) option() valkey.ClientOption {
	c := l.config
	limit := max(c.Timeout, 200*time.Millisecond)
	o := valkey.ClientOption{
		InitAddress: []string{c.Address}, SelectDB: c.Database,
		Username: c.Username, Password: c.Password, ClientName: "duoradiusd", TLSConfig: c.TLS,
		Dialer: net.Dialer{Timeout: limit, KeepAlive: 15 * time.Second}, ConnWriteTimeout: limit,
		DisableRetry: true, DisableCache: true, ForceSingleClient: true, ClientSetInfo: valkey.DisableClientSetInfo,
		PipelineMultiplex: -1, MaxFlushDelay: flushDelay, // one connection: commands of many logins travel together
	}
	if c.Network == "unix" {
		o.DialCtxFn = func(ctx context.Context, _ string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return d.DialContext(ctx, "unix", c.Address)
		}
	}
	if len(c.Sentinels) > 0 {
		o.ForceSingleClient = false
		o.InitAddress = c.Sentinels
		o.Sentinel = valkey.SentinelOption{MasterSet: c.Master, Dialer: o.Dialer, TLSConfig: c.TLS, Username: c.Username, Password: c.Password,
			ClientName: o.ClientName}
	}
	return o
}

// start begins to reach the server. The daemon does not wait for it longer than an operation may take.
func (l *link) start() {
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.wg.Go(func() { l.run(ctx) })
	select {
	case <-l.dialled:
	case <-time.After(2 * max(l.config.Timeout, 200*time.Millisecond)):
	}
}

// close ends the link.
func (l *link) close() {
	l.stop()
	l.wg.Wait()
	l.breaker.up.Store(false)
	l.drop()
}

// run keeps the link up until close.
func (l *link) run(ctx context.Context) {
	retry := retryMin
	for ctx.Err() == nil {
		wait := beatEvery
		if err := l.beat(ctx); err == nil {
			retry = retryMin
			l.told("up")
		} else if ctx.Err() == nil {
			l.breaker.fail(err)
			<-l.breaker.wake // it is this one's own
			l.drop()
			l.told("down")
			wait = retry
			retry = min(2*retry, retryMax)
		}
		select {
		case l.dialled <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		case <-l.breaker.wake: // a login has found out before us
			if !l.breaker.up.Load() {
				l.drop()
				l.told("down")
			}
		}
	}
}

// told logs a change, once.
func (l *link) told(state string) {
	outage, changed := l.breaker.changed(state)
	if !changed {
		return
	}
	log := l.config.Log
	if outage > 0 {
		log = log.With("outage", outage) // which of them since the start
	}
	if state == "up" {
		log.Info("cluster: the store answers", "took", time.Duration(l.latency.Load()).Round(10*time.Microsecond))
		return
	}
	does := "this daemon goes on alone, and rings by itself"
	if l.config.WhenDown == WhenDownReject {
		does = "logins that need a second factor are rejected"
	}
	log.Warn("cluster: the store can't be asked: "+does, "error", l.breaker.why())
}

// drop closes the client. A server that hangs may hold that up: nobody waits for it.
func (l *link) drop() {
	if c := l.client.Swap(nil); c != nil {
		go (*c).Close() // ends with the connection's write time-out
	}
}

// beat says to the peers that this daemon lives, which shows that the store takes writes, and looks at its clock.
func (l *link) beat(ctx context.Context) error {
	if l.client.Load() == nil {
		c, err := valkey.NewClient(l.option())
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		l.client.Store(&c)
	}
	within, cancel := context.WithTimeout(ctx, l.config.Timeout)
	defer cancel()
	c := *l.client.Load()
	began := l.config.Now()
	stamp, err := c.Do(within, c.B().Time().Build()).AsStrSlice()
	took := l.config.Now().Sub(began)
	if err != nil {
		return fmt.Errorf("ask for the time: %w", err)
	}
	if err := l.setClock(stamp, began.Add(took/2)); err != nil {
		return err
	}
	l.latency.Store(int64(took))
	if err := l.announce(within, c); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if l.breaker.up.Load() {
		return nil
	}
	l.breaker.close()
	if err := l.onUp(); err != nil {
		return fmt.Errorf("catch up: %w", err)
	}
	return nil
}

// clockError bounds how much two daemons differ over a moment by the store's clock: the answer to their question took time.
const clockError = time.Second

// clockBack is how far the store's clock may go back. More would let old values count again.
const clockBack = time.Minute

var errClockBack = errors.New("the store's clock went back by more than a minute since this daemon asked it first")

// setClock takes the store's time, in seconds and microseconds, as it was at a moment of this machine's.
func (l *link) setClock(stamp []string, at time.Time) error {
	var seconds, micros int64
	if len(stamp) != 2 {
		return errors.New("ask for the time: an odd answer")
	}
	if _, err := fmt.Sscan(stamp[0]+" "+stamp[1], &seconds, &micros); err != nil {
		return fmt.Errorf("ask for the time: %w", err)
	}
	asOf := time.Unix(seconds, micros*1000).Add(-at.Sub(l.base)).UnixMicro()
	if before := l.asOf.Load(); before != 0 && before-asOf > clockBack.Microseconds() {
		return errClockBack
	}
	l.asOf.Store(asOf)
	return nil
}

// toStore returns a moment of this machine's clock by the store's. The machines' clocks are never compared with each other.
func (l *link) toStore(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.UnixMicro(l.asOf.Load()).Add(t.Sub(l.base))
}

// fromStore is the reverse of toStore.
func (l *link) fromStore(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return l.base.Add(t.Sub(time.UnixMicro(l.asOf.Load())))
}

// now is the store's time.
func (l *link) now() time.Time { return l.toStore(l.config.Now()) }

// key returns the name of a key in the store. All keys of a tag are in one slot of a Redis Cluster.
func (l *link) key(kind, tag string, rest ...string) string {
	name := l.config.Prefix + ":" + kind + ":{" + tag + "}"
	for _, r := range rest {
		name += ":" + r
	}
	return name
}

// seal seals a value for a key until its life is over, by the store's clock.
func (l *link) seal(key string, value []byte, life time.Duration) string {
	return l.config.Keys.seal(key, value, l.now().Add(life))
}

// open is the reverse of seal.
func (l *link) open(key, sealed string) ([]byte, bool) {
	return l.config.Keys.open(key, sealed, l.now())
}
