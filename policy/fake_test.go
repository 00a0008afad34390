package policy_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// directory is a FirstFactor that knows each user's one password, and records what it was asked.
type directory struct {
	t         *testing.T
	passwords map[string]string
	accounts  map[string]Account
	err       error         // what it returns instead of an answer
	delay     time.Duration // how long it waits before it answers
	deaf      bool          // it does not end with its context meanwhile, like the computation of a password hash

	mu    sync.Mutex // guards asked
	asked []string   // "user:password"
}

func (d *directory) Authenticate(ctx context.Context, r FirstRequest) (Account, error) {
	user, password := r.User, r.Password
	d.mu.Lock()
	d.asked = append(d.asked, user+":"+password)
	d.mu.Unlock()
	if password == "" {
		d.t.Errorf("the first factor was asked about %q with an empty password", user)
	}
	if d.deaf {
		ctx = context.Background()
	}
	if err := pause(ctx, d.delay); err != nil {
		return Account{}, fmt.Errorf("directory: bind uid=%s: %w", user, err)
	}
	if d.err != nil {
		return Account{}, d.err
	}
	if right, ok := d.passwords[user]; !ok || right != password {
		return Account{}, fmt.Errorf("directory: bind uid=%s: %w", user, ErrRejected)
	}
	return d.accounts[user], nil
}

// pause uses no timer with a channel, because in a bubble and under -race such timers sometimes crash the race detector
// (https://go.dev/issue/78156).
func pause(ctx context.Context, d time.Duration) error {
	if d > 0 {
		over := make(chan struct{})
		defer time.AfterFunc(d, func() { close(over) }).Stop()
		select {
		case <-over:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// reply is the fake Duo's answer to one Auth.
type reply struct {
	AuthResult
	err    error
	begins time.Duration // until Duo has begun the transaction
	after  time.Duration // from the call until the answer; 0 without a status means never
	panics bool
}

// These are the answers of users and of Duo. Each has its time, counted from the call.
func allows(after time.Duration) reply {
	return reply{AuthResult: AuthResult{Allowed: true, Status: "allow", Message: "Success. Logging you in..."}, after: after}
}

func denies(status, message string, after time.Duration) reply {
	return reply{AuthResult: AuthResult{Status: status, Message: message}, after: after}
}

var (
	never    = reply{after: time.Hour}
	wrong    = denies("deny", "Incorrect passcode. Please try again.", time.Second)
	denied   = denies("deny", "Login request denied.", time.Second)
	sent     = denies("sent", "New SMS passcodes sent.", time.Second)
	timedOut = denies("timeout", "Login timed out.", time.Minute)
	fraud    = denies("fraud", "Login request denied.", time.Second)
)

// fakeDuo is a strict SecondFactor that records its calls. It answers Auth with the replies of the script, in this order.
type fakeDuo struct {
	t       *testing.T
	pre     Preauth
	preErr  error
	preWait time.Duration
	script  []reply
	scripts func(AuthRequest) reply // used instead of script
	pings   bool                    // a ping is answered

	mu       sync.Mutex // guards the fields below
	preauths []PreauthRequest
	auths    []AuthRequest
	rings    map[Identity]int // the phones that ring at this moment
	txids    int
}

func (f *fakeDuo) Preauth(ctx context.Context, r PreauthRequest) (Preauth, error) {
	f.mu.Lock()
	f.preauths = append(f.preauths, r)
	f.identified(r.User)
	pre, err, wait := f.pre, f.preErr, f.preWait
	if pre.Code != "" {
		f.txids++
		pre.Txid = fmt.Sprintf("V%d", f.txids)
	}
	f.mu.Unlock()
	start := time.Now()
	if err := pause(ctx, wait); err != nil {
		kind := ErrUnavailable
		if time.Since(start) < 2*time.Second {
			kind = ErrCutShort
		}
		return Preauth{}, fmt.Errorf("preauth: %w: %w", kind, err)
	}
	if pre.Code != "" && !r.VerifiedPush { // without this flag such a policy leaves no factor that rings a phone
		pre.Txid, pre.Code, pre.Devices = "", "", withoutPush(pre.Devices)
	}
	return pre, err
}

func (f *fakeDuo) Outage(context.Context) error {
	if f.pings {
		return nil
	}
	return fmt.Errorf("Duo ping: dial tcp: refused: %w", ErrUnavailable)
}

func withoutPush(devices []Device) []Device {
	devices = slices.Clone(devices)
	for i := range devices {
		d := &devices[i]
		d.Capabilities = slices.DeleteFunc(slices.Clone(d.Capabilities), func(c string) bool { return c == "push" })
	}
	return devices
}

func (f *fakeDuo) Auth(ctx context.Context, r *AuthRequest) (AuthResult, error) {
	a, txid := f.take(*r)
	rings := r.Factor == factor.Push || r.Factor == factor.Phone
	if rings {
		defer func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.rings[r.User]--
		}()
	}
	if a.panics {
		panic("the fake breaks")
	}
	if err := pause(ctx, a.begins); err != nil {
		return AuthResult{}, err
	}
	if a.err != nil && a.after == 0 {
		return AuthResult{}, a.err
	}
	if rings {
		r.Started(txid)
	}
	if err := pause(ctx, a.after-a.begins); err != nil {
		return AuthResult{Txid: txid}, err
	}
	a.AuthResult.Txid = txid
	return a.AuthResult, a.err
}

// take checks a request as Duo would, records it and returns its reply.
func (f *fakeDuo) take(r AuthRequest) (reply, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.auths = append(f.auths, r)
	f.identified(r.User)
	f.check(r)
	txid := r.Txid
	if r.Factor == factor.Push || r.Factor == factor.Phone {
		if f.rings[r.User]++; f.rings[r.User] > 1 {
			f.t.Errorf("a second push to %v while the first one rings", r.User)
		}
		if txid == "" {
			f.txids++
			txid = fmt.Sprintf("T%d", f.txids)
		}
	}
	if f.scripts != nil {
		return f.scripts(r), txid
	}
	if len(f.script) == 0 {
		f.t.Errorf("Auth was called once more than scripted: %+v", r)
		return denied, txid
	}
	a := f.script[0]
	f.script = f.script[1:]
	return a, txid
}

func (f *fakeDuo) identified(i Identity) {
	if (i.UserID == "") == (i.Username == "") {
		f.t.Errorf("Duo is asked about %+v; want exactly one of both", i)
	}
}

func (f *fakeDuo) check(r AuthRequest) {
	can := slices.ContainsFunc(f.pre.Devices, func(d Device) bool { return d.ID == r.Device && d.Can(string(r.Factor)) })
	switch {
	case r.Factor == factor.Passcode && (r.Passcode == "" || r.Device != "" || r.Txid != ""):
		f.t.Errorf("a passcode's request: %+v", r)
	case r.Factor != factor.Passcode && (r.Passcode != "" || !can):
		f.t.Errorf("a request to a device that can't: %+v", r)
	case r.Factor != factor.Push && r.Txid != "":
		f.t.Errorf("a verified push that is none: %+v", r)
	case r.Name == "" || len(r.Info) < 2 || r.Info[0][0] != "Service" || r.Info[1][0] != "Client":
		f.t.Errorf("the phone would not show what it is about: %+v", r)
	}
}

// asks returns what Duo was asked to do, one word for each call: "push:D1", "passcode:123456".
func (f *fakeDuo) asks() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var words []string
	for _, r := range f.auths {
		words = append(words, fmt.Sprintf("%s:%s%s", r.Factor, r.Device, r.Passcode))
	}
	return strings.Join(words, " ")
}

func (d *directory) asks() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.asked, " ")
}

func (f *fakeDuo) counts() (preauths, auths int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.preauths), len(f.auths)
}

var (
	smartphone = Device{ID: "D1", Type: "phone", Name: "iPhone", Number: "XXX-XXX-4508",
		Capabilities: []string{"auto", "push", "sms", "phone", "mobile_otp"}, NextCode: "1"}
	landline = Device{ID: "D2", Type: "phone", Name: "Desk", Number: "XXX-XXX-0100", Capabilities: []string{"auto", "phone"}}
	tablet   = Device{ID: "D3", Type: "phone", Name: "Tablet (iOS)", Capabilities: []string{"auto", "push", "mobile_otp"}}
	token    = Device{ID: "D4", Type: "token", Name: "0123"}

	home  = netip.MustParseAddr("198.51.100.7")
	cafe  = netip.MustParseAddr("203.0.113.9")
	nowIP = netip.Addr{}

	errDown   = fmt.Errorf("preauth: dial tcp: refused: %w", ErrUnavailable)
	errKeys   = fmt.Errorf("preauth: 401 (40103): %w", ErrMisconfigured)
	errNo     = fmt.Errorf("preauth: 400 (40002): %w", ErrRefused)
	errOdd    = errors.New("preauth: invalid character '<'")
	errNoBind = errors.New("directory: dial ldaps://dc1: refused")
)
