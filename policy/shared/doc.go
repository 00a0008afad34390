// Package shared keeps the Stores of package policy on Redis (6.2 or newer) or Valkey, so that several daemons behind
// the same RADIUS clients act as one: a client that fails over from one daemon to another rings no second phone.
//
//	policy.Policy ─▶ Stores ─▶ link ─▶ Redis or Valkey
//	                    │        └ down: an error at once
//	                    └▶ the local stores, which every daemon has
//
// The store helps, but it must never be a reason why nobody can log in. Each of the five stores here uses a local store as
// well: it asks the shared store, and if that can't be asked it uses the local store (Config.WhenDown). The link answers
// within Config.Timeout. After one time-out the link is down, and then it answers at once with an error until a goroutine
// of its own has reached the server again.
//
// A transaction (a push, a call, a check of a passcode) is a record in the store. The daemon that asks Duo owns the record,
// and a second key, the lease, says that this daemon is alive. The other daemons follow the record. When the lease has
// expired, one of them takes the record over and asks Duo for the answer by the txid (transactions.go, owner.go, follow.go).
//
// The store is not trusted. Every value is sealed under the key file, together with the name of its key, so that nobody
// else can read, forge or swap a value. Names of users and addresses are in key names only as an HMAC (keys.go). Whoever
// can write to the store can delete a value, which costs a push or a passcode. They can also put back an older value of the
// same key. A daemon that remembers a newer one refuses it (Approvals), and the expiry within the seal limits its use.
//
// Two things stay in each daemon: the dialogue with an upstream RADIUS server, because it holds a password, and kept
// replies, because they belong to one socket.
package shared
