package policy

import (
	"context"
	"errors"
	"net/netip"

	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
)

// A SecondFactor's errors, told apart; wrapped by those that it returns. Any other error is an answer that could not
// be understood. Only ErrUnavailable is an outage of Duo's.
var (
	//lint:ignore ST1005 Duo is a name
	ErrUnavailable   = errors.New("Duo can't be asked")
	ErrMisconfigured = errors.New("wrong keys, clock, certificate, API host or proxy settings")
	//lint:ignore ST1005 Duo is a name
	ErrRefused    = errors.New("Duo refused the call")
	ErrOverloaded = errors.New("this machine has no connection left to ask Duo over")
	ErrCutShort   = errors.New("the time was up before Duo had a fair chance to answer") // two seconds
)

// SecondFactor is Duo's Auth API, in its own words (https://duo.com/docs/authapi). Errors wrap one of those above, or are
// unknown answers; none of them is ever an allow.
type SecondFactor interface {
	// Preauth asks whether the user may log in and with which devices.
	Preauth(ctx context.Context, r PreauthRequest) (Preauth, error)
	// Auth asks the user (push, phone), sends codes (sms) or checks a passcode, and returns the final answer. It sends
	// the request to the phone at most once, whatever happens to its connections.
	Auth(ctx context.Context, r *AuthRequest) (AuthResult, error)
	// Outage returns an error that matches ErrUnavailable where a ping tells that Duo can't be asked at all, nil where Duo
	// answers it, and another error where that can't be told before ctx ends.
	Outage(ctx context.Context) error
}

// Identity names a user to Duo. Exactly one field is set; UserID wins.
type Identity struct {
	UserID   string // Duo's own ID, "DU..."
	Username string
}

// PreauthRequest is one call of /auth/v2/preauth.
type PreauthRequest struct {
	User         Identity
	IP           netip.Addr // the user's; invalid when unknown
	VerifiedPush bool       // we can show the user a code (client_supports_verified_push)
}

// PreauthResult is preauth's result. The zero value is none of Duo's and rejects.
type PreauthResult int

const (
	PreauthUnknown PreauthResult = iota // no answer that Duo documents
	PreauthAuth                         // go on with one of the devices
	PreauthAllow                        // no second factor asked by Duo's policy
	PreauthDeny                         // no login, by Duo's policy
	PreauthEnroll                       // unknown or without a device
)

// Preauth is the answer of /auth/v2/preauth.
type Preauth struct {
	Result    PreauthResult
	Message   string // status_msg
	EnrollURL string // enroll_portal_url
	Devices   []Device
	Txid      string // of a Verified Push that Duo demands; "" otherwise
	Code      string // which the user must then type on the phone
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
	Began    string            // the txid of a push or call that an earlier run began: nothing is sent, its answer is awaited
	Started  func(txid string) // called once when Duo has begun a transaction; may be nil

	code  string           // of a Verified Push, which its user sees beside the challenge
	guess *guard.Admission // of a passcode, which the guard is told Duo's answer to; nil for none
}

// AuthResult is Duo's final word on an AuthRequest.
type AuthResult struct {
	Allowed bool
	Status  string // allow, bypass, deny, fraud, timeout, sent, locked_out, frequent_attempts, anomalous_push, ...
	Message string // status_msg
	Txid    string
}
