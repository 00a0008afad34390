package duo

import "golang.org/x/sys/windows"

// Windows reports other numbers than syscall.ECONNREFUSED and its like.
func init() {
	resets = append(resets,
		windows.WSAECONNREFUSED, windows.WSAECONNRESET, windows.WSAECONNABORTED,
		windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH, windows.WSAEHOSTDOWN, windows.WSAENETDOWN)
}
