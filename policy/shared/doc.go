// Package shared keeps the Stores of package policy on Redis (6.2 or newer) or Valkey, so that several daemons behind
// the same RADIUS clients act as one: a client that fails over from one daemon to another rings no second phone.
//
//	policy.Policy ─▶ Stores ─▶ link ─▶ Redis or Valkey
//	                    │        └ down: an error at once
//	                    └▶ the local stores, which every daemon has
//
// The store is a help, and never a reason why nobody can log in. Each of the five stores here stands in front of the
// local one: it asks the shared store, and where that can't be asked it uses the local one (Config.WhenDown). The link
// answers within Config.Timeout; after one time-out it is down, and costs nothing until a goroutine of its own has
// reached the server again.
//
// A transaction (a push, a call, a check of a passcode) is a record in the store that belongs to the daemon which asks
// Duo. It says in a second key, the lease, that it lives. The others follow the record; when the lease is gone, one of
// them takes the record over and asks Duo for the answer by the txid (transactions.go, owner.go, follow.go).
//
// The store is not trusted. Every value is sealed under the key file, with its own key's name, so that nobody else can
// read, forge or swap one; names of users and addresses are in key names only as an HMAC (keys.go). Who can write to the
// store can delete what is in it, which costs a push or a passcode, and put back an older value of the same key: what
// this daemon has seen of it since protects from that (Approvals), and times within the seal bound it.
//
// What stays in each daemon: the dialogue of an upstream RADIUS server, which holds a password, and kept replies, which
// belong to one socket.
package shared
