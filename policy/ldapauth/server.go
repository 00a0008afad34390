package ldapauth

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"duoradiusd/policy"
)

// server is one server of a directory.
type server struct {
	*Directory
	number   int // in the order of Config.URLs
	url      string
	addr     string
	startTLS bool
	tls      *tls.Config // nil: no TLS
	dial     dialer

	pool    pool
	binds   chan struct{} // one place for each connection that binds as a user
	rootDSE rootDSECache
}

// authenticate finds a user and checks the password. Its error is a no if it is policy.ErrRejected.
func (s *server) authenticate(ctx context.Context, r policy.FirstRequest) (policy.Account, error) {
	dn, account, err := s.find(ctx, r.User, r.Groups)
	if errors.Is(err, policy.ErrRejected) {
		s.bindAsNobody(ctx)
	}
	if err != nil {
		return policy.Account{}, err
	}
	err = s.bindAs(ctx, dn, r.Password)
	if no, ok := errors.AsType[*policy.Refusal](err); ok && no.Change != nil {
		no.Change.Account, no.Change.State = account, s.changeState(dn)
	}
	if err != nil {
		return policy.Account{}, err
	}
	return account, nil
}

// bindAs binds as a user, on a connection that is used for nothing else.
func (s *server) bindAs(ctx context.Context, dn, password string) error {
	if err := acquire(ctx, s.binds); err != nil {
		return fmt.Errorf("wait until other binds are done: %w", err)
	}
	defer func() { <-s.binds }()
	c, err := s.connect(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer c.leave()
	result, err := c.bind(ctx, dn, password)
	if err := bindAnswer(result, err); err != nil {
		if no, ok := errors.AsType[*policy.Refusal](err); ok && !s.config.PasswordChange {
			no.Change = nil
		}
		if errors.Is(err, policy.ErrRejected) {
			return err
		}
		return fmt.Errorf("bind %.200q: %w", dn, err)
	}
	return nil
}

// bindAsNobody takes as long as the bind of a user.
func (s *server) bindAsNobody(ctx context.Context) {
	dn := "cn=" + rand.Text()
	if base := s.config.BaseDN[0]; base != "" {
		dn += "," + base
	}
	_ = s.bindAs(ctx, dn, rand.Text()) // its answer says nothing about the user
}

// find returns the DN of a user's entry and what is known of the user.
func (s *server) find(ctx context.Context, user string, groups []string) (dn string, account policy.Account, err error) {
	e, err := s.findEntry(ctx, user)
	if err != nil {
		return "", account, err
	}
	if account, err = s.account(ctx, e, groups); err != nil {
		return "", policy.Account{}, err
	}
	account.User = s.filter.principal(e, user, s.config.Names)
	return e.DN, account, nil
}

// findEntry searches each base DN and returns the only entry of the user.
func (s *server) findEntry(ctx context.Context, user string) (*ldap.Entry, error) {
	var found *ldap.Entry
	for _, base := range s.config.BaseDN {
		entries, err := s.search(ctx, &ldap.SearchRequest{
			BaseDN: base, Scope: ldap.ScopeWholeSubtree, SizeLimit: 2, EnforceSizeLimit: true,
			Filter: s.filter.of(user), Attributes: s.wanted,
		})
		if err != nil {
			return nil, fmt.Errorf("search %q: %w", base, err)
		}
		if len(entries) == 0 {
			continue
		}
		if entries[0].DN == "" { // a bind as "" is an anonymous bind, which succeeds (RFC 4513 §5.1.1)
			return nil, fmt.Errorf("search %q: an entry without a DN", base)
		}
		// One base DN may lie below another, so that both searches find the same entry.
		if len(entries) > 1 || found != nil && found.DN != entries[0].DN {
			return nil, &policy.Refusal{Why: "two entries match user_filter"}
		}
		found = entries[0]
	}
	switch {
	case found == nil:
		return nil, &policy.Refusal{Why: fmt.Sprintf("no such user in the directory: nothing below %s matches %.500s",
			strings.Join(s.config.BaseDN, " or "), s.filter.of(user))}
	case !s.filter.belongs(found, user, s.config.Names):
		return nil, &policy.Refusal{Why: otherName}
	}
	return found, nil
}

// maxReplyValues bounds the values of one attribute that go into a reply.
const maxReplyValues = 32

// replyValues returns the user's values of the attributes that replies name.
func (s *server) replyValues(e *ldap.Entry) map[string][]string {
	if len(s.config.ReplyAttributes) == 0 {
		return nil
	}
	all := make(map[string][]string)
	for _, name := range s.config.ReplyAttributes {
		if values, _, err := valuesOf(e, name); err == nil && len(values) > 0 {
			all[name] = values[:min(len(values), maxReplyValues)]
		}
	}
	return all
}

// account returns what is known of a user. groups are the groups for which nested membership matters too.
func (s *server) account(ctx context.Context, e *ldap.Entry, groups []string) (a policy.Account, err error) {
	if s.config.DuoUsernameAttribute != "" {
		if values, _, _ := valuesOf(e, s.config.DuoUsernameAttribute); len(values) > 0 {
			a.DuoUsername = values[0]
		}
	}
	a.Directory = s.replyValues(e)
	if s.config.GroupAttribute == "" {
		return a, nil
	}
	direct, err := s.directGroups(ctx, e)
	if err != nil {
		return a, err
	}
	a.Groups = groupNames(direct)
	if len(groups) == 0 || s.config.NestedGroups == NestedOff {
		return a, nil
	}
	nested, err := s.nestedGroups(ctx, e, direct, groups)
	if err != nil {
		return a, fmt.Errorf("look up the nested groups of %.200q: %w", e.DN, err)
	}
	nested = slices.DeleteFunc(nested, func(dn string) bool { return slices.Contains(direct, dn) })
	if s.config.NestedGroups == "" {
		a.NestedGroups = groupNames(nested)
	} else {
		a.Groups = append(a.Groups, groupNames(nested)...)
	}
	return a, nil
}
