package fakeduo

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// User is one of Duo's users, with what happens when the user's phone rings.
type User struct {
	Username string
	Aliases  []string
	UserID   string // "DU" and 18 more; "": made up, always the same for the same Username

	// Preauth is preauth's result: "" or "auth" for go on; "allow" (bypass), "deny", "enroll", or any word that
	// Duo may think of one day. An /auth follows it: bypass, deny, no capable device.
	Preauth        string
	PreauthMessage string // status_msg; "": Duo's usual one
	LockedOut      bool   // preauth denies, /auth denies with locked_out
	VerifiedPush   bool   // the policy demands that the user types a code from the screen into the phone

	Devices     []Device // nil: one phone that can do everything
	Passcodes   []string // good for one login each, beside the rolling code that Passcode returns
	BypassCodes []string // the same, with status bypass

	Tap   Tap           // what the user does with a push or a call
	Delay time.Duration // after which time; 0: before the first poll, but no user denies a push sooner than in a second

	AuthResult string // overrides the word of every final result, for the words nobody expects
	AuthStatus string // the same for the status
}

// Device is a phone or a hardware token.
type Device struct {
	ID           string // "DP" or "DH" and 18 more; "": made up
	Type         string // phone, token; "": phone
	Name         string
	Number       string   // "": XXX-XXX-0100 for a phone
	Capabilities []string // of auto, push, sms, phone, mobile_otp; nil: all of them for a phone
}

// Tap is what a user does with a push or a call.
type Tap int

const (
	Approve Tap = iota // the default
	Deny               // the user says no
	Fraud              // deny and report it as fraud
	Ignore             // the phone is in another room: it times out
	Ask                // wait for Server.Answer or the phone page
)

// String returns the name of the constant.
func (t Tap) String() string {
	if t < Approve || t > Ask {
		return fmt.Sprintf("Tap(%d)", int(t))
	}
	return [...]string{"approve", "deny", "fraud", "ignore", "ask"}[t]
}

// roster holds the users.
type roster struct {
	mu     sync.Mutex          // guards what follows
	byName map[string]*account // and by alias
	byID   map[string]*account
}

// account is a user and the codes not used yet. roster.mu guards the codes; the rest never changes.
type account struct {
	User
	passcodes []string
	bypass    []string
	counter   int // of the rolling code
}

// SetUser adds a user, or replaces the one with the same Username. Passcodes that were used are good again then, except rolling
// ones.
func (s *Server) SetUser(u User) {
	if u.UserID == "" {
		u.UserID = madeUp("DU", u.Username)
	}
	u.Aliases = slices.Clone(u.Aliases)
	u.Devices = completed(u)
	a := &account{User: u, passcodes: slices.Clone(u.Passcodes), bypass: slices.Clone(u.BypassCodes)}
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	if old := s.users.byName[u.Username]; old != nil && old.Username == u.Username {
		a.counter = old.counter
		s.users.remove(old)
	}
	for _, name := range append([]string{u.Username}, u.Aliases...) {
		s.users.byName[name] = a
	}
	s.users.byID[u.UserID] = a
}

// RemoveUser forgets a user. Preauth says enroll from now on.
func (s *Server) RemoveUser(username string) {
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	if a := s.users.byName[username]; a != nil && a.Username == username {
		s.users.remove(a)
	}
}

func (r *roster) remove(a *account) {
	for _, name := range append([]string{a.Username}, a.Aliases...) {
		if r.byName[name] == a {
			delete(r.byName, name)
		}
	}
	if r.byID[a.UserID] == a {
		delete(r.byID, a.UserID)
	}
}

// find returns the user by name or alias, or by id; exactly one of the two is given. It returns nil if there
// is none.
func (r *roster) find(name, id string) *account {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name != "" {
		return r.byName[name]
	}
	return r.byID[id]
}

// Passcode returns the code that the user's Duo Mobile shows now. It is good for one login and then replaced by another. It is
// "" for an unknown user.
func (s *Server) Passcode(username string) string {
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	a := s.users.byName[username]
	if a == nil {
		return ""
	}
	return a.code()
}

// codes returns the rolling codes of the first users by name.
func (r *roster) codes(limit int) []shownCode {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []shownCode
	for name, a := range r.byName {
		if name == a.Username {
			list = append(list, shownCode{name, a.code()})
		}
	}
	slices.SortFunc(list, func(a, b shownCode) int { return strings.Compare(a.Username, b.Username) })
	return list[:min(len(list), limit)]
}

// code is the rolling code: six digits drawn from the user and the number of codes used.
func (a *account) code() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", a.UserID, a.counter))
	n := uint32(sum[0])<<16 | uint32(sum[1])<<8 | uint32(sum[2])
	return fmt.Sprintf("%06d", n%1_000_000)
}

// use checks a passcode and uses it up. It returns the resulting status: allow, bypass or deny.
func (r *roster) use(a *account, code string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(a.passcodes, code); i >= 0 {
		a.passcodes = slices.Delete(a.passcodes, i, i+1)
		return "allow"
	}
	if i := slices.Index(a.bypass, code); i >= 0 {
		a.bypass = slices.Delete(a.bypass, i, i+1)
		return "bypass"
	}
	if code != a.code() {
		return "deny"
	}
	for a.counter++; a.code() == code; {
		a.counter++
	}
	return "allow"
}

// device returns the device that a factor goes to: the one with that id, or the first for "auto". It returns
// nil if there is none that can do it.
func (a *account) device(id, capability string) *Device {
	if a.Preauth == "enroll" {
		return nil
	}
	for i := range a.Devices {
		d := &a.Devices[i]
		if (id == "auto" || id == d.ID) && slices.Contains(d.Capabilities, capability) {
			return d
		}
	}
	return nil
}

// completed returns the user's devices with empty fields filled in.
func completed(u User) []Device {
	if u.Devices == nil {
		u.Devices = []Device{{}}
	}
	devices := make([]Device, len(u.Devices))
	for i, d := range u.Devices {
		prefix := "DP"
		if d.Type == "token" {
			prefix = "DH"
		} else {
			d.Type = "phone"
			if d.Number == "" {
				d.Number = "XXX-XXX-0100"
			}
			if d.Capabilities == nil {
				d.Capabilities = []string{"auto", "push", "sms", "phone", "mobile_otp"}
			}
		}
		if d.ID == "" {
			d.ID = madeUp(prefix, fmt.Sprintf("%s %d", u.Username, i))
		}
		devices[i] = d
	}
	return devices
}

// display is how Duo shows a device to its user.
func (d *Device) display() string {
	if d.Type == "token" {
		return "Token (" + d.Name + ")"
	}
	name := d.Name
	if name == "" {
		name = "Phone"
	}
	return name + " (" + d.Number + ")"
}

// madeUp returns an identifier in Duo's form: prefix and 18 capitals and digits.
func madeUp(prefix, seed string) string {
	sum := sha256.Sum256([]byte(prefix + seed))
	return prefix + base32.StdEncoding.EncodeToString(sum[:])[:18]
}

// humanDenial is the shortest time in which a user can see and deny a push.
const humanDenial = 1100 * time.Millisecond

// delay is when the user answers a push.
func (u *User) delay() time.Duration {
	if u.Delay == 0 && u.Tap == Deny {
		return humanDenial
	}
	return u.Delay
}
