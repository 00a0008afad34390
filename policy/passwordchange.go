package policy

import "context"

// ExpiredPassword is in the Refusal of a password that was right, has expired, and can be changed.
type ExpiredPassword struct {
	Account Account // what the first factor knows of the user
	State   string  // for PasswordChange.State; only the first factor understands it
}

// PasswordChange asks for a new password.
type PasswordChange struct {
	State    string // of the ExpiredPassword
	Old, New string // whole, as typed
}

// PasswordChanger is a FirstFactor that can change an expired password.
type PasswordChanger interface {
	// ChangePassword changes the password and then checks the new one at the same server. It returns nil when both were
	// successful. A Refusal says that the directory does not accept the change, and why; any other error says that it could
	// not be asked. Neither holds a password.
	ChangePassword(ctx context.Context, r PasswordChange) error
}
