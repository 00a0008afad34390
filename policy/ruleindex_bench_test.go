package policy_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/hours"
)

// The aim is that 10 000 rules and 100 000 users decide in under 10 µs, without an allocation for each rule.
const (
	manyRules = 10_000
	manyUsers = 100_000
)

// officeRules returns the rules of a large organization: by user, group, client, service, network, and several of these
// together. None but the last fits alice's login from home.
func officeRules(count int) (rules []Rule) {
	word := func(kind string, n int) []string { return []string{fmt.Sprint(kind, n)} }
	office := func(n int) []netip.Prefix {
		return []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n)}), 24)}
	}
	branch := func(n int) []netip.Prefix {
		return []netip.Prefix{netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(n >> 8), byte(n)}), 48)}
	}
	day, _ := hours.Parse("mon-fri 08:00-18:00 UTC")
	for n := range count - 1 {
		r := Rule{Need: []Need{NeedRequired, NeedExempt, NeedDeny}[n%3]}
		switch n % 10 {
		case 0, 1, 2:
			r.Users = word("user", n)
		case 3:
			r.Users, r.Services = word("user", n), []string{"vpn"}
		case 4:
			r.Groups = word("group", n)
		case 5:
			r.Groups, r.Services, r.Hours = word("group", n), []string{"vpn"}, []hours.Hours{day}
		case 6:
			r.Networks = office(n)
		case 7:
			r.Networks, r.Services = branch(n), []string{"vpn"}
		case 8:
			r.Clients, r.Groups = word("client", n%200), word("group", n)
		case 9:
			r.Clients, r.Services = word("client", n%200), word("service", n%50)
		}
		rules = append(rules, r)
	}
	return append(rules, Rule{Need: NeedRequired})
}

// memberOf is the number of groups that alice is in.
func memberOf(count int) (groups []string) {
	for n := range count {
		groups = append(groups, fmt.Sprintf("cn=hers%d,ou=groups,dc=example,dc=com", n))
	}
	return groups
}

// BenchmarkManyRules measures a remembered login among many rules and users, and the part of the rules. The directory tells
// the groups and their number; a login without a first factor has none.
func BenchmarkManyRules(b *testing.B) {
	for _, count := range []int{100, manyRules} {
		p, a := benched(b, officeRules(count), manyUsers)
		b.Run(fmt.Sprintf("%d/decide", count), func(b *testing.B) { decideAll(b, p, a) })
		for _, groups := range []int{0, 5, 50} {
			b.Run(fmt.Sprintf("%d/decide, member of %d", count, groups), func(b *testing.B) {
				a := a
				c := *a.Client
				c.FirstFactor, a.Client, a.Password = member{Account{Groups: memberOf(groups)}}, &c, "pw"
				decideAll(b, p, a)
			})
			b.Run(fmt.Sprintf("%d/rule, member of %d", count, groups), func(b *testing.B) {
				findAll(b, p, memberOf(groups), &a, count-1)
			})
		}
	}
}

// BenchmarkWorstRules measures what the index can't make faster: rules that differ only in what it does not look at, and
// users in very many groups.
func BenchmarkWorstRules(b *testing.B) {
	never, _ := hours.Parse("00:00-00:01 UTC")
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for name, rule := range map[string]func(n int) Rule{
		"hours only":           func(int) Rule { return Rule{Hours: []hours.Hours{never}} },
		"hours of one user":    func(int) Rule { return Rule{Users: []string{"alice"}, Hours: []hours.Hours{never}} },
		"one user, one client": func(int) Rule { return Rule{Users: []string{"alice"}, Clients: []string{"lab"}} },
		"one user, one group":  func(int) Rule { return Rule{Users: []string{"alice"}, Groups: []string{"nobody"}} },
		"one service, one network": func(int) Rule {
			return Rule{Services: []string{"vpn"}, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
		},
		"each length of prefix": func(n int) Rule {
			return Rule{Networks: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{11, byte(n >> 16), byte(n >> 8), byte(n)}), 9+n%24)}}
		},
	} {
		b.Run(name, func(b *testing.B) {
			var rules []Rule
			for n := range manyRules - 1 {
				rules = append(rules, rule(n))
			}
			p, a := benched(b, append(rules, Rule{}), 1)
			b.ReportAllocs()
			for b.Loop() {
				if at := p.FirstRule("alice", Groups{}, &a, noon); at != manyRules-1 {
					b.Fatal(at)
				}
			}
		})
	}
	b.Run("member of 1000", func(b *testing.B) {
		p, a := benched(b, officeRules(manyRules), manyUsers)
		findAll(b, p, memberOf(1000), &a, manyRules-1)
	})
}

// BenchmarkNewPolicy measures a reload of all this.
func BenchmarkNewPolicy(b *testing.B) {
	rules := officeRules(manyRules)
	p, _ := benched(b, rules, manyUsers)
	b.ReportAllocs()
	for b.Loop() {
		p.Again()
	}
}

// member is a first factor that accepts everybody.
type member struct{ account Account }

func (m member) Authenticate(context.Context, FirstRequest) (Account, error) { return m.account, nil }

func findAll(b *testing.B, p *Policy, groups []string, a *Attempt, want int) {
	b.Helper()
	of := GroupsOf(Account{Groups: groups})
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if at := p.FirstRule("alice", of, a, now); at != want {
			b.Fatal(at)
		}
	}
}
