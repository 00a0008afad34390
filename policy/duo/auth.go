package duo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"duoradiusd/policy"
)

const (
	pingPath    = "/auth/v2/ping"
	checkPath   = "/auth/v2/check"
	preauthPath = "/auth/v2/preauth"
	authPath    = "/auth/v2/auth"
	pollPath    = "/auth/v2/auth_status"
)

// Ping asks for Duo's time without signing: whether Duo can be reached and what this machine's clock should say.
func (c *Client) Ping(ctx context.Context) (time.Time, error) { return c.time(ctx, pingPath) }

// Check asks for Duo's time with a signature: whether keys and clock are right.
func (c *Client) Check(ctx context.Context) (time.Time, error) {
	now, err := c.time(ctx, checkPath)
	if errors.Is(err, policy.ErrUnavailable) {
		c.suspect()
	}
	return now, err
}

func (c *Client) time(ctx context.Context, path string) (time.Time, error) {
	resp, err := c.insist(ctx, c.request(http.MethodGet, path, nil))
	if err != nil {
		return time.Time{}, err
	}
	var out clock
	if err := decode(path, resp, into{clock: &out}); err != nil {
		return time.Time{}, err
	}
	if out.time <= 0 {
		return time.Time{}, &Error{Path: path, Err: errors.New("no time in the answer")}
	}
	return time.Unix(out.time, 0), nil
}

// clock is the answer of /ping and of /check.
type clock struct{ time int64 }

func (a *clock) read(c *cursor) {
	o := c.object()
	for o.next() {
		if o.is("time") {
			a.time = c.integer()
		}
	}
}

// preauth is the answer of /preauth.
type preauth struct {
	result string
	policy.Preauth
}

func (p *preauth) read(c *cursor) {
	o := c.object()
	for o.next() {
		o.text("result", &p.result)
		o.text("status_msg", &p.Message)
		o.text("enroll_portal_url", &p.EnrollURL)
		o.text("txid", &p.Txid)
		o.text("verification_code", &p.Code)
		if o.is("devices") {
			p.readDevices(c)
		}
	}
}

func (p *preauth) readDevices(c *cursor) {
	for more := c.enter('[', ']'); more; more = c.more(']') {
		p.Devices = append(p.Devices, policy.Device{})
		readDevice(c, &p.Devices[len(p.Devices)-1])
	}
}

func readDevice(c *cursor, d *policy.Device) {
	var name string
	o := c.object()
	for o.next() {
		o.text("device", &d.ID)
		o.text("type", &d.Type)
		o.text("name", &name)
		o.text("display_name", &d.Name)
		o.text("number", &d.Number)
		if o.is("capabilities") {
			d.Capabilities = c.strings()
		}
		o.text("sms_nextcode", &d.NextCode)
	}
	d.Name = cmp.Or(d.Name, name)
}

// Preauth implements policy.SecondFactor.
func (c *Client) Preauth(ctx context.Context, r policy.PreauthRequest) (policy.Preauth, error) {
	if err := c.spared(); err != nil {
		return policy.Preauth{}, err
	}
	p := make(params, 0, 3)
	p.identify(r.User)
	p.add("ipaddr", dottedQuad(r.IP))
	if r.VerifiedPush {
		p.add("client_supports_verified_push", "1")
	}
	start := time.Now()
	resp, err := c.insist(ctx, c.request(http.MethodPost, preauthPath, p))
	var out preauth
	if err == nil {
		err = decode(preauthPath, resp, into{preauth: &out})
	}
	c.note(err, time.Since(start))
	if err != nil {
		return policy.Preauth{}, err
	}
	return out.judge()
}

func (p *preauth) judge() (policy.Preauth, error) {
	result, ok := preauthResults[p.result]
	if !ok {
		return policy.Preauth{}, unknownResult(preauthPath, p.result)
	}
	p.Result = result
	p.Message, p.EnrollURL, p.Code = printable(p.Message), printable(p.EnrollURL), printable(p.Code)
	for i := range p.Devices {
		d := &p.Devices[i]
		d.Name, d.Number, d.NextCode = printable(d.Name), printable(d.Number), printable(d.NextCode)
	}
	return p.Preauth, nil
}

var preauthResults = map[string]policy.PreauthResult{
	"auth":   policy.PreauthAuth,
	"allow":  policy.PreauthAllow,
	"deny":   policy.PreauthDeny,
	"enroll": policy.PreauthEnroll,
}

// Auth implements policy.SecondFactor. A push or call is begun asynchronously and then polled for; a passcode and a
// batch of SMS codes are one synchronous call.
func (c *Client) Auth(ctx context.Context, r *policy.AuthRequest) (policy.AuthResult, error) {
	p := c.transaction(ctx, r)
	c.poll(ctx, p)
	return p.result, p.err
}

// transaction begins one, or takes up one that has begun. It is over already where the answer has come at once.
//
//go:noinline
func (c *Client) transaction(ctx context.Context, r *policy.AuthRequest) *polling {
	if r.Began != "" {
		return c.newPolling(r.Began)
	}
	out, err := c.begin(ctx, r)
	if err != nil || out.Txid == "" {
		return &polling{over: true, result: out.result(), err: err}
	}
	if r.Started != nil {
		r.Started(out.Txid)
	}
	return c.newPolling(out.Txid)
}

// status is the answer of /auth and of /auth_status.
type status struct{ Txid, Result, Status, StatusMsg string }

func (s *status) read(c *cursor) {
	o := c.object()
	for o.next() {
		o.text("txid", &s.Txid)
		o.text("result", &s.Result)
		o.text("status", &s.Status)
		o.text("status_msg", &s.StatusMsg)
	}
}

func (s *status) result() policy.AuthResult {
	if s == nil {
		return policy.AuthResult{}
	}
	return policy.AuthResult{
		Allowed: s.Result == "allow",
		Status:  printable(s.Status),
		Message: printable(s.StatusMsg),
		Txid:    s.Txid,
	}
}

// begin makes the call of /auth: it returns a transaction, or the answer.
func (c *Client) begin(ctx context.Context, r *policy.AuthRequest) (*status, error) {
	resp, err := c.call(ctx, c.request(http.MethodPost, authPath, authParams(r)))
	var out status
	if err == nil {
		err = decode(authPath, resp, into{status: &out})
	}
	if err != nil {
		c.note(err, 0)
		return nil, err
	}
	async := r.Factor == policy.Push || r.Factor == policy.Phone
	switch {
	case async && out.Txid != "":
		return &status{Txid: out.Txid}, nil
	case !async && (out.Result == "allow" || out.Result == "deny"):
		out.Txid = ""
		return &out, nil
	}
	return nil, unknownResult(authPath, out.Result)
}

func authParams(r *policy.AuthRequest) params {
	p := make(params, 0, 8)
	p.identify(r.User)
	p.add("factor", string(r.Factor))
	p.add("ipaddr", dottedQuad(r.IP))
	switch r.Factor {
	case policy.Push:
		p.add("device", r.Device)
		p.add("async", "1")
		p.add("pushinfo", pushInfo(r.Info))
		p.add("display_username", r.Name)
		p.add("txid", r.Txid)
	case policy.Phone:
		p.add("device", r.Device)
		p.add("async", "1")
	case policy.SMS:
		p.add("device", r.Device)
	case policy.Passcode:
		p.add("passcode", r.Passcode)
	}
	return p
}

// identify says whom a call is about: by ID where there is one, else by name, never both.
func (p *params) identify(user policy.Identity) {
	if user.UserID != "" {
		p.add("user_id", user.UserID)
		return
	}
	p.add("username", user.Username)
}

var sharedSpace = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598: private to a provider

// dottedQuad returns ip as Duo takes it: IPv4 only, and none that says nothing about where the user is.
func dottedQuad(ip netip.Addr) string {
	ip = ip.Unmap()
	if !ip.Is4() || !ip.IsGlobalUnicast() || ip.IsPrivate() || sharedSpace.Contains(ip) {
		return ""
	}
	return ip.String()
}

// maxPushInfo is what Duo takes less than, in octets as encoded.
const maxPushInfo = 20000

func pushInfo(info [][2]string) string {
	var b strings.Builder
	for _, kv := range info {
		pair := url.QueryEscape(kv[0]) + "=" + url.QueryEscape(kv[1])
		if b.Len() > 0 {
			pair = "&" + pair
		}
		if b.Len()+len(pair) >= maxPushInfo {
			break
		}
		b.WriteString(pair)
	}
	return b.String()
}

func unknownResult(path, result string) error {
	return &Error{Path: path, kind: unknown, Err: fmt.Errorf("result %.40q", result)}
}
