package radiusauth

import (
	"net"
	"net/netip"
	"testing"

	"layeh.com/radius"

	"duoradiusd/radiusd/wire"
)

// BenchmarkExchange measures one login on loopback, with an upstream that only answers.
func BenchmarkExchange(b *testing.B) {
	addr := echo(b)
	u := towards(b, Config{RequireMessageAuthenticator: true}, addr.String())
	r := pap("jo", "hunter2")
	r.Attributes = octets(at{32, "vpn"}, at{31, "203.0.113.7"}, at{5, "\x00\x00\x00\x07"}, vsa(9, at{1, "ip:source-ip=203.0.113.7"}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := u.Authenticate(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFloor measures a datagram there and back.
func BenchmarkFloor(b *testing.B) {
	addr := echo(b)
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	packet := newRequest(wire.AccessRequest)
	wire.NewSecret(shared).SignRequest(packet)
	buffer := make([]byte, 4096)
	for b.Loop() {
		conn.Write(packet)
		if _, err := conn.Read(buffer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRequest measures only the making of a request.
func BenchmarkRequest(b *testing.B) {
	u, _ := New(Config{Servers: []string{one}, Secret: shared})
	r := pap("jo", "hunter2")
	r.Attributes = octets(at{32, "vpn"}, at{31, "203.0.113.7"}, vsa(9, at{1, "ip:source-ip=203.0.113.7"}))
	b.ReportAllocs()
	for b.Loop() {
		packet, err := u.request(r, "")
		if err != nil {
			b.Fatal(err)
		}
		u.secret.SignRequest(packet)
	}
}

// echo accepts everything.
func echo(b *testing.B) netip.AddrPort {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			q := &query{Packet: &radius.Packet{Identifier: buffer[1]}, secret: shared}
			copy(q.Authenticator[:], buffer[4:20])
			_ = n
			conn.WriteToUDPAddrPort(q.build(radius.CodeAccessAccept), from)
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}
