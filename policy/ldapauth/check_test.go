package ldapauth

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"duoradiusd/test/fakeldap"
)

// steps returns how far a check came.
func steps(c ServerCheck) string {
	var words []string
	for _, s := range c.Steps {
		word := s.Name
		if s.Err != nil {
			word += ": " + s.Err.Error()
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fake   fakeldap.Config
		change func(*Config, *fakeldap.Server)
		want   string
	}{
		{"fine", fakeldap.Config{TLS: true}, func(*Config, *fakeldap.Server) {}, "connect, bind, search"},
		{"starttls", fakeldap.Config{StartTLS: true}, func(*Config, *fakeldap.Server) {}, "connect, bind, search"},
		{"in clear", fakeldap.Config{}, func(*Config, *fakeldap.Server) {}, "connect, bind, search"},
		{"down", fakeldap.Config{}, func(_ *Config, s *fakeldap.Server) { s.Down() }, "connect: "},
		{"other name", fakeldap.Config{TLS: true}, func(c *Config, _ *fakeldap.Server) { host("dc9.example.com")(c) }, "connect: TLS: "},
		{"password", fakeldap.Config{}, func(c *Config, _ *fakeldap.Server) { c.BindPassword = "x" }, "connect, bind: invalid credentials (49)"},
		{"base", fakeldap.Config{}, func(c *Config, _ *fakeldap.Server) { c.BaseDN = []string{"dc=elsewhere"} }, "connect, bind, search: no such object (32)"},
		{"hangs", fakeldap.Config{}, func(c *Config, s *fakeldap.Server) {
			c.Timeout = 50 * time.Millisecond
			s.Inject("search", fakeldap.Fault{Hang: true})
		}, "connect, bind, search: context deadline exceeded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := fake(t, tt.fake)
			c := config(s)
			c.StartTLS = tt.fake.StartTLS
			tt.change(&c, s)
			d := opened(t, c)
			dialAlways(d, s)
			list := d.Check(t.Context())
			if len(list) != 1 || list[0].URL != c.URLs[0] {
				t.Fatalf("got %+v", list)
			}
			got := steps(list[0])
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			fine := !strings.Contains(tt.want, ":")
			if err := list[0].Err(); (err == nil) != fine || err != nil && !strings.HasPrefix(err.Error(), "directory: "+c.URLs[0]+": ") {
				t.Errorf("Err: %v", err)
			}
			if secure := tt.fake.TLS || c.StartTLS; fine && secure == list[0].Expires.Before(time.Now()) {
				t.Errorf("the certificate expires %v", list[0].Expires)
			}
			if h := d.Health()[0]; h.Down || !h.Since.IsZero() {
				t.Errorf("health %+v", h)
			}
		})
	}
}

// TestCheckAll: a server that does not answer does not delay the checks of the others.
func TestCheckAll(t *testing.T) {
	inBubble(t, 3, 5*time.Second, func(t *testing.T, w *world) {
		w.fakes[0].Inject("connect", fakeldap.Fault{Hang: true})
		w.fakes[1].Inject("bind", fakeldap.Fault{Hang: true})
		begin := time.Now()
		list := w.Check(t.Context())
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
		got := fmt.Sprint(steps(list[0]), "; ", steps(list[1]), "; ", steps(list[2]))
		want := "connect, bind: context deadline exceeded; connect, bind: context deadline exceeded; connect, bind, search"
		if got != want || list[1].Steps[1].Took != 5*time.Second {
			t.Errorf("got %q, want %q", got, want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, c := range w.Check(ctx) {
			if c.Err() == nil {
				t.Errorf("got %+v", c)
			}
		}
	})
}
