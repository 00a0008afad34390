// Package canonical defines the one form in which names of users and of groups are compared. If two parts of the daemon
// compared names in different ways, "CORP\jo" could pass a rule as one person and the directory as another.
//
//   - Names.Canonical (names.go) is the form that decides for a user: approvals, exemptions and attributes go by it.
//   - Fold (fold.go) is what different spellings of one person's name have in common. It may only restrict.
//   - Account (domain.go) is the name that a first factor is asked for, without the domain that chose it.
//   - Group (group.go) is the form of a group's name or DN.
package canonical
