package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"duoradiusd/policy/canonical"
	"duoradiusd/policy/hours"
)

// TestIndexIsAScan: for random rules, the index finds the same rule as a search through all of them in order.
func TestIndexIsAScan(t *testing.T) {
	sets := 400
	if testing.Short() {
		sets = 40
	}
	found := 0
	for seed := range uint64(sets) {
		g := ruleGenerator{rand.New(rand.NewPCG(seed, 5))}
		rules := g.rules(t)
		for i := range rules {
			rules[i].persons = canonical.FoldAll(rules[i].Users)
		}
		x := indexRules(rules)
		for range 100 {
			user, groups, a, now := g.login()
			person := canonical.Fold(user)
			for _, f := range []*ruleFacts{
				{user: user, groups: groups, client: a.Client, userIP: a.UserIP, signed: true, now: now},
				{user: user, groups: groups, client: a.Client, userIP: a.UserIP, now: now},
				{user: user, person: person, groups: groups, client: a.Client, userIP: a.UserIP, signed: true, now: now},
			} {
				want, wantAt := scan(rules, f)
				got, at := x.first(f)
				if at != wantAt || got != want {
					t.Fatalf("seed %d: %+v at %+v: rule %d, want %d", seed, f, a, at, wantAt)
				}
				if want != nil {
					found++
				}
			}
		}
		if i := slices.IndexFunc(rules, func(r Rule) bool { return len(r.Groups) > 0 }); i != x.firstByGroup && (i >= 0 || x.firstByGroup != len(rules)) {
			t.Errorf("seed %d: the first that names groups is %d, want %d", seed, x.firstByGroup, i)
		}
	}
	if all := sets * 300; found < all/10 || found > all*9/10 {
		t.Errorf("of %d logins %d fit a rule: too few of one kind to say anything", all, found)
	}
}

// scan finds the first rule that fits by looking at all of them. The index must agree with it.
func scan(rules []Rule, f *ruleFacts) (*Rule, int) {
	for i := range rules {
		if rules[i].fits(f) {
			return &rules[i], i
		}
	}
	return nil, len(rules)
}

// ruleGenerator makes rules and logins from a few words, so that many logins fit a rule.
type ruleGenerator struct{ *rand.Rand }

func (g ruleGenerator) rules(t *testing.T) []Rule {
	rules := make([]Rule, g.IntN(60))
	words := 1 + g.IntN(12)
	for i := range rules {
		r := &rules[i]
		r.Need = []Need{"", NeedRequired, NeedExempt, NeedDeny}[g.IntN(4)]
		for range 1 + g.IntN(3) { // lists
			switch g.IntN(6) {
			case 0:
				r.Users = g.words("user", words)
			case 1:
				r.Groups = g.words("group", words)
			case 2:
				r.Clients = g.words("client", 4)
			case 3:
				r.Services = g.words("service", 3)
			case 4:
				r.Networks = g.networks()
			case 5:
				day, err := hours.Parse(fmt.Sprintf("%02d:00-%02d:30 UTC", g.IntN(24), g.IntN(24)))
				if err != nil {
					t.Fatal(err)
				}
				r.Hours = []hours.Hours{day}
			}
		}
		if g.IntN(4) > 0 && len(r.Users)+len(r.Groups)+len(r.Networks) == 0 {
			r.Users = g.words("user", words) // otherwise nearly every set would hold a rule that fits every login
		}
	}
	return rules
}

func (g ruleGenerator) words(kind string, among int) (list []string) {
	for range 1 + g.IntN(4) { // a value may be listed twice
		list = append(list, fmt.Sprint(kind, g.IntN(among)))
	}
	return list
}

// networks returns networks, which may have host bits, as in a file. A few are the zero Prefix, which fits no address.
func (g ruleGenerator) networks() (list []netip.Prefix) {
	for range 1 + g.IntN(3) {
		ip := g.addr()
		bits := ip.BitLen() - g.IntN(ip.BitLen()+1)
		if g.IntN(2) == 0 {
			bits = ip.BitLen() - g.IntN(4)
		}
		p := netip.PrefixFrom(ip, bits)
		if g.IntN(40) == 0 {
			p = netip.Prefix{}
		}
		list = append(list, p)
	}
	return list
}

func (g ruleGenerator) addr() netip.Addr {
	low := byte(g.IntN(8))
	switch g.IntN(3) {
	case 0:
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(g.IntN(2)), 15: low})
	case 1:
		return netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: 10, 15: low}) // mapped to IPv6, which matches no address of IPv4
	}
	return netip.AddrFrom4([4]byte{10, 0, byte(g.IntN(2)), low})
}

func (g ruleGenerator) login() (user string, groups membership, a *Attempt, now time.Time) {
	a = &Attempt{Client: &Client{Name: fmt.Sprint("client", g.IntN(5)), Service: fmt.Sprint("service", g.IntN(4))},
		Authentic: g.IntN(3) > 0}
	switch g.IntN(8) {
	case 0: // no address
	case 1:
		a.UserIP = netip.MustParseAddr("2001:db8::1%eth0")
	default:
		a.UserIP = g.addr()
	}
	var account Account
	for range g.IntN(4) {
		account.Groups = append(account.Groups, fmt.Sprint("group", g.IntN(13)))
	}
	for range g.IntN(3) {
		account.NestedGroups = append(account.NestedGroups, fmt.Sprint("group", g.IntN(13)))
	}
	groups = membershipOf(account)
	return fmt.Sprint("user", g.IntN(13)), groups, a, time.Unix(int64(g.IntN(86400)), 0)
}
