package duo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"duoradiusd/internal/display"
	"duoradiusd/policy"
	"duoradiusd/policy/factor"
)

const (
	pingPath    = "/auth/v2/ping"
	checkPath   = "/auth/v2/check"
	preauthPath = "/auth/v2/preauth"
	authPath    = "/auth/v2/auth"
	pollPath    = "/auth/v2/auth_status"
)

// Ping asks Duo for its time, unsigned. It shows whether Duo can be reached and what this machine's clock should say.
func (c *Client) Ping(ctx context.Context) (time.Time, error) {
	return c.time(exchange{ctx: ctx}, c.config.APITimeout, pingPath)
}

// Check asks Duo for its time, signed. It shows whether the keys and this machine's clock are right.
func (c *Client) Check(ctx context.Context) (time.Time, error) {
	now, err := c.time(exchange{ctx: ctx}, c.config.APITimeout, checkPath)
	if errors.Is(err, policy.ErrUnavailable) {
		c.suspect()
	}
	return now, err
}

// time calls /ping or /check within limit, and returns the time in the answer.
func (c *Client) time(x exchange, limit time.Duration, path string) (time.Time, error) {
	out, err := insist[struct {
		Time int64 `json:"time"`
	}](c, x, limit, http.MethodGet, path, nil)
	if err != nil {
		return time.Time{}, err
	}
	if out.Time <= 0 {
		return time.Time{}, &Error{Path: path, Err: errors.New("the answer has no time")}
	}
	return time.Unix(out.Time, 0), nil
}

// insist makes a call that does no harm if Duo gets it twice. It calls again, once, if the connection broke before an answer
// came, because one broken connection is no outage.
func insist[T any](c *Client, x exchange, limit time.Duration, method, path string, params url.Values) (*T, error) {
	ctx, cancel := context.WithTimeout(x.ctx, limit)
	defer cancel()
	x.ctx = ctx
	out, err := call[T](c, x, method, path, params)
	if broke(err) && ctx.Err() == nil {
		return call[T](c, x, method, path, params)
	}
	return out, err
}

// preauth is the answer of /preauth.
type preauth struct {
	Result    string   `json:"result"`
	StatusMsg string   `json:"status_msg"`
	EnrollURL string   `json:"enroll_portal_url"`
	Txid      string   `json:"txid"`
	Code      string   `json:"verification_code"`
	Devices   []device `json:"devices"`
}

type device struct {
	ID           string   `json:"device"`
	Type         string   `json:"type"`
	Name         string   `json:"name"`
	DisplayName  string   `json:"display_name"`
	Number       string   `json:"number"`
	Capabilities []string `json:"capabilities"`
	NextCode     string   `json:"sms_nextcode"`
}

// Preauth implements policy.SecondFactor. While Duo is known to be down it fails at once.
func (c *Client) Preauth(ctx context.Context, r policy.PreauthRequest) (policy.Preauth, error) {
	if err := c.spared(); err != nil {
		return policy.Preauth{}, err
	}
	p := url.Values{}
	identify(p, r.User)
	set(p, "ipaddr", c.config.UserIP.text(r.IP))
	if r.VerifiedPush {
		p.Set("client_supports_verified_push", "1")
	}
	start := time.Now()
	late := time.AfterFunc(fairChance, func() { c.suspect() }) // the ping shows whether Duo is silent or only this call
	defer late.Stop()
	out, err := insist[preauth](c, exchange{ctx: ctx}, c.config.APITimeout, http.MethodPost, preauthPath, p)
	c.note(err, time.Since(start))
	if err != nil {
		return policy.Preauth{}, err
	}
	return out.judge()
}

func (p *preauth) judge() (policy.Preauth, error) {
	result, ok := preauthResults[p.Result]
	if !ok {
		return policy.Preauth{}, unknownResult(preauthPath, p.Result)
	}
	out := policy.Preauth{
		Result: result, Message: display.Visible(p.StatusMsg), EnrollURL: display.Visible(p.EnrollURL), Txid: p.Txid, Code: display.Visible(p.Code),
	}
	for _, d := range p.Devices {
		out.Devices = append(out.Devices, policy.Device{
			ID: d.ID, Type: d.Type, Name: display.Visible(cmp.Or(d.DisplayName, d.Name)), Number: display.Visible(d.Number),
			Capabilities: d.Capabilities, NextCode: display.Visible(d.NextCode),
		})
	}
	return out, nil
}

var preauthResults = map[string]policy.PreauthResult{
	"auth":   policy.PreauthAuth,
	"allow":  policy.PreauthAllow,
	"deny":   policy.PreauthDeny,
	"enroll": policy.PreauthEnroll,
}

// Auth implements policy.SecondFactor. It begins a push or a phone call asynchronously and then polls for the answer. A passcode
// and a batch of SMS codes take one synchronous call.
func (c *Client) Auth(ctx context.Context, r *policy.AuthRequest) (policy.AuthResult, error) {
	if r.Began != "" {
		return c.poll(ctx, r.Began)
	}
	out, err := c.begin(ctx, r)
	if err != nil || out.Txid == "" {
		return out, err
	}
	if r.Started != nil {
		r.Started(out.Txid)
	}
	return c.poll(ctx, out.Txid)
}

// status is the answer of /auth and of /auth_status.
type status struct {
	Txid      string `json:"txid"`
	Result    string `json:"result"`
	Status    string `json:"status"`
	StatusMsg string `json:"status_msg"`
}

func (s *status) result() policy.AuthResult {
	return policy.AuthResult{
		Allowed: s.Result == "allow",
		Status:  display.Visible(s.Status),
		Message: display.Visible(s.StatusMsg),
		Txid:    s.Txid,
	}
}

// begin calls /auth. The result has a Txid if the answer has to be polled for, and is final otherwise.
func (c *Client) begin(ctx context.Context, r *policy.AuthRequest) (policy.AuthResult, error) {
	limited, cancel := context.WithTimeout(ctx, c.config.APITimeout)
	defer cancel()
	out, err := call[status](c, exchange{ctx: limited}, http.MethodPost, authPath, c.authParams(r))
	if err != nil {
		c.note(err, 0)
		return policy.AuthResult{}, err
	}
	async := r.Factor == factor.Push || r.Factor == factor.Phone
	switch {
	case async && out.Txid != "":
		return policy.AuthResult{Txid: out.Txid}, nil
	case !async && (out.Result == "allow" || out.Result == "deny"):
		out.Txid = ""
		return out.result(), nil
	}
	return policy.AuthResult{}, unknownResult(authPath, out.Result)
}

func (c *Client) authParams(r *policy.AuthRequest) url.Values {
	p := url.Values{}
	identify(p, r.User)
	set(p, "factor", string(r.Factor))
	set(p, "ipaddr", c.config.UserIP.text(r.IP))
	switch r.Factor {
	case factor.Push:
		set(p, "device", r.Device)
		set(p, "async", "1")
		set(p, "pushinfo", pushInfo(r.Info))
		set(p, "display_username", r.Name)
		set(p, "txid", r.Txid)
	case factor.Phone:
		set(p, "device", r.Device)
		set(p, "async", "1")
	case factor.SMS:
		set(p, "device", r.Device)
	case factor.Passcode:
		set(p, "passcode", r.Passcode)
	}
	return p
}

// set adds a parameter if its value is not empty.
func set(p url.Values, name, value string) {
	if value != "" {
		p.Set(name, value)
	}
}

// identify adds the parameter that names the user: the ID if there is one, otherwise the name, and never both.
func identify(p url.Values, user policy.Identity) {
	if user.UserID != "" {
		p.Set("user_id", user.UserID)
		return
	}
	set(p, "username", user.Username)
}

// maxPushInfo bounds pushinfo: Duo accepts fewer octets than this, counted as encoded.
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
	return &Error{Path: path, Err: fmt.Errorf("unknown result %.40q", result)}
}
