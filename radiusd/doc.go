// Package radiusd is the RADIUS door: it takes datagrams in, and lets Access-Requests of known clients through to
// policy.
//
//	datagram ─▶ size ─▶ client by longest prefix ─▶ walk ─▶ code ─▶ Message-Authenticator wanted? ─▶ right?
//	                                                                                                   │
//	    stored reply, or silence ◀── the same request again ◀── exchange (RFC 5080 §2.2.2) ◀───────────┘
//	                                                                   │ new, not a replay, room for it
//	datagram ◀─ sign, store, send, log ◀─ reply ◀─ policy.Verdict ◀────┘ policy.Attempt
//
// Its rules: everything that decides whether a packet is believed is read from the wire bytes, cheapest check first;
// every dead end is one counted reason and no reply, because any reply to a packet that is not believed helps an
// attacker; and one function replies.
package radiusd
