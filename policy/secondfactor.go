package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/messages"
)

// preauth asks Duo whether the user may log in and with which devices. It ends the login if Duo's answer ends it, or if the
// user is to choose a factor in a challenge.
func (l *login) preauth(ctx context.Context) *Verdict {
	f, menu := l.chosen.Factor, l.showsMenu()
	if l.phoneRings && !menu && f != factor.Passcode && f != factor.SMS {
		return end(l.reject(ReasonPending, l.say(messages.PushPending)))
	}
	pre, err := l.askPreauth(ctx, PreauthRequest{User: l.duo, IP: l.UserIP, VerifiedPush: menu})
	if err != nil {
		return end(l.applyFailmode(ctx, err))
	}
	switch pre.Result {
	case PreauthAllow:
		return end(l.accept(acceptBypass))
	case PreauthDeny:
		return end(l.reject(ReasonDeniedByDuo, l.sayDuo(messages.DuoDenies, pre.Message, messages.Denied)))
	case PreauthEnroll:
		return end(l.enroll(ctx, pre, menu))
	case PreauthAuth:
	default:
		return end(l.reject(ReasonDuoUnknown, l.say(messages.TryLater)))
	}
	if menu {
		return end(l.offer(ctx, pre))
	}
	l.devices = pre.Devices
	return nil
}

// auth lets Duo ask the user for one factor, and waits for the answer.
func (l *login) auth(ctx context.Context) *Verdict {
	r, ok := l.request(l.devices)
	if !ok {
		return end(l.reject(ReasonNoDevice, l.sayNoDevice(l.devices)))
	}
	if r.Factor.ReachesPhone() {
		hold, err := l.runtime.Guard.CoolingDown(ctx, l.phone())
		if err != nil {
			return end(l.storeFailed(err))
		}
		if hold != "" {
			return end(l.reject(ReasonCooldown, l.orPasscode(l.say(holdMessage(hold)))))
		}
	}
	if v := l.useApproval(ctx); v != nil { // a retry's push was approved while preauth was asked
		return v
	}
	if ctx.Err() != nil { // the client has its answer already, so no phone must ring
		return end(l.unanswered(ctx, context.Cause(ctx)))
	}
	if v := l.admitPasscode(ctx, r); v != nil {
		return v
	}
	t, claim, err := l.begin(ctx, r)
	switch {
	case err != nil:
		return end(l.unanswered(ctx, err))
	case claim == ClaimPhoneRings:
		return end(l.reject(ReasonPending, l.say(messages.PushPending)))
	}
	if err := l.letRetriesJoin(ctx, t); err != nil {
		l.facts.Err = err // the next try may ring the phone again
	}
	return end(l.await(ctx, t))
}

// letRetriesJoin lets retries join t that have another key than the one under which t began.
func (l *login) letRetriesJoin(ctx context.Context, t Transaction) error {
	switch {
	case l.answersDialogue: // a copy of this answer
		return l.runtime.Transactions.AddKey(ctx, t.ID, l.joinKey(), l.account)
	case t.Factor.Rings() && l.origin != nil: // a user who loses the challenge and starts again has the origin's key
		return l.runtime.Transactions.AddKey(ctx, t.ID, *l.origin, Account{})
	}
	return nil
}

// offer shows the user the menu. It leaves out push and call if no phone may ring. If Duo demands a Verified Push, offer sends
// this push and shows the code that the user must type on the phone.
func (l *login) offer(ctx context.Context, pre Preauth) ended {
	c, factors, why, say := l.openChallenge(), l.factors(), ReasonNoDevice, l.sayWho()
	hold, err := l.runtime.Guard.CoolingDown(ctx, l.phone())
	if err != nil {
		return l.storeFailed(err)
	}
	if hold != "" {
		why, say = ReasonCooldown, l.say(holdMessage(hold))
		factors = slices.DeleteFunc(slices.Clone(factors), factor.Factor.ReachesPhone)
	} else if l.phoneRings {
		why, say = ReasonPending, l.say(messages.PushPending)
		factors = slices.DeleteFunc(slices.Clone(factors), factor.Factor.Rings)
	}
	c.Options = optionsOf(factors, pre.Devices)
	if len(c.Options) == 0 && !l.allowed(factor.Passcode) {
		if why == ReasonNoDevice {
			say = l.sayNoDevice(pre.Devices)
		}
		return l.reject(why, say)
	}
	d, ok := nthThatCan(pre.Devices, factor.Push, 1)
	if pre.Txid == "" || !ok || !slices.Contains(factors, factor.Push) {
		return l.challenge(ctx, c, l.menu(say, c.Options))
	}
	r := l.requestTo(factor.Push, d.ID)
	r.Txid, r.code = pre.Txid, pre.Code
	t, claim, err := l.begin(ctx, r)
	switch {
	case err != nil:
		return l.unanswered(ctx, err)
	case claim == ClaimPhoneRings:
		return l.reject(ReasonPending, l.say(messages.PushPending))
	}
	if err := l.letRetriesJoin(ctx, t); err != nil {
		l.facts.Err = err // the next try may ring the phone again
	}
	return l.askAbout(ctx, t)
}

// askAbout tells the user about a live push. The user answers the push and then presses Enter. It is a Verified Push with its
// code, or the push of an earlier try whose client gave up. If there is an answer already, that answer counts.
func (l *login) askAbout(ctx context.Context, t Transaction) ended {
	if !t.Ended.IsZero() {
		return l.await(ctx, t)
	}
	c := l.openChallenge()
	c.Pushed = t.ID
	l.facts.Factor, l.facts.Txid = t.Factor, t.Txid
	return l.challenge(ctx, c, l.sayAnswer(t.Code))
}

// enroll tells an unknown user where to enrol. If the client shows a challenge, it uses one, so that the login can go on.
func (l *login) enroll(ctx context.Context, pre Preauth, menu bool) ended {
	if !menu {
		return l.reject(ReasonNotEnrolled, l.sayEnroll(pre.EnrollURL))
	}
	return l.challenge(ctx, l.openChallenge(), l.sayEnroll(pre.EnrollURL)+"\n"+l.say(messages.EnrollThenFactor))
}

// failmodeReserve is how much of a login's time preauth leaves for a failmode that may accept, because a login whose time is
// up is never accepted. It is not the margin before the client's timeout, which is already subtracted from the login's time.
const failmodeReserve = 500 * time.Millisecond

// askPreauth asks Duo, and stops early enough to tell the client in time what Duo's silence leads to.
func (l *login) askPreauth(ctx context.Context, r PreauthRequest) (Preauth, error) {
	asking, cancel := ctx, context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok && !l.failmode().secure() {
		asking, cancel = context.WithDeadline(ctx, deadline.Add(-failmodeReserve))
	}
	defer cancel()
	start := time.Now()
	pre, err := l.Client.Second.Preauth(asking, r)
	l.took(start, "Duo preauth", r.User.String(), preauthAnswer(pre, err))
	l.facts.DuoMessage = pre.Message
	return pre, err
}

// applyFailmode decides a login whose preauth got no answer. It is the only place where failmode lets anybody in. An outage
// must be Duo's and not one user's, so a ping has to fail as well. Otherwise a name that upsets Duo's front end would let its
// user in.
func (l *login) applyFailmode(ctx context.Context, err error) ended {
	if v := l.noLongerWaited(ctx); v != nil {
		return ended{v}
	}
	l.facts.Err = err
	switch {
	case errors.Is(err, ErrMisconfigured):
		return l.reject(ReasonDuoConfig, l.say(messages.TryLater))
	case errors.Is(err, ErrRefused):
		return l.reject(ReasonDuoRefused, l.say(messages.TryLater))
	case errors.Is(err, ErrOverloaded), errors.Is(err, ErrCutShort): // the cause is on our side and says nothing about Duo
		return l.reject(ReasonDuoUnavailable, l.say(messages.TryLater))
	case !errors.Is(err, ErrUnavailable):
		return l.reject(ReasonDuoUnknown, l.say(messages.TryLater))
	}
	mode := l.failmode()
	if mode.secure() {
		return l.reject(ReasonDuoUnavailable, l.say(messages.TryLater))
	}
	start := time.Now()
	outage := l.Client.Second.Outage(ctx)
	l.took(start, "Duo ping", "", orAnswered(outage).Error())
	if !errors.Is(outage, ErrUnavailable) || ctx.Err() != nil {
		l.facts.Err = fmt.Errorf("failmode does not apply, because it also needs a ping that fails (ping: %w): %w", orAnswered(outage), err)
		return l.reject(ReasonDuoUnavailable, l.say(messages.TryLater))
	}
	switch mode {
	case FailmodeSafe:
		return l.accept(acceptFailedOpen)
	case FailmodeSilent:
		v := l.reject(ReasonDuoUnavailable, "")
		v.Outcome = OutcomeDiscard
		return v
	}
	return l.reject(ReasonDuoUnavailable, l.say(messages.TryLater))
}

// errAnswered says that Duo has answered a ping.
var errAnswered = errors.New("answered")

func orAnswered(outage error) error {
	if outage == nil {
		return errAnswered
	}
	return outage
}

// deniedStatuses are the statuses that contradict an allow (https://duo.com/docs/authapi, "/auth_status").
var deniedStatuses = []string{"deny", "fraud", "timeout", "locked_out", "sent", guard.StatusFrequent, guard.StatusAnomalous}

// conclude turns a transaction's answer into a Verdict.
func (l *login) conclude(ctx context.Context, t Transaction, result AuthResult) ended {
	if result.Allowed && slices.Contains(deniedStatuses, result.Status) {
		return l.reject(ReasonDuoUnknown, l.say(messages.TryLater))
	}
	if result.Allowed {
		if result.Status != "allow" { // bypass, or a status that Duo adds one day: allowed, but not by the user
			return l.accept(acceptBypass)
		}
		if !slices.Contains(l.factorsThatCount(), t.Factor) { // the rules have changed since it began
			return l.reject(ReasonNotAllowed, l.say(messages.NotAllowed))
		}
		switch late := t.late(l.began); {
		case l.repeats:
			return l.accept(acceptRepeated)
		case late:
			return l.acceptAllowed(ctx, acceptLate, t.Factor)
		case l.account.Expired != nil:
			return l.askNewPassword(ctx)
		}
		return l.acceptAllowed(ctx, acceptApproved, t.Factor)
	}
	why, say, otherwise := ReasonDenied, messages.DuoPushDenied, messages.Denied
	if t.Factor == factor.Passcode {
		say = messages.DuoWrongPasscode
	}
	switch result.Status {
	case "fraud":
		why = ReasonFraud
	case "timeout":
		why, say, otherwise = ReasonNoAnswer, messages.DuoPushTimeout, messages.NoAnswer
	case "sent":
		return l.reject(ReasonCodesSent, l.orPasscode(l.say(messages.CodesSent)))
	case "locked_out", guard.StatusFrequent, guard.StatusAnomalous:
		why, say = ReasonDeniedByDuo, messages.DuoDenies
	}
	if l.repeats {
		return l.reject(why, l.say(messages.JustDeclined))
	}
	return l.reject(why, l.sayDuo(say, result.Message, otherwise))
}

// acceptAllowed accepts a login that Duo has allowed after this factor, and remembers that.
func (l *login) acceptAllowed(ctx context.Context, why acceptance, factor factor.Factor) ended {
	v := l.accept(why)
	if v.Outcome == OutcomeAccept {
		l.remember(ctx, factor)
		l.knowSource(ctx)
	}
	return v
}

// unanswered ends a login for which auth got no answer. Failmode lets nobody in here, because the phone may have rung.
func (l *login) unanswered(ctx context.Context, err error) ended {
	if v := l.noLongerWaited(ctx); v != nil {
		return ended{v}
	}
	l.facts.Err = err
	switch {
	case errors.Is(err, ErrPushLost):
		v := l.reject(ReasonDuoUnavailable, l.say(messages.TryLater))
		if l.failmode() == FailmodeSilent { // the client asks another server, or again when the phone is silent
			v.Outcome, v.Message = OutcomeDiscard, ""
		}
		return v
	case errors.Is(err, ErrUnavailable):
		return l.reject(ReasonDuoUnavailable, l.say(messages.TryLater))
	case errors.Is(err, context.DeadlineExceeded) && l.facts.Factor.Rings():
		l.facts.Err = nil
		return l.reject(ReasonNoAnswer, l.say(messages.NoAnswer))
	case errors.Is(err, context.DeadlineExceeded):
		return l.reject(ReasonNoAnswer, l.say(messages.TryLater))
	case errors.Is(err, context.Canceled): // Runtime.Close
		return l.reject(ReasonShuttingDown, l.say(messages.TryLater))
	case errors.Is(err, ErrMisconfigured):
		return l.reject(ReasonDuoConfig, l.say(messages.TryLater))
	case errors.Is(err, ErrRefused):
		return l.reject(ReasonDuoRefused, l.say(messages.TryLater))
	case errors.Is(err, ErrOverloaded), errors.Is(err, ErrCutShort):
		return l.reject(ReasonDuoUnavailable, l.say(messages.TryLater))
	case errors.As(err, &panicError{}):
		return l.reject(ReasonPanicked, l.say(messages.TryLater))
	}
	return l.reject(ReasonDuoUnknown, l.say(messages.TryLater))
}

// request chooses factor and device. It reports false if the user has no device that will do.
func (l *login) request(devices []Device) (*AuthRequest, bool) {
	asked := l.chosen
	switch {
	case asked.Factor == factor.Passcode:
		r := l.requestTo(factor.Passcode, "")
		r.Passcode = asked.Code
		return r, true
	case asked.Factor == "":
		for _, f := range l.factors() {
			if !f.Rings() {
				continue // nothing that we could begin by ourselves
			}
			if d, ok := nthThatCan(devices, f, 1); ok {
				return l.requestTo(f, d.ID), true
			}
		}
		return nil, false
	case asked.DeviceID != "":
		i := slices.IndexFunc(devices, func(d Device) bool { return d.ID == asked.DeviceID && d.Can(string(asked.Factor)) })
		if i < 0 {
			return nil, false
		}
		return l.requestTo(asked.Factor, devices[i].ID), true
	}
	d, ok := nthThatCan(devices, asked.Factor, max(asked.Device, 1))
	return l.requestTo(asked.Factor, d.ID), ok
}

func (l *login) requestTo(f factor.Factor, device string) *AuthRequest {
	return &AuthRequest{User: l.duo, Name: l.name, IP: l.UserIP, Factor: f, Device: device, Info: l.pushInfo()}
}

// nthThatCan returns the n-th device, counted from 1, of those that can do f: "push2" is the second phone that
// takes pushes.
func nthThatCan(devices []Device, f factor.Factor, n int) (Device, bool) {
	for _, d := range devices {
		if d.Can(string(f)) {
			if n--; n == 0 {
				return d, true
			}
		}
	}
	return Device{}, false
}

// pushInfo returns what the user sees beside the push. By it, users can tell a push for a login that is not theirs.
func (l *login) pushInfo() [][2]string {
	info := make([][2]string, 0, 3)
	info = append(info, [2]string{l.say(messages.PushService), l.Client.Service},
		[2]string{l.say(messages.PushClient), l.Client.Name + " (" + l.ClientAddr.String() + ")"})
	if l.UserIP.IsValid() {
		info = append(info, [2]string{l.say(messages.PushUserAddress), l.UserIP.String()})
	}
	return info
}

// panicError is a panic of a SecondFactor as an error.
type panicError struct{ value any }

func (e panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }
