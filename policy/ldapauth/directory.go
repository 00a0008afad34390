package ldapauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/failover"
)

// avoidFor is how long a server that could not be asked is asked last.
const avoidFor = 30 * time.Second

// Directory is a first factor in an LDAP directory. New makes one. Several goroutines may use it at once.
type Directory struct {
	config Config

	filter  *userFilter
	wanted  []string // attributes of the user's entry
	servers []*server
	group   *failover.Group
	sids    sidCache
}

var (
	_ policy.FirstFactor     = (*Directory)(nil)
	_ policy.PasswordChanger = (*Directory)(nil)
)

// Authenticate checks the password of a user. A no may be a policy.Refusal, which says why.
func (d *Directory) Authenticate(ctx context.Context, r policy.FirstRequest) (account policy.Account, err error) {
	if r.Method != policy.MethodPassword {
		return policy.Account{}, policy.ErrUnsupported
	}
	// A bind without a password is an "unauthenticated" bind, which succeeds and proves nothing (RFC 4513 §5.1.2).
	if r.Password == "" || r.User == "" {
		return policy.Account{}, policy.ErrRejected
	}
	err = d.each(ctx, func(ctx context.Context, s *server) error {
		account, err = s.authenticate(ctx, r)
		return err
	})
	if err != nil {
		return policy.Account{}, err
	}
	return account, nil
}

// Lookup returns what the directory knows of a user, without a password. groups are the groups whose members are looked up
// even if the membership is nested. It returns policy.ErrRejected if there is no such user, or more than one.
func (d *Directory) Lookup(ctx context.Context, user string, groups []string) (account policy.Account, err error) {
	if user == "" {
		return policy.Account{}, policy.ErrRejected
	}
	err = d.each(ctx, func(ctx context.Context, s *server) error {
		_, account, err = s.find(ctx, user, groups)
		return err
	})
	if err != nil {
		return policy.Account{}, err
	}
	return account, nil
}

// Close closes the connections that nobody uses, and keeps none for later use any more. Logins still work.
func (d *Directory) Close() {
	for _, s := range d.servers {
		s.pool.close()
	}
}

// each asks one server after the other until one answers, yes or no.
func (d *Directory) each(ctx context.Context, ask func(context.Context, *server) error) error {
	return d.ask(ctx, failover.Any, ask)
}

// ask asks the server of that number, or one after the other for failover.Any.
func (d *Directory) ask(ctx context.Context, only int, ask func(context.Context, *server) error) error {
	err := d.group.Each(ctx, only, func(ctx context.Context, turn *failover.Turn) (done bool, err error) {
		s := d.servers[turn.Server]
		err = ask(ctx, s)
		if err == nil || errors.Is(err, policy.ErrRejected) {
			d.group.Answered(turn.Server)
			return true, err
		}
		return false, &serverError{s.url, err}
	})
	if err == nil || errors.Is(err, policy.ErrRejected) {
		return err
	}
	return fmt.Errorf("directory: %w", err)
}

// serverError names the server that could not be asked. Whoever knows the server already needs the cause only.
type serverError struct {
	url   string
	cause error
}

func (e *serverError) Error() string { return e.url + ": " + e.cause.Error() }
func (e *serverError) Unwrap() error { return e.cause }

func causeOf(err error) error {
	if e, ok := errors.AsType[*serverError](err); ok {
		return e.cause
	}
	return err
}

// newGroup returns the order of the servers.
func (d *Directory) newGroup() *failover.Group {
	var onHealth func(string, error)
	if tell := d.config.OnHealth; tell != nil {
		onHealth = func(url string, err error) { tell(url, causeOf(err)) }
	}
	return failover.New(failover.Config{
		Servers: d.config.URLs, Timeout: d.config.Timeout, Avoid: avoidFor, OnHealth: onHealth,
		// Half of a server's fair share of a login that has no more time than one server may take.
		Patience: min(2*time.Second, d.config.Timeout/time.Duration(2*len(d.config.URLs))),
	})
}

// ServerHealth is what the logins so far have shown of a server.
type ServerHealth struct {
	URL string
	failover.Health
}

// Health returns the health of each server, in the order of Config.URLs.
func (d *Directory) Health() []ServerHealth {
	list := make([]ServerHealth, len(d.servers))
	for i, s := range d.servers {
		list[i] = ServerHealth{URL: s.url, Health: d.group.Health(i)}
		list[i].Err = causeOf(list[i].Err)
	}
	return list
}
