package ldapauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// ServerCheck is the result of checking one server.
type ServerCheck struct {
	URL     string
	Steps   []Step    // in order; only the last one may have an error
	Expires time.Time // of the server's certificate; zero: no TLS
}

// Step is one step of a check: connect (TLS included), bind (as the service account), search (the base DNs).
type Step struct {
	Name string
	Took time.Duration
	Err  error // nil: all well
}

// Err returns the error of the step that went wrong, nil if none did.
func (c *ServerCheck) Err() error {
	if last := len(c.Steps) - 1; last >= 0 && c.Steps[last].Err != nil {
		return fmt.Errorf("directory: %s: %s: %w", c.URL, c.Steps[last].Name, c.Steps[last].Err)
	}
	return nil
}

// Check checks all servers at the same time, each on a connection of its own and for at most Config.Timeout. It does not
// change what Health returns.
func (d *Directory) Check(ctx context.Context) []ServerCheck {
	list := make([]ServerCheck, len(d.servers))
	var wg sync.WaitGroup
	for i, s := range d.servers {
		wg.Go(func() { list[i] = s.check(ctx) })
	}
	wg.Wait()
	return list
}

func (s *server) check(ctx context.Context) ServerCheck {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	check := ServerCheck{URL: s.url}
	step := func(name string, ask func() error) bool {
		begin := time.Now()
		err := ask()
		check.Steps = append(check.Steps, Step{Name: name, Took: time.Since(begin), Err: err})
		return err == nil
	}
	var c *conn
	connected := step("connect", func() (err error) {
		c, err = s.connect(ctx)
		return err
	})
	if !connected {
		return check
	}
	defer c.leave()
	if c.tls != nil {
		check.Expires = c.tls.PeerCertificates[0].NotAfter
	}
	bound := s.config.BindDN == "" || step("bind", func() error {
		_, err := c.bind(ctx, s.config.BindDN, s.config.BindPassword)
		return said(err)
	})
	if bound {
		step("search", func() error { return s.checkBases(ctx, c) })
	}
	return check
}

// checkBases reads each base DN on c. The root of a directory is no entry that could be read.
func (s *server) checkBases(ctx context.Context, c *conn) error {
	for _, base := range s.config.BaseDN {
		err := c.during(ctx, func() error {
			result, err := c.Search(&ldap.SearchRequest{BaseDN: base, Scope: ldap.ScopeBaseObject, SizeLimit: 1,
				EnforceSizeLimit: true, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
			if err == nil && len(result.Entries) == 0 && base != "" {
				err = errors.New("no entry there that the service account may read")
			}
			return err
		})
		if err != nil && len(s.config.BaseDN) > 1 {
			return fmt.Errorf("base_dn %q: %w", base, said(err))
		}
		if err != nil {
			return said(err)
		}
	}
	return nil
}

// KnowsGroups reports whether the group attribute holds groups of the directory, which can be looked for by their names.
func (d *Directory) KnowsGroups() bool { return strings.EqualFold(d.config.GroupAttribute, "memberOf") }

// UnknownGroups returns those of names that are no group of the directory.
func (d *Directory) UnknownGroups(ctx context.Context, names []string) (unknown []string, err error) {
	err = d.each(ctx, func(ctx context.Context, s *server) error {
		dse, err := s.describe(ctx)
		if err != nil {
			return err
		}
		var found []string
		for part := range slices.Chunk(names, batch) {
			entries, err := s.searchGroups(ctx, dse, namesFilter(dse, part), "1.1")
			if err != nil {
				return err
			}
			for _, e := range entries {
				found = append(found, e.DN)
			}
		}
		unknown = nil
		for _, name := range names {
			if !slices.ContainsFunc(found, func(dn string) bool { return NamesGroup(dn, []string{name}) }) {
				unknown = append(unknown, name)
			}
		}
		return nil
	})
	return unknown, err
}
