//go:build !linux

package radiusd

import "net"

func newSocket(conn *net.UDPConn) (socket, error) { return watched{conn}, nil }
