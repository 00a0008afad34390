package radiusd

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/windows"
)

// TestDatagramError: what Windows says of one datagram does not make the reader pause; what it says of the socket does.
func TestDatagramError(t *testing.T) {
	for err, want := range map[error]bool{
		windows.WSAECONNRESET: true, windows.WSAEMSGSIZE: true, windows.WSAENOTSOCK: false, windows.WSAENOBUFS: false,
	} {
		wrapped := &net.OpError{Op: "read", Net: "udp", Err: os.NewSyscallError("wsarecvmsg", err)}
		if got := isDatagramError(wrapped); got != want {
			t.Errorf("%v: %v, want %v", wrapped, got, want)
		}
	}
}
