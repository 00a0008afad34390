package duo

import "golang.org/x/sys/windows"

// systemResets are Windows' own numbers for connections that can't be made or have ended: syscall.ECONNREFUSED and its like
// are none of them there.
var systemResets = []error{
	windows.WSAECONNREFUSED, windows.WSAECONNRESET, windows.WSAECONNABORTED,
	windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH, windows.WSAEHOSTDOWN, windows.WSAENETDOWN,
}
