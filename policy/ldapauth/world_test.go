package ldapauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/canonical"
	"duoradiusd/test/fakeldap"
)

const (
	service = "cn=svc,dc=example,dc=com"
	joDN    = "uid=jo,ou=people,dc=example,dc=com"
)

var servicePassword = "the service's own password"

// fake starts a directory with jo in it, whose password is "right".
func fake(t *testing.T, cfg fakeldap.Config) *fakeldap.Server {
	t.Helper()
	cfg.BindDN, cfg.BindPassword = service, servicePassword
	s := fakeldap.Start(t, cfg)
	s.Set(jo())
	return s
}

func jo() fakeldap.Entry {
	return fakeldap.Entry{DN: joDN, Password: "right", Attributes: map[string][]string{
		"uid": {"jo"}, "mail": {"jo@example.com"}, "employeeNumber": {"jo-at-duo", "second"},
		"memberOf": {"cn=VPN users,ou=groups,dc=example,dc=com", "plain"},
	}}
}

// config returns the configuration of a directory with these servers.
func config(servers ...*fakeldap.Server) Config {
	c := Config{Name: "directory", BindDN: service, BindPassword: servicePassword, BaseDN: []string{"dc=example,dc=com"},
		UserFilter: "(uid={username})", GroupAttribute: "memberOf", Timeout: 5 * time.Second,
		Names: canonical.Names{StripDomain: []string{"@example.com"}}.Canonical}
	for _, s := range servers {
		c.URLs = append(c.URLs, s.URL())
		c.Roots = s.Roots()
	}
	return c
}

// opened returns the directory of c; it ends with the test.
func opened(t *testing.T, c Config) *Directory {
	t.Helper()
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// answer asks d, and returns yes, no with its reason, or the error.
func answer(t *testing.T, d *Directory, user, password string) string {
	t.Helper()
	a, err := d.Authenticate(t.Context(), policy.FirstRequest{User: user, Password: password})
	if err != nil && (a.User != "" || a.DuoUsername != "" || a.Groups != nil) {
		t.Errorf("%s: an account with an error: %+v", user, a)
	}
	return word(err)
}

func word(err error) string {
	refusal, refused := errors.AsType[*policy.Refusal](err)
	switch {
	case err == nil:
		return "yes"
	case refused && refusal.Proven:
		return "no, proven: " + refusal.Why
	case refused:
		why, _, _ := strings.Cut(refusal.Why, ": nothing below ") // see TestNobody
		return "no: " + why
	case errors.Is(err, policy.ErrRejected):
		return "no"
	}
	return err.Error()
}

// world is a directory and its servers within a bubble: it has no sockets, and a fake clock.
type world struct {
	*Directory
	t     *testing.T
	fakes []*fakeldap.Server

	mu   sync.Mutex // guards told
	told []string   // to OnHealth
}

// inBubble runs f with n servers, called ldap://a, ldap://b and so on.
func inBubble(t *testing.T, n int, timeout time.Duration, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t, newWorldOf(t, n, func(c *Config) { c.Timeout = timeout }))
	})
}

// newWorldOf makes a directory with n servers within a bubble. It ends with the test.
func newWorldOf(t *testing.T, n int, change ...func(*Config)) *world {
	w := &world{t: t}
	c := config()
	c.OnHealth = func(url string, err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, fmt.Sprint(url, " ", err))
	}
	for i := range n {
		s, err := fakeldap.New(fakeldap.Config{BindDN: service, BindPassword: servicePassword})
		if err != nil {
			t.Fatal(err)
		}
		s.Set(jo())
		w.fakes = append(w.fakes, s)
		c.URLs = append(c.URLs, "ldap://"+string(rune('a'+i)))
	}
	for _, f := range change {
		f(&c)
	}
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.Directory = d
	for i, s := range d.servers {
		s.dial = func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go w.fakes[i].Serve(server)
			return client, nil
		}
	}
	t.Cleanup(func() {
		d.Close()
		for _, s := range w.fakes {
			s.Close()
			for _, v := range s.Violations() {
				t.Error(v)
			}
		}
	})
	return w
}

func (w *world) want(user, password, want string) {
	w.t.Helper()
	if got := answer(w.t, w.Directory, user, password); got != want {
		w.t.Errorf("%s: got %q, want %q", user, got, want)
	}
}

// wantAsked checks the number of user binds at each server.
func (w *world) wantAsked(want ...int) {
	w.t.Helper()
	var got []int
	for _, s := range w.fakes {
		got = append(got, len(userBinds(s)))
		s.Forget()
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("users' binds at the servers: %v, want %v", got, want)
	}
}

// wantTold checks the changes of health, each by how its text begins.
func (w *world) wantTold(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.EqualFunc(w.told, want, strings.HasPrefix) {
		w.t.Errorf("OnHealth was told\n%q, want\n%q", w.told, want)
	}
	w.told = nil
}

// down makes server i refuse connections.
func (w *world) down(i int) {
	w.fakes[i].Inject("connect", fakeldap.Fault{Drop: true, Times: -1})
	w.fakes[i].Cut()
}

// userBinds returns the binds other than those of the service account.
func userBinds(s *fakeldap.Server) []fakeldap.Request {
	return slices.DeleteFunc(s.Requests("bind"), func(r fakeldap.Request) bool { return r.DN == service })
}

// wantIn checks that got holds every one of parts.
func wantIn(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			t.Errorf("got %q, want %q in it", got, part)
		}
	}
}
