package ldapauth

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// search searches on a pooled connection. If that fails, the server may have closed the connection in the meantime, so the
// search is tried once more on a new one.
func (s *server) search(ctx context.Context, r *ldap.SearchRequest) ([]*ldap.Entry, error) {
	if err := acquire(ctx, s.pool.slots); err != nil {
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
		s.pool.empty() // the other connections are probably as old
	}
	c, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	return s.searchOn(ctx, c, r)
}

// read reads one entry, or returns nil if it does not exist.
func (s *server) read(ctx context.Context, dn string, attributes ...string) (*ldap.Entry, error) {
	entries, err := s.search(ctx, &ldap.SearchRequest{BaseDN: dn, Scope: ldap.ScopeBaseObject, SizeLimit: 2,
		EnforceSizeLimit: true, Filter: "(objectClass=*)", Attributes: attributes})
	if e, ok := errors.AsType[*resultError](err); ok && e.code == ldap.LDAPResultNoSuchObject {
		return nil, nil
	}
	if err != nil || len(entries) != 1 {
		return nil, err
	}
	return entries[0], nil
}

// half returns a context for the first of two tries.
func half(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/2)
}

// open returns a connection that is bound as the service account.
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

// searchOn searches on c and keeps c for later if all went well. More entries than the size limit are no error: the limit
// says that this many are too many, and the result then has more entries than the limit.
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
	case errors.Is(err, ldap.ErrSizeLimitExceeded): // more entries would follow, which nobody wants
		c.drop()
		return result.Entries, nil
	case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) && len(result.Entries) > 0:
		s.pool.put(c)
		return append(result.Entries, result.Entries[0]), nil
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
		s.pool.put(c)
		return nil, said(err)
	}
	c.leave()
	return nil, said(err)
}

// acquire takes a place, or gives up when ctx ends.
func acquire(ctx context.Context, places chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
