package policy

import (
	"errors"
	"net/netip"
	"time"

	"duoradiusd/policy/factor"
)

// ErrAbandoned is the cause of a login's context when its client no longer listens for the answer.
var ErrAbandoned = errors.New("the client no longer waits for this answer")

// Attempt is one user's login at one RADIUS client, as the client's Access-Request tells it.
type Attempt struct {
	Client     *Client    // the settings of the RADIUS client that asks
	ClientAddr netip.Addr // where its packet came from
	User       string     // User-Name as sent
	Method     Method     // how the user proves who it is
	Password   string     // User-Password, decoded to UTF-8; "" when empty, or where Method is another
	Latin1     bool       // Password or User came as Windows-1252, not as UTF-8
	UserIP     netip.Addr // the user's own address; invalid when the client did not tell
	State      string     // State as sent; "" for a fresh login
	EAP        string     // the EAP packet; "" where Method is another
	Authentic  bool       // the packet had a valid Message-Authenticator, or came over TLS

	At            time.Time // when the packet came; zero: now
	Authenticator [16]byte  // of the Access-Request
	Attributes    []byte    // of the Access-Request, as on the wire; not changed as long as the login lasts

	GivenUp func() bool // whether the client has been seen to wait for the answer no more; nil: it waits
}

// began returns when the login began.
func (a *Attempt) began() time.Time {
	if a.At.IsZero() {
		return time.Now()
	}
	return a.At
}

// Client is what a login needs to know of the RADIUS client it comes through.
type Client struct {
	Name        string
	Service     string      // the word that users, rules and approvals refer to
	FirstFactor FirstFactor // nil: the client has checked the first factor already
	Groupless   bool        // the first factor knows no groups

	// FirstFactors are the first factors of a client that has several; the name says which. FirstFactor is NoFactorForName then.
	FirstFactors []DomainFactor

	Second      SecondFactor    // the Duo application
	Application string          // its name at Duo: what one application allowed counts at no other
	Mode        Mode            // zero: ModeAuto
	Factors     []factor.Factor // allowed; the order is auto's order of preference
	Delimiter   string          // between password and factor in append mode; "" turns append mode off
	Remember    time.Duration   // how long an approval counts where neither user nor rule says otherwise; 0 = not at all
	ProbeUsers  []string        // health checks: answered at once, nothing asked
	Probe       ProbeAnswer     // zero: ProbeReject
	ProbeSecret string          // the password of ProbeAccept
	Failmode    Failmode        // zero: FailSecure
	PushTimeout time.Duration   // how long a login waits for the user's answer; 0 = as long as its context lets it

	Pass    []AttributeID // of the attributes that the first factor knows, those for the Access-Accept...
	PassAll bool          // ...or all but the dangerous ones

	IgnorePassword bool // without FirstFactor: whatever the password field of a fresh login holds is ignored
}

// Outcome is what becomes of an Attempt. The zero Outcome rejects.
type Outcome int

const (
	OutcomeReject    Outcome = iota // Access-Reject
	OutcomeAccept                   // Access-Accept
	OutcomeChallenge                // Access-Challenge
	OutcomeDiscard                  // no reply at all, so that the client asks its next server
)

// Verdict is the answer to an Attempt. The zero Verdict rejects.
type Verdict struct {
	Outcome   Outcome
	Reason    Reason        // for the log and the counters
	Message   string        // for the user: Reply-Message; "" for none
	State     string        // of a Challenge
	Wait      time.Duration // of a Challenge: how long its State is good (Session-Timeout)
	Immediate bool          // a Reject that must not be delayed (health probes)
	Delayed   bool          // a Challenge that is delayed as a Reject is: it answers a wrong passcode

	Attributes []Attribute // beside what the other fields say, in this order
	EAP        string      // the EAP packet for the client; "" for none: a Reject of EAP then carries an EAP-Failure

	User        string        // canonical name; "" when there is none
	Factor      factor.Factor // the second factor that was used; "" for none
	Txid        string        // Duo's transaction; "" for none
	FirstFactor time.Duration // time spent in the first factor
	Duo         time.Duration // time spent in Duo
	Err         error         // why something could not be asked; for the log only

	Trace
}

// Reason says in one word why a Verdict came out as it did. The set is closed: each is a value in the log and a
// label of a counter.
type Reason string

const (
	ReasonApproved   Reason = "approved"    // Duo allowed it after a push, a call or a code
	ReasonRemembered Reason = "remembered"  // an earlier approval still counts
	ReasonExempt     Reason = "exempt"      // rules, services or unlisted ask for no second factor
	ReasonBypass     Reason = "bypass"      // Duo's own policy asks for no second factor
	ReasonFailedOpen Reason = "failed-open" // Duo could not be asked and failmode is safe
	ReasonChallenged Reason = "challenged"  // an Access-Challenge asks the user for a factor or a code
	ReasonRelayed    Reason = "relayed"     // the first factor asks back: its own prompt, or the next round of EAP

	ReasonRepeated Reason = "repeated" // the reply of a login that Duo allowed was lost, and its client asked again

	ReasonUnproven         Reason = "unproven-name"            // nobody has proven the name: it stood outside of an EAP tunnel
	ReasonBadName          Reason = "bad-name"                 // the name is empty, too long, or holds control characters
	ReasonProbe            Reason = "probe"                    // a health check of the client
	ReasonDeniedByRule     Reason = "denied-by-rule"           // a [[rule]] with second_factor = "deny" fits
	ReasonBadPassword      Reason = "bad-password"             // the first factor said no
	ReasonAccountRefused   Reason = "account-refused"          // the password is right, but expired, or the account is disabled
	ReasonNoFirstFactor    Reason = "first-factor-unavailable" // could not be asked
	ReasonUnlisted         Reason = "unlisted"                 // no [[user]] has the name, and unlisted = "reject"
	ReasonElsewhere        Reason = "elsewhere"                // the user is not listed for this service
	ReasonBadField         Reason = "bad-factor"               // the password field holds neither a factor nor a passcode
	ReasonNotAllowed       Reason = "factor-not-allowed"       // factors or a rule does not allow the factor that was typed
	ReasonNeedsPasscode    Reason = "passcode-needed"          // only a passcode counts here, and none was typed
	ReasonNoDevice         Reason = "no-device"                // Duo knows no device of the user that can do an allowed factor
	ReasonThrottled        Reason = "throttled"                // too many wrong passwords or passcodes
	ReasonCooldown         Reason = "cooldown"                 // too many pushes without a yes: only a passcode counts
	ReasonPending          Reason = "push-pending"             // another login of this user waits for an answer
	ReasonDenied           Reason = "denied"                   // the user said no, or the passcode was wrong
	ReasonFraud            Reason = "fraud"                    // the user reported the push
	ReasonNoAnswer         Reason = "no-answer"                // in time
	ReasonCodesSent        Reason = "codes-sent"               // SMS passcodes are under way; this login fails by design
	ReasonDeniedByDuo      Reason = "denied-by-duo"            // Duo's policy denies it, or the user is locked out there
	ReasonNotEnrolled      Reason = "not-enrolled"             // Duo does not know the user, or knows no device
	ReasonDuoUnavailable   Reason = "duo-unavailable"          // Duo could not be asked and failmode is secure
	ReasonDuoConfig        Reason = "duo-misconfigured"        // wrong keys, wrong clock, wrong application type
	ReasonDuoRefused       Reason = "duo-refused"              // Duo answers with an error of its own
	ReasonDuoUnknown       Reason = "duo-unknown-answer"       // an answer of Duo's that means nothing to us
	ReasonBadState         Reason = "bad-state"                // State is unknown, used, too old, or another client's or user's
	ReasonReplayed         Reason = "replayed"                 // a copy of a request whose login is long over
	ReasonAbandoned        Reason = "abandoned"                // the client asked anew, or went away
	ReasonShuttingDown     Reason = "shutting-down"            // the daemon ends
	ReasonStoreUnavailable Reason = "state-unavailable"        // what outlives a request can't be asked for or kept
	ReasonUnsupported      Reason = "unsupported-method"       // CHAP, MS-CHAP, EAP, Call-Check, Authorize-Only
	ReasonBadSecret        Reason = "undecodable-password"     // the password does not decode: the shared secrets differ
	ReasonPanicked         Reason = "panic"                    // a fault in the program; the log has where
	ReasonUnanswerable     Reason = "unanswerable"             // the reply does not fit into a packet, or into an EAP conversation
)

// ignoresPassword reports whether nobody looks at the password field of a fresh login: the client has checked the password,
// and users have no way to choose a factor.
func (c *Client) ignoresPassword() bool { return c.IgnorePassword && c.FirstFactor == nil }
