//go:build unix

package system

import (
	"errors"
	"syscall"
)

// IsInUse reports whether err says that a socket can't be opened because another socket has its address.
func IsInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// IsNotOurs reports whether err says that a socket can't be opened because this machine has no such address.
func IsNotOurs(err error) bool { return errors.Is(err, syscall.EADDRNOTAVAIL) }

// IsRefused reports whether err says that no program listens at the other side.
func IsRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
