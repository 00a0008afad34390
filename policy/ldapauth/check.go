package ldapauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// ServerCheck is how a server answers an administrator's questions.
type ServerCheck struct {
	URL     string
	Steps   []Step    // as far as it came: only the last may have an error
	Expires time.Time // of the server's certificate; zero: no TLS
}

// Step is one of the questions: connect (TLS included), bind (as the service), search (the base DN).
type Step struct {
	Name string
	Took time.Duration
	Err  error // nil: all well
}

// Err returns the error of the step that went wrong, nil if none did.
func (c *ServerCheck) Err() error {
	if last := len(c.Steps) - 1; last >= 0 && c.Steps[last].Err != nil {
		return fmt.Errorf("ldapauth: %s: %s: %w", c.URL, c.Steps[last].Name, c.Steps[last].Err)
	}
	return nil
}

// Check asks every server, all at once, each on a connection of its own, and none longer than Config.Timeout. Health
// does not heed it.
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
		step("search", func() error { return s.checkBase(ctx, c) })
	}
	return check
}

// checkBase reads the base DN on c.
func (s *server) checkBase(ctx context.Context, c *conn) error {
	err := c.during(ctx, func() error {
		result, err := c.Search(&ldap.SearchRequest{BaseDN: s.config.BaseDN, Scope: ldap.ScopeBaseObject, SizeLimit: 1,
			EnforceSizeLimit: true, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
		if err == nil && len(result.Entries) == 0 {
			err = errors.New("nothing there that the service account may read")
		}
		return err
	})
	return said(err)
}
