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
// The zero Verdict rejects, and nothing but a clear yes makes an accept of it. A question that could not be asked is
// neither yes nor no: of the first factor it rejects, of Duo's preauth it goes to failmode (login.applyFailmode).
//
// Who waits where: the login's goroutine waits in FirstFactor.Authenticate, in SecondFactor.Preauth, in
// Guard.Admit for other attempts of the same person, and in Transactions.Wait for Duo's answer. Each wait ends with the
// login's context. A push, a call or a check of a passcode is asked of Duo by a second goroutine (runtime.go), which
// outlives the login because the phone rings on; it ends with Duo's answer, after five minutes, or with Runtime.Close.
// Policy.DecideAtOnce is the only other way in. It never waits, and may always say that it can't decide.
//
// Policy knows no RADIUS and no HTTP. What it asks of others it asks through FirstFactor and SecondFactor. What outlives
// a request stands behind the five interfaces of Stores (stores.go), which policy/memory and policy/shared implement. A
// Runtime holds them and outlives a change of configuration, for which a new Policy is made.
package policy
