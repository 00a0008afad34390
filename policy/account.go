package policy

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// The errors of a first factor that say no. Any other error means that it could not ask.
var (
	ErrRejected    = errors.New("wrong user or password")
	ErrUnsupported = errors.New("this first factor can't check this method") // it has asked nobody
)

// FirstFactor checks that users are who they say. Authenticate returns nil for yes; ErrRejected, or a Refusal, for no;
// an AskBack where it wants to know more; any other error where it could not ask.
type FirstFactor interface {
	Authenticate(ctx context.Context, r FirstRequest) (Account, error)
}

// Method is how a client lets its user prove who they are.
type Method int

const (
	MethodPassword Method = iota // User-Password, the only one that can be read by others than a RADIUS server
	MethodCHAP                   // CHAP-Password (RFC 2865 §5.3)
	MethodMSCHAP                 // MS-CHAP-Response or MS-CHAP2-Response (RFC 2548 §2)
	MethodEAP                    // EAP-Message (RFC 3579 §3.1)
)

// String returns the method as the log calls it.
func (m Method) String() string { return [...]string{"password", "chap", "ms-chap", "eap"}[m] }

// FirstRequest asks a first factor about one user.
type FirstRequest struct {
	User     string // canonical name
	Method   Method // a first factor that can't check it returns ErrUnsupported
	Password string // of Method Password; empty only in the answer to an AskBack
	State    string // of the AskBack that this answers; "" for a fresh login

	// Groups are the groups whose members the login must know, as rules and replies name them. A first factor that can
	// look up groups of groups looks for these alone; nil: for none.
	Groups []string

	// For a first factor that speaks RADIUS itself:
	Typed         string     // User-Name as sent, which MS-CHAP and EAP compute with
	Latin1        bool       // the client's text that is not UTF-8 is Windows-1252, and so its server's
	ClientAddr    netip.Addr // where the Access-Request came from
	Authenticator [16]byte   // of the Access-Request, CHAP's challenge where it brings none (RFC 2865 §2.2)
	Attributes    []byte     // of the Access-Request, as on the wire; not to be changed
}

// Account is what a first factor that said yes knows of the user.
type Account struct {
	User        string // who the user is, where the client could not know: inside an EAP tunnel. "": as asked
	Unproven    bool   // that name may be only what the outside of a tunnel says: it is no reason to ask nobody
	DuoUsername string // the user's name at Duo where it differs; "" otherwise
	Groups      []string

	// NestedGroups are groups that the user is in through another group, or as the primary group, where the configuration
	// has not said yet that they count. They count only where that can restrict the login.
	NestedGroups []string

	Expired   *Expiry             // the password has expired; nil: it has not
	Directory map[string][]string // the values of those attributes that FirstFactors read for replies, by their names there

	Attributes []Attribute // for the Access-Accept, as far as Client.Pass lets them through
	Proof      []Attribute // for the Access-Accept in any case: MS-CHAP2-Success, the keys that a method made
	EAP        string      // the EAP packet that ends the conversation
}

// AskBack is the answer of a first factor that asks the user, or the EAP peer, for more: an Access-Challenge. It is an
// error, so that whoever does not expect it rejects.
type AskBack struct {
	State      string        // for FirstRequest.State; the first factor alone understands it
	Message    string        // for the user
	EAP        string        // the next EAP packet
	Attributes []Attribute   // that an Access-Challenge may carry (RFC 2865 §5.44)
	Wait       time.Duration // how long State is good; 0: not said
}

// Error implements error: a first factor that asks back has not said yes.
func (*AskBack) Error() string { return "the first factor asks back" }

// Refusal is a no with details. It wraps ErrRejected.
type Refusal struct {
	Why        string      // for the log; holds nothing secret
	Proven     bool        // the password was right, so that the user may learn that the account is the trouble
	Relayed    bool        // another RADIUS server said it, with the delay that it thought fit
	Message    string      // for the user, from that server
	EAP        string      // the EAP packet that ends the conversation
	Attributes []Attribute // that an Access-Reject may carry: MS-CHAP-Error (RFC 2548 §2.1.5)

	Change *ExpiredPassword // the password was right, has expired, and can be changed; nil otherwise
}

// Error returns why, for the log.
func (r *Refusal) Error() string { return r.Why }

// Unwrap returns ErrRejected: a Refusal is a no.
func (r *Refusal) Unwrap() error { return ErrRejected }

// Attribute is one RADIUS attribute of a reply.
type Attribute struct {
	AttributeID
	Value string // as its RFC has it, in clear even where it is encrypted on the wire
}

// AttributeID names a kind of attribute. Vendor 0 is RFC 2865's own space; there, type 26 is a vendor's attribute that
// does not keep to the format of RFC 2865 §5.26, whole.
type AttributeID struct {
	Vendor uint32 // IANA Private Enterprise Number
	Type   byte
}
