// Package factor declares the second factors of Duo, and reads how a user writes one in a password field: as a word such as
// push2, or as a passcode.
package factor

// Factor is a kind of second factor.
type Factor string

const (
	Push     Factor = "push"     // a notification in Duo Mobile
	Phone    Factor = "phone"    // a phone call
	SMS      Factor = "sms"      // passcodes by text message, to be typed at the next login
	Passcode Factor = "passcode" // a code from Duo Mobile, a token, a text message or an administrator
)

// Rings reports whether a phone rings for this factor.
func (f Factor) Rings() bool { return f == Push || f == Phone }

// ReachesPhone reports whether this factor reaches the user's phone, so that too many uses of it can be an attack.
func (f Factor) ReachesPhone() bool { return f.Rings() || f == SMS }
