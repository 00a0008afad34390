package system

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/Microsoft/go-winio"
)

const pipePrefix = `\\.\pipe\`

// onlyAdministrators is the access control list of the pipe, in the security descriptor definition language: full
// access for SYSTEM, the Administrators and who made it, none for others, and none over the network.
const onlyAdministrators = "D:P(D;;GA;;;NU)(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;OW)"

// ListenControl listens at a named pipe that administrators of this machine can use. Where another process serves a pipe
// of that name it is an error.
func ListenControl(path string) (net.Listener, error) {
	if !isPipe(path) {
		return nil, fmt.Errorf("%s: no named pipe; want a name such as %sduoradiusd", path, pipePrefix)
	}
	return winio.ListenPipe(path, &winio.PipeConfig{SecurityDescriptor: onlyAdministrators})
}

// DialControl connects to what ListenControl listens at.
func DialControl(ctx context.Context, path string) (net.Conn, error) {
	if !isPipe(path) {
		return nil, fmt.Errorf("%s: no named pipe; want a name such as %sduoradiusd", path, pipePrefix)
	}
	return winio.DialPipeContext(ctx, path)
}

func isPipe(path string) bool {
	return len(path) > len(pipePrefix) && strings.EqualFold(path[:len(pipePrefix)], pipePrefix)
}
