package ldapauth

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/go-ldap/ldap/v3"

	"duoradiusd/policy"
)

const maxRanges = 20 // of values of one user's groups, 1500 each in Active Directory

// server is one server of a directory.
type server struct {
	*Directory
	url      string
	addr     string
	startTLS bool
	tls      *tls.Config // nil: none
	dial     dialer

	pool   pool
	binds  chan struct{} // one a connection that binds as a user
	health health
}

// authenticate finds a user and checks the password. Its error is a no if it is policy.ErrRejected.
func (s *server) authenticate(ctx context.Context, user, password string) (policy.Account, error) {
	dn, account, err := s.find(ctx, user)
	if errors.Is(err, policy.ErrRejected) {
		s.bindAsNobody(ctx)
	}
	if err != nil {
		return policy.Account{}, err
	}
	if err := s.bindAs(ctx, dn, password); err != nil {
		return policy.Account{}, err
	}
	return account, nil
}

// bindAs binds as a user, on a connection that serves for nothing else.
func (s *server) bindAs(ctx context.Context, dn, password string) error {
	if err := enter(ctx, s.binds); err != nil {
		return fmt.Errorf("wait for a turn to bind: %w", err)
	}
	defer func() { <-s.binds }()
	c, err := s.connect(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer c.leave()
	result, err := c.bind(ctx, dn, password)
	if err := judge(result, err); err != nil {
		if errors.Is(err, policy.ErrRejected) {
			return err
		}
		return fmt.Errorf("bind %.200q: %w", dn, err)
	}
	return nil
}

// bindAsNobody takes the time that a user's bind takes.
func (s *server) bindAsNobody(ctx context.Context) {
	dn := "cn=" + rand.Text()
	if s.config.BaseDN != "" {
		dn += "," + s.config.BaseDN
	}
	_ = s.bindAs(ctx, dn, rand.Text()) // whatever it says, it is not about the user
}

// find returns a user's entry.
func (s *server) find(ctx context.Context, user string) (dn string, _ policy.Account, _ error) {
	entries, err := s.search(ctx, &ldap.SearchRequest{
		BaseDN: s.config.BaseDN, Scope: ldap.ScopeWholeSubtree, SizeLimit: 2, EnforceSizeLimit: true,
		Filter: s.filter.of(user), Attributes: s.wanted,
	})
	switch {
	case err != nil:
		return "", policy.Account{}, fmt.Errorf("search %q: %w", s.config.BaseDN, err)
	case len(entries) == 0:
		return "", policy.Account{}, &policy.Refusal{Why: "no such user in the directory"}
	case len(entries) > 1:
		return "", policy.Account{}, &policy.Refusal{Why: "two entries match user_filter"}
	}
	e := entries[0]
	if e.DN == "" { // to bind as it would be an anonymous bind, which succeeds (RFC 4513 §5.1.1)
		return "", policy.Account{}, fmt.Errorf("search %q: an entry without a DN", s.config.BaseDN)
	}
	if !s.filter.belongs(e, user, s.config.Names) {
		return "", policy.Account{}, &policy.Refusal{Why: otherName}
	}
	account, err := s.account(ctx, e)
	account.User = s.filter.principal(e, user, s.config.Names)
	return e.DN, account, err
}

// account gathers what is to be known of a user.
func (s *server) account(ctx context.Context, e *ldap.Entry) (policy.Account, error) {
	var a policy.Account
	if s.config.DuoUsernameAttribute != "" {
		if values, _, _ := valuesOf(e, s.config.DuoUsernameAttribute); len(values) > 0 {
			a.DuoUsername = values[0]
		}
	}
	if s.config.GroupAttribute == "" {
		return a, nil
	}
	groups, next, err := valuesOf(e, s.config.GroupAttribute)
	for round := 1; err == nil && next > 0; round++ {
		if round == maxRanges {
			return a, &policy.Refusal{Why: "a member of too many groups"} // one that denies may be among the rest
		}
		var more []string
		if more, next, err = s.moreGroups(ctx, e.DN, next); err == nil {
			groups = append(groups, more...)
		}
	}
	if err != nil {
		return a, fmt.Errorf("read %s of %.200q: %w", s.config.GroupAttribute, e.DN, err)
	}
	a.Groups = groupNames(groups)
	return a, nil
}

// moreGroups reads the groups from number next on.
func (s *server) moreGroups(ctx context.Context, dn string, next int) ([]string, int, error) {
	entries, err := s.search(ctx, &ldap.SearchRequest{
		BaseDN: dn, Scope: ldap.ScopeBaseObject, SizeLimit: 2, EnforceSizeLimit: true, Filter: "(objectClass=*)",
		Attributes: []string{fmt.Sprintf("%s;range=%d-*", s.config.GroupAttribute, next)},
	})
	if err != nil {
		return nil, 0, err
	}
	if len(entries) != 1 {
		return nil, 0, errors.New("the entry is gone")
	}
	return valuesOf(entries[0], s.config.GroupAttribute)
}

// search asks on a pooled connection. If that fails, it may be because the server has closed or forgotten it meanwhile,
// so that one more try is due, on a fresh one.
func (s *server) search(ctx context.Context, r *ldap.SearchRequest) ([]*ldap.Entry, error) {
	if err := enter(ctx, s.pool.slots); err != nil {
		return nil, fmt.Errorf("wait for a connection: %w", err)
	}
	defer func() { <-s.pool.slots }()
	if c := s.pool.take(); c != nil {
		first, cancel := half(ctx)
		entries, err := s.searchOn(first, c, r)
		cancel()
		if err == nil || ctx.Err() != nil {
			return entries, err
		}
		s.pool.empty() // the others are not any better
	}
	c, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	return s.searchOn(ctx, c, r)
}

// half is the time for a first try.
func half(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/2)
}

// open returns a connection that is bound as the service.
func (s *server) open(ctx context.Context) (*conn, error) {
	c, err := s.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if s.config.BindDN == "" {
		return c, nil
	}
	if _, err := c.bind(ctx, s.config.BindDN, s.config.BindPassword); err != nil {
		c.leave()
		return nil, fmt.Errorf("bind %s: %w", s.config.BindDN, said(err))
	}
	return c, nil
}

// searchOn asks on c, which is kept for later if all went well. More entries than the limit are no error, for the limit
// says that this many are too many.
func (s *server) searchOn(ctx context.Context, c *conn, r *ldap.SearchRequest) ([]*ldap.Entry, error) {
	if deadline, ok := ctx.Deadline(); ok {
		request := *r
		request.TimeLimit = int(math.Ceil(max(1, time.Until(deadline).Seconds())))
		r = &request
	}
	var result *ldap.SearchResult
	err := c.during(ctx, func() (err error) {
		result, err = c.Search(r)
		return err
	})
	switch {
	case err == nil:
		s.pool.put(c)
		return result.Entries, nil
	case errors.Is(err, ldap.ErrSizeLimitExceeded): // there is more to come, which nobody wants
		c.drop()
		return result.Entries, nil
	case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) && len(result.Entries) > 0:
		s.pool.put(c)
		return append(result.Entries, result.Entries[0]), nil
	}
	c.leave()
	return nil, said(err)
}

// enter takes a place, or gives up when ctx ends.
func enter(ctx context.Context, places chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
