// Package ldapauth is a first factor in a directory, LDAP or Active Directory: it finds the user's entry, then binds as
// that entry with the user's password.
//
//	Authenticate ─▶ next server ─▶ search, on a pooled connection ─▶ exactly one entry, and of this very name?
//	                     ▲          (bound as the service)             │ yes                  │ no
//	                     │                                             ▼                      ▼
//	                     │                                  bind as the entry,       bind as nobody, for the time
//	                     │                                  connection of its own    that it takes; no
//	                     │ could not ask                               │
//	                     └─────────────────────────────────────────────┴─▶ yes, or no and why
//
// Its one rule: only a bind that succeeds, as the one entry found and with a password, is a yes; and only what a
// directory says about this user is a no. All else (silence, a wrong service password, a referral, a busy server) could
// not be asked, and the next server is. A no ends the matter: the same wrong password tried on every server would lock
// the account.
//
// Servers are asked in order. One that could not be asked is asked last for half a minute, then one login tries it in
// its place again. A server gets Config.Timeout, and never more of the login's time than leaves the others their share.
//
// A directory compares names more loosely than the policy does: it may take "jo", "JÓ" and "jo " for one. So an entry
// counts only if the attribute that the filter compares with {username} holds the very name, in canonical form. Where
// that can't be known (the service may search by the attribute but not read it, the filter gives an OID or a supertype
// in its place, compares the DN too, or names no attribute), the directory's word is taken.
//
// How long an answer takes tells little about which names exist: a stranger costs a bind too, with a random DN and a
// random password, so that it counts against nobody's account. What remains is the directory's own difference between
// the two binds, which the delay of each Access-Reject covers.
package ldapauth
