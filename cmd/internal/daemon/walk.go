package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"duoradiusd/conf"
	"duoradiusd/policy"
	"duoradiusd/policy/memory"
)

// Walk takes logins through a configuration without a RADIUS client, and reports each step. It shares nothing with a running
// daemon, so no approval is used or kept there.
type Walk struct {
	policy  *policy.Policy
	runtime *policy.Runtime
	parts   *parts
	client  *policy.Client
	timeout time.Duration // how long a decision may take, as in radiusd
}

// Step is one question that was asked during a login.
type Step struct {
	Asked  string // who was asked what
	Answer string
	Took   time.Duration
}

// NewWalk returns a Walk for logins at a client of c. tell is called at the end of each step.
func NewWalk(c *conf.Config, client string, tell func(Step)) (*Walk, error) {
	p, err := build(c, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	for i := range c.Clients {
		if c.Clients[i].Name != client {
			continue
		}
		rc, err := p.client(&c.Clients[i])
		if err != nil {
			return nil, err
		}
		traced := *rc.Login
		if traced.FirstFactor != nil {
			traced.FirstFactor = tracedFirst{traced.FirstFactor, c.Clients[i].FirstFactor, tell}
		}
		traced.Second = tracedSecond{traced.Second, tell}
		runtime := memory.New(1).Runtime()
		return &Walk{policy.New(p.settings, runtime), runtime, p, &traced, rc.DecideWithin()}, nil
	}
	return nil, fmt.Errorf("no [[client]] is named %q", client)
}

// Decide decides one login, or the answer to a challenge.
func (w *Walk) Decide(ctx context.Context, user, password, state string, ip netip.Addr) policy.Verdict {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	return w.policy.Decide(ctx, policy.Attempt{
		Client: w.client, User: user, Password: password, State: state, UserIP: ip, Authentic: true,
		ClientAddr: netip.IPv6Loopback(),
	})
}

// Close ends the pushes that are still live.
func (w *Walk) Close() {
	w.runtime.Close()
	w.parts.close()
}

type tracedFirst struct {
	policy.FirstFactor
	name string
	tell func(Step)
}

func (t tracedFirst) Authenticate(ctx context.Context, r policy.FirstRequest) (policy.Account, error) {
	start := time.Now()
	account, err := t.FirstFactor.Authenticate(ctx, r)
	answer := "right"
	switch {
	case errors.Is(err, policy.ErrRejected):
		answer = "wrong user or password"
	case err != nil:
		answer = "could not be asked: " + err.Error()
	}
	t.tell(Step{fmt.Sprintf("first factor %q: password of %s", t.name, r.User), answer, time.Since(start)})
	return account, err
}

type tracedSecond struct {
	second policy.SecondFactor
	tell   func(Step)
}

func (t tracedSecond) Preauth(ctx context.Context, r policy.PreauthRequest) (policy.Preauth, error) {
	start := time.Now()
	pre, err := t.second.Preauth(ctx, r)
	t.tell(Step{"Duo preauth: " + identity(r.User), preauthAnswer(pre, err), time.Since(start)})
	return pre, err
}

func (t tracedSecond) Outage(ctx context.Context) error {
	start := time.Now()
	err := t.second.Outage(ctx)
	answer := "answered: no outage"
	if err != nil {
		answer = err.Error()
	}
	t.tell(Step{"Duo ping", answer, time.Since(start)})
	return err
}

func (t tracedSecond) Auth(ctx context.Context, r *policy.AuthRequest) (policy.AuthResult, error) {
	start := time.Now()
	result, err := t.second.Auth(ctx, r)
	answer := result.Status
	if result.Message != "" {
		answer += ": " + result.Message
	}
	if result.Txid != "" {
		answer += " (txid " + result.Txid + ")"
	}
	if err != nil {
		answer = err.Error()
	}
	t.tell(Step{"Duo " + string(r.Factor), answer, time.Since(start)})
	return result, err
}

func identity(i policy.Identity) string {
	if i.UserID != "" {
		return "user ID " + i.UserID
	}
	return "user name " + i.Username
}

func preauthAnswer(pre policy.Preauth, err error) string {
	if err != nil {
		return err.Error()
	}
	switch pre.Result {
	case policy.PreauthAllow:
		return "allow: no second factor asked"
	case policy.PreauthDeny:
		return "deny: " + pre.Message
	case policy.PreauthEnroll:
		return "enroll: unknown to Duo, or without a device"
	case policy.PreauthAuth:
		var devices []string
		for _, d := range pre.Devices {
			name := d.Name
			if d.Number != "" {
				name = d.Number
			}
			devices = append(devices, fmt.Sprintf("%s (%s)", name, strings.Join(d.Capabilities, ", ")))
		}
		return "auth, with " + strings.Join(devices, "; ")
	}
	return "an answer that this version does not know"
}
