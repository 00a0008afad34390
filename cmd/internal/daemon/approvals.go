package daemon

import (
	"context"
	"slices"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/canonical"
)

// integrationKey returns the integration key of a client's Duo application; "" for a client that the configuration no longer
// has.
func (d *Daemon) integrationKey(client string) string {
	if a := d.parts.Load().asks[client]; a != nil {
		return a.config.IntegrationKey
	}
	return ""
}

// Approvals returns the remembered approvals of a user, or of everybody for "", the most recently used first. user may be any
// of the user's names. most bounds their number; 0 = all. Approvals that [remember] no longer permits are left out.
func (d *Daemon) Approvals(ctx context.Context, user string, most int) ([]policy.Approval, error) {
	if user != "" {
		user = d.canonical(user)
	}
	s, now := d.parts.Load().settings, time.Now()
	list, err := d.runtime.Approvals.List(ctx, user, most)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(a policy.Approval) bool {
		used := a.LastUsedAt
		if used.IsZero() {
			used = a.ApprovedAt
		}
		return s.Idle > 0 && now.Sub(used) >= s.Idle || s.Uses > 0 && a.Uses >= s.Uses
	}), nil
}

// Forget removes the remembered approvals of a user and returns their number. user may be any of the user's names. Forget also
// removes approvals under the given name itself, because an earlier configuration may have known the user by that name.
func (d *Daemon) Forget(ctx context.Context, user string) (int, error) {
	name := d.canonical(user)
	n, err := d.runtime.Approvals.Forget(ctx, canonical.Fold(name))
	if err == nil && name != user {
		var more int
		more, err = d.runtime.Approvals.Forget(ctx, canonical.Fold(user))
		n += more
	}
	if n > 0 {
		d.saveForgotten() // otherwise a crash would bring the approvals back
		d.log.Info("approvals: the approvals of a user are forgotten", "user", name, "approvals", n)
	}
	return n, err
}

// ForgetAll removes the remembered approvals of everybody and returns their number.
func (d *Daemon) ForgetAll(ctx context.Context) (int, error) {
	n, err := d.runtime.Approvals.ForgetAll(ctx)
	d.saveForgotten()
	d.log.Info("approvals: the approvals of all users are forgotten", "approvals", n)
	return n, err
}

// canonical returns the name under which a user's approvals are remembered. A name that no login can have stays as it is.
func (d *Daemon) canonical(name string) string {
	if canonical, ok := d.policy.Load().Canonical(name); ok {
		return canonical
	}
	return name
}
