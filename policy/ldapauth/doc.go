// Package ldapauth is a first factor in a directory, LDAP or Active Directory: it finds the user's entry, then binds as
// that entry with the user's password.
//
//	Authenticate ─▶ policy/failover ─▶ server.go: search for the user, on a pooled connection (bound as the service account)
//	                (next server if      │ exactly one entry, and of this very name
//	                 it can't be asked)  ├─▶ groups.go, nested.go, sid.go: the groups, as far as rules name them
//	                                     ▼
//	                                    bind as the entry, on a connection of its own ─▶ yes, or no and why (answer.go)
//	ChangePassword ─▶ password.go, at the server that said that the password has expired
//
// Only a bind that succeeds, as the one entry that was found and with a password, is a yes. Only what a directory says about
// this user is a no. In all other cases (silence, a wrong service password, a referral, a busy server, groups that can't be
// looked up) the directory could not be asked, and the next server is. A no ends the matter: a wrong password that is tried
// at every server would lock the account.
//
// A directory compares names more loosely than the policy does: it may take "jo", "JÓ" and "jo " for one. So an entry
// counts only if the attribute that the filter compares with {username} holds the very name, in canonical form. Sometimes
// that can't be known: the service account may search by the attribute but not read it, or the filter names an OID, a
// supertype, the DN, or no attribute. Then the directory's word is taken.
//
// Groups in groups are looked up only for the groups that rules and replies name. Active Directory lists the SIDs of a user's
// groups in tokenGroups, which costs one more search; the SIDs of the named groups are kept for ten minutes, and membership
// is never kept. Other directories are searched level by level. Until nested_groups is set such groups are told apart from
// the others, because they must not loosen anything after an upgrade.
//
// How long an answer takes tells little about which names exist: an unknown name costs a bind too, with a random DN and a
// random password, so that it counts against nobody's account. What remains is the directory's own difference between
// the two binds, which the delay of each Access-Reject covers.
package ldapauth
