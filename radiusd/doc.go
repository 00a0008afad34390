// Package radiusd is the RADIUS server: it receives datagrams, checks them, and passes the Access-Requests of known clients
// to a Decider, which is package policy.
//
//	datagram ─▶ size ─▶ clients of the longest prefix ─▶ form ─▶ code ─▶ Message-Authenticator: wanted? right?
//	                                                                                        │
//	    kept reply, or silence ◀── a copy of a known request (RFC 5080 §2.2.2) ◀────────────┘
//	                                                          │ new, not a replay, room for it
//	datagram ◀─ sign, keep, send, log ◀─ reply ◀─ Verdict ◀───┘ Attempt
//
// The checks read the received octets, and the cheapest check comes first. A packet that fails a check gets no reply,
// because any reply to such a packet helps an attacker. Every drop has one reason, and each reason has a counter. Package
// wire reads and writes the octets; this package decides what they mean.
package radiusd
