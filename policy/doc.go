// Package policy is the login, top to bottom: it is handed one Attempt and returns one Verdict.
//
//	Attempt ─▶ resume State ─▶ name ─▶ probe? ─▶ rule ─▶ split the password field ─▶ first factor
//	                                                                                      │
//	Verdict ◀─ remember ◀─ auth ◀─ preauth ◀─ join a live push ◀─ remembered? ◀─ second factor needed?
//
// Its one rule: the zero Verdict rejects, and nothing but a clear yes turns it into an accept. A question that could
// not be asked is neither yes nor no: of the first factor it rejects, of Duo's preauth it goes to failmode, which is
// read in one place only (login.unasked).
//
// Policy knows no RADIUS and no HTTP. What it asks of others it asks through FirstFactor and SecondFactor. What must
// outlive a change of configuration (approvals, live pushes, challenges) is in Memory; everything else is replaced
// whole.
package policy
