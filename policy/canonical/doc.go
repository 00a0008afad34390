// Package canonical defines the one form in which names of users and of groups are compared. If two parts of the daemon
// compared names in different ways, "CORP\jo" could pass a rule as one person and the directory as another.
//
//   - Names.Canonical (names.go) is the form that may grant something: approvals, exemptions and attributes use it.
//   - Fold (fold.go) is the common part of all spellings of one person's name. It may only restrict.
//   - Account (domain.go) is the name that a first factor is asked for. It lacks the domain that led to that first factor.
//   - Group (group.go) is the form of a group's name or DN.
package canonical
