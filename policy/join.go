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

// transactionLimit bounds a transaction whatever the SecondFactor does; Duo's own pushes end after a minute.
const transactionLimit = 5 * time.Minute

// JoinKey is what a login must share with a transaction to be answered by it: a retry with a new Identifier or from a new
// port, or another try after the client gave up. Never another password, another address, another client.
type JoinKey struct {
	Client      string
	Application string // the Duo application
	User        string // canonical name
	Duo         Identity
	IP          netip.Addr
	Digest      [sha256.Size]byte // of State, method and the whole password field, keyed
}

// Phone says whose phone a transaction reaches: that of a Duo user, which is one however many names of ours lead to it, and
// that of a person, who is one however the name is spelt.
type Phone struct {
	Duo    Identity
	Person string // folded
}

// PersonKeyPrefix begins the key of a phone that is made of the folded name of its user.
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
	Phone       Phone // that it may reach
	Application string
	Name        string // the user's canonical name
	Factor      factor.Factor
	Code        string     // of a Verified Push, for the phone
	Txid        string     // "" until Duo has named it
	Signed      bool       // the request of the login that began it was signed
	UserIP      netip.Addr // of that login
	Fresh       bool       // the request of the login that began it came without State, and its reply is no challenge
	Began       bool       // at Duo
	Start       time.Time
	Ended       time.Time  // zero while it is live
	Quiet       time.Time  // when the phone is silent for sure; zero: it was when the transaction ended
	Result      AuthResult // once it has ended, unless there is none
	Forgotten   bool       // since it has ended, the approvals of this phone were taken away
}

// late reports whether the transaction was over when a login began: nobody waited for its answer any more.
func (t *Transaction) late(began time.Time) bool { return !t.Ended.IsZero() && !began.Before(t.Ended) }

// RingingTime is how long a phone rings on when nobody hears of its answer (https://duo.com/docs/authapi: 60 seconds).
const RingingTime = time.Minute

// Join is a transaction that a login joins.
type Join struct {
	Transaction
	Account  Account // what the first factor of the joined login said, for a login that can't ask it again: its State is used
	Repeated bool    // another login was given its answer
}

// NewTransaction is what Claim needs to know. Of the Transaction the store sets ID and Start.
type NewTransaction struct {
	Transaction
	Key        JoinKey
	Account    Account   // of the login that begins it
	LoginBegan time.Time // when that login began
}

var (
	// ErrTakenOver says that another process asks Duo for the answer of this transaction now.
	ErrTakenOver = errors.New("another process has taken this transaction over")
	// ErrPushLost says that the process which began a transaction ended before it could say whether Duo did. The phone may
	// ring: nothing else is begun, and nobody is let in.
	ErrPushLost = errors.New("the daemon that began this push has ended, and only it knew its txid")
)

// Claim is the answer to who may begin a transaction.
type Claim int

const (
	ClaimOwned      Claim = iota + 1 // the caller begins it
	ClaimJoined                      // another login has begun it: the caller waits for its answer
	ClaimPhoneRings                  // the phone rings for another login
)

// joinKey is what a retry of this request has too.
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

// anyAddress stands in the key of an answer to a challenge, which may leave the user's address out. It is no user's.
var anyAddress = netip.IPv6Unspecified()

// answerKey is the key of an answer to a challenge. Its State names the transaction: a retry of it can't know what the first
// factor said of the user. It must be signed if the first one was.
func (l *login) answerKey() JoinKey {
	signed := ""
	if l.signed {
		signed = "signed"
	}
	key := JoinKey{Client: l.Client.Name, Application: l.Client.Application, User: l.typedName, IP: anyAddress,
		Digest: l.runtime.digest.of(l.State, l.Method.String(), l.Password, l.EAP, signed)}
	if l.proof == ProofNoneButAsk {
		key.IP = netip.Addr{} // nobody joins it
	}
	return key
}

func (l *login) joinKeyOf(digest [sha256.Size]byte) JoinKey {
	key := JoinKey{Client: l.Client.Name, Application: l.Client.Application, User: l.name, Duo: l.duo, IP: l.UserIP, Digest: digest}
	if l.proof == ProofNoneButAsk {
		key.IP = netip.Addr{} // nobody joins it
	}
	return key
}

// joinTransaction waits for the transaction that answers this login too, where there is one.
func (l *login) joinTransaction(ctx context.Context) *Verdict {
	if ctx.Err() != nil { // the first factor took long: leave a late approval to whoever still waits
		return end(l.unanswered(ctx, context.Cause(ctx)))
	}
	l.key = l.joinKey()
	if l.answersDialogue && l.UserIP.IsValid() { // its State is of this try alone: the next try has the key of the dialogue's first request
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
	if l.phoneRings { // for a copy of this login perhaps, which began the transaction since we looked
		return l.join(ctx)
	}
	return nil
}

// join waits for the transaction of l.key, where there is one.
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

// mayJoin reports whether the answer of a transaction that is over may be this login's. An allow that was given before is
// given again only for a password, and only where its factor is allowed today.
func (l *login) mayJoin(j Join) bool {
	switch {
	case j.Repeated && l.Method != MethodPassword: // of an EAP conversation the password is not part of the key
		return false
	case !j.late(l.began) || !j.Result.Allowed:
		return true
	case j.Repeated:
		return j.Factor.Rings() && slices.Contains(l.factorsThatCount(), j.Factor) &&
			mayAccept(acceptRepeated, l.proof, l.Authentic || !j.Signed)
	}
	return mayAccept(acceptLate, l.proof, l.Authentic)
}

// joinByCopy answers a copy of a request that began a transaction: it joins that one, or is a replay.
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
		return &v
	}
	l.repeats = late
	return end(l.await(ctx, t))
}

// requestDigest is zero where the octets of the Access-Request are not known.
func (l *login) requestDigest() (d RequestDigest) {
	if l.Authenticator == ([16]byte{}) {
		return d
	}
	return l.runtime.digest.of("request", l.Client.Name, string(l.Authenticator[:]), string(l.Attributes))
}

// await waits for a transaction's answer, no longer than the client's PushTimeout says.
func (l *login) await(ctx context.Context, t Transaction) Verdict {
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

// begin begins a transaction under l.key, unless another login has begun it meanwhile or rings the phone.
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
				l.facts.Err = err // a copy may ring again
			}
		}
		l.runtime.ask(t, l.Client.Second, r, l.settings.Guard)
	}
	return t, claim, nil
}
