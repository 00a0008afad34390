package policy

// ruleIndex finds the first rule that fits without trying every rule. A rule that names users is listed under each of them. A
// rule that names groups, but no users, is listed under each group. All other rules are tried one by one.
type ruleIndex struct {
	rules        []Rule
	byUser       map[string][]int // indexes of rules, in order
	byPerson     map[string][]int // by folded name
	byGroup      map[string][]int
	rest         []int
	firstByGroup int // the first rule that names groups; len(rules) if none does

	deniesByGroup bool
	namesNetworks bool
}

func indexRules(rules []Rule) ruleIndex {
	x := ruleIndex{rules: rules, byUser: make(map[string][]int), byPerson: make(map[string][]int), byGroup: make(map[string][]int), firstByGroup: len(rules)}
	for i, r := range rules {
		if len(r.Groups) > 0 {
			x.firstByGroup = min(x.firstByGroup, i)
			x.deniesByGroup = x.deniesByGroup || r.Need == NeedDeny
		}
		x.namesNetworks = x.namesNetworks || len(r.Networks) > 0
		switch {
		case len(r.Users) > 0:
			for _, user := range r.Users {
				x.byUser[user] = append(x.byUser[user], i)
			}
			for _, person := range r.persons {
				x.byPerson[person] = append(x.byPerson[person], i)
			}
		case len(r.Groups) > 0:
			for _, group := range r.Groups {
				x.byGroup[group] = append(x.byGroup[group], i)
			}
		default:
			x.rest = append(x.rest, i)
		}
	}
	return x
}

// first returns the first rule that fits, and its index; nil if none does.
func (x *ruleIndex) first(f *ruleFacts) (r *Rule, index int) {
	best := len(x.rules)
	look := func(candidates []int) {
		for _, i := range candidates {
			if i >= best {
				return
			}
			if x.rules[i].fits(f) {
				best = i
				return
			}
		}
	}
	if f.person == "" {
		look(x.byUser[f.user])
	} else {
		look(x.byPerson[f.person])
	}
	for _, g := range f.groups.restricting {
		look(x.byGroup[g])
	}
	look(x.rest)
	if best == len(x.rules) {
		return nil, best
	}
	return &x.rules[best], best
}
