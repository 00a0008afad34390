package main

import (
	"fmt"
	"net"

	"golang.org/x/net/ipv4"
	"layeh.com/radius"
)

// respond does the least that any RADIUS server must do: one HMAC-MD5 over the request, one MD5 to reveal the password,
// and one HMAC-MD5 and one MD5 for the Access-Accept, which it returns. It returns nil for a request that is not
// authentic.
func (s *scribe) respond(out, b []byte) []byte {
	at := find(b, typeMessageAuthenticator)
	if len(b) < headerLength || b[0] != accessRequest || at == 0 || at+16 > len(b) {
		return nil
	}
	copy(s.saved[:], b[at:at+16])
	clear(b[at : at+16])
	if [16]byte(s.hmac(b)) != s.saved {
		return nil
	}
	s.plain.Reset()
	s.plain.Write(s.secret)
	s.plain.Write(b[4:headerLength])
	s.plain.Sum(s.sum[:0])

	out = append(out[:0], accessAccept, b[1], 0, headerLength+18)
	out = append(out, b[4:headerLength]...)
	out = append(out, typeMessageAuthenticator, 18)
	out = append(out, make([]byte, 16)...)
	copy(out[headerLength+2:], s.hmac(out))
	s.plain.Reset()
	s.plain.Write(out)
	s.plain.Write(s.secret)
	s.plain.Sum(out[:4])
	return out
}

// serveFloor reads and answers one datagram at a time.
func serveFloor() error {
	conn, err := listenLoopback()
	if err != nil {
		return err
	}
	s, in, out := newScribe(), make([]byte, 4096), make([]byte, 0, 64)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(in)
		if err != nil {
			return err
		}
		if reply := s.respond(out, in[:n]); reply != nil {
			conn.WriteToUDPAddrPort(reply, from)
		}
	}
}

// serveBatched is the same server, but each system call reads or writes all datagrams that are there.
func serveBatched() error {
	udp, err := listenLoopback()
	if err != nil {
		return err
	}
	conn, s := ipv4.NewPacketConn(udp), newScribe()
	in, out := make([]ipv4.Message, atOnce), make([]ipv4.Message, 0, atOnce)
	replies := make([][]byte, atOnce)
	for i := range in {
		in[i].Buffers = [][]byte{make([]byte, 4096)}
		replies[i] = make([]byte, 0, 64)
	}
	for {
		n, err := conn.ReadBatch(in, 0)
		if err != nil {
			return err
		}
		out = out[:0]
		for i, m := range in[:n] {
			if reply := s.respond(replies[i], m.Buffers[0][:m.N]); reply != nil {
				out = append(out, ipv4.Message{Buffers: [][]byte{reply}, Addr: m.Addr})
			}
		}
		for left := out; len(left) > 0; {
			n, err := conn.WriteBatch(left, 0)
			if err != nil {
				return err
			}
			left = left[n:]
		}
	}
}

// serveLayeh is the server of layeh.com/radius. Its handler checks nothing and accepts everybody.
func serveLayeh() error {
	conn, err := listenLoopback()
	if err != nil {
		return err
	}
	s := radius.PacketServer{
		SecretSource: radius.StaticSecretSource([]byte(secret)),
		Handler: radius.HandlerFunc(func(w radius.ResponseWriter, r *radius.Request) {
			w.Write(r.Response(radius.CodeAccessAccept))
		}),
	}
	return s.Serve(conn)
}

// listenLoopback opens a UDP port of 127.0.0.1 and prints its address.
func listenLoopback() (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	conn.SetReadBuffer(4 << 20)
	fmt.Println("ready", conn.LocalAddr())
	return conn, nil
}
