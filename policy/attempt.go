package policy

import (
	"errors"
	"net/netip"
	"time"

	"duoradiusd/policy/factor"
)

// ErrAbandoned is the cause with which a login's context ends when its client no longer waits for the answer.
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

	GivenUp func() bool // reports whether the client has stopped waiting for the answer; nil: it waits
}

// began returns when the login began.
func (a *Attempt) began() time.Time {
	if a.At.IsZero() {
		return time.Now()
	}
	return a.At
}

// Client is what a login needs to know about the RADIUS client that it comes through.
type Client struct {
	Name        string
	Service     string      // the service's name in users, rules and approvals
	FirstFactor FirstFactor // nil: the client has checked the first factor already
	Groupless   bool        // the first factor knows no groups

	// FirstFactors are the first factors of a client that has several. The name decides. FirstFactor is then NoFactorForName.
	FirstFactors []DomainFactor

	Second      SecondFactor    // the Duo application
	Application string          // its name at Duo: an approval of one application counts at no other
	Mode        Mode            // zero: ModeAuto
	Factors     []factor.Factor // allowed; the order is auto's order of preference
	Delimiter   string          // between password and factor in append mode; "" turns append mode off
	Remember    time.Duration   // how long an approval counts if neither user nor rule says otherwise; 0: not at all
	ProbeUsers  []string        // health checks: they are answered at once, and nobody is asked
	Probe       ProbeAnswer     // zero: ProbeReject
	ProbeSecret string          // the password that a probe needs for ProbeAccept
	Failmode    Failmode        // zero: FailSecure
	PushTimeout time.Duration   // how long a login waits for the user's answer; 0: until its context ends

	Pass    []AttributeID // attributes of the first factor that the Access-Accept may carry
	PassAll bool          // it may carry all of them but the dangerous ones

	IgnorePassword bool // without FirstFactor: the password field of a fresh login is ignored
}

// Outcome is the result of an Attempt. The zero Outcome rejects.
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
	Delayed   bool          // a Challenge that answers a wrong passcode: it is delayed as a Reject is

	Attributes []Attribute // beside those that the other fields make, in this order
	EAP        string      // the EAP packet for the client; "" for none: a Reject of EAP then carries an EAP-Failure

	User        string        // canonical name; "" when there is none
	Factor      factor.Factor // the second factor that was used; "" for none
	Txid        string        // Duo's transaction; "" for none
	FirstFactor time.Duration // time spent in the first factor
	Duo         time.Duration // time spent in Duo
	Err         error         // why a question could not be asked; for the log only

	Trace
}

// Reason says in one word why a Verdict came out as it did. The set of Reasons is closed: each one is a value in the log and a
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
	ReasonNoFirstFactor    Reason = "first-factor-unavailable" // the first factor could not be asked
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
	ReasonNoAnswer         Reason = "no-answer"                // the user did not answer in time
	ReasonCodesSent        Reason = "codes-sent"               // SMS passcodes are on their way; this login fails by design
	ReasonDeniedByDuo      Reason = "denied-by-duo"            // Duo's policy denies the login, or Duo has locked the user out
	ReasonNotEnrolled      Reason = "not-enrolled"             // Duo does not know the user, or knows no device
	ReasonDuoUnavailable   Reason = "duo-unavailable"          // Duo could not be asked and failmode is secure
	ReasonDuoConfig        Reason = "duo-misconfigured"        // wrong keys, wrong clock, wrong application type
	ReasonDuoRefused       Reason = "duo-refused"              // Duo answers with an error of its own
	ReasonDuoUnknown       Reason = "duo-unknown-answer"       // Duo's answer is not one that this program knows
	ReasonBadState         Reason = "bad-state"                // State is unknown, used, too old, or of another client or user
	ReasonReplayed         Reason = "replayed"                 // a copy of a request whose login ended long ago
	ReasonAbandoned        Reason = "abandoned"                // the client sent a new request, or went away
	ReasonShuttingDown     Reason = "shutting-down"            // the daemon ends
	ReasonStoreUnavailable Reason = "state-unavailable"        // a store of what outlives a request can't be read or written
	ReasonUnsupported      Reason = "unsupported-method"       // CHAP, MS-CHAP, EAP, Call-Check, Authorize-Only
	ReasonBadSecret        Reason = "undecodable-password"     // the password does not decode: the shared secrets differ
	ReasonPanicked         Reason = "panic"                    // a fault in the program; the log says where
	ReasonUnanswerable     Reason = "unanswerable"             // the reply does not fit into a packet, or into an EAP conversation
)

// ignoresPassword reports whether nobody looks at the password field of a fresh login. That is so if the client has checked
// the password and users can't choose a factor.
func (c *Client) ignoresPassword() bool { return c.IgnorePassword && c.FirstFactor == nil }
