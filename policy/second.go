package policy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// second asks for the second factor: joins a live transaction, else asks preauth, then the user.
func (l *login) second(ctx context.Context, asked typed) Verdict {
	if l.mode() == ModePasscode && asked.factor != Passcode && asked.factor != SMS {
		return l.reject(NeedsPasscode, l.sayAppend())
	}
	if asked.factor == "" && l.mode() != ModeChallenge && !slices.ContainsFunc(l.factors(), Factor.rings) {
		return l.reject(NeedsPasscode, l.sayAppend())
	}
	if asked.factor != "" && !l.allowed(asked.factor) {
		return l.reject(NotAllowed, sayNotAllowed)
	}
	l.asking = time.Now()
	return l.askDuo(ctx, asked)
}

func (l *login) askDuo(ctx context.Context, asked typed) Verdict {
	if ctx.Err() != nil { // the first factor took long: leave a late approval to whoever still waits
		return l.unanswered(ctx, context.Cause(ctx))
	}
	menu := asked.factor == "" && l.mode() == ModeChallenge
	key := l.joinKey()
	if l.relayed {
		key = l.afreshKey()
	}
	t, _, ringing := l.memory.join(&key, l.duo, l.since)
	if t != nil && l.relayed {
		l.memory.alsoFor(l.joinKey(), t, l.account)
	}
	switch {
	case t != nil && menu:
		return l.askAbout(t)
	case t != nil:
		return l.await(t)
	}
	if ringing && !menu && asked.factor != Passcode && asked.factor != SMS {
		return l.reject(Pending, sayPending)
	}
	pre, fair, err := l.preauth(ctx, PreauthRequest{User: l.duo, IP: l.UserIP, VerifiedPush: menu})
	if err != nil {
		return l.unasked(ctx, fair, err)
	}
	switch pre.Result {
	case PreauthAllow:
		return l.accept(Bypass)
	case PreauthDeny:
		return l.reject(DeniedByDuo, orElse(pre.Message, sayDenied))
	case PreauthEnroll:
		return l.enroll(pre, menu)
	case PreauthAuth:
	default:
		return l.reject(DuoUnknown, sayLater)
	}
	if menu {
		return l.offer(pre, ringing)
	}
	return l.demand(ctx, asked, pre.Devices, &key)
}

// demand has Duo ask the user for one factor and waits for the answer.
func (l *login) demand(ctx context.Context, asked typed, devices []Device, key *joinKey) Verdict {
	r, ok := l.request(asked, devices)
	if !ok {
		return l.reject(NoDevice, l.sayNoDevice(devices))
	}
	if r.Factor.bothers() && l.memory.guard.cooling(l.duo, time.Now()) {
		return l.reject(Cooldown, l.orPasscode(sayCooldown))
	}
	if l.remembered(asked, time.Now()) { // a retry's push was approved while preauth was asked
		return l.accept(Remembered)
	}
	if ctx.Err() != nil { // the client has its answer before a phone could ring
		return l.unanswered(ctx, context.Cause(ctx))
	}
	t, ringing := l.begin(key, r)
	if ringing {
		return l.reject(Pending, sayPending)
	}
	switch {
	case l.relayed:
		l.memory.alsoFor(l.joinKey(), t, l.account)
	case r.Factor.rings() && l.origin != nil: // who loses the challenge and starts again comes with the key of its origin
		l.memory.alsoFor(*l.origin, t, Account{})
	}
	return l.await(t)
}

func (l *login) begin(key *joinKey, r *AuthRequest) (t *transaction, ringing bool) {
	return l.memory.begin(key, l.Client.Second, r, l.settings.Guard, l.account, l.since)
}

// offer puts the menu before the user, without push and call where no phone may ring; where Duo demands a Verified
// Push, the push goes out with the code that the user must type on the phone.
func (l *login) offer(pre Preauth, ringing bool) Verdict {
	c, factors, why, say := l.challenge(), l.factors(), NoDevice, l.sayWho()
	if l.memory.guard.cooling(l.duo, time.Now()) {
		why, say = Cooldown, sayCooldown
		factors = slices.DeleteFunc(slices.Clone(factors), Factor.bothers)
	} else if ringing {
		why, say = Pending, sayPending
		factors = slices.DeleteFunc(slices.Clone(factors), Factor.rings)
	}
	c.options = optionsOf(factors, pre.Devices)
	if len(c.options) == 0 && !l.allowed(Passcode) {
		if why == NoDevice {
			say = l.sayNoDevice(pre.Devices)
		}
		return l.reject(why, say)
	}
	d, ok := nthThatCan(pre.Devices, Push, 1)
	if pre.Txid == "" || !ok || !slices.Contains(factors, Push) {
		return l.ask(c, say+"\n"+l.menu(c.options))
	}
	r := l.requestTo(Push, d.ID)
	r.Txid, r.code = pre.Txid, pre.Code
	key := l.joinKey()
	t, ringing := l.begin(&key, r)
	if ringing {
		return l.reject(Pending, sayPending)
	}
	return l.askAbout(t)
}

// askAbout puts a live push before the user, who answers it and then presses Enter: a Verified Push with its code, or
// the push of a login that begins again because its client gave up. Where the answer is there already it counts.
func (l *login) askAbout(t *transaction) Verdict {
	if t.over() {
		return l.await(t)
	}
	c := l.challenge()
	c.pushed = t
	l.facts.Factor, l.facts.Txid = t.factor, l.memory.txid(t)
	return l.ask(c, l.sayAnswer(t.code))
}

// enroll tells an unknown user where to enrol: in a challenge where the client shows one, so that the login can go on.
func (l *login) enroll(pre Preauth, menu bool) Verdict {
	if !menu {
		return l.reject(NotEnrolled, sayEnroll(pre.EnrollURL))
	}
	return l.ask(l.challenge(), sayEnroll(pre.EnrollURL)+"\n"+sayThenPasscode)
}

// fairChance is how long Duo must have had for an answer before its silence says that it can't be asked.
const fairChance = 2 * time.Second

// preauth asks Duo so that what comes of its silence can still be told in time. fair is false when Duo was cut short:
// a directory that took nearly all of the login's time is no outage of Duo's.
func (l *login) preauth(ctx context.Context, r PreauthRequest) (pre Preauth, fair bool, err error) {
	given := time.Duration(math.MaxInt64)
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		given = left - min(left/10, 500*time.Millisecond)
	}
	asking, cancel := context.WithTimeout(ctx, given)
	defer cancel()
	pre, err = l.Client.Second.Preauth(asking, r)
	return pre, asking.Err() == nil || given >= fairChance, err
}

// unasked is where preauth got no answer, and the only place that reads failmode.
func (l *login) unasked(ctx context.Context, fair bool, err error) Verdict {
	if v, ok := l.gone(ctx); ok {
		return v
	}
	l.facts.Err = err
	switch {
	case errors.Is(err, ErrMisconfigured):
		return l.reject(DuoConfig, sayLater)
	case errors.Is(err, ErrRefused):
		return l.reject(DuoRefused, sayLater)
	case !errors.Is(err, ErrUnavailable):
		return l.reject(DuoUnknown, sayLater)
	case ctx.Err() != nil || !fair: // our own time was up, which says nothing of Duo
		return l.reject(DuoUnavailable, sayLater)
	}
	switch l.failmode() {
	case FailSafe:
		return l.accept(FailedOpen)
	case FailSilent:
		v := l.reject(DuoUnavailable, "")
		v.Outcome = Discard
		return v
	}
	return l.reject(DuoUnavailable, sayLater)
}

// noes are the words of a status that no allow goes with (https://duo.com/docs/authapi, "/auth_status").
var noes = []string{"deny", "fraud", "timeout", "locked_out", "sent"}

// judge turns a transaction's answer into a Verdict.
func (l *login) judge(result AuthResult) Verdict {
	if result.Allowed && slices.Contains(noes, result.Status) {
		return l.reject(DuoUnknown, sayLater)
	}
	if result.Allowed {
		if result.Status != "allow" { // bypass, or a word that Duo adds one day: allowed, but not by the user
			return l.accept(Bypass)
		}
		l.remember()
		return l.accept(Approved)
	}
	why, say := Denied, sayDenied
	switch result.Status {
	case "fraud":
		why = Fraud
	case "timeout":
		why, say = NoAnswer, sayNoAnswer
	case "sent":
		why, say = CodesSent, l.orPasscode(sayCodesSent)
	case "locked_out":
		why = DeniedByDuo
	}
	if why != CodesSent {
		say = orElse(result.Message, say)
	}
	return l.reject(why, say)
}

// unanswered is where auth got no answer. Failmode has no say here: the phone may have rung.
func (l *login) unanswered(ctx context.Context, err error) Verdict {
	if v, ok := l.gone(ctx); ok {
		return v
	}
	l.facts.Err = err
	switch {
	case errors.Is(err, ErrUnavailable):
		return l.reject(DuoUnavailable, sayLater)
	case errors.Is(err, context.DeadlineExceeded) && l.facts.Factor.rings():
		l.facts.Err = nil
		return l.reject(NoAnswer, sayNoAnswer)
	case errors.Is(err, context.DeadlineExceeded):
		return l.reject(NoAnswer, sayLater)
	case errors.Is(err, context.Canceled): // Memory.Close
		return l.reject(ShuttingDown, sayLater)
	case errors.Is(err, ErrMisconfigured):
		return l.reject(DuoConfig, sayLater)
	case errors.Is(err, ErrRefused):
		return l.reject(DuoRefused, sayLater)
	case errors.As(err, &panicError{}):
		return l.reject(Panicked, sayLater)
	}
	return l.reject(DuoUnknown, sayLater)
}

// request chooses factor and device. It reports false when the user has none that will do.
func (l *login) request(asked typed, devices []Device) (*AuthRequest, bool) {
	switch {
	case asked.factor == Passcode:
		r := l.requestTo(Passcode, "")
		r.Passcode = asked.code
		return r, true
	case asked.factor == "":
		for _, f := range l.factors() {
			if !f.rings() {
				continue // nothing that we could begin by ourselves
			}
			if d, ok := nthThatCan(devices, f, 1); ok {
				return l.requestTo(f, d.ID), true
			}
		}
		return nil, false
	case asked.deviceID != "":
		i := slices.IndexFunc(devices, func(d Device) bool { return d.ID == asked.deviceID && d.Can(string(asked.factor)) })
		if i < 0 {
			return nil, false
		}
		return l.requestTo(asked.factor, devices[i].ID), true
	}
	d, ok := nthThatCan(devices, asked.factor, max(asked.device, 1))
	return l.requestTo(asked.factor, d.ID), ok
}

func (l *login) requestTo(f Factor, device string) *AuthRequest {
	return &AuthRequest{User: l.duo, Name: l.name, IP: l.UserIP, Factor: f, Device: device, Info: l.pushInfo()}
}

// nthThatCan returns the n-th device, counted from 1, of those that can do f: "push2" is the second phone that
// takes pushes.
func nthThatCan(devices []Device, f Factor, n int) (Device, bool) {
	for _, d := range devices {
		if d.Can(string(f)) {
			if n--; n == 0 {
				return d, true
			}
		}
	}
	return Device{}, false
}

// mode is the client's, or the rule's. What is no password has no field for a code, and nobody who reads a menu.
func (l *login) mode() Mode {
	mode := l.wantedMode()
	if mode == ModeChallenge && l.Method != Password {
		return ModeAuto
	}
	return mode
}

func (l *login) wantedMode() Mode {
	if l.rule.Mode != "" {
		return l.rule.Mode
	}
	return l.Client.Mode
}

func (l *login) factors() []Factor {
	if l.rule.Factors != nil {
		return l.rule.Factors
	}
	return l.Client.Factors
}

func (l *login) allowed(f Factor) bool { return slices.Contains(l.factors(), f) }

func (l *login) failmode() Failmode {
	if l.rule.Failmode != "" {
		return l.rule.Failmode
	}
	return l.Client.Failmode
}

func (l *login) joinKey() joinKey {
	key := joinKey{
		client: l.Client.Name,
		at:     l.Client.Application,
		user:   l.name,
		duo:    l.duo,
		ip:     l.UserIP,
		digest: l.memory.digest.of(l.State, l.Method.String(), l.Password),
	}
	if l.State != "" { // it names the transaction; a retry of it can't know what the first factor said of the user
		key.user, key.duo = l.called, Identity{}
	}
	return key
}

// afreshKey is the joinKey that the user's next try will have too, of a login that answers what the first factor asked
// back: its State is of this try alone. The name is the one that the first factor proved.
func (l *login) afreshKey() joinKey {
	return joinKey{client: l.Client.Name, at: l.Client.Application, user: l.name, duo: l.duo, ip: l.UserIP, digest: l.origin.digest}
}

// pushInfo is what the user sees beside the push, so that a push for a login that is not theirs can be told.
func (l *login) pushInfo() [][2]string {
	info := make([][2]string, 0, 3)
	info = append(info, [2]string{"Service", l.Client.Service},
		[2]string{"Client", l.Client.Name + " (" + l.ClientAddr.String() + ")"})
	if l.UserIP.IsValid() {
		info = append(info, [2]string{"User address", l.UserIP.String()})
	}
	return info
}

// panicError is a panic of a SecondFactor, caught.
type panicError struct{ value any }

func (e panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }
