package fakeduo

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"
)

// Transaction is one /auth: a push, a call, a passcode or a text message.
type Transaction struct {
	Txid             string
	Username         string
	UserID           string
	Factor           string // push, phone, sms, passcode; auto has been settled
	Device           string // its id
	DeviceName       string // as the user knows it
	Type             string // replaces "Login" in "Login request"
	DisplayUsername  string
	Hostname         string
	IPAddr           string
	PushInfo         []Pair
	VerificationCode string // verified push: what the user has to type into the phone
	Tap              Tap
	Started          time.Time
	Expires          time.Time
	Ended            time.Time // zero while pending
	Result           string    // waiting, allow, deny
	Status           string    // pushed, calling, answered; allow, bypass, deny, fraud, timeout, locked_out, sent
}

// Pending reports whether the phone is still ringing.
func (t Transaction) Pending() bool { return t.Ended.IsZero() }

// verdict is the answer of a synchronous /auth and of auth_status.
type verdict struct {
	Result  string `json:"result"`
	Status  string `json:"status"`
	Message string `json:"status_msg"`
}

// settlements are the ends a transaction can have, by status.
var settlements = map[string]verdict{
	"allow":      {"allow", "allow", "Success. Logging you in..."},
	"bypass":     {"allow", "bypass", "Success. Logging you in..."},
	"deny":       {"deny", "deny", "Login request denied."},
	"fraud":      {"deny", "fraud", "Login request reported as fraud."},
	"timeout":    {"deny", "timeout", "Login timed out."},
	"locked_out": {"deny", "locked_out", "Account disabled due to too many failed login attempts"},
	"sent":       {"deny", "sent", "New SMS passcodes sent."},
}

// transaction is a Transaction with its state. The ledger's mutex guards what changes.
type transaction struct {
	Transaction
	words   [2]string // the user's AuthResult and AuthStatus
	message string
	news    int           // states gone through
	told    int           // of which a poll has heard
	changed chan struct{} // closed at the next news; nil once settled
	timer   *time.Timer
}

func (t *transaction) verdict() verdict { return verdict{t.Result, t.Status, t.message} }

// enter adds a new transaction to the ledger.
func (l *ledger) enter(t *transaction) {
	if t.Txid == "" {
		t.Txid = newTxid()
	}
	t.Started = time.Now()
	t.Expires = t.Started.Add(l.expiry)
	t.changed = make(chan struct{})
	t.Result, t.Status = "waiting", "pushed"
	l.all[t.Txid] = t
	l.order = append(l.order, t)
	for len(l.order) > l.limit && !l.order[0].Pending() {
		delete(l.all, l.order[0].Txid)
		l.order[0] = nil
		l.order = l.order[1:]
	}
}

// settled adds a transaction that ends at once.
func (l *ledger) settled(t *transaction, status, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enter(t)
	l.settle(t, status, message)
}

// ring adds a transaction that waits for the user. The user taps after delay, or never.
func (l *ledger) ring(t *transaction, delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.enter(t)
	t.message = "Pushed a login request to your device..."
	if t.VerificationCode != "" {
		t.message = "Please enter verification code " + t.VerificationCode + " into Duo Mobile..."
	}
	if t.Factor == "phone" {
		t.Status, t.message = "calling", "Dialing "+t.DeviceName+"..."
	}
	t.news = 1
	close(l.began)
	l.began = make(chan struct{})
	switch {
	case t.Tap > Fraud || delay >= l.expiry:
		t.timer = time.AfterFunc(l.expiry, func() { l.tap(t, "timeout") })
	case delay <= 0:
		l.settle(t, tapStatus[t.Tap], "")
	case t.Factor == "phone":
		t.timer = time.AfterFunc(delay/2, func() { l.pickUp(t, delay-delay/2) })
	default:
		t.timer = time.AfterFunc(delay, func() { l.tap(t, tapStatus[t.Tap]) })
	}
}

var tapStatus = map[Tap]string{Approve: "allow", Deny: "deny", Fraud: "fraud"}

// tap settles t when its timer ends, unless it is settled already.
func (l *ledger) tap(t *transaction, status string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.Pending() {
		l.settle(t, status, "")
	}
}

// pickUp records that the user has answered the phone call and has not pressed a key yet.
func (l *ledger) pickUp(t *transaction, rest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !t.Pending() {
		return
	}
	t.Status, t.message = "answered", "Answered. Press any key on your phone to log in."
	t.news++
	close(t.changed)
	t.changed = make(chan struct{})
	t.timer = time.AfterFunc(rest, func() { l.tap(t, tapStatus[t.Tap]) })
}

// settle ends a pending transaction. A transaction is settled once. l.mu is held.
func (l *ledger) settle(t *transaction, status, message string) {
	v := settlements[status]
	if status == "timeout" && t.Factor == "phone" {
		v.Message = "No keypress detected. Please try again."
	}
	if message != "" {
		v.Message = message
	}
	if t.words[0] != "" {
		v.Result = t.words[0]
	}
	if t.words[1] != "" {
		v.Status = t.words[1]
	}
	t.Result, t.Status, t.message = v.Result, v.Status, v.Message
	t.Ended = time.Now()
	t.news++
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	close(t.changed)
	t.changed = nil
	if t.Result == "allow" {
		l.memory.allowed(Allow{Time: t.Ended, Username: t.Username, Via: t.Factor, Txid: t.Txid})
	}
}

// outcome waits for the end of t.
func (l *ledger) outcome(ctx context.Context, t *transaction) (verdict, error) {
	for {
		l.mu.Lock()
		v, changed := t.verdict(), t.changed
		l.mu.Unlock()
		if changed == nil {
			return v, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return verdict{}, ctx.Err()
		}
	}
}

// poll returns news at once. If there are none, it waits for them, at most for Config.PollWait.
func (l *ledger) poll(ctx context.Context, txid string) (verdict, error) {
	l.mu.Lock()
	t := l.all[txid]
	if t == nil {
		l.mu.Unlock()
		return verdict{}, refuse(codeInvalid, "txid")
	}
	v, changed := t.verdict(), t.changed
	fresh := changed == nil || t.told < t.news
	t.told = t.news
	l.mu.Unlock()
	if fresh {
		return v, nil
	}
	timer := time.NewTimer(l.pollWait)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
		return verdict{}, refuse(codeInvalid, "") // nothing new: poll again
	case <-ctx.Done():
		return verdict{}, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t.told = t.news
	return t.verdict(), nil
}

// newTxid returns a random UUID, the form of Duo's transaction ids.
func newTxid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Transactions returns the pending and the last settled transactions, the oldest first.
func (s *Server) Transactions() []Transaction {
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Transaction, len(l.order))
	for i, t := range l.order {
		list[i] = t.Transaction
	}
	return list
}

// Answer is the user's tap: Approve, Deny or Fraud. It errs if the transaction is unknown or settled.
func (s *Server) Answer(txid string, tap Tap) error {
	status, ok := tapStatus[tap]
	if !ok {
		return fmt.Errorf("fakeduo: answer %s: %v is not an answer", txid, tap)
	}
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.all[txid]
	if t == nil {
		return fmt.Errorf("fakeduo: answer %s: no such transaction", txid)
	}
	if !t.Pending() {
		return fmt.Errorf("fakeduo: answer %s: settled already: %s", txid, t.Status)
	}
	l.settle(t, status, "")
	return nil
}

// AwaitPending returns the newest pending transaction of username ("" for anybody's), as soon as there is one.
func (s *Server) AwaitPending(ctx context.Context, username string) (Transaction, error) {
	l := s.ledger
	for {
		l.mu.Lock()
		began := l.began
		for _, t := range slices.Backward(l.order) {
			if t.Pending() && (username == "" || t.Username == username) {
				defer l.mu.Unlock()
				return t.Transaction, nil
			}
		}
		l.mu.Unlock()
		select {
		case <-began:
		case <-ctx.Done():
			return Transaction{}, fmt.Errorf("fakeduo: await a transaction of %q: %w", username, ctx.Err())
		}
	}
}
