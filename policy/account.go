package policy

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// A first factor returns these errors to say no. Any other error means that it could not ask.
var (
	ErrRejected    = errors.New("wrong user or password")
	ErrUnsupported = errors.New("this first factor can't check this method") // it has asked nobody
)

// FirstFactor checks that users are who they say. Authenticate returns nil for yes, ErrRejected or a Refusal for no, an
// AskBack where it wants to know more, and any other error where it could not ask.
type FirstFactor interface {
	Authenticate(ctx context.Context, r FirstRequest) (Account, error)
}

// Method is the kind of proof that a client sends for its user.
type Method int

const (
	MethodPassword Method = iota // User-Password, the only method that others than a RADIUS server can read
	MethodCHAP                   // CHAP-Password (RFC 2865 §5.3)
	MethodMSCHAP                 // MS-CHAP-Response or MS-CHAP2-Response (RFC 2548 §2)
	MethodEAP                    // EAP-Message (RFC 3579 §3.1)
)

// String returns the name of the method in the log.
func (m Method) String() string { return [...]string{"password", "chap", "ms-chap", "eap"}[m] }

// FirstRequest asks a first factor about one user.
type FirstRequest struct {
	User     string // canonical name
	Method   Method // a first factor that can't check this method returns ErrUnsupported
	Password string // for MethodPassword; empty only in the answer to an AskBack
	State    string // of the AskBack that this request answers; "" for a fresh login

	// Groups are the groups that rules and replies name, in the same spelling. The login must know who is a member. A first
	// factor that can look up groups of groups looks only for these; for nil, it looks for none.
	Groups []string

	// The fields below are for a first factor that speaks RADIUS itself.
	Typed         string     // User-Name as sent; MS-CHAP and EAP compute with it
	Latin1        bool       // text of the client, and of its server, that is not UTF-8 is Windows-1252
	ClientAddr    netip.Addr // where the Access-Request came from
	Authenticator [16]byte   // of the Access-Request; it is CHAP's challenge if the request has none (RFC 2865 §2.2)
	Attributes    []byte     // of the Access-Request, as on the wire; a first factor must not change them
}

// Account is what a first factor that said yes knows about the user.
type Account struct {
	User        string // the user's name inside an EAP tunnel, which the client could not know; "": the name that was asked
	Unproven    bool   // User may be only the name outside of a tunnel; a login must not skip Duo because of it
	DuoUsername string // the user's name at Duo where it differs; "" otherwise
	Groups      []string

	// NestedGroups are groups that the user is in through another group, or as the primary group. The configuration has not said
	// yet that such groups count, so they count only where that can restrict the login.
	NestedGroups []string

	Expired   *Expiry             // the password has expired; nil: it has not
	Directory map[string][]string // values of the attributes that FirstFactors read for replies, by the directory's names

	Attributes []Attribute // for the Access-Accept, if Client.Pass lets them through
	Proof      []Attribute // for the Access-Accept in every case: MS-CHAP2-Success, the keys that a method made
	EAP        string      // the EAP packet that ends the conversation
}

// AskBack is the answer of a first factor that asks the user, or the EAP peer, for more. It becomes an Access-Challenge. It is
// an error, so that a caller that does not expect it rejects the login.
type AskBack struct {
	State      string        // for FirstRequest.State; only the first factor understands it
	Message    string        // for the user
	EAP        string        // the next EAP packet
	Attributes []Attribute   // attributes that an Access-Challenge may carry (RFC 2865 §5.44)
	Wait       time.Duration // how long State is valid; 0: the first factor does not say
}

// Error implements error: a first factor that asks back has not said yes.
func (*AskBack) Error() string { return "the first factor asks back" }

// Refusal is a no with details. It wraps ErrRejected.
type Refusal struct {
	Why        string      // for the log; holds nothing secret
	Proven     bool        // the password was right, so the user may learn that the account is the problem
	Relayed    bool        // another RADIUS server sent the refusal, with the delay that it chose
	Message    string      // for the user, from that server
	EAP        string      // the EAP packet that ends the conversation
	Attributes []Attribute // attributes that an Access-Reject may carry: MS-CHAP-Error (RFC 2548 §2.1.5)

	Change *ExpiredPassword // the password was right, has expired, and can be changed; nil otherwise
}

// Error returns why, for the log.
func (r *Refusal) Error() string { return r.Why }

// Unwrap returns ErrRejected: a Refusal is a no.
func (r *Refusal) Unwrap() error { return ErrRejected }

// Attribute is one RADIUS attribute of a reply.
type Attribute struct {
	AttributeID
	Value string // as its RFC defines it; in clear text even if it is encrypted on the wire
}

// AttributeID names a kind of attribute. Vendor 0 is the attribute space of RFC 2865. In that space, type 26 is a whole
// vendor's attribute that does not have the format of RFC 2865 §5.26.
type AttributeID struct {
	Vendor uint32 // IANA Private Enterprise Number
	Type   byte
}
