package checkup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"duoradiusd/conf"
	"duoradiusd/policy/canonical"
)

// names looks for names whose spelling changes the result of a login, and for names that nobody proves.
func (r *run) names() (list []question) {
	add := func(subject string, f Finding) {
		list = append(list, one(subject, func(context.Context) Finding { return f }))
	}
	persons := make(map[string][]string)
	for _, u := range r.config.Users {
		person := canonical.Fold(u.Name)
		persons[person] = append(persons[person], u.Name)
	}
	for _, person := range slices.Sorted(maps.Keys(persons)) {
		if spellings := persons[person]; len(spellings) > 1 {
			add("[[user]]", warning("give them names that differ in more than domain, case and accents, or make one name an alias of the other",
				"%s count as one person for deny rules, elsewhere, [guard], ringing phones, reports of fraud and approvals forget", quoted(spellings)))
		}
	}
	if names := r.withDomain(); len(names) > 0 && len(r.config.Username.StripDomain) > 0 {
		add("[username]", warning("add the domain to strip_domain, or leave it if the name without it is somebody else",
			"strip_domain does not remove the domain of %s: a name with it and the name without it are two names, and the stricter rule of the two counts", quoted(names)))
	}
	for _, f := range r.config.FirstFactors {
		if f.Type == conf.TypeRADIUS && !f.Given["inner_user_name"] {
			add(fmt.Sprintf("[[first_factor]] %q", f.Name), warning(
				`if clients send EAP through it: inner_user_name = true where it always tells the name inside of the tunnel (FreeRADIUS: update outer.session-state { User-Name := &User-Name }), [username] unproven = "ask" where it can't (NPS); else write inner_user_name = false`,
				"inner_user_name is not given: a name outside of an EAP tunnel that it does not prove is rejected as unproven-name"))
		}
	}
	return list
}

// withDomain lists the names of users and rules that contain a domain.
func (r *run) withDomain() (names []string) {
	for _, u := range r.config.Users {
		names = append(names, u.Name)
	}
	for _, rule := range r.config.Rules {
		names = append(names, rule.Users...)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.ContainsAny(name, `\@`) })
	slices.Sort(names)
	return slices.Compact(names)
}

// quoted joins names. It shows only the first few of many.
func quoted(names []string) string {
	const most = 5
	var words []string
	for i, name := range names {
		if i == most {
			words = append(words, fmt.Sprintf("%d more", len(names)-most))
			break
		}
		words = append(words, fmt.Sprintf("%q", name))
	}
	return strings.Join(words, ", ")
}
