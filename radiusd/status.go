package radiusd

import "layeh.com/radius"

// Status-Server a second that one client may send, and at once.
const (
	statusRate  = 5
	statusBurst = 20
)

// answerStatus answers a Status-Server, which says only that logins would be answered (RFC 5997 §4.2). It touches
// nothing else: no user, no exchange, no count of logins.
func (s *Server) answerStatus(d *datagram) dropReason {
	if !d.client.traffic.statuses.allow(d.received, statusRate, statusBurst) {
		return dropStatusTooOften
	}
	if s.Able != nil && !s.Able() {
		return dropStatusUnable
	}
	d.answer(signReply(d.packet.startReply(nil, d.client, radius.CodeAccessAccept), d.client))
	return notDropped
}
