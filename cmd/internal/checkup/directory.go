package checkup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"duoradiusd/internal/display"
	"duoradiusd/policy"
	"duoradiusd/policy/canonical"
	"duoradiusd/policy/ldapauth"
)

func (r *run) directory(ctx context.Context, subject string, domains []string, d *ldapauth.Directory) (list []Finding) {
	for _, s := range d.Check(ctx) {
		list = append(list, about(subject+" "+s.URL, server(s)...)...)
	}
	if r.User == "" {
		return list
	}
	return append(list, about(subject, r.testUser(ctx, domains, d)...)...)
}

// testUser says what the directory knows of Options.User: all groups that it sees, and the rules and replies that name them.
func (r *run) testUser(ctx context.Context, domains []string, d *ldapauth.Directory) []Finding {
	name, valid := r.parts.Canonical(r.User)
	if !valid {
		return []Finding{problem("name another --user", "%q is no user name", r.User)}
	}
	asked, here := canonical.Account(name, domains)
	if !here {
		return []Finding{ok("is not asked for %q, which is of another domain", name)}
	}
	account, err := d.Lookup(ctx, asked, r.config.GroupNames())
	switch {
	case errors.Is(err, policy.ErrRejected):
		return []Finding{problem("check user_filter and base_dn, or name another --user", "knows no user %q: %v", name, err)}
	case err != nil:
		return []Finding{problem("see above", "could not be asked for %q: %v", name, err)}
	}
	groups := countGroups(account.Groups) + countGroups(account.NestedGroups)
	found := ok("knows %q, in %s", name, display.Count(groups, "group"))
	if groups == 0 {
		found = warning("if the user is in a group, check group_attribute, and that bind_dn may read it; rules by group do not fit otherwise",
			"knows %q, in no group", name)
	}
	if account.DuoUsername != "" {
		found.Found += fmt.Sprintf(", at Duo as %q", account.DuoUsername)
	}
	list := []Finding{found}
	for _, g := range wholeNames(account.Groups) {
		list = append(list, ok("%q is in %q%s", name, g, r.named(g)))
	}
	for _, g := range wholeNames(account.NestedGroups) {
		f := ok("%q is in %q, nested or as the primary group%s", name, g, r.named(g))
		if strings.Contains(f.Found, ": ") {
			f = warning(`set nested_groups = "auto" if it is to count for all rules and replies`,
				"%s; nested_groups is not set, so that it counts for deny and required only", f.Found)
		}
		list = append(list, f)
	}
	return list
}

// named says which rules and replies name a group, such as ": rule x (deny)"; "" for none. group is a DN or a plain name.
func (r *run) named(group string) string {
	var names []string
	for _, rule := range r.config.Rules {
		if ldapauth.NamesGroup(group, rule.Groups) {
			names = append(names, fmt.Sprintf("rule %q (%s)", rule.Name, rule.Need))
		}
	}
	for i, reply := range r.config.Replies {
		if ldapauth.NamesGroup(group, reply.Groups) {
			names = append(names, fmt.Sprintf("reply %d", i+1))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ")
}

// wholeNames returns the groups. It leaves out the second name of a DN, which is the value of its first RDN.
func wholeNames(names []string) (whole []string) {
	for i, name := range names {
		if i > 0 && ldapauth.NamesGroup(names[i-1], []string{name}) && strings.Contains(names[i-1], "=") {
			continue
		}
		whole = append(whole, name)
	}
	return whole
}

// ruleGroups looks for the groups that rules and replies name. A group that no directory has is probably a typing error. A
// rule that denies such a group denies nobody.
func (r *run) ruleGroups() []question {
	names := r.config.GroupNames()
	var directories []*ldapauth.Directory
	for _, f := range r.config.FirstFactors {
		if d, isDirectory := r.parts.FirstFactor(f.Name).(*ldapauth.Directory); isDirectory && d.KnowsGroups() {
			directories = append(directories, d)
		}
	}
	if len(names) == 0 || len(directories) == 0 {
		return nil
	}
	return []question{{"groups of rules and replies", func(ctx context.Context) (list []Finding) {
		unknown := names
		for _, d := range directories {
			var err error
			if unknown, err = d.UnknownGroups(ctx, unknown); err != nil {
				return []Finding{warning("see above", "could not be looked for: %v", err)}
			}
		}
		for _, name := range unknown {
			list = append(list, warning("correct the name in groups, or let bind_dn read the group",
				"%q is a group that no directory has, so nobody can be in it", name))
		}
		if len(list) == 0 {
			list = append(list, ok("all %d exist", len(names)))
		}
		return list
	}}}
}

// countGroups counts groups. Each group has two names: the DN, and the value of its first RDN.
func countGroups(names []string) int { return len(wholeNames(names)) }

// remedies says what to do if a step of a directory's check went wrong.
var remedies = map[string]string{
	"connect": "check the address, the firewall, and that ca_file holds the issuer of the server's certificate, which must name this host",
	"bind":    "check bind_dn and bind_password, and that the account is neither locked nor expired",
	"search":  "check base_dn, and that the service account may read there",
}

func server(s ldapauth.ServerCheck) (list []Finding) {
	for _, step := range s.Steps {
		f := ok("%s", step.Name)
		if step.Err != nil {
			f = problem(remedies[step.Name], "%s: %v", step.Name, step.Err)
		}
		f.Took = step.Took
		list = append(list, f)
	}
	if !s.Expires.IsZero() {
		list = append(list, expiry("its certificate", s.Expires))
	}
	return list
}
