package policy_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/canonical"
)

// benched is a Policy of rules and users, and alice's Attempt, whose approval is remembered.
func benched(b *testing.B, rules []Rule, users int) (*Policy, Attempt) {
	b.Helper()
	p, a, _ := benchedProcess(b, rules, users)
	return p, a
}

// benchedProcess also returns the stores that the Policy uses.
func benchedProcess(b *testing.B, rules []Rule, users int) (*Policy, Attempt, *process) {
	b.Helper()
	m := newProcess(1000)
	b.Cleanup(m.Close)
	s := Settings{Rules: rules, BindTo: []Binding{BindService, BindUserIP}, Names: canonical.Names{StripDomain: []string{`EXAMPLE\`}}}
	for n := range users {
		s.Users = append(s.Users, User{Name: fmt.Sprint("user", n), Duo: Identity{UserID: fmt.Sprint("DU", n)}})
	}
	s.Users = append(s.Users, User{Name: "alice", Duo: Identity{UserID: "DUALICE"}})
	c := &Client{Name: "vpn", Service: "vpn", Factors: allFactors, Remember: 10 * 365 * 24 * time.Hour}
	a := Attempt{Client: c, User: "alice", UserIP: home, Authentic: true}
	p := New(s, m.Runtime)
	p.Remember(b.Context(), a)
	return p, a, m
}

func decideAll(b *testing.B, p *Policy, a Attempt) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if v := p.Decide(b.Context(), a); v.Reason != ReasonRemembered {
			b.Fatal(line(v))
		}
	}
}

// BenchmarkDecideRemembered measures a remembered login, the most frequent kind, without the first factor.
func BenchmarkDecideRemembered(b *testing.B) {
	for _, name := range []string{"alice", `EXAMPLE\Alice`} {
		b.Run(name, func(b *testing.B) {
			p, a := benched(b, nil, 100_000)
			a.User = name
			decideAll(b, p, a)
		})
	}
	b.Run("parallel", func(b *testing.B) {
		p, a := benched(b, nil, 100_000)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if v := p.Decide(b.Context(), a); v.Reason != ReasonRemembered {
					b.Error(line(v))
				}
			}
		})
	})
}

// BenchmarkDecideRules measures rules that do not fit, by the list that excludes them.
func BenchmarkDecideRules(b *testing.B) {
	for _, count := range []int{10, 1000, 10_000} {
		for list, rule := range map[string]func(n int) Rule{
			"users":   func(n int) Rule { return Rule{Users: []string{fmt.Sprint("user", n)}} },
			"clients": func(n int) Rule { return Rule{Clients: []string{fmt.Sprint("client", n)}} },
			"networks": func(n int) Rule {
				return Rule{Networks: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n)}), 24)}}
			},
		} {
			b.Run(fmt.Sprintf("%d/%s", count, list), func(b *testing.B) {
				var rules []Rule
				for n := range count {
					rules = append(rules, rule(n))
				}
				p, a := benched(b, rules, 100_000)
				decideAll(b, p, a)
			})
		}
	}
}

// BenchmarkDecideAtOnce measures a remembered login behind a client that has checked the first factor.
func BenchmarkDecideAtOnce(b *testing.B) {
	for _, name := range []string{"alice", `EXAMPLE\Alice`} {
		b.Run(name, func(b *testing.B) {
			p, a := benched(b, nil, 100_000)
			a.User, a.At = name, time.Now()
			b.ReportAllocs()
			for b.Loop() {
				if v, ok := p.DecideAtOnce(a); !ok || v.Reason != ReasonRemembered {
					b.Fatal(line(v))
				}
			}
		})
	}
}

// BenchmarkDecideAtOnceMany: the same, but many people log in, each once, in random order.
func BenchmarkDecideAtOnceMany(b *testing.B) {
	const users = 50_000
	p, a, m := benchedProcess(b, nil, users)
	m.Resize(users)
	list := make([]Attempt, users)
	for n := range list {
		a.User, a.At = fmt.Sprint("user", n), time.Now()
		list[n] = a
		p.Remember(b.Context(), a)
	}
	rand.Shuffle(users, func(i, j int) { list[i], list[j] = list[j], list[i] })
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if v, ok := p.DecideAtOnce(list[n%users]); !ok || v.Reason != ReasonRemembered {
			b.Fatal(line(v))
		}
		n++
	}
}

// BenchmarkDecideAtOnceNot measures what DecideAtOnce costs a login that must ask Duo.
func BenchmarkDecideAtOnceNot(b *testing.B) {
	p, a := benched(b, nil, 100_000)
	a.User = "user7"
	b.ReportAllocs()
	for b.Loop() {
		if v, ok := p.DecideAtOnce(a); ok {
			b.Fatal(line(v))
		}
	}
}

// promptDuo allows everybody at once.
type promptDuo struct{ devices []Device }

func (d *promptDuo) Preauth(context.Context, PreauthRequest) (Preauth, error) {
	return Preauth{Result: PreauthAuth, Devices: d.devices}, nil
}

func (d *promptDuo) Auth(_ context.Context, r *AuthRequest) (AuthResult, error) {
	r.Started("T1")
	return AuthResult{Allowed: true, Status: "allow", Txid: "T1"}, nil
}

// BenchmarkPush measures a login that asks Duo, without Duo's own time. Each has its own goroutine, as in the daemon.
func BenchmarkPush(b *testing.B) {
	p, a := benched(b, nil, 100_000)
	c := *a.Client
	c.Second, c.Remember, c.PushTimeout = &promptDuo{[]Device{smartphone}}, 0, time.Minute
	a.Client, a.ClientAddr = &c, netip.MustParseAddr("192.0.2.10")
	names := make([]string, 10_000)
	for n := range names {
		names[n] = fmt.Sprint("user", n)
	}
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	n, verdict := 0, make(chan Verdict)
	b.ReportAllocs()
	for b.Loop() {
		a := a
		a.User, a.UserIP = names[n%len(names)], netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		n++
		go func() { verdict <- p.Decide(ctx, a) }()
		if v := <-verdict; v.Reason != ReasonApproved {
			b.Fatal(line(v), v.Err)
		}
	}
}

func (*promptDuo) Outage(context.Context) error { return nil }
