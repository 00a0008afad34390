package ldapauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"duoradiusd/policy"
)

// Directory is a first factor in an LDAP directory. New makes one; it may be used by several goroutines at once.
type Directory struct {
	config Config

	filter  *userFilter
	wanted  []string // attributes
	servers []*server
}

var _ policy.FirstFactor = (*Directory)(nil)

// Authenticate checks the password of a user. A no may be a policy.Refusal, which says why.
func (d *Directory) Authenticate(ctx context.Context, r policy.FirstRequest) (account policy.Account, err error) {
	if r.Method != policy.MethodPassword {
		return policy.Account{}, policy.ErrUnsupported
	}
	// Sent to a directory, no password would be an "unauthenticated" bind, which succeeds (RFC 4513 §5.1.2).
	if r.Password == "" || r.User == "" {
		return policy.Account{}, policy.ErrRejected
	}
	err = d.each(ctx, func(ctx context.Context, s *server) error {
		account, err = s.authenticate(ctx, r.User, r.Password)
		return err
	})
	if err != nil {
		return policy.Account{}, err
	}
	return account, nil
}

// Lookup returns what the directory knows of a user, without a password; ErrRejected where there is no such user, or no
// single one.
func (d *Directory) Lookup(ctx context.Context, user string) (account policy.Account, err error) {
	if user == "" {
		return policy.Account{}, policy.ErrRejected
	}
	err = d.each(ctx, func(ctx context.Context, s *server) error {
		_, account, err = s.find(ctx, user)
		return err
	})
	if err != nil {
		return policy.Account{}, err
	}
	return account, nil
}

// Close closes the connections that nobody uses, and lets none wait for later use any more. Logins under way, and later
// ones, go on.
func (d *Directory) Close() {
	for _, s := range d.servers {
		s.pool.close()
	}
}

// each asks one server after the other until one answers, yes or no.
func (d *Directory) each(ctx context.Context, ask func(context.Context, *server) error) error {
	var all error
	order := d.order(time.Now())
	for i, s := range order {
		if err := ctx.Err(); err != nil {
			return also(all, fmt.Errorf("ldapauth: %w", context.Cause(ctx)))
		}
		share := d.share(ctx, len(order)-i)
		attempt, cancel := context.WithTimeout(ctx, share)
		err := ask(attempt, s)
		cancel()
		if err == nil || errors.Is(err, policy.ErrRejected) {
			s.mark(nil)
			return err
		}
		all = also(all, fmt.Errorf("ldapauth: %s: %w", s.url, err))
		if d.blames(ctx, share, err) {
			s.mark(err)
		}
	}
	return all
}

func also(all, err error) error {
	if all == nil {
		return err
	}
	return fmt.Errorf("%w; %w", all, err)
}

// share is the time that the next of n servers gets: one that hangs leaves the others theirs.
func (d *Directory) share(ctx context.Context, n int) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(d.config.Timeout, time.Until(deadline)/time.Duration(n))
	}
	return d.config.Timeout
}

// blames reports whether err is the server's doing: not that of a client that went away, nor of a login that had hardly
// any time left.
func (d *Directory) blames(ctx context.Context, share time.Duration, err error) bool {
	if errors.Is(ctx.Err(), context.Canceled) {
		return false
	}
	return !errors.Is(err, context.DeadlineExceeded) || share >= d.config.Timeout/time.Duration(2*len(d.servers))
}
