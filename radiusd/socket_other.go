//go:build !linux

package radiusd

import "net"

func newSocket(conn *net.UDPConn, wildcard bool) (socket, error) {
	return newSingleSocket(conn, wildcard), nil
}

// batchSize is how many datagrams one system call reads or writes.
const batchSize = 1
