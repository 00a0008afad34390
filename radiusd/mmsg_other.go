//go:build !linux

package radiusd

import "net"

func newBatchConn(conn *net.UDPConn, wildcard bool) (batchConn, error) {
	return &oneByOne{conn: conn, room: emptyMessage(wildcard)}, nil
}
