package ldapauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Config says where the directory is and how users are found there.
type Config struct {
	Name        string           // of this first factor, for the errors of New
	URLs        []string         // ldaps://host[:port], or ldap://; asked in this order
	StartTLS    bool             // for ldap:// URLs
	Roots       *x509.CertPool   // nil: the system's
	Certificate *tls.Certificate // our own, for a directory that asks for one in the TLS handshake; nil: none

	BindDN       string // the service account that searches; "": anonymous
	BindPassword string
	BaseDN       []string // users are searched below each of these; none: below the root ("")
	UserFilter   string   // RFC 4515, with {username} in the place of the name

	GroupAttribute       string   // "": no groups
	NestedGroups         Nesting  // how groups of groups are looked up
	ReplyAttributes      []string // whose values replies hold (policy.Account.Directory)
	DuoUsernameAttribute string   // its first value is the user's name at Duo; "", or a user without it: the name as asked

	PasswordChange bool // an expired password can be changed; wants TLS and BindDN

	Timeout time.Duration // of one login at one server; 0: 5 s

	// Names returns the canonical form of a name, or false if it has none (canonical.Names.Canonical). If it is nil, names
	// are compared as they are.
	Names func(string) (string, bool)

	// OnHealth is called when a server can't be asked any more, and with nil when it answers again. It is called within a
	// login, one call at a time. It may be nil.
	OnHealth func(url string, err error)
}

const defaultTimeout = 5 * time.Second

// New returns the directory that c describes. It opens nothing.
func New(c Config) (*Directory, error) {
	d, err := newDirectory(c)
	if err != nil && c.Name != "" {
		return nil, fmt.Errorf("directory: %s: %w", c.Name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	return d, nil
}

func newDirectory(c Config) (*Directory, error) {
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Names == nil {
		c.Names = func(name string) (string, bool) { return name, true }
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	filter, err := parseFilter(c.UserFilter)
	if err != nil {
		return nil, fmt.Errorf("user_filter: %w", err)
	}
	if len(c.BaseDN) == 0 {
		c.BaseDN = []string{""}
	}
	d := &Directory{config: c, filter: filter, wanted: wanted(filter, c.attributes()...)}
	d.group = d.newGroup()
	seen := map[string]bool{}
	for _, text := range c.URLs {
		s, err := d.newServer(text)
		if err != nil {
			return nil, fmt.Errorf("urls: %w", err)
		}
		if seen[s.addr] {
			return nil, fmt.Errorf("urls: %s: given twice", text)
		}
		seen[s.addr] = true
		d.servers = append(d.servers, s)
	}
	return d, nil
}

// attributeName is RFC 4512's attribute type, a name or an OID.
var attributeName = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+)$`)

func (c *Config) check() error {
	if len(c.URLs) == 0 {
		return errors.New("urls: none; want ldaps://host")
	}
	// A DN without a password is a bind that succeeds and proves nothing (RFC 4513 §5.1.2).
	if (c.BindDN == "") != (c.BindPassword == "") {
		return errors.New("bind_dn and bind_password: one without the other; want both, or neither for an anonymous search")
	}
	for _, base := range c.BaseDN {
		if _, err := ldap.ParseDN(base); err != nil {
			return fmt.Errorf("base_dn: %q is not a DN: %w", base, err)
		}
	}
	switch c.NestedGroups {
	case "", NestedAuto, NestedOff, NestedChain, NestedTokenGroups, NestedWalk:
	default:
		return fmt.Errorf("nested_groups: %q is not known", c.NestedGroups)
	}
	clear := func(text string) bool { return !strings.HasPrefix(text, "ldaps:") }
	if c.PasswordChange && (c.BindDN == "" || !c.StartTLS && slices.ContainsFunc(c.URLs, clear)) {
		return errors.New("password_change: want bind_dn, and ldaps:// or start_tls")
	}
	for _, attr := range []struct{ key, name string }{
		{"group_attribute", c.GroupAttribute}, {"duo_username_attribute", c.DuoUsernameAttribute},
	} {
		if attr.name != "" && !attributeName.MatchString(attr.name) {
			return fmt.Errorf("%s: %q; want the name of an attribute", attr.key, attr.name)
		}
	}
	return nil
}

// attributes lists those that account reads.
func (c *Config) attributes() []string {
	list := []string{c.GroupAttribute, c.DuoUsernameAttribute}
	if c.GroupAttribute != "" && c.NestedGroups != NestedOff {
		list = append(list, "primaryGroupID", "objectSid")
	}
	return append(list, c.ReplyAttributes...)
}

// wanted lists the attributes to ask for.
func wanted(f *userFilter, more ...string) []string {
	var names []string
	add := func(name string) {
		for _, n := range names {
			if strings.EqualFold(n, name) {
				return
			}
		}
		if name != "" {
			names = append(names, name)
		}
	}
	for _, a := range f.asserts {
		add(a.attr)
	}
	for _, name := range more {
		add(name)
	}
	if names == nil {
		names = []string{"1.1"} // none; an empty list would be all (RFC 4511 §4.5.1.8)
	}
	return names
}

// newServer returns the server of a URL.
func (d *Directory) newServer(text string) (*server, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("a malformed URL; want ldaps://host") // url's error quotes it, and it may hold a password
	case u.User != nil:
		return nil, fmt.Errorf("%s: a user name in the URL; want it in bind_dn", u.Redacted())
	case u.Scheme != "ldap" && u.Scheme != "ldaps":
		return nil, fmt.Errorf("%s: want ldaps:// or ldap://", text)
	case u.Hostname() == "", u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return nil, fmt.Errorf("%s: want %s://host or %s://host:port, and nothing else", text, u.Scheme, u.Scheme)
	case u.Scheme == "ldaps" && d.config.StartTLS:
		return nil, fmt.Errorf("%s: start_tls is for ldap:// only; ldaps:// uses TLS from the start", text)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ldap": ldap.DefaultLdapPort, "ldaps": ldap.DefaultLdapsPort}[u.Scheme]
	}
	s := &server{Directory: d, number: len(d.servers), url: text, addr: net.JoinHostPort(u.Hostname(), port), startTLS: d.config.StartTLS,
		dial: new(net.Dialer).DialContext, binds: make(chan struct{}, maxBinds)}
	s.pool.slots = make(chan struct{}, maxPooled)
	if u.Scheme == "ldaps" || d.config.StartTLS {
		s.tls = &tls.Config{RootCAs: d.config.Roots, ServerName: u.Hostname(), MinVersion: tls.VersionTLS12,
			// Each bind is a connection of its own, and the TLS handshake is the most expensive part of it.
			ClientSessionCache: tls.NewLRUClientSessionCache(0)}
		if d.config.Certificate != nil {
			s.tls.Certificates = []tls.Certificate{*d.config.Certificate}
		}
	}
	return s, nil
}

// dialer is net.Dialer.DialContext, or a test's.
type dialer func(ctx context.Context, network, addr string) (net.Conn, error)
