package duo

import (
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

// Ping asks for Duo's time without signing: whether Duo can be reached and what this machine's clock should say.
func (c *Client) Ping(ctx context.Context) (time.Time, error) { return c.time(ctx, "/auth/v2/ping") }

// Check asks for Duo's time with a signature: whether keys and clock are right.
func (c *Client) Check(ctx context.Context) (time.Time, error) {
	now, err := c.time(ctx, "/auth/v2/check")
	if errors.Is(err, policy.ErrUnavailable) {
		c.suspect()
	}
	return now, err
}

func (c *Client) time(ctx context.Context, path string) (time.Time, error) {
	var out struct{ Time int64 }
	ctx, cancel := context.WithTimeout(ctx, c.config.APITimeout)
	defer cancel()
	if err := c.insist(ctx, "GET", path, nil, &out); err != nil {
		return time.Time{}, err
	}
	if out.Time <= 0 {
		return time.Time{}, &Error{Path: path, Err: errors.New("no time in the answer")}
	}
	return time.Unix(out.Time, 0), nil
}

// Preauth implements policy.SecondFactor.
func (c *Client) Preauth(ctx context.Context, r policy.PreauthRequest) (policy.Preauth, error) {
	var out struct {
		Result    string `json:"result"`
		StatusMsg string `json:"status_msg"`
		EnrollURL string `json:"enroll_portal_url"`
		Txid      string `json:"txid"`
		Code      string `json:"verification_code"`
		Devices   []struct {
			Device       string   `json:"device"`
			Type         string   `json:"type"`
			Name         string   `json:"name"`
			DisplayName  string   `json:"display_name"`
			Number       string   `json:"number"`
			Capabilities []string `json:"capabilities"`
			NextCode     string   `json:"sms_nextcode"`
		} `json:"devices"`
	}
	p := identify(r.User)
	p["ipaddr"] = dottedQuad(r.IP)
	if r.VerifiedPush {
		p["client_supports_verified_push"] = "1"
	}
	if err := c.spared(); err != nil {
		return policy.Preauth{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.APITimeout)
	defer cancel()
	start := time.Now()
	err := c.insist(ctx, "POST", "/auth/v2/preauth", p, &out)
	c.note(err, time.Since(start))
	if err != nil {
		return policy.Preauth{}, err
	}
	result, ok := preauthResults[out.Result]
	if !ok {
		return policy.Preauth{}, unknownResult("/auth/v2/preauth", out.Result)
	}
	pre := policy.Preauth{
		Result: result, Message: printable(out.StatusMsg), EnrollURL: printable(out.EnrollURL),
		Txid: out.Txid, Code: printable(out.Code),
	}
	for _, d := range out.Devices {
		name := d.DisplayName
		if name == "" {
			name = d.Name
		}
		pre.Devices = append(pre.Devices, policy.Device{
			ID: d.Device, Type: d.Type, Name: printable(name), Number: printable(d.Number),
			Capabilities: d.Capabilities, NextCode: printable(d.NextCode),
		})
	}
	return pre, nil
}

var preauthResults = map[string]policy.PreauthResult{
	"auth":   policy.PreauthAuth,
	"allow":  policy.PreauthAllow,
	"deny":   policy.PreauthDeny,
	"enroll": policy.PreauthEnroll,
}

// Auth implements policy.SecondFactor. A push or call is begun asynchronously and then polled for; a passcode and a
// batch of SMS codes are one synchronous call.
func (c *Client) Auth(ctx context.Context, r policy.AuthRequest) (policy.AuthResult, error) {
	if r.Began != "" {
		return c.answer(ctx, r.Began)
	}
	p := identify(r.User)
	p["factor"] = string(r.Factor)
	p["ipaddr"] = dottedQuad(r.IP)
	switch r.Factor {
	case policy.Push:
		p["device"], p["async"] = r.Device, "1"
		p["pushinfo"], p["display_username"], p["txid"] = pushInfo(r.Info), r.Name, r.Txid
	case policy.Phone:
		p["device"], p["async"] = r.Device, "1"
	case policy.SMS:
		p["device"] = r.Device
	case policy.Passcode:
		p["passcode"] = r.Passcode
	}
	out, err := c.begin(ctx, p)
	if err != nil || out.Txid == "" {
		return out.result(), err
	}
	if r.Started != nil {
		r.Started(out.Txid)
	}
	return c.answer(ctx, out.Txid)
}

// answer waits for the answer of a transaction.
func (c *Client) answer(ctx context.Context, txid string) (policy.AuthResult, error) {
	result, err := c.poll(ctx, txid)
	result.Txid = txid
	return result, err
}

// status is the answer of /auth and of /auth_status.
type status struct {
	Txid      string `json:"txid"`
	Result    string `json:"result"`
	Status    string `json:"status"`
	StatusMsg string `json:"status_msg"`
}

func (s status) result() policy.AuthResult {
	return policy.AuthResult{
		Allowed: s.Result == "allow",
		Status:  printable(s.Status),
		Message: printable(s.StatusMsg),
		Txid:    s.Txid,
	}
}

func (c *Client) begin(ctx context.Context, p params) (status, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.APITimeout)
	defer cancel()
	var out status
	if err := c.call(ctx, "POST", "/auth/v2/auth", p, &out); err != nil {
		c.note(err, 0)
		return status{}, err
	}
	switch {
	case p["async"] != "" && out.Txid != "":
		return status{Txid: out.Txid}, nil
	case p["async"] == "" && (out.Result == "allow" || out.Result == "deny"):
		out.Txid = ""
		return out, nil
	}
	return status{}, unknownResult("/auth/v2/auth", out.Result)
}

// poll asks for the transaction's answer until there is one, or the push timeout has passed. Whatever happens to a
// connection, the same transaction is asked for again: it is the phone's, not the connection's.
func (c *Client) poll(ctx context.Context, txid string) (policy.AuthResult, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.PushTimeout)
	defer cancel()
	for quick := 0; ; {
		asked := time.Now()
		out, err := c.status(ctx, txid)
		switch {
		case err == nil && (out.Result == "allow" || out.Result == "deny"):
			return out.result(), nil
		case err == nil && out.Result != "waiting":
			return policy.AuthResult{}, unknownResult(pollPath, out.Result)
		case err != nil && ctx.Err() == nil && !pollAgain(err):
			return policy.AuthResult{}, err
		}
		switch {
		case limited(err):
			quick = slowestPoll
		case time.Since(asked) < time.Second:
			quick++
		default:
			quick = 0
		}
		if !sleep(ctx, pollPause(quick)) {
			return timedOut(ctx, err)
		}
	}
}

// slowestPoll is the number of quick polls after which the pause between them grows no more.
const slowestPoll = 10

// pollPause keeps polls that come back at once from becoming a storm. The first few are free: Duo has news at the start.
func pollPause(quick int) time.Duration {
	if quick <= 3 {
		return 0
	}
	return min(50*time.Millisecond<<(min(quick, slowestPoll)-4), 2*time.Second)
}

func (c *Client) status(ctx context.Context, txid string) (status, error) {
	ctx, cancel := context.WithTimeout(ctx, longPoll)
	defer cancel()
	var out status
	err := c.call(ctx, "GET", pollPath, params{"txid": txid}, &out)
	return out, err
}

// pollAgain tells the errors after which the transaction may still be answered: none came back, or the poll had no
// news (40002 is how an empty long poll ends).
func pollAgain(err error) bool {
	var e *Error
	return errors.Is(err, policy.ErrUnavailable) || limited(err) || errors.As(err, &e) && e.Code == 40002
}

// limited reports a 429 that call could not wait for.
func limited(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusTooManyRequests
}

// timedOut tells the end of the push timeout, which is an answer of its own, from an outage that lasted until then.
func timedOut(ctx context.Context, last error) (policy.AuthResult, error) {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return policy.AuthResult{}, ctx.Err()
	}
	var e *Error
	if errors.As(last, &e) && e.kind == unreachable && !errors.Is(last, context.DeadlineExceeded) {
		return policy.AuthResult{}, last
	}
	return policy.AuthResult{Status: "timeout"}, nil
}

func identify(user policy.Identity) params {
	if user.UserID != "" {
		return params{"user_id": user.UserID}
	}
	return params{"username": user.Username}
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
