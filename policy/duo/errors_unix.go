//go:build !windows

package duo

// systemResets are further numbers for connections that can't be made or have ended: none here.
var systemResets []error
