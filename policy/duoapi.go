package policy

import (
	"context"
	"errors"
	"net/netip"

	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
)

// The errors that a SecondFactor returns wrap one of these. Any other error is an answer that could not be understood. Only
// ErrUnavailable means an outage of Duo.
var (
	//lint:ignore ST1005 Duo is a name
	ErrUnavailable   = errors.New("Duo can't be asked")
	ErrMisconfigured = errors.New("wrong keys, clock, certificate, API host or proxy settings")
	//lint:ignore ST1005 Duo is a name
	ErrRefused    = errors.New("Duo refused the call")
	ErrOverloaded = errors.New("this machine has no connection left to ask Duo over")
	ErrCutShort   = errors.New("the time was up before Duo had a fair chance to answer") // a fair chance is two seconds
)

// SecondFactor is Duo's Auth API, with Duo's terms (https://duo.com/docs/authapi). An error wraps one of the errors above or
// is an unknown answer. No error ever allows a login.
type SecondFactor interface {
	// Preauth asks whether the user may log in and with which devices.
	Preauth(ctx context.Context, r PreauthRequest) (Preauth, error)
	// Auth asks the user (push, phone), sends codes (sms) or checks a passcode, and returns the final answer. It sends
	// the request to the phone at most once, whatever happens to its connections.
	Auth(ctx context.Context, r *AuthRequest) (AuthResult, error)
	// Outage sends Duo a ping. It returns an error that matches ErrUnavailable if Duo can't be asked at all, nil if Duo answers,
	// and another error if this can't be known before ctx ends.
	Outage(ctx context.Context) error
}

// Identity names a user to Duo. Exactly one field is set; if both are, UserID counts.
type Identity struct {
	UserID   string // Duo's own ID, "DU..."
	Username string
}

// PreauthRequest is one call of /auth/v2/preauth.
type PreauthRequest struct {
	User         Identity
	IP           netip.Addr // the user's address; invalid when unknown
	VerifiedPush bool       // the user can be shown a code (client_supports_verified_push)
}

// PreauthResult is the result of preauth. The zero value is not a result of Duo and rejects.
type PreauthResult int

const (
	PreauthUnknown PreauthResult = iota // Duo documents no such answer
	PreauthAuth                         // go on with one of the devices
	PreauthAllow                        // Duo's policy asks for no second factor
	PreauthDeny                         // Duo's policy denies the login
	PreauthEnroll                       // Duo does not know the user, or knows no device
)

// Preauth is the answer of /auth/v2/preauth.
type Preauth struct {
	Result    PreauthResult
	Message   string // status_msg
	EnrollURL string // enroll_portal_url
	Devices   []Device
	Txid      string // of a Verified Push that Duo demands; "" otherwise
	Code      string // the code that the user must then type on the phone
}

// Device is one of the user's phones or tokens.
type Device struct {
	ID           string
	Type         string // phone | token
	Name         string // as Duo shows it
	Number       string // masked; may be empty
	Capabilities []string
	NextCode     string // the first digit of the next SMS passcode
}

// Can reports whether the device has the capability: push, phone, sms, mobile_otp, auto.
func (d Device) Can(capability string) bool {
	for _, c := range d.Capabilities {
		if c == capability {
			return true
		}
	}
	return false
}

// AuthRequest is one call of /auth/v2/auth.
type AuthRequest struct {
	User     Identity
	Name     string // display_username
	IP       netip.Addr
	Factor   factor.Factor // push, phone, sms or passcode
	Device   string        // a Device's ID or "auto"; ignored with passcode
	Passcode string
	Txid     string            // of a Verified Push, from Preauth
	Info     [][2]string       // pushinfo: what the phone shows beside the request, in this order
	Began    string            // the txid of a push or call that an earlier run began: nothing is sent, only its answer is awaited
	Started  func(txid string) // called once when Duo has begun a transaction; may be nil

	code  string           // of a Verified Push; the user sees it in the challenge
	guess *guard.Admission // the admission of a passcode, by which the guard is told Duo's answer; nil for none
}

// AuthResult is Duo's final answer to an AuthRequest.
type AuthResult struct {
	Allowed bool
	Status  string // allow, bypass, deny, fraud, timeout, sent, locked_out, frequent_attempts, anomalous_push, ...
	Message string // status_msg
	Txid    string
}
