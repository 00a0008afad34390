package system

import "errors"

// ErrLocked is returned by Lock and LockFolder when another process holds the lock.
var ErrLocked = errors.New("another process holds the lock")
