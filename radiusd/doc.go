// Package radiusd is the RADIUS door: it takes datagrams in, and lets Access-Requests of known clients through to
// policy.
//
//	datagram ─▶ size ─▶ clients of the longest prefix ─▶ form ─▶ code ─▶ Message-Authenticator: wanted? right?
//	                                                                                        │
//	    kept reply, or silence ◀── a copy of a known request (RFC 5080 §2.2.2) ◀────────────┘
//	                                                          │ new, not a replay, room for it
//	datagram ◀─ sign, keep, send, log ◀─ reply ◀─ Verdict ◀───┘ Attempt
//
// Everything that decides whether a packet is believed is read from the octets as they came, cheapest check first. Every way
// out without a reply is one counted reason, because any reply to a packet that is not believed helps an attacker. One
// function replies. Package wire reads and writes the octets; this package decides what they mean.
package radiusd
