package canonical

import "strings"

// Account returns a canonical name in the form in which a first factor with these domains is asked for it. It reports false
// if the name belongs to another first factor. If there are no domains, it returns the name itself.
func Account(name string, domains []string) (string, bool) {
	if len(domains) == 0 {
		return name, true
	}
	if !HasDomain(name) {
		return name, true
	}
	return InDomain(name, domains)
}

// HasDomain reports whether a name contains a domain, known or not.
func HasDomain(name string) bool { return strings.ContainsAny(name, `\@`) }

// InDomain returns the name without its domain. It reports false if the domain is none of these spellings.
func InDomain(name string, domains []string) (account string, ok bool) {
	for _, domain := range domains {
		if account, ok := without(name, domain); ok && account != "" && !HasDomain(account) {
			return account, true
		}
	}
	return "", false
}

// InFirstSpelling returns an account's name with the first spelling of a domain, so that all spellings give the same name.
func (n Names) InFirstSpelling(account string, domains []string) string {
	domain := domains[0]
	if n.Case != CaseKeep {
		domain = strings.ToLower(domain)
	}
	if domain[0] == '@' {
		return account + domain
	}
	return domain + account
}

// ofDomain returns a name with the first spelling of its domain. It reports false if the domain is not one of n.Domains.
func (n Names) ofDomain(name string) (string, bool) {
	for _, domains := range n.Domains {
		if account, ok := InDomain(name, domains); ok {
			return n.InFirstSpelling(account, domains), true
		}
	}
	return "", false
}
