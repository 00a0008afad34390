// Package memory is the state of logins inside one process: the five stores that package policy declares, and the snapshot
// of them that survives a restart.
//
//	policy.Stores ─┬─ Approvals     approvals.go     an LRU of the approvals that Duo has given
//	               ├─ Transactions  transactions.go  pushes, calls and passcode checks that are live or just over
//	               ├─ Challenges    challenges.go    Access-Challenges that are not answered yet
//	               ├─ Guard         guard.go         wrong guesses (guesses.go, limiter.go), pushes that were not approved
//	               └─ Replays       replays.go       which request began which transaction
//
//	Memory.Save ──▶ Snapshot (snapshot.go) ──▶ Memory.Restore, in the next run
//
// Each store has a mutex of its own. No store waits for another store or for the network. Only Guard.Admit and
// Transactions.Wait wait, the first for other logins and the second for Duo's answer. Every store has a maximum size.
package memory
