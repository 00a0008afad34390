package policy

import (
	"context"
	"crypto/sha256"
	"net/netip"
	"time"

	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
)

// Stores is all that outlives a request: five small interfaces. Package memory implements them inside one process, and package
// shared for several processes. A method may block, heeds its context, and returns an error if the store can't be asked. A
// login then goes the safe way. No answer of a store lets in anybody whom Duo did not allow.
type Stores struct {
	Approvals    Approvals
	Transactions Transactions
	Challenges   Challenges
	Guard        Guard
	Replays      Replays
}

// Approvals remembers what Duo has allowed.
type Approvals interface {
	// Use reports whether an approval for key still counts under today's limits, and counts this use of it.
	Use(ctx context.Context, key ApprovalKey, limits ApprovalLimits) (bool, error)
	// Add remembers an approval that was given now, by this factor.
	Add(ctx context.Context, key ApprovalKey, factor factor.Factor, lifetime time.Duration) error
	// List returns the approvals of the user with this canonical name, or everybody's for "". The most recently used come first.
	// It returns no more than most; 0 means all. It leaves out approvals whose time has passed.
	List(ctx context.Context, user string, most int) ([]Approval, error)
	// Forget takes away every approval of the person with this folded name, and returns how many still counted.
	Forget(ctx context.Context, person string) (int, error)
	// ForgetAll takes away everybody's approvals, and returns how many still counted.
	ForgetAll(ctx context.Context) (int, error)
	// ForgetPhone takes away every approval that this phone gave or may give, for example after a report of fraud.
	ForgetPhone(ctx context.Context, phone Phone) error
}

// ApprovalKey is what an approval counts for. It also holds the Duo identity and the application. A user who is mapped to
// another Duo user, or whose client asks another application, begins anew.
type ApprovalKey struct {
	User        string // canonical name
	Duo         Identity
	Application string
	Service     string // "" when approvals are not bound to it; the next two likewise
	Client      string
	IP          netip.Addr
}

// ApprovalLimits are today's bounds of an approval's life.
type ApprovalLimits struct {
	Lifetime time.Duration   // since it was given; an approval that was given for less ends sooner
	Factors  []factor.Factor // the factors whose approvals count
	Idle     time.Duration   // since it was used; 0 = no such limit
	Uses     int             // 0 = no such limit
}

// Approval is one remembered login that Duo allowed, as administrators see it.
type Approval struct {
	User        string        `json:"user"`                  // canonical
	DuoUserID   string        `json:"duo_user_id,omitempty"` // Duo was asked about this ID, or the name below
	DuoUsername string        `json:"duo_username,omitempty"`
	Service     string        `json:"service,omitempty"` // what it is bound to; "" or the zero address: nothing
	Client      string        `json:"client,omitempty"`
	Factor      factor.Factor `json:"factor,omitempty"` // the factor that Duo allowed
	UserIP      netip.Addr    `json:"user_ip,omitzero"`
	ApprovedAt  time.Time     `json:"approved_at"`
	EndsAt      time.Time     `json:"ends_at"` // as granted; a configuration that grants less now ends it sooner
	LastUsedAt  time.Time     `json:"last_used_at,omitzero"`
	Uses        int           `json:"uses"` // the number of logins that it has answered
}

// Transactions keeps the calls of Duo's auth that are in progress or have just ended: pushes, calls, SMS and checks of
// passcodes. So one phone rings once, whatever the client repeats. The process that claimed a transaction asks Duo; any
// process may wait for the answer.
type Transactions interface {
	// Find returns the transaction that answers a login of key that began at began. A transaction that is over answers a login
	// that began before its end, and a later login if nobody was given its answer. The answer of a Fresh push or call is given
	// again to the same login: an allow once, a no to all that ask soon.
	Find(ctx context.Context, key JoinKey, began time.Time) (Join, bool, error)
	// Rings reports whether the phone rings, or has rung since the login that asks began.
	Rings(ctx context.Context, phone Phone, began time.Time) (bool, error)
	// Claim makes the caller the owner of a new transaction. It does not if another transaction that has the same key or rings
	// the same phone has begun since the caller looked. The owner asks Duo and calls Finish. A transaction that another process
	// began has an ID.
	Claim(ctx context.Context, t NewTransaction) (Transaction, Claim, error)
	// Own returns the context in which the owner asks Duo. It ends with ctx. It also ends, with the cause ErrTakenOver, once
	// another process has become the owner, because this process did not say in time that it lives.
	Own(ctx context.Context, id TransactionID) context.Context
	// AddKey lets logins of key join the transaction too, as long as it is not over.
	AddKey(ctx context.Context, id TransactionID, key JoinKey, account Account) error
	// Started says that Duo has begun the transaction under its own ID.
	Started(ctx context.Context, id TransactionID, txid string) error
	// Finish notes the result of the transaction: Duo's answer, or the error that came instead.
	Finish(ctx context.Context, id TransactionID, result AuthResult, failure error) error
	// Wait returns the transaction's answer once there is one. If ctx ends first, it returns what is known of the txid, and ctx's
	// cause. The answer counts as given unless givenUp, which may be nil, says that nobody waits for it.
	Wait(ctx context.Context, id TransactionID, givenUp func() bool) (AuthResult, error)
	// Get returns what is known of a transaction.
	Get(ctx context.Context, id TransactionID) (Transaction, bool, error)
}

// Challenges keeps logins that wait for the answer to an Access-Challenge. A State is good once, for the first who takes it.
type Challenges interface {
	// Put keeps c under a new State.
	Put(ctx context.Context, c *OpenChallenge) (state string, err error)
	// Take returns the challenge of a State, once, to the client and user to whom it was sent (RFC 2865 §5.24). It returns nil if
	// there is none.
	Take(ctx context.Context, state, client, user string) (*OpenChallenge, error)
	// PutBack keeps c under the State by which it was taken, because its answer got no reply.
	PutBack(ctx context.Context, state string, c *OpenChallenge) error
}

// Guard limits guesses of passwords and passcodes, and how often a phone rings.
type Guard interface {
	// Admit says whether a guess may be checked. An admitted guess counts as wrong until Settle says what it was, so that
	// parallel guesses don't all reach the directory. Admit waits if only guesses that are being checked use up a budget, and
	// while the guesses of a source are checked one at a time. If ctx ends first, the guess is not admitted.
	Admit(ctx context.Context, g guard.Guess) (guard.Admission, error)
	// Settle says what a guess turned out to be. A guess that was not admitted is a later answer in a dialogue whose first answer
	// was admitted. If it is right, it clears the counts. If it is wrong, it counts for its source alone.
	Settle(ctx context.Context, a guard.Admission, result guard.GuessResult) error
	// Know notes that Duo has allowed a login of g.Person from g.Source. From now on this person is known at this source, and the
	// person's wrong passcodes there count no more.
	Know(ctx context.Context, g guard.Guess) error
	// CoolingDown says why this phone must not ring now; "" if it may ring.
	CoolingDown(ctx context.Context, phone Phone) (guard.Hold, error)
	// PushEnded counts the result of a push, a call or an SMS.
	PushEnded(ctx context.Context, phone Phone, end guard.PushEnd, limits guard.PushLimits) error
	// List returns what is counted against somebody now, in any order.
	List(ctx context.Context, limits guard.GuessLimits) ([]guard.Count, error)
	// Clear takes away what is counted against those whom what names, and returns how many counts it took away. Known sources
	// stay known.
	Clear(ctx context.Context, what GuardClear) (int, error)
}

// Replays remembers which requests began a transaction. A copy of such a request joins the transaction, or is a replay.
type Replays interface {
	// Mark notes that a request began a transaction.
	Mark(ctx context.Context, request RequestDigest, id TransactionID) error
	// Seen returns the transaction that a request began.
	Seen(ctx context.Context, request RequestDigest) (id TransactionID, ok bool, err error)
}

// RequestDigest identifies an Access-Request of one client by all its octets. The zero digest identifies none.
type RequestDigest [sha256.Size]byte
