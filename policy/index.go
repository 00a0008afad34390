package policy

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// ruleIndex finds the first rule that fits without looking at them all. Each rule stands under every value of one of
// its lists: the one that tells most, where the fewest other rules stand.
type ruleIndex struct {
	rules   []Rule
	by      [4]map[string][]int // user, group, client, service
	network map[netip.Prefix][]int
	bits    []int // the prefix lengths in use
	rest    []int // the rules without any list
	grouped int   // the first that names groups

	deniesByGroup bool
}

const (
	byUser = iota
	byGroup
	byClient
	byService
	byNetwork
	byNothing
)

func (r *Rule) lists() [4][]string { return [4][]string{r.Users, r.Groups, r.Clients, r.Services} }

func indexRules(rules []Rule) ruleIndex {
	x := ruleIndex{rules: rules, network: make(map[netip.Prefix][]int), grouped: len(rules)}
	crowd := crowds(rules)
	for i := range x.by {
		x.by[i] = make(map[string][]int)
	}
	for i := range rules {
		r := &rules[i]
		if len(r.Groups) > 0 {
			x.grouped = min(x.grouped, i)
			x.deniesByGroup = x.deniesByGroup || r.Need == DeniedHere
		}
		switch most := crowd.telling(r); most {
		case byNothing:
			x.rest = append(x.rest, i)
		case byNetwork:
			for _, p := range r.Networks {
				x.network[p.Masked()] = append(x.network[p.Masked()], i)
				x.bits = append(x.bits, p.Bits())
			}
		default:
			for _, value := range unique(r.lists()[most]) {
				x.by[most][value] = append(x.by[most][value], i)
			}
		}
	}
	slices.Sort(x.bits)
	x.bits = slices.Compact(x.bits)
	return x
}

// crowd is how many rules name each value.
type crowd struct {
	words    [4]map[string]int
	networks map[netip.Prefix]int
}

func crowds(rules []Rule) crowd {
	c := crowd{networks: make(map[netip.Prefix]int)}
	for list := range c.words {
		c.words[list] = make(map[string]int)
		for i := range rules {
			for _, value := range unique(rules[i].lists()[list]) {
				c.words[list][value]++
			}
		}
	}
	for i := range rules {
		for _, p := range rules[i].Networks {
			c.networks[p.Masked()]++
		}
	}
	return c
}

// telling returns the list of r whose values the fewest rules name.
func (c crowd) telling(r *Rule) (list int) {
	list, least := byNothing, 0
	weigh := func(candidate, weight int) {
		if weight > 0 && (list == byNothing || weight < least) {
			list, least = candidate, weight
		}
	}
	for i, values := range r.lists() {
		weight := 0
		for _, value := range values {
			weight = max(weight, c.words[i][value])
		}
		weigh(i, weight)
	}
	weight := 0
	for _, p := range r.Networks {
		weight = max(weight, c.networks[p.Masked()])
	}
	weigh(byNetwork, weight)
	return list
}

func unique[T cmp.Ordered](list []T) []T {
	if len(list) < 2 {
		return list
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// first returns the first rule that fits, and its place; nil where none does.
func (x *ruleIndex) first(user string, groups []string, a *Attempt, now time.Time) (r *Rule, at int) {
	best := len(x.rules)
	look := func(candidates []int) {
		for _, i := range candidates {
			if i >= best {
				return
			}
			if x.rules[i].fits(user, groups, a, now) {
				best = i
				return
			}
		}
	}
	look(x.by[byUser][user])
	look(x.by[byClient][a.Client.Name])
	look(x.by[byService][a.Client.Service])
	for _, g := range groups {
		look(x.by[byGroup][g])
	}
	for _, bits := range x.bits {
		if bits > a.UserIP.BitLen() { // Prefix would make an error of it
			break
		}
		if p, err := a.UserIP.Prefix(bits); err == nil {
			look(x.network[p])
		}
	}
	look(x.rest)
	if best == len(x.rules) {
		return nil, best
	}
	return &x.rules[best], best
}
