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

// WhenDown says what happens to a login that needs the store while the store can't be asked.
type WhenDown string

const (
	WhenDownAlone  WhenDown = "alone"  // the daemon goes on as a single daemon does
	WhenDownReject WhenDown = "reject" // the login is rejected, unless it needs no second factor
)

// Config holds what New needs.
type Config struct {
	Network   string   // "tcp" or "unix"
	Address   string   // HOST:PORT, or the path of a socket; not used with Sentinels
	Database  int      // 0 to 15
	Sentinels []string // HOST:PORT each
	Master    string   // the name of the master at the Sentinels
	Username  string   // the name of an ACL user; "" means the default user
	Password  string   // "" means no password
	TLS       *tls.Config
	Keys      Keys
	Prefix    string        // begins the name of each key in the store
	Timeout   time.Duration // the time that one operation may take
	WhenDown  WhenDown

	Version string   // the version of this daemon, for its peers
	Clients []string // the names of its RADIUS clients, which must be the same at all daemons
	Log     *slog.Logger

	// TakeOver returns a function that asks Duo for the answer of a transaction whose daemon is gone
	// (policy.Memory.TakeOver). It returns nil if this daemon is not configured for the transaction's Duo application.
	TakeOver func(policy.Transaction) (ask func())
	Now      func() time.Time // nil means time.Now
	Probe    bool             // the link is only for a check of the store, so it does not announce this daemon
}

// link is the connection to the store, and what this daemon knows of the store.
type link struct {
	config  Config
	node    string // identifies this run of this daemon
	host    string
	base    time.Time     // when the link was made, by this machine's clock
	asOf    atomic.Int64  // the store's time at base, as Unix time in microseconds; 0 means not measured yet
	latency atomic.Int64  // the round-trip time of the last beat, in nanoseconds
	onUp    func() error  // is called when the store answers again, before logins ask it
	dialled chan struct{} // has room for one value, which says that run has tried to reach the store

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

// flushDelay is how long a command waits for other commands when several logins ask the store at once. Without this delay
// each command was a packet of its own, and the look-up of an approval took 26 µs of processor time instead of 15 (DESIGN
// section 7: approvals in Redis).
const flushDelay = 50 * time.Microsecond

// option returns the configuration of the client. The client does not retry commands. Its dial and write time-outs end a
// call in time even if the call waits for the handshake of a connection.
func (l *link) option() valkey.ClientOption {
	c := l.config
	limit := max(c.Timeout, 200*time.Millisecond)
	o := valkey.ClientOption{
		InitAddress: []string{c.Address}, SelectDB: c.Database,
		Username: c.Username, Password: c.Password, ClientName: "duoradiusd", TLSConfig: c.TLS,
		Dialer: net.Dialer{Timeout: limit, KeepAlive: 15 * time.Second}, ConnWriteTimeout: limit,
		DisableRetry: true, DisableCache: true, ForceSingleClient: true, ClientSetInfo: valkey.DisableClientSetInfo,
		PipelineMultiplex: -1, MaxFlushDelay: flushDelay, // the commands of many logins share one connection
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

// start begins to connect to the server. It waits for the connection at most as long as one operation may take.
func (l *link) start() {
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.wg.Go(func() { l.run(ctx) })
	select {
	case <-l.dialled:
	case <-time.After(2 * max(l.config.Timeout, 200*time.Millisecond)):
	}
}

// close closes the link.
func (l *link) close() {
	l.stop()
	l.wg.Wait()
	l.breaker.up.Store(false)
	l.drop()
}

// run keeps the link connected until close is called.
func (l *link) run(ctx context.Context) {
	retry := retryMin
	for ctx.Err() == nil {
		wait := beatEvery
		if err := l.beat(ctx); err == nil {
			retry = retryMin
			l.told("up")
		} else if ctx.Err() == nil {
			l.breaker.fail(err)
			<-l.breaker.wake // takes the signal that fail has just sent
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
		case <-l.breaker.wake: // an operation of a login has failed
			if !l.breaker.up.Load() {
				l.drop()
				l.told("down")
			}
		}
	}
}

// told logs a change of the state once.
func (l *link) told(state string) {
	outage, changed := l.breaker.changed(state)
	if !changed {
		return
	}
	log := l.config.Log
	if outage > 0 {
		log = log.With("outage", outage) // the number of this outage since the start
	}
	if state == "up" {
		log.Info("cluster: the store answers", "took", time.Duration(l.latency.Load()).Round(10*time.Microsecond))
		return
	}
	does := "this daemon goes on alone, and knows nothing of the pushes and approvals of the others"
	if l.config.WhenDown == WhenDownReject {
		does = "logins that need a second factor are rejected"
	}
	log.Warn("cluster: the store can't be asked: "+does, "error", l.breaker.why())
}

// drop closes the client. It does not wait, because a server that hangs can delay the close.
func (l *link) drop() {
	if c := l.client.Swap(nil); c != nil {
		go (*c).Close() // ends at the latest with the connection's write time-out
	}
}

// beat announces this daemon to its peers, which also shows that the store accepts writes, and reads the store's clock.
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

// clockError is how much two daemons may differ about one moment by the store's clock, because its answers take time.
const clockError = time.Second

// clockBack is how far the store's clock may go back. If it went back farther, expired values would count again.
const clockBack = time.Minute

var errClockBack = errors.New("the store's clock went back by more than a minute since this daemon asked it first")

// setClock records the store's time, in seconds and microseconds, as it was at a moment of this machine's clock.
func (l *link) setClock(stamp []string, at time.Time) error {
	var seconds, micros int64
	if len(stamp) != 2 {
		return errors.New("ask for the time: the answer is not a time")
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

// toStore converts a moment of this machine's clock to the store's clock. Clocks of two machines are never compared.
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

// now returns the store's time.
func (l *link) now() time.Time { return l.toStore(l.config.Now()) }

// key returns the name of a key in the store. All keys that have the same tag are in one slot of a Redis Cluster.
func (l *link) key(kind, tag string, rest ...string) string {
	name := l.config.Prefix + ":" + kind + ":{" + tag + "}"
	for _, r := range rest {
		name += ":" + r
	}
	return name
}

// seal seals a value for a key. The value expires after life, by the store's clock.
func (l *link) seal(key string, value []byte, life time.Duration) string {
	return l.config.Keys.seal(key, value, l.now().Add(life))
}

// open is the reverse of seal.
func (l *link) open(key, sealed string) ([]byte, bool) {
	return l.config.Keys.open(key, sealed, l.now())
}
