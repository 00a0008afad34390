package policy

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"time"

	"duoradiusd/policy/canonical"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
)

// transactionLimit bounds a transaction, whatever the SecondFactor does. Duo itself ends a push after a minute.
const transactionLimit = 5 * time.Minute

// JoinKey is what a login must share with a transaction to get its answer. A retry with a new Identifier or from a new port
// shares it, and so does another try after the client gave up. Another password, address or client never does.
type JoinKey struct {
	Client      string
	Application string // the Duo application
	User        string // canonical name
	Duo         Identity
	IP          netip.Addr
	Digest      [sha256.Size]byte // keyed digest of State, method and the whole password field
}

// Phone says whose phone a transaction reaches. It names a Duo user, who may have several names here, and a person, whose name
// may have several spellings.
type Phone struct {
	Duo    Identity
	Person string // folded name
}

// PersonKeyPrefix begins the key of a phone that is known by the folded name of its user.
const PersonKeyPrefix = "person:"

// Keys returns the names under which a phone is known. Two Phones may be the same one if they share a key.
func (p Phone) Keys() [2]string {
	duo := "name:" + canonical.Fold(p.Duo.Username)
	if p.Duo.UserID != "" {
		duo = "id:" + p.Duo.UserID
	}
	return [2]string{duo, PersonKeyPrefix + p.Person}
}

// TransactionID names a transaction among all processes that share Stores. It is not Duo's txid.
type TransactionID string

// Transaction is what is known of one call of Duo's auth.
type Transaction struct {
	ID          TransactionID
	Phone       Phone // the phone that it may reach
	Application string
	Name        string // the user's canonical name
	Factor      factor.Factor
	Code        string     // of a Verified Push, for the phone
	Txid        string     // "" until Duo has named it
	Signed      bool       // the request of the login that began it was signed
	UserIP      netip.Addr // of that login
	Fresh       bool       // the request of the login that began it came without State, and its reply is no challenge
	Began       bool       // Duo has begun it
	Start       time.Time
	Ended       time.Time  // zero while it is live
	Quiet       time.Time  // when the phone is surely silent; zero: when the transaction ended
	Result      AuthResult // set once it has ended, if there is a result
	Forgotten   bool       // the approvals of this phone were taken away after it ended
}

// late reports whether the transaction was over when a login began, so that nobody waited for its answer any more.
func (t *Transaction) late(began time.Time) bool { return !t.Ended.IsZero() && !began.Before(t.Ended) }

// RingingTime is how long a phone keeps ringing when nobody waits for it (https://duo.com/docs/authapi: 60 seconds).
const RingingTime = time.Minute

// Join is a transaction that a login joins.
type Join struct {
	Transaction
	Account  Account // what the first factor told the joined login; a login with a used State can't ask again
	Repeated bool    // another login was already given its answer
}

// NewTransaction is what Claim needs to know. The store sets the ID and the Start of the Transaction.
type NewTransaction struct {
	Transaction
	Key        JoinKey
	Account    Account   // of the login that begins it
	LoginBegan time.Time // when that login began
}

var (
	// ErrTakenOver says that another process asks Duo for the answer of this transaction now.
	ErrTakenOver = errors.New("another process has taken this transaction over")
	// ErrPushLost says that a process began a transaction and ended before it could say whether Duo began it. The phone may be
	// ringing: nothing else is begun, and nobody is let in.
	ErrPushLost = errors.New("the daemon that began this push has ended, and only it knew its txid")
)

// Claim says who may begin a transaction.
type Claim int

const (
	ClaimOwned      Claim = iota + 1 // the caller begins it
	ClaimJoined                      // another login has begun it: the caller waits for its answer
	ClaimPhoneRings                  // the phone rings for another login
)

// joinKey returns the key that a retry of this request has too.
func (l *login) joinKey() JoinKey {
	if l.State != "" {
		return l.answerKey()
	}
	field := l.Password
	if l.Client.ignoresPassword() {
		field = ""
	}
	return l.joinKeyOf(l.runtime.digest.of("", l.Method.String(), field))
}

// anyAddress replaces the user's address in the key of an answer to a challenge, which may leave it out. No user has it.
var anyAddress = netip.IPv6Unspecified()

// answerKey returns the key of an answer to a challenge. Its State names the transaction, because a retry can't know what the
// first factor said about the user. A retry must be signed if the first answer was.
func (l *login) answerKey() JoinKey {
	signed := ""
	if l.signed {
		signed = "signed"
	}
	key := JoinKey{Client: l.Client.Name, Application: l.Client.Application, User: l.typedName, IP: anyAddress,
		Digest: l.runtime.digest.of(l.State, l.Method.String(), l.Password, l.EAP, signed)}
	if l.proof == ProofNoneButAsk {
		key.IP = netip.Addr{} // nobody can join it
	}
	return key
}

func (l *login) joinKeyOf(digest [sha256.Size]byte) JoinKey {
	key := JoinKey{Client: l.Client.Name, Application: l.Client.Application, User: l.name, Duo: l.duo, IP: l.UserIP, Digest: digest}
	if l.proof == ProofNoneButAsk {
		key.IP = netip.Addr{} // nobody can join it
	}
	return key
}

// joinTransaction waits for the transaction that answers this login too, if there is one.
func (l *login) joinTransaction(ctx context.Context) *Verdict {
	if ctx.Err() != nil { // the first factor took long: leave a late approval to a login that still waits
		return end(l.unanswered(ctx, context.Cause(ctx)))
	}
	l.key = l.joinKey()
	if l.answersDialogue && l.UserIP.IsValid() { // the next try has no such State, but the key of the dialogue's first request
		l.key = l.joinKeyOf(l.origin.Digest)
	}
	if v := l.join(ctx); v != nil {
		return v
	}
	if v := l.joinByCopy(ctx); v != nil {
		return v
	}
	var err error
	if l.phoneRings, err = l.runtime.Transactions.Rings(ctx, l.phone(), l.began); err != nil {
		return end(l.storeFailed(err))
	}
	if l.phoneRings { // perhaps for a copy of this login that has begun the transaction since
		return l.join(ctx)
	}
	return nil
}

// join waits for the transaction under l.key, if there is one.
func (l *login) join(ctx context.Context) *Verdict {
	joined, ok, err := l.runtime.Transactions.Find(ctx, l.key, l.began)
	switch {
	case err != nil:
		return end(l.storeFailed(err))
	case !ok, !l.mayJoin(joined):
		return nil
	}
	l.repeats = joined.Repeated
	if l.answersDialogue {
		if err := l.runtime.Transactions.AddKey(ctx, joined.ID, l.joinKey(), l.account); err != nil {
			return end(l.storeFailed(err))
		}
	}
	if l.showsMenu() {
		return end(l.askAbout(ctx, joined.Transaction))
	}
	return end(l.await(ctx, joined.Transaction))
}

// mayJoin reports whether this login may get the answer of a transaction that is over. An allow that was given before is given
// again only for a password, and only if its factor is allowed today.
func (l *login) mayJoin(j Join) bool {
	switch {
	case j.Repeated && l.Method != MethodPassword: // the key of an EAP conversation does not contain the password
		return false
	case !j.late(l.began) || !j.Result.Allowed:
		return true
	case j.Repeated:
		return j.Factor.Rings() && slices.Contains(l.factorsThatCount(), j.Factor) &&
			mayAccept(acceptRepeated, l.proof, l.Authentic || !j.Signed)
	}
	return mayAccept(acceptLate, l.proof, l.Authentic)
}

// joinByCopy answers a copy of a request that began a transaction. The copy joins that transaction, or is a replay.
func (l *login) joinByCopy(ctx context.Context) *Verdict {
	id, ok, err := l.runtime.Replays.Seen(ctx, l.requestDigest())
	if err == nil && !ok {
		return nil
	}
	t, ok, err2 := l.runtime.Transactions.Get(ctx, id)
	if err := errors.Join(err, err2); err != nil {
		return end(l.storeFailed(err))
	}
	late := ok && t.late(l.began) && t.Result.Allowed
	if !ok || late && (t.Forgotten || !mayAccept(acceptRepeated, l.proof, l.Authentic || !t.Signed)) {
		v := l.reject(ReasonReplayed, "")
		v.Outcome = OutcomeDiscard
		return end(v)
	}
	l.repeats = late
	return end(l.await(ctx, t))
}

// requestDigest returns the digest of the Access-Request. It is zero if the octets of the request are not known.
func (l *login) requestDigest() (d RequestDigest) {
	if l.Authenticator == ([16]byte{}) {
		return d
	}
	return l.runtime.digest.of("request", l.Client.Name, string(l.Authenticator[:]), string(l.Attributes))
}

// await waits for a transaction's answer, but not longer than the client's PushTimeout.
func (l *login) await(ctx context.Context, t Transaction) ended {
	within := ctx
	if limit := l.Client.PushTimeout; limit > 0 && t.Factor.Rings() {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	start := time.Now()
	result, err := l.runtime.Transactions.Wait(within, t.ID, l.GivenUp)
	l.took(start, "Duo "+string(t.Factor), t.Phone.Duo.String(), authAnswer(result, err))
	l.facts.DuoMessage = result.Message
	l.facts.Factor, l.facts.Txid = t.Factor, result.Txid
	if err != nil {
		return l.unanswered(ctx, err)
	}
	return l.conclude(ctx, t, result)
}

// begin begins a transaction under l.key, unless another login has begun it meanwhile or the phone rings for another login.
func (l *login) begin(ctx context.Context, r *AuthRequest) (Transaction, Claim, error) {
	t, claim, err := l.runtime.Transactions.Claim(ctx, NewTransaction{
		Transaction: Transaction{Phone: l.phone(), Application: l.Client.Application, Name: r.Name, Factor: r.Factor, Code: r.code, Txid: r.Txid,
			Signed: l.Authentic, UserIP: l.UserIP, Fresh: l.State == "" && !l.showsMenu()},
		Key:        l.key,
		Account:    l.account,
		LoginBegan: l.began,
	})
	if r.guess != nil && (err != nil || claim != ClaimOwned) {
		l.settle(ctx, *r.guess, guard.GuessNotAsked)
	}
	if err != nil {
		l.facts.Factor = r.Factor
		return t, claim, err
	}
	if claim == ClaimOwned {
		if d := l.requestDigest(); d != (RequestDigest{}) {
			if err := l.runtime.Replays.Mark(ctx, d, t.ID); err != nil {
				l.facts.Err = err // a copy may ring the phone again
			}
		}
		l.runtime.ask(t, l.Client.Second, r, l.settings.Guard)
	}
	return t, claim, nil
}
