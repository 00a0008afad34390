package duo

import "golang.org/x/sys/windows"

// syscall.ECONNREFUSED and its like are not the numbers that Windows gives.
func init() {
	resets = append(resets,
		windows.WSAECONNREFUSED, windows.WSAECONNRESET, windows.WSAECONNABORTED,
		windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH, windows.WSAEHOSTDOWN, windows.WSAENETDOWN)
}
