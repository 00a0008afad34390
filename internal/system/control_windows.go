package system

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/Microsoft/go-winio"
)

const pipePrefix = `\\.\pipe\`

// onlyAdministrators is the access control list of the pipe, in the security descriptor definition language. SYSTEM, the
// Administrators and the pipe's owner have full access; nobody else has any, and nobody over the network.
const onlyAdministrators = "D:P(D;;GA;;;NU)(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;OW)"

// ListenControl listens at a named pipe that administrators of this machine can use. It fails if another process serves a pipe
// of that name.
func ListenControl(path string) (net.Listener, error) {
	if !isPipe(path) {
		return nil, fmt.Errorf("%s: no named pipe; want a name such as %sduoradiusd", path, pipePrefix)
	}
	return winio.ListenPipe(path, &winio.PipeConfig{SecurityDescriptor: onlyAdministrators})
}

// DialControl connects to the named pipe of a daemon that calls ListenControl.
func DialControl(ctx context.Context, path string) (net.Conn, error) {
	if !isPipe(path) {
		return nil, fmt.Errorf("%s: no named pipe; want a name such as %sduoradiusd", path, pipePrefix)
	}
	return winio.DialPipeContext(ctx, path)
}

func isPipe(path string) bool {
	return len(path) > len(pipePrefix) && strings.EqualFold(path[:len(pipePrefix)], pipePrefix)
}
