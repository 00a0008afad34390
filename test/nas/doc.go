// Package nas is a RADIUS client for tests and benchmarks: it builds requests to the octet, right or wrong on purpose,
// sends them as a NAS does, and takes no reply that is not right in every way.
//
//	r := nas.AccessRequest(secret, "jo", "hunter2").AddString(nas.CallingStationID, "192.0.2.7").Sign(nas.First)
//	n, err := nas.Dial(server, netip.AddrPort{})
//	reply, err := n.Exchange(ctx, r, nas.Retransmit{Every: time.Second, Copies: 3})
//
// Its one rule: it shares neither code nor a library with the server, so that a mistake in one of them is noticed.
package nas
