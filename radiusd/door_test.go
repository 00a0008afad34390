package radiusd_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
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

const secret = "a secret of thirty-two octets..."

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// decider is a scripted policy that remembers what it was asked.
type decider struct {
	decide func(context.Context, policy.Attempt) policy.Verdict // nil means that each login waits for the test

	held chan *call // logins that wait for the test's verdict

	mu       sync.Mutex // guards attempts
	attempts []policy.Attempt
}

// call is one login that waits in the Decider.
type call struct {
	policy.Attempt
	ctx     context.Context
	verdict chan policy.Verdict
}

func (d *decider) DecideAtOnce(policy.Attempt) (policy.Verdict, bool) {
	return policy.Verdict{}, false
}

func (d *decider) Decide(ctx context.Context, a policy.Attempt) policy.Verdict {
	d.mu.Lock()
	d.attempts = append(d.attempts, a)
	d.mu.Unlock()
	if d.decide != nil {
		return d.decide(ctx, a)
	}
	c := &call{Attempt: a, ctx: ctx, verdict: make(chan policy.Verdict, 1)}
	d.held <- c
	return c.wait()
}

func (c *call) wait() policy.Verdict {
	select {
	case v := <-c.verdict:
		return v
	case <-c.ctx.Done():
		if context.Cause(c.ctx) == policy.ErrAbandoned {
			return policy.Verdict{Reason: policy.ReasonAbandoned}
		}
		return policy.Verdict{Reason: policy.ReasonNoAnswer}
	}
}

func (d *decider) calls() []policy.Attempt {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]policy.Attempt(nil), d.attempts...)
}

// always is a Decider that gives everybody the same verdict.
func always(v policy.Verdict) func(context.Context, policy.Attempt) policy.Verdict {
	return func(context.Context, policy.Attempt) policy.Verdict { return v }
}

var (
	accept = policy.Verdict{Outcome: policy.OutcomeAccept, Reason: policy.ReasonApproved, User: "jo"}
	reject = policy.Verdict{Reason: policy.ReasonDenied, User: "jo", Message: "No."}
	ask    = policy.Verdict{Outcome: policy.OutcomeChallenge, Reason: policy.ReasonChallenged, Message: "Passcode:", State: "state",
		Wait: time.Minute}
)

// diary keeps everything that was logged.
type diary struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (d *diary) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.Write(b)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.String()
}

// lines returns the lines that hold all of the words.
func (d *diary) lines(words ...string) (found []string) {
	for line := range strings.Lines(d.String()) {
		holds := true
		for _, w := range words {
			holds = holds && strings.Contains(line, w)
		}
		if holds {
			found = append(found, line)
		}
	}
	return found
}

// house holds the settings of a door that a test changes.
type house struct {
	clients     []*radiusd.Client // nil means client()
	decide      func(context.Context, policy.Attempt) policy.Verdict
	rejectDelay time.Duration
	listen      string // "" means 127.0.0.1:0
	maxInFlight int
	able        func() bool
	stateFile   string
	json        bool // the format of the log
}

// door is a Server on loopback.
type door struct {
	*radiusd.Server
	t       *testing.T
	decider *decider
	log     *diary
	address netip.AddrPort // its first listener
}

// client returns the client that the door knows unless the test sets others: one host, which may leave out the
// Message-Authenticator.
func client(change ...func(*radiusd.Client)) *radiusd.Client {
	c := &radiusd.Client{
		Name:                 "vpn",
		Addresses:            []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")},
		Secret:               wire.NewSecret(secret),
		MessageAuthenticator: radiusd.Accept,
		Login:                &policy.Client{Name: "vpn", Service: "vpn"},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func from(prefix string) func(*radiusd.Client) {
	return func(c *radiusd.Client) {
		c.Addresses = []netip.Prefix{netip.MustParsePrefix(prefix)}
	}
}

func demanding(c *radiusd.Client) { c.MessageAuthenticator = radiusd.Require }

// fileStore is a Store that writes to a file what it is given, unencrypted.
type fileStore string

// Save replaces the whole file at once, because tests may read it at any time.
func (f fileStore) Save(b []byte) error {
	if err := os.WriteFile(string(f)+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(string(f)+".new", string(f))
}

func (f fileStore) Load() ([]byte, error) {
	b, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// open starts a door and closes it when the test ends.
func open(t *testing.T, h house) *door {
	t.Helper()
	d := &door{t: t, decider: &decider{decide: h.decide, held: make(chan *call, 1000)}, log: &diary{}}
	var handler slog.Handler = slog.NewTextHandler(d.log, nil)
	if h.json {
		handler = slog.NewJSONHandler(d.log, nil)
	}
	d.Server = &radiusd.Server{
		MaxInFlight: h.maxInFlight,
		Logger:      slog.New(handler),
		Able:        h.able,
	}
	if h.stateFile != "" {
		d.State = fileStore(h.stateFile)
	}
	if h.clients == nil {
		h.clients = []*radiusd.Client{client()}
	}
	d.LoadState()
	d.use(h.rejectDelay, h.clients...)
	if h.listen == "" {
		h.listen = "127.0.0.1:0"
	}
	d.listen(h.listen)
	d.address = d.Addresses()[0]
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		d.Shutdown(ctx)
	})
	return d
}

func (d *door) use(rejectDelay time.Duration, clients ...*radiusd.Client) {
	d.t.Helper()
	list, err := radiusd.NewClients(clients)
	if err != nil {
		d.t.Fatal(err)
	}
	d.Use(radiusd.Settings{Clients: list, Decider: d.decider, RejectDelay: rejectDelay})
}

func (d *door) listen(addresses ...string) {
	d.t.Helper()
	if err := d.Listen(addrPorts(addresses...)); err != nil {
		d.t.Fatal(err)
	}
}

func addrPorts(addresses ...string) (list []netip.AddrPort) {
	for _, a := range addresses {
		list = append(list, netip.MustParseAddrPort(a))
	}
	return list
}

// nas returns a socket that asks the door from an address; "" means that the system chooses the address.
func (d *door) nas(from string) *nas.NAS {
	d.t.Helper()
	return dial(d.t, d.address, from)
}

func dial(t *testing.T, to netip.AddrPort, from string) *nas.NAS {
	t.Helper()
	var local netip.AddrPort
	if from != "" {
		local = netip.AddrPortFrom(netip.MustParseAddr(from), 0)
	}
	n, err := nas.Dial(to, local)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// login returns a signed login.
func login() *nas.Request { return nas.AccessRequest(secret, "jo", "hunter2").Sign(nas.First) }

// unsigned returns a login without Message-Authenticator.
func unsigned() *nas.Request { return nas.AccessRequest(secret, "jo", "hunter2") }

// send sends r's octets.
func (d *door) send(n *nas.NAS, r *nas.Request) []byte {
	d.t.Helper()
	return d.sendOctets(n, r.Bytes())
}

func (d *door) sendOctets(n *nas.NAS, b []byte) []byte {
	d.t.Helper()
	if err := n.Send(b); err != nil {
		d.t.Fatal(err)
	}
	return b
}

// reply returns the next datagram, which must be the right reply to r: nas verifies it, Message-Authenticator first.
func (d *door) reply(n *nas.NAS, r *nas.Request) *nas.Response {
	d.t.Helper()
	b, err := n.Receive(patience)
	if err != nil {
		d.t.Fatal(err)
	}
	p, err := r.Verify(b)
	if err != nil {
		d.t.Fatal(err)
	}
	if !r.BareReply && (b[20] != 0x50 || b[21] != 0x12) {
		d.t.Fatalf("octets 20 and 21 are % x, want 50 12", b[20:22])
	}
	return p
}

// ask sends r and returns the reply.
func (d *door) ask(n *nas.NAS, r *nas.Request) *nas.Response {
	d.t.Helper()
	d.send(n, r)
	return d.reply(n, r)
}

// wants sends r and fails unless the reply has this code.
func (d *door) wants(code byte, n *nas.NAS, r *nas.Request) *nas.Response {
	d.t.Helper()
	p := d.ask(n, r)
	if p.Code != code {
		d.t.Fatalf("got %v, want code %d", p, code)
	}
	return p
}

// next returns the login that waits in the Decider.
func (d *door) next() *call {
	d.t.Helper()
	select {
	case c := <-d.decider.held:
		return c
	case <-time.After(patience):
		d.t.Fatal("no login reached the Decider")
		return nil
	}
}

// silent does something that must bring no reply and must count one drop for the reason. It then sends a Status-Server on
// the same socket. Its reply must be the only one, and shows that all earlier packets have been handled.
func (d *door) silent(n *nas.NAS, reason string, count uint64, send func()) {
	d.t.Helper()
	drops, calls := d.Drops(), len(d.decider.calls())
	inFlight, kept := d.Pending()
	send()
	d.wants(nas.CodeAccessAccept, n, nas.StatusServer(secret))
	eventually(d.t, "all is handled", func() bool { return d.Drops()[reason]-drops[reason] >= count })
	after := d.Drops()
	for name, was := range after {
		if more := was - drops[name]; name == reason && more != count || name != reason && more != 0 {
			d.t.Errorf("dropped as %q: %d more, want %d as %q", name, more, count, reason)
		}
	}
	if after[reason] == drops[reason] && count > 0 {
		d.t.Errorf("nothing dropped as %q", reason)
	}
	if i, k := d.Pending(); i != inFlight || k != kept {
		d.t.Errorf("%d logins in progress and %d kept, want %d and %d still", i, k, inFlight, kept)
	}
	if got := len(d.decider.calls()); got != calls {
		d.t.Errorf("%d logins reached the Decider, want %d still", got, calls)
	}
}

// drops sends datagrams, each of which must be dropped for the reason.
func (d *door) drops(n *nas.NAS, reason string, datagrams ...[]byte) {
	d.t.Helper()
	d.silent(n, reason, uint64(len(datagrams)), func() {
		d.t.Helper()
		for _, b := range datagrams {
			d.sendOctets(n, b)
		}
	})
}

// eventually fails unless f becomes true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for start := time.Now(); !f(); time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatal("in vain: " + what)
		}
	}
}
