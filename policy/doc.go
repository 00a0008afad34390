// Package policy decides logins: Policy.Decide takes one Attempt and returns one Verdict. It blocks until there is an
// answer, so that a login is one goroutine, which the caller owns.
//
// The steps of a login, in their order (login.go). A step ends the login with a Verdict, or lets it go on:
//
//	Attempt
//	   │  resume                 with State only: go on with the challenge of that State (challenge.go)
//	   │  identify               the canonical name, the [[user]], the identity at Duo
//	   │  answerProbe            health checks: nobody is asked
//	   │  applyRulesByName       rules that need no groups may deny (terms.go)
//	   │  splitPasswordField     password, and a factor or passcode behind it (factor/passwordfield.go)
//	   │  checkFirstFactor       yes, no, could not ask, or asks back (firstfactor.go)
//	   │  applyRules             the rule, now that the groups are known (terms.go)
//	   │  acceptExempt           no second factor is needed here
//	   │  refuseUnreadableField  the field holds neither a factor nor a passcode
//	   │  useApproval            an earlier approval still counts
//	   │  checkChosenFactor      the factor is allowed here
//	   │  joinTransaction        a live push answers this login too (join.go)
//	   │  preauth                Duo: allow, deny, enroll or auth; failmode applies here and only here (secondfactor.go)
//	   ▼  auth                   Duo asks the user
//	Verdict
//
// The zero Verdict rejects, and only a clear yes becomes an accept. A question that could not be asked is neither yes nor no.
// If the first factor could not be asked, the login is rejected; if Duo's preauth could not, failmode decides
// (login.applyFailmode).
//
// A login's goroutine waits in FirstFactor.Authenticate, in SecondFactor.Preauth, in Guard.Admit for other attempts of the
// same person, and in Transactions.Wait for Duo's answer. Each wait ends with the login's context. A second goroutine
// (runtime.go) asks Duo for a push, a call or a check of a passcode. It outlives the login, because the phone keeps ringing.
// It ends with Duo's answer, after five minutes, or with Runtime.Close. Policy.DecideAtOnce is the only other way in. It never
// waits, and may always say that it can't decide.
//
// Package policy knows no RADIUS and no HTTP. It asks others through FirstFactor and SecondFactor. The five interfaces of
// Stores (stores.go) keep what outlives a request; policy/memory and policy/shared implement them. A Runtime holds the Stores
// and outlives a change of configuration. Each configuration has its own Policy.
package policy
